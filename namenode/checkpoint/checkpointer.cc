#include "namenode/checkpoint/checkpointer.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "common/logging.h"
#include "common/status_macros.h"
#include "common/thread.h"

namespace cairn::namenode {
namespace {

constexpr std::chrono::seconds kTick{1};
constexpr absl::Duration kAfterFailure = absl::Minutes(1);

}  // namespace

bool IsCheckpointDue(const CheckpointPolicy& policy, const CheckpointAge& age) {
  if (!age.any) return true;
  if (age.edits == 0) return false;
  return age.edits >= policy.transactions || age.time >= policy.period ||
         age.journal_bytes >= policy.journal_bytes;
}

absl::StatusOr<std::unique_ptr<Checkpointer>> Checkpointer::Start(FileSystem& files, Clock& clock,
                                                                  Options options, Store& store,
                                                                  Journal& journal) {
  RETURN_IF_ERROR(CleanCheckpoints(files, options.parent));
  ASSIGN_OR_RETURN(const CheckpointList list, ListCheckpoints(files, options.parent));
  for (const auto& [directory, why] : list.damaged) {
    LOG_ERROR("checkpoint {} is of no use: {}", directory, why.message());
  }
  std::unique_ptr<Checkpointer> made(
      new Checkpointer(files, clock, std::move(options), store, journal));
  made->TakeNote(list.whole);
  if (!list.whole.empty()) {
    MutexLock lock(made->mu_);
    const absl::Duration age = std::clamp(clock.Now() - list.whole.back().time,
                                          absl::ZeroDuration(), made->options_.policy.period);
    made->made_at_ -= age;
  }
  made->thread_ = std::thread([self = made.get()] { self->Run(); });
  return made;
}

Checkpointer::~Checkpointer() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
  std::vector<Done> unanswered;
  {
    MutexLock lock(mu_);
    unanswered.swap(requests_);
  }
  for (const Done& done : unanswered) done(absl::CancelledError("the namenode is being stopped"));
}

void Checkpointer::Request(Done done) {
  {
    MutexLock lock(mu_);
    if (requests_.size() < kMostWaiting) {
      requests_.push_back(std::move(done));
      wake_.NotifyAll();
      return;
    }
  }
  done(absl::ResourceExhaustedError("too many wait for the next checkpoint; try later"));
}

CheckpointAge Checkpointer::age() const {
  const JournalStats stats = journal_.stats();
  const uint64_t last = ToInt(stats.durable);
  MutexLock lock(mu_);
  return {.any = count_ > 0,
          .edits = last - std::min(last, ToInt(newest())),
          .time = clock_.Monotonic() - made_at_,
          .journal_bytes = stats.bytes_written - std::min(stats.bytes_written, journal_bytes_at_)};
}

void Checkpointer::Run() {
  SetThreadName("nn-checkpoint");
  while (true) {
    std::vector<Done> requests;
    {
      MutexLock lock(mu_);
      if (requests_.empty() && !stopping_) wake_.WaitFor(mu_, kTick);
      if (stopping_) return;
      requests.swap(requests_);
      if (requests.empty() && clock_.Monotonic() < not_before_) continue;
    }
    if (requests.empty()) {
      MakeRoom();
      if (!IsCheckpointDue(options_.policy, age())) continue;
    }
    const absl::StatusOr<Checkpoint> made = Make();
    if (made.ok()) {
      LOG_INFO("checkpoint {}: edits up to {}, {} files, {} bytes", made->directory,
               ToInt(made->txid), made->files.size(), made->bytes());
    } else {
      LOG_ERROR("no checkpoint could be made: {}", made.status().message());
      MutexLock lock(mu_);
      not_before_ = clock_.Monotonic() + kAfterFailure;
    }
    for (const Done& done : requests) done(made);
  }
}

absl::StatusOr<Checkpoint> Checkpointer::Make() {
  const uint64_t journal_bytes = journal_.stats().bytes_written;
  RETURN_IF_ERROR(store_.Flush());
  const NewCheckpoint wanted{
      .parent = options_.parent,
      .cluster_id = options_.cluster_id,
      .block_pool_id = options_.block_pool_id,
      .layout_version = options_.layout_version,
      .copy = [this](const std::string& directory) { return store_.CopyTo(directory); }};
  ASSIGN_OR_RETURN(Checkpoint made, MakeCheckpoint(files_, clock_, wanted));
  {
    MutexLock lock(mu_);
    journal_bytes_at_ = journal_bytes;
  }
  RETURN_IF_ERROR(RemoveSurplus(options_.policy.retained));
  return made;
}

absl::Status Checkpointer::RemoveSurplus(size_t retained) {
  ASSIGN_OR_RETURN(CheckpointList list, ListCheckpoints(files_, options_.parent));
  while (list.whole.size() > retained) {
    const Checkpoint oldest = list.whole.front();
    list.whole.erase(list.whole.begin());
    // The journal may let go of its edits only once it is durably gone: TakeNote comes after.
    RETURN_IF_ERROR(RemoveCheckpoint(files_, oldest));
  }
  TakeNote(list.whole);
  return absl::OkStatus();
}

void Checkpointer::TakeNote(const std::vector<Checkpoint>& checkpoints) {
  MutexLock lock(mu_);
  count_ = checkpoints.size();
  made_at_ = clock_.Monotonic();
  constexpr uint64_t kNothing = std::numeric_limits<uint64_t>::max();
  oldest_.store(checkpoints.empty() ? kNothing : ToInt(checkpoints.front().txid),
                std::memory_order_release);
  newest_.store(checkpoints.empty() ? 0 : ToInt(checkpoints.back().txid),
                std::memory_order_release);
}

// The edits that older checkpoints need can make room on a full disk; the newest one keeps its own.
void Checkpointer::MakeRoom() {
  if (!absl::IsResourceExhausted(journal_.Ready())) return;
  {
    MutexLock lock(mu_);
    if (count_ <= 1) return;
  }
  LOG_WARN("the disk is full: checkpoints but the newest are given up, and the edits behind them");
  const absl::Status removed = RemoveSurplus(1);
  if (!removed.ok()) LOG_WARN("checkpoint: {}", removed.message());
}

}  // namespace cairn::namenode
