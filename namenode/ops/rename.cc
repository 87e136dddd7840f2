// Both renames of HDFS. The first moves into an existing directory and answers false where the
// second explains itself with an error; what they change is the same edit.
#include "namenode/core/run.h"

namespace cairn::namenode {
namespace {

// Whether `inode` is `above` or lies below it.
bool IsBelow(const Inode* inode, const Inode* above) {
  for (; inode != nullptr; inode = inode->parent) {
    if (inode == above) return true;
  }
  return false;
}

size_t DepthOf(const Inode* inode) {
  size_t depth = 0;
  for (; inode->parent != nullptr; inode = inode->parent) ++depth;
  return depth;
}

absl::Status Io(absl::string_view text) { return MakeFsError(FsError::kIo, text); }

}  // namespace

absl::Status NamenodeImpl::CommitRename(Attempt& attempt, const Inode& source,
                                        const Inode& to_parent, absl::string_view to_name,
                                        const Inode* overwritten) {
  RETURN_IF_ERROR(attempt.CheckRemoval(*source.parent, source));
  // One after the other: HDFS names the first that is missing. A target that is a directory to move
  // into has not been searched yet.
  RETURN_IF_ERROR(attempt.Check(to_parent, kExecute));
  RETURN_IF_ERROR(attempt.Check(to_parent, kWrite));
  if (overwritten != nullptr) RETURN_IF_ERROR(attempt.CheckRemoval(to_parent, *overwritten));
  const std::string to_path = PathOf(to_parent);
  RETURN_IF_ERROR(CheckDepth(to_path, DepthOf(&to_parent) + 1));
  RETURN_IF_ERROR(CheckNewName(to_name, to_path));
  if (overwritten == nullptr && &to_parent != source.parent) RETURN_IF_ERROR(CheckRoom(to_parent));
  edit::Rename& rename = *attempt.NewEdit().mutable_rename();
  rename.set_inode(ToInt(source.id));
  rename.set_to_parent(ToInt(to_parent.id));
  rename.set_to_name(std::string(to_name));
  if (overwritten != nullptr) rename.set_overwritten(ToInt(overwritten->id));
  attempt.Commit();
  return absl::OkStatus();
}

Outcome<bool> NamenodeImpl::Rename(const Caller& caller, absl::string_view from_text,
                                   absl::string_view to_text) {
  absl::StatusOr<Path> from = ParsePath(from_text);
  if (!from.ok()) return {from.status()};
  absl::StatusOr<Path> to = ParsePath(to_text);
  if (!to.ok()) return {to.status()};
  return Write<bool>(
      caller, What{"rename ", from_text}, [&](Attempt& attempt) -> absl::StatusOr<bool> {
        ASSIGN_OR_RETURN(const Resolved source,
                         attempt.Resolve(*from, View::IfBlocked::kAccessControl));
        ASSIGN_OR_RETURN(const Resolved target,
                         attempt.Resolve(*to, View::IfBlocked::kParentNotDirectory));
        if (!source.exists() || source.target()->parent == nullptr) return false;
        Inode* const inode = source.target();
        Inode* to_parent = target.parent();
        absl::string_view name = target.leaf();
        if (target.exists()) {
          Inode* const existing = target.target();
          if (existing == inode) return !inode->is_directory();
          if (!existing->is_directory()) return false;
          // Into the directory, under its old name.
          to_parent = existing;
          name = inode->name;
          const Tree::Found taken = attempt.tree().FindChild(*existing, name);
          if (!taken.known) {
            attempt.wanted().entries.emplace_back(existing->id, std::string(name));
            return View::NotLoaded();
          }
          if (taken.inode != nullptr) return taken.inode == inode && !inode->is_directory();
        }
        if (to_parent == nullptr || IsBelow(to_parent, inode)) return false;
        if (!to_parent->is_directory()) {
          return MakeFsError(FsError::kParentNotDirectory,
                             absl::StrCat(ForMessage(PathOf(*to_parent)), " (is not a directory)"));
        }
        RETURN_IF_ERROR(CommitRename(attempt, *inode, *to_parent, std::string(name), nullptr));
        return true;
      });
}

Outcome<Nothing> NamenodeImpl::Rename2(const Caller& caller, absl::string_view from_text,
                                       absl::string_view to_text, bool overwrite, bool to_trash) {
  absl::StatusOr<Path> from = ParsePath(from_text);
  if (!from.ok()) return {from.status()};
  absl::StatusOr<Path> to = ParsePath(to_text);
  if (!to.ok()) return {to.status()};
  return Write<Nothing>(
      caller, What{"rename ", from_text}, [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
        ASSIGN_OR_RETURN(const Resolved source,
                         attempt.Resolve(*from, View::IfBlocked::kAccessControl));
        ASSIGN_OR_RETURN(const Resolved target,
                         attempt.Resolve(*to, View::IfBlocked::kParentNotDirectory));
        if (!source.exists()) {
          return MakeFsError(
              FsError::kFileNotFound,
              absl::StrCat("rename source ", ForMessage(from_text), " is not found."));
        }
        Inode* const inode = source.target();
        if (inode->parent == nullptr) return Io("rename source cannot be the root");
        if (target.depth == 0) return Io("rename destination cannot be the root");
        Inode* const to_parent = target.parent();
        Inode* const existing = target.target();
        if (existing == inode) {
          return MakeFsError(FsError::kFileAlreadyExists,
                             absl::StrCat("The source ", ForMessage(from_text), " and destination ",
                                          ForMessage(to_text), " are the same"));
        }
        if (existing != nullptr && IsBelow(inode, existing)) {
          return Io(absl::StrCat("Rename destination ", ForMessage(to_text),
                                 " is a parent of the source ", ForMessage(from_text)));
        }
        if (to_parent == nullptr) {
          return MakeFsError(
              FsError::kFileNotFound,
              absl::StrCat("rename destination parent ", ForMessage(to_text), " not found."));
        }
        if (!to_parent->is_directory()) {
          return MakeFsError(FsError::kParentNotDirectory,
                             absl::StrCat("rename destination parent ",
                                          ForMessage(PathOf(*to_parent)), " is a file."));
        }
        if (IsBelow(to_parent, inode)) {
          return Io(absl::StrCat("Rename destination ", ForMessage(to_text),
                                 " is a directory or file under source ", ForMessage(from_text)));
        }
        if (existing != nullptr) {
          if (existing->is_directory() != inode->is_directory()) {
            return Io(absl::StrCat("Source ", ForMessage(from_text), " and destination ",
                                   ForMessage(to_text), " must both be files or directories"));
          }
          if (!overwrite) {
            return MakeFsError(
                FsError::kFileAlreadyExists,
                absl::StrCat("rename destination ", ForMessage(to_text), " already exists"));
          }
          if (existing->is_directory() && existing->directory->children != 0) {
            return Io(
                absl::StrCat("rename destination directory is not empty: ", ForMessage(to_text)));
          }
        }
        if (to_trash && inode->is_directory()) {
          RETURN_IF_ERROR(attempt.Check(*inode, kRead | kWrite | kExecute));
        }
        RETURN_IF_ERROR(CommitRename(attempt, *inode, *to_parent, target.leaf(), existing));
        return Nothing{};
      });
}

}  // namespace cairn::namenode
