#include "namenode/cluster/placement.h"
#include "namenode/core/run.h"
#include "namenode/core/text.h"

namespace cairn::namenode {

Outcome<AppendResult> NamenodeImpl::Append(const Caller& caller, absl::string_view text,
                                           absl::string_view client_name, bool new_block) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  if (absl::Status status = CheckClientName(client_name); !status.ok()) return {status};

  const std::shared_ptr<const ClusterView> cluster = cluster_.View();
  // The partial last block, if the writer is to go on with it.
  const auto result_of = [&](const Inode& file, View& view) -> AppendResult {
    mu_.AssertReaderHeld();
    AppendResult result;
    result.status = StatusOf(file);
    result.status.replication = ReplicationForWriter(*cluster, result.status.replication);
    const FileData& data = *file.file;
    if (file.erasure != nullptr || data.blocks.empty() ||
        data.blocks.back().length >= data.block_bytes) {
      return result;
    }
    result.block = Locate(file, data.blocks.back(), data.length - data.blocks.back().length,
                          caller.remote_ip, *cluster_.View(), view);
    return result;
  };
  const auto body = [&](Attempt& attempt) -> absl::StatusOr<AppendResult> {
    ASSIGN_OR_RETURN(const Resolved at, attempt.ResolveExisting(*path));
    Inode& file = *at.target();
    if (file.is_directory()) {
      return MakeFsError(FsError::kFileAlreadyExists,
                         absl::StrCat("Cannot append to directory ", ForMessage(text),
                                      "; already exists as a directory."));
    }
    RETURN_IF_ERROR(attempt.Check(file, kWrite));
    mu_.AssertHeld();
    RETURN_IF_ERROR(TakeOver(attempt, file, client_name, "APPEND_FILE", text));
    const FileData& data = *file.file;
    // A group has ended with its parity: the writer begins another one, whatever it asked for.
    const bool partial = !new_block && file.erasure == nullptr && !data.blocks.empty() &&
                         data.blocks.back().length < data.block_bytes;
    if (!data.blocks.empty()) {
      const BlockVersion& last = data.blocks.back();
      if (!IsResident(file, last, attempt)) return View::NotLoaded();
      if (!HasMinimum(file, last)) {
        return MakeFsError(FsError::kRetriable,
                           absl::StrCat("append: lastBlock=", BlockName(last), " of src=",
                                        ForMessage(text), " is not sufficiently replicated yet."));
      }
    }
    // Where the last block is must be known before it is reopened: then its replicas are expected
    // ones, and count again once they report in under the stamp they have.
    AppendResult result = result_of(file, attempt);
    if (!attempt.wanted().empty()) return View::NotLoaded();
    edit::ReopenFile& reopen = *attempt.NewEdit().mutable_reopen_file();
    reopen.set_inode(ToInt(file.id));
    reopen.set_lease_holder(std::string(client_name));
    reopen.set_client_machine(std::string(caller.remote_ip));
    if (partial) FillBlock(data.blocks.back(), reopen.mutable_last_block());
    attempt.Commit(file.id);
    return result;
  };
  const auto retried = [&](const RetryCache::Answer& answer,
                           View& view) -> absl::StatusOr<AppendResult> {
    ASSIGN_OR_RETURN(const Inode* const file, view.FindById(answer.inode));
    if (file == nullptr || file->is_directory()) {
      return MakeFsError(FsError::kFileNotFound,
                         absl::StrCat("File does not exist: ", ForMessage(text)));
    }
    return result_of(*file, view);
  };
  return Write<AppendResult>(caller, What{"append to file ", text}, body, retried);
}

}  // namespace cairn::namenode
