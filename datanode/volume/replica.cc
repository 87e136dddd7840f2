#include "datanode/volume/replica.h"

#include "absl/strings/str_cat.h"
#include "common/fs_error.h"

namespace cairn::datanode {

absl::string_view StateName(ReplicaState state) {
  switch (state) {
    case ReplicaState::kFinalized:
      return "finalized";
    case ReplicaState::kBeingWritten:
      return "being written";
    case ReplicaState::kWaitingRecovery:
      return "waiting for recovery";
    case ReplicaState::kTemporary:
      return "temporary";
    case ReplicaState::kCorrupt:
      return "corrupt";
  }
  return "unknown";
}

std::string NameOf(BlockId block) { return absl::StrCat("block ", ToSigned(block)); }

std::string NameOf(const ReplicaInfo& replica) {
  return absl::StrCat("replica of block ", ToSigned(replica.block), " stamp ", ToInt(replica.stamp),
                      " (", StateName(replica.state), ", ", replica.length, " bytes)");
}

absl::Status ReplicaNotFound(BlockId block) {
  return MakeFsError(FsError::kReplicaNotFound,
                     absl::StrCat("Replica not found for ", NameOf(block)));
}

absl::Status StaleReplica(const ReplicaInfo& replica, absl::string_view what) {
  return absl::AbortedError(absl::StrCat(NameOf(replica), ": ", what));
}

bool OpenReplica::TakeWriter() {
  MutexLock lock(mu_);
  if (has_writer_) return false;
  has_writer_ = true;
  stop_wanted_ = false;
  ending_.store(false, std::memory_order_release);
  return true;
}

void OpenReplica::SetStopper(std::function<void()> stop) {
  {
    MutexLock lock(mu_);
    if (!stop_wanted_) {
      stop_ = std::move(stop);
      return;
    }
  }
  stop();  // somebody asked before the writer had said how
}

void OpenReplica::ReleaseWriter() {
  std::vector<std::function<void()>> callbacks;
  {
    MutexLock lock(mu_);
    has_writer_ = false;
    stop_wanted_ = false;
    stop_ = nullptr;
    callbacks.swap(on_release_);
  }
  for (const auto& callback : callbacks) callback();
}

void OpenReplica::StopWriter(std::function<void()> on_release) {
  Stop(std::move(on_release), /*interrupt=*/true);
}

void OpenReplica::EndWriter(std::function<void()> on_release) {
  Stop(std::move(on_release), /*interrupt=*/!ending());
}

void OpenReplica::Stop(std::function<void()> on_release, bool interrupt) {
  std::function<void()> stop;
  bool free = false;
  {
    MutexLock lock(mu_);
    free = !has_writer_;
    if (!free) {
      on_release_.push_back(on_release);
      if (interrupt) {
        stop_wanted_ = true;
        stop.swap(stop_);
      }
    }
  }
  if (free) on_release();
  if (stop) stop();
}

bool OpenReplica::has_writer() const {
  MutexLock lock(mu_);
  return has_writer_;
}

}  // namespace cairn::datanode
