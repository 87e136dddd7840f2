#include <utility>

#include "namenode/cluster/placement.h"
#include "namenode/cluster/storage_policy.h"
#include "namenode/core/run.h"
#include "namenode/core/text.h"

namespace cairn::namenode {

absl::Status NamenodeImpl::CheckCreateOptions(absl::string_view text,
                                              const CreateOptions& options) const {
  if (!options.create && !options.overwrite) {
    return MakeFsError(FsError::kIllegalArgument,
                       absl::StrCat(ForMessage(text), " does not specify any options"));
  }
  RETURN_IF_ERROR(CheckClientName(options.client_name));
  if (options.block_bytes < options_.min_block_bytes) {
    return MakeFsError(FsError::kIo,
                       absl::StrCat("Specified block size is less than configured minimum value "
                                    "(dfs.namenode.fs-limits.min-block-size): ",
                                    options.block_bytes, " < ", options_.min_block_bytes));
  }
  if (options.replication < options_.min_replication ||
      options.replication > options_.max_replication) {
    return MakeFsError(FsError::kIo,
                       absl::StrCat("Requested replication factor of ", options.replication,
                                    " is not between ", options_.min_replication, " and ",
                                    options_.max_replication, " for ", ForMessage(text)));
  }
  return absl::OkStatus();
}

Outcome<FileStatus> NamenodeImpl::Create(const Caller& caller, absl::string_view text,
                                         const CreateOptions& options) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  if (absl::Status status = CheckCreateOptions(text, options); !status.ok()) return {status};
  uint32_t policy = kUnspecifiedPolicy;
  if (!options.storage_policy.empty()) {
    const StoragePolicy* const found = FindStoragePolicy(options.storage_policy);
    if (found == nullptr) {
      return {MakeFsError(
          FsError::kIllegalArgument,
          absl::StrCat("Cannot find a block policy with the name ", options.storage_policy))};
    }
    policy = found->id;
  }

  const std::shared_ptr<const ClusterView> cluster = cluster_.View();
  const auto told = [&cluster](FileStatus status) {
    status.replication = ReplicationForWriter(*cluster, status.replication);
    return status;
  };
  const auto body = [&](Attempt& attempt) -> absl::StatusOr<FileStatus> {
    mu_.AssertHeld();
    ASSIGN_OR_RETURN(const Resolved at,
                     attempt.Resolve(*path, View::IfBlocked::kParentNotDirectory));
    Inode* const existing = at.target();
    if (existing != nullptr && existing->is_directory()) {
      return MakeFsError(FsError::kFileAlreadyExists,
                         absl::StrCat(ForMessage(text), " already exists as a directory"));
    }
    if (existing != nullptr) {
      if (options.overwrite) {
        RETURN_IF_ERROR(attempt.Check(*existing, kWrite));
      } else {
        // Who may not make files here closes none that another is writing.
        RETURN_IF_ERROR(attempt.Check(*existing->parent, kWrite));
        RETURN_IF_ERROR(TakeOver(attempt, *existing, options.client_name, "CREATE_FILE", text));
        return MakeFsError(
            FsError::kFileAlreadyExists,
            absl::StrCat(ForMessage(text), " for client ", caller.remote_ip, " already exists"));
      }
    } else if (!options.create) {
      return MakeFsError(FsError::kFileNotFound,
                         absl::StrCat("Can't overwrite non-existent ", ForMessage(text)));
    }
    Inode& parent = existing != nullptr ? *existing->parent : *at.chain.back();
    const size_t missing = existing != nullptr ? 1 : at.depth + 1 - at.chain.size();
    const size_t first = path->components.size() - missing;
    if (!parent.is_directory()) {
      return MakeFsError(
          FsError::kParentNotDirectory,
          absl::StrCat("Parent path is not a directory: ", ForMessage(PathOf(parent))));
    }
    if (missing > 1 && !options.create_parent) {
      return MakeFsError(FsError::kFileNotFound,
                         absl::StrCat("Parent directory doesn't exist: ", ForMessage(text)));
    }
    if (existing != nullptr) {
      RETURN_IF_ERROR(attempt.CheckRemoval(parent, *existing));
    } else {
      RETURN_IF_ERROR(attempt.Check(parent, kWrite));  // it was searched, so kExecute is there
      RETURN_IF_ERROR(CheckNewNames(*path, first, at));
      RETURN_IF_ERROR(CheckRoom(parent));
    }

    ASSIGN_OR_RETURN(const erasure::Policy* erasure, ErasureOfNew(parent, options));
    // Who names a policy means it.
    const bool small = options.replicate_while_small && options.erasure_policy.empty();
    const erasure::Policy* const small_of = small ? std::exchange(erasure, nullptr) : nullptr;
    edit::CreateFile create;
    create.set_parent(ToInt(parent.id));
    if (missing > 1) {
      // As HDFS: with the nearest ancestor's permission, and open to their owner.
      FillMissing(*path, first, missing - 1, parent.mode | 0300, parent, attempt,
                  create.mutable_missing_parents());
    }
    FillNewInode(at.leaf(), options.mode & 0777, parent, attempt, create.mutable_inode());
    create.set_replication(erasure == nullptr ? options.replication : 1);
    create.set_erasure_policy(erasure == nullptr ? 0 : erasure->id);
    create.set_small_of(small_of == nullptr ? 0 : small_of->id);
    create.set_block_bytes(options.block_bytes);
    create.set_lease_holder(std::string(options.client_name));
    create.set_client_machine(std::string(caller.remote_ip));
    create.set_storage_policy(policy);
    create.set_should_replicate(options.should_replicate);
    if (existing != nullptr) create.set_overwritten(ToInt(existing->id));
    const InodeId id{create.inode().id()};
    attempt.NewEdit().mutable_create_file()->Swap(&create);
    attempt.Commit(id);
    return told(StatusOf(*tree_->FindById(id)));
  };
  const auto retried = [&](const RetryCache::Answer& answer,
                           View& view) -> absl::StatusOr<FileStatus> {
    ASSIGN_OR_RETURN(const Inode* const file, view.FindById(answer.inode));
    if (file == nullptr) {
      return MakeFsError(FsError::kFileNotFound,
                         absl::StrCat("File does not exist: ", ForMessage(text)));
    }
    return told(StatusOf(*file));
  };
  return Write<FileStatus>(caller, What{"create file ", text}, body, retried);
}

}  // namespace cairn::namenode
