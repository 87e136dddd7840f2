// Who may write a file: what every writer's call checks, and how a file changes hands.
#include "common/logging.h"
#include "namenode/core/run.h"

namespace cairn::namenode {
namespace {

// Between two looks at a file that the namenode is to close, and how many are looked at in a round.
constexpr absl::Duration kCloseAgain = absl::Seconds(10);
constexpr size_t kClosesAtOnce = 100;

}  // namespace

absl::Status NamenodeImpl::CheckLease(const Inode& file, absl::string_view client_name,
                                      absl::string_view path) const {
  if (file.is_directory()) {
    return MakeFsError(FsError::kLeaseExpired,
                       absl::StrCat("INode is not a regular file: ", ForMessage(path)));
  }
  if (!file.is_open()) {
    return MakeFsError(
        FsError::kLeaseExpired,
        absl::StrCat("File is not open for writing: ", ForMessage(path), " (inode ", ToInt(file.id),
                     "). Holder ", client_name, " does not have any open files."));
  }
  if (file.file->writer->holder != client_name || LeaseManager::IsReservedHolder(client_name)) {
    return MakeFsError(FsError::kLeaseExpired,
                       absl::StrCat("Client (=", client_name,
                                    ") is not the lease owner (=", file.file->writer->holder, ": ",
                                    ForMessage(path), " (inode ", ToInt(file.id), ")"));
  }
  if (file.file->truncating) {
    // Whose call it was may have the lease, but the last block is the datanodes' to cut: after a
    // restart, what is last then would be.
    return MakeFsError(FsError::kLeaseExpired,
                       absl::StrCat("File is not open for writing: ", ForMessage(path), " (inode ",
                                    ToInt(file.id), ") is being truncated."));
  }
  return absl::OkStatus();
}

// The id wins over the path: the file may have been renamed since it was opened.
absl::StatusOr<Inode*> NamenodeImpl::ResolveWritten(Attempt& attempt, absl::string_view text,
                                                    InodeId id, absl::string_view client_name) {
  Inode* file = nullptr;
  if (id != kNoInode) {
    ASSIGN_OR_RETURN(file, attempt.FindById(id));
  } else {
    ASSIGN_OR_RETURN(const Path path, ParsePath(text));
    ASSIGN_OR_RETURN(const Resolved at, attempt.Resolve(path, View::IfBlocked::kAccessControl));
    file = at.target();
  }
  if (file == nullptr) {
    return MakeFsError(
        FsError::kFileNotFound,
        absl::StrCat("File does not exist: ", ForMessage(text), " (inode ", ToInt(id), ") Holder ",
                     client_name, " does not have any open files."));
  }
  RETURN_IF_ERROR(CheckLease(*file, client_name, text));
  return file;
}

// create, append and truncate of a file that somebody is writing. Past the soft limit whoever wants
// it has it recovered: OK if it could be closed at once.
absl::Status NamenodeImpl::TakeOver(Attempt& attempt, Inode& file, absl::string_view client_name,
                                    absl::string_view what, absl::string_view path) {
  if (!file.is_open()) return absl::OkStatus();
  const std::string& holder = file.file->writer->holder;
  if (holder == client_name) {
    return MakeFsError(FsError::kAlreadyBeingCreated,
                       absl::StrCat("Failed to ", what, " ", ForMessage(path), " for ", client_name,
                                    " because this file lease is currently owned by itself"));
  }
  if (holder == kNamenodeHolder || leases_.IsSoftExpired(holder)) {
    ASSIGN_OR_RETURN(const bool closed, CloseAbandoned(attempt, file));
    if (closed) return absl::OkStatus();
    return MakeFsError(FsError::kRecoveryInProgress,
                       absl::StrCat("Failed to ", what, " ", ForMessage(path), " for ", client_name,
                                    ": lease recovery is in progress. Try again later."));
  }
  return MakeFsError(FsError::kAlreadyBeingCreated,
                     absl::StrCat("Failed to ", what, " ", ForMessage(path), " for ", client_name,
                                  " because this file is already being created by ", holder, " on ",
                                  file.file->writer->machine));
}

Outcome<Nothing> NamenodeImpl::RenewLease(const Caller& caller, absl::string_view client_name) {
  (void)caller;
  leases_.Renew(client_name);
  return {Nothing{}};
}

// Closes a file whose writer is gone, if nothing of its last block is in doubt: it has none, or it
// is committed, or no datanode has a replica of it. What is in doubt needs block recovery.
absl::StatusOr<bool> NamenodeImpl::CloseAbandoned(Attempt& attempt, Inode& file) {
  FileData& data = *file.file;
  // No writer has anything in doubt: what is last may be a group that datanodes write, and when it
  // is there the file closes.
  if (data.truncate_to != 0) return false;
  if (data.blocks.empty()) {
    attempt.NewEdit().mutable_close_file()->set_inode(ToInt(file.id));
    attempt.CommitAside();
    return true;
  }
  const BlockVersion& last = data.blocks.back();
  mu_.AssertHeld();
  if (!IsResident(file, last, attempt)) return View::NotLoaded();
  if (!IsUnderConstruction(file, last, attempt)) {
    if (!HasMinimum(file, last)) return false;
    attempt.NewEdit().mutable_close_file()->set_inode(ToInt(file.id));
    attempt.CommitAside();
    return true;
  }
  return file.erasure != nullptr ? StartGroupRecovery(attempt, file)
                                 : StartBlockRecovery(attempt, file);
}

Outcome<bool> NamenodeImpl::RecoverLease(const Caller& caller, absl::string_view text,
                                         absl::string_view client_name) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  std::string holder;
  Outcome<bool> closed = Write<bool>(
      caller, What{"recover the lease of ", text}, [&](Attempt& attempt) -> absl::StatusOr<bool> {
        ASSIGN_OR_RETURN(const Resolved at, attempt.ResolveFile(*path));
        Inode& file = *at.target();
        RETURN_IF_ERROR(attempt.Check(file, kWrite));
        if (!file.is_open()) return true;
        holder = file.file->writer->holder;
        return CloseAbandoned(attempt, file);
      });
  // Not under the lock: a log that hangs would stop everybody.
  if (!holder.empty()) {
    LOG_INFO("recoverLease: {} held by {}, asked by {}", ForMessage(text), holder,
             std::string(client_name));
  }
  return closed;
}

