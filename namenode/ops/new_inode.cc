// What mkdirs and create share: names, room, and the records of inodes about to be made.
#include "namenode/core/run.h"

namespace cairn::namenode {

// `at` is as far as `path` exists, up to the component before `first`.
absl::Status NamenodeImpl::CheckNewNames(const Path& path, size_t first, const Resolved& at) const {
  RETURN_IF_ERROR(CheckDepth(path.text, at.depth));
  const bool in_root = at.chain.size() == 1;  // which /.reserved/.inodes/ID may be as well
  for (size_t i = first; i < path.components.size(); ++i) {
    const char* const begin = path.text.data();
    const size_t parent_bytes = static_cast<size_t>(path.components[i].data() - begin);
    const absl::string_view parent =
        i == first && in_root ? "/" : path.text.substr(0, std::max<size_t>(1, parent_bytes - 1));
    RETURN_IF_ERROR(CheckNewName(path.components[i], parent));
  }
  return absl::OkStatus();
}

absl::Status NamenodeImpl::CheckRoom(const Inode& directory) const {
  if (directory.directory->children < options_.max_directory_items) return absl::OkStatus();
  return MakeFsError(FsError::kTooManyEntries,
                     absl::StrCat("The directory item limit of ", ForMessage(PathOf(directory)),
                                  " is exceeded: limit=", options_.max_directory_items,
                                  " items=", directory.directory->children));
}

// The owner is who asks; the group is the parent's (the BSD rule that HDFS follows).
void NamenodeImpl::FillNewInode(absl::string_view name, uint32_t mode, const Inode& parent,
                                const View& view, edit::NewInode* out) {
  mu_.AssertHeld();
  out->set_id(ToInt(TakeInodeId()));
  out->set_name(std::string(name));
  out->set_mode(mode & kModeMask);
  out->set_owner(view.who().user);
  out->set_group(*parent.group);
}

// Directories for components [first, first + count).
void NamenodeImpl::FillMissing(const Path& path, size_t first, size_t count, uint32_t mode,
                               const Inode& parent, const View& view, edit::MakeDirectories* out) {
  out->set_parent(ToInt(parent.id));
  for (size_t i = first; i < first + count; ++i) {
    FillNewInode(path.components[i], mode, parent, view, out->add_directories());
  }
}

}  // namespace cairn::namenode
