#include "namenode/core/run.h"

namespace cairn::namenode {

Outcome<bool> NamenodeImpl::Delete(const Caller& caller, absl::string_view text, bool recursive) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Write<bool>(caller, What{"delete ", text}, [&](Attempt& attempt) -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const Resolved at, attempt.Resolve(*path, View::IfBlocked::kAccessControl));
    if (!at.exists() || at.target()->parent == nullptr) return false;
    Inode& target = *at.target();
    RETURN_IF_ERROR(attempt.CheckRemoval(*target.parent, target));
    if (target.is_directory() && target.directory->children != 0) {
      if (!recursive) {
        return MakeFsError(FsError::kNotEmptyDirectory,
                           absl::StrCat(ForMessage(text), " is non empty"));
      }
      // As with rename, the subtree goes as one: docs/decisions/0004-delete.md.
      RETURN_IF_ERROR(attempt.Check(target, kRead | kWrite | kExecute));
    }
    attempt.NewEdit().mutable_delete_()->set_inode(ToInt(target.id));
    attempt.Commit();
    return true;
  });
}

}  // namespace cairn::namenode