void NamenodeImpl::RecoverSoon(InodeId file) {
  if (in_to_close_.insert(file).second) {
    to_close_.emplace_back(clock_.Monotonic() + kCloseAgain, file);
  }
}

void NamenodeImpl::RecoverExpiredLeases() {
  std::vector<InodeId> files = leases_.TakeExpired(kClosesAtOnce);
  {
    WriterLock lock(mu_);
    const absl::Duration now = clock_.Monotonic();
    for (; !to_close_.empty() && to_close_.front().first <= now && files.size() < kClosesAtOnce;
         to_close_.pop_front()) {
      files.push_back(to_close_.front().second);
      in_to_close_.erase(files.back());
    }
  }
  const Caller nobody{.user = options_.identities.superuser};
  for (const InodeId id : files) {
    Outcome<bool> closed = Write<bool>(nobody, "recover an expired lease",
                                       [&](Attempt& attempt) -> absl::StatusOr<bool> {
                                         // Since it came to the list it may have been closed, and
                                         // opened again by a writer who has done nothing wrong.
                                         if (leases_.IsHeldByClient(id)) return true;
                                         ASSIGN_OR_RETURN(Inode* const file, attempt.FindById(id));
                                         if (file == nullptr || !file->is_open()) return true;
                                         return CloseAbandoned(attempt, *file);
                                       });
    if (!closed.value.ok()) {
      LOG_EVERY_SECONDS(kWarn, 10, "lease recovery of inode {}: {}", ToInt(id),
                        closed.value.status().ToString());
    }
    if (closed.value.ok() && *closed.value) continue;
    WriterLock lock(mu_);
    const Inode* const file = tree_->FindById(id);  // open files are never evicted
    if (file == nullptr || !file->is_open() || leases_.IsHeldByClient(id)) continue;
    leases_.Restore(id, kNamenodeHolder);
    RecoverSoon(id);
  }
}

}  // namespace cairn::namenode
