#include "namenode/journal/mirrored_journal.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "common/thread.h"

namespace cairn::namenode {
namespace {

constexpr std::chrono::milliseconds kWatchInterval{100};

}  // namespace

MirroredJournal::MirroredJournal(std::vector<Copy> copies) {
  CHECK(!copies.empty());
  const TxId last = copies.front().journal->last_appended();
  durable_ = ToInt(last);
  for (Copy& copy : copies) {
    CHECK(copy.journal->last_appended() == last && copy.journal->durable() == last);
    auto member = std::make_unique<Member>();
    member->copy = std::move(copy);
    members_.push_back(std::move(member));
  }
  for (const auto& member : members_) {
    member->listening = member->copy.journal->Listen([this] { Update(); });
    member->copy.journal->OnFailure(
        [this, m = member.get()](const absl::Status& why) { Failed(*m, why); });
  }
  if (members_.size() > 1) watcher_ = std::thread([this] { WatchSpace(); });
}

MirroredJournal::~MirroredJournal() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    on_failure_ = nullptr;
  }
  changed_.NotifyAll();
  if (watcher_.joinable()) watcher_.join();
  for (const auto& member : members_) {
    member->copy.journal->OnFailure(nullptr);
    member->listening.reset();
  }
}

Journal& MirroredJournal::FirstInUse() const {
  for (const auto& member : members_) {
    if (member->in_use.load(std::memory_order_acquire)) return *member->copy.journal;
  }
  return *members_.front()->copy.journal;  // never: the last one stays in use
}

absl::Status MirroredJournal::Ready() {
  absl::Status first;
  for (const auto& member : members_) {
    if (!member->in_use.load(std::memory_order_acquire)) continue;
    absl::Status status = member->copy.journal->Ready();
    // One that is full beside one that is not is about to be dropped (WatchSpace).
    if (status.ok()) return status;
    if (first.ok()) first = std::move(status);
  }
  return first;
}

void MirroredJournal::Append(TxId txid, absl::string_view edit) {
  for (const auto& member : members_) {
    if (member->in_use.load(std::memory_order_acquire)) member->copy.journal->Append(txid, edit);
  }
}

TxId MirroredJournal::last_appended() const { return FirstInUse().last_appended(); }

void MirroredJournal::Update() {
  uint64_t least = std::numeric_limits<uint64_t>::max();
  for (const auto& member : members_) {
    if (member->in_use.load(std::memory_order_acquire)) {
      least = std::min(least, ToInt(member->copy.journal->durable()));
    }
  }
  uint64_t before = durable_.load(std::memory_order_relaxed);
  while (before < least && !durable_.compare_exchange_weak(before, least)) {
  }
  if (before >= least) return;
  {
    MutexLock lock(mu_);
    changed_.NotifyAll();
  }
  listeners_.Call();
}

absl::Status MirroredJournal::WaitDurable(TxId txid) {
  MutexLock lock(mu_);
  while (durable() < txid && failure_.ok()) changed_.Wait(mu_);
  return durable() >= txid ? absl::OkStatus() : failure_;
}

std::shared_ptr<void> MirroredJournal::Listen(std::function<void()> on_durable) {
  return listeners_.Add(std::move(on_durable));
}

void MirroredJournal::OnFailure(std::function<void(absl::Status)> on_failure) {
  absl::Status failure;
  {
    MutexLock lock(mu_);
    on_failure_ = on_failure;
    failure = failure_;
  }
  if (!failure.ok() && on_failure) on_failure(failure);
}

bool MirroredJournal::Drop(Member& member, const absl::Status& why) {
  {
    MutexLock lock(mu_);
    if (!member.in_use) return true;
    const auto in_use = std::count_if(members_.begin(), members_.end(),
                                      [](const auto& m) { return m->in_use.load(); });
    if (in_use == 1) return false;
    member.why = why;
    member.dropped_at = member.copy.journal->durable();
    member.in_use.store(false, std::memory_order_release);
  }
  LOG_ERROR(
      "journal directory {} is not used any more: it has edits up to {}, {}. The namenode goes on "
      "with the others; mend it and restart",
      member.copy.directory, ToInt(member.copy.journal->durable()), why.message());
  Update();
  return true;
}

void MirroredJournal::Failed(Member& member, const absl::Status& why) {
  if (Drop(member, why)) return;
  std::function<void(absl::Status)> on_failure;
  {
    MutexLock lock(mu_);
    failure_ = why;
    on_failure = on_failure_;
    changed_.NotifyAll();
  }
  if (on_failure) on_failure(why);
}

void MirroredJournal::WatchSpace() {
  SetThreadName("journal-watch");
  while (true) {
    {
      MutexLock lock(mu_);
      if (!stopping_) changed_.WaitFor(mu_, kWatchInterval);
      if (stopping_) return;
    }
    bool any_ready = false;
    for (const auto& member : members_) {
      any_ready |= member->in_use && member->copy.journal->Ready().ok();
    }
    if (!any_ready) continue;
    for (const auto& member : members_) {
      const absl::Status status = member->copy.journal->Ready();
      if (member->in_use && absl::IsResourceExhausted(status)) Drop(*member, status);
    }
  }
}

void MirroredJournal::Release(TxId applied) {
  for (const auto& member : members_) {
    if (member->in_use) member->copy.journal->Release(std::min(applied, durable()));
  }
}

absl::StatusOr<TxId> MirroredJournal::Roll() {
  absl::StatusOr<TxId> first = absl::UnavailableError("journal: no copy is in use");
  for (const auto& member : members_) {
    if (!member->in_use) continue;
    const absl::StatusOr<TxId> rolled = member->copy.journal->Roll();
    if (!first.ok()) first = rolled;
  }
  return first;
}

JournalStats MirroredJournal::stats() const {
  JournalStats stats = FirstInUse().stats();
  stats.durable = durable();
  return stats;
}

std::vector<JournalCopyState> MirroredJournal::copies() const {
  std::vector<JournalCopyState> states;
  MutexLock lock(mu_);
  for (const auto& member : members_) {
    states.push_back(
        {.directory = member->copy.directory,
         .durable = member->in_use ? member->copy.journal->durable() : member->dropped_at,
         .dropped = member->why});
  }
  return states;
}

}  // namespace cairn::namenode
