// setPermission, setOwner, setTimes, setReplication, storage policies.
#include "namenode/cluster/storage_policy.h"
#include "namenode/core/healer.h"
#include "namenode/core/run.h"
#include "namenode/core/text.h"

namespace cairn::namenode {

Outcome<Nothing> NamenodeImpl::SetPermission(const Caller& caller, absl::string_view text,
                                             uint32_t mode) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Write<Nothing>(caller, What{"set permission for ", text},
                        [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
                          ASSIGN_OR_RETURN(const Resolved at, attempt.ResolveExisting(*path));
                          RETURN_IF_ERROR(attempt.CheckOwner(*at.target()));
                          auto& change = *attempt.NewEdit().mutable_set_permission();
                          change.set_inode(ToInt(at.target()->id));
                          change.set_mode(mode & kModeMask);
                          attempt.Commit();
                          return Nothing{};
                        });
}

Outcome<Nothing> NamenodeImpl::SetOwner(const Caller& caller, absl::string_view text,
                                        absl::string_view owner, absl::string_view group) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  if (absl::Status status = CheckOwnerName(owner); !status.ok()) return {status};
  if (absl::Status status = CheckOwnerName(group); !status.ok()) return {status};
  return Write<Nothing>(
      caller, What{"set owner for ", text}, [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
        ASSIGN_OR_RETURN(const Resolved at, attempt.ResolveExisting(*path));
        const Inode& target = *at.target();
        RETURN_IF_ERROR(attempt.CheckOwner(target));
        if (!attempt.who().superuser) {
          if (!owner.empty() && owner != *target.owner) {
            return MakeFsError(FsError::kAccessControl,
                               absl::StrCat("User ", attempt.who().user,
                                            " is not a super user (non-super user cannot change "
                                            "owner)."));
          }
          if (!group.empty() && !attempt.who().IsIn(group)) {
            return MakeFsError(
                FsError::kAccessControl,
                absl::StrCat("User ", attempt.who().user, " does not belong to ", group));
          }
        }
        auto& change = *attempt.NewEdit().mutable_set_owner();
        change.set_inode(ToInt(target.id));
        change.set_owner(std::string(owner));
        change.set_group(std::string(group));
        attempt.Commit();
        return Nothing{};
      });
}

Outcome<Nothing> NamenodeImpl::SetTimes(const Caller& caller, absl::string_view text,
                                        std::optional<uint64_t> mtime_ms,
                                        std::optional<uint64_t> atime_ms) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Write<Nothing>(caller, What{"set times ", text},
                        [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
                          ASSIGN_OR_RETURN(const Resolved at, attempt.ResolveExisting(*path));
                          const Inode& target = *at.target();
                          // Beyond HDFS the owner, as on other file systems: who unpacks a
                          // read-only file gives it its time.
                          if (!attempt.CheckOwner(target).ok()) {
                            RETURN_IF_ERROR(attempt.Check(target, kWrite));
                          }
                          auto& change = *attempt.NewEdit().mutable_set_times();
                          change.set_inode(ToInt(target.id));
                          if (mtime_ms) change.set_mtime_ms(*mtime_ms);
                          if (atime_ms && !target.is_directory()) change.set_atime_ms(*atime_ms);
                          attempt.Commit();
                          return Nothing{};
                        });
}

Outcome<bool> NamenodeImpl::SetReplication(const Caller& caller, absl::string_view text,
                                           uint32_t replication) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Write<bool>(
      caller, What{"set replication for ", text}, [&](Attempt& attempt) -> absl::StatusOr<bool> {
        if (replication < options_.min_replication || replication > options_.max_replication) {
          return MakeFsError(FsError::kIo,
                             absl::StrCat("Requested replication factor of ", replication,
                                          " is not between ", options_.min_replication, " and ",
                                          options_.max_replication, " for ", ForMessage(text)));
        }
        ASSIGN_OR_RETURN(const Resolved at,
                         attempt.Resolve(*path, View::IfBlocked::kAccessControl));
        // As in HDFS; the units of an erasure-coded file are there once.
        if (!at.exists() || at.target()->file == nullptr || at.target()->erasure != nullptr) {
          return false;
        }
        RETURN_IF_ERROR(attempt.Check(*at.target(), kWrite));
        if (at.target()->file->replication == replication) return true;
        auto& change = *attempt.NewEdit().mutable_set_replication();
        change.set_inode(ToInt(at.target()->id));
        change.set_replication(replication);
        attempt.Commit();
        healer_->FileChanged(at.target()->id);
        return true;
      });
}

Outcome<Nothing> NamenodeImpl::SetStoragePolicy(const Caller& caller, absl::string_view text,
                                                absl::string_view policy) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Write<Nothing>(
      caller, What{"set storage policy for ", text},
      [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
        const StoragePolicy* const found = policy.empty() ? nullptr : FindStoragePolicy(policy);
        if (!policy.empty() && found == nullptr) {
          return MakeFsError(FsError::kIllegalArgument,
                             absl::StrCat("Cannot find a block policy with the name ", policy));
        }
        ASSIGN_OR_RETURN(const Resolved at, attempt.ResolveExisting(*path));
        RETURN_IF_ERROR(attempt.Check(*at.target(), kWrite));
        auto& change = *attempt.NewEdit().mutable_set_storage_policy();
        change.set_inode(ToInt(at.target()->id));
        change.set_policy(found == nullptr ? kUnspecifiedPolicy : found->id);
        attempt.Commit();
        return Nothing{};
      });
}

Outcome<uint32_t> NamenodeImpl::GetStoragePolicy(const Caller& caller, absl::string_view text) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Read<uint32_t>(caller, [&](View& view) -> absl::StatusOr<uint32_t> {
    ASSIGN_OR_RETURN(const Resolved at, view.ResolveExisting(*path));
    return EffectivePolicy(*at.target());
  });
}

uint32_t NamenodeImpl::EffectivePolicy(const Inode& inode) {
  for (const Inode* at = &inode; at != nullptr; at = at->parent) {
    if (at->storage_policy != kUnspecifiedPolicy) return at->storage_policy;
  }
  return kHotPolicy;
}

}  // namespace cairn::namenode
