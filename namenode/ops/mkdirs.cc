#include "namenode/core/run.h"

namespace cairn::namenode {

Outcome<bool> NamenodeImpl::Mkdirs(const Caller& caller, absl::string_view text, uint32_t mode,
                                   bool create_parent) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Write<bool>(
      caller, What{"create directory ", text}, [&](Attempt& attempt) -> absl::StatusOr<bool> {
        ASSIGN_OR_RETURN(const Resolved at,
                         attempt.Resolve(*path, View::IfBlocked::kParentNotDirectory));
        if (at.exists()) {
          if (at.target()->is_directory()) return true;
          return MakeFsError(FsError::kFileAlreadyExists,
                             absl::StrCat("Path is not a directory: ", ForMessage(text)));
        }
        Inode& parent = *at.chain.back();
        const size_t missing = at.depth + 1 - at.chain.size();
        const size_t first = path->components.size() - missing;
        if (missing > 1 && !create_parent) {
          return MakeFsError(
              FsError::kFileNotFound,
              absl::StrCat("Parent directory doesn't exist: ",
                           ForMessage(path->text.substr(
                               0, static_cast<size_t>(path->leaf().data() - text.data())))));
        }
        if (!parent.is_directory()) {
          return MakeFsError(FsError::kParentNotDirectory,
                             absl::StrCat(ForMessage(PathOf(parent)), " (is not a directory)"));
        }
        RETURN_IF_ERROR(attempt.Check(parent, kWrite));  // it was searched, so kExecute is there
        RETURN_IF_ERROR(CheckNewNames(*path, first, at));
        RETURN_IF_ERROR(CheckRoom(parent));

        // Ids first: taking them may write an edit of its own.
        edit::MakeDirectories directories;
        // Directories made on the way must let their owner in, or nothing could be put below them.
        FillMissing(*path, first, missing - 1, mode | 0300, parent, attempt, &directories);
        directories.set_parent(ToInt(parent.id));
        FillNewInode(path->leaf(), mode, parent, attempt, directories.add_directories());
        *attempt.NewEdit().mutable_make_directories() = std::move(directories);
        attempt.Commit();
        return true;
      });
}

}  // namespace cairn::namenode
