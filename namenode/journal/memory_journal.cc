#include "namenode/journal/memory_journal.h"

#include <algorithm>

#include "common/check.h"

namespace cairn::namenode {

MemoryJournal::MemoryJournal(Mode mode, TxId last)
    : mode_(mode), before_(last), durable_(ToInt(last)) {}

absl::Status MemoryJournal::Ready() {
  MutexLock lock(mu_);
  return failure_.ok() ? ready_ : failure_;
}

void MemoryJournal::Append(TxId txid, absl::string_view edit) {
  CHECK_LE(edit.size(), kMaxEditBytes);
  {
    MutexLock lock(mu_);
    CHECK_EQ(ToInt(txid), ToInt(before_) + edits_.size() + 1);
    edits_.emplace_back(edit);
  }
  if (mode_ == Mode::kAtOnce) MakeDurable(txid);
}

TxId MemoryJournal::last_appended() const {
  MutexLock lock(mu_);
  return TxId{ToInt(before_) + edits_.size()};
}

TxId MemoryJournal::durable() const { return TxId{durable_.load(std::memory_order_acquire)}; }

absl::Status MemoryJournal::WaitDurable(TxId txid) {
  MutexLock lock(mu_);
  while (durable() < txid && failure_.ok()) changed_.Wait(mu_);
  return durable() >= txid ? absl::OkStatus() : failure_;
}

std::shared_ptr<void> MemoryJournal::Listen(std::function<void()> on_durable) {
  return listeners_.Add(std::move(on_durable));
}

void MemoryJournal::OnFailure(std::function<void(absl::Status)> on_failure) {
  absl::Status failure;
  {
    MutexLock lock(mu_);
    on_failure_ = on_failure;
    failure = failure_;
  }
  if (!failure.ok() && on_failure) on_failure(failure);
}

void MemoryJournal::Release(TxId applied) {
  MutexLock lock(mu_);
  released_ = std::max(released_, std::min(applied, durable()));
}

absl::StatusOr<TxId> MemoryJournal::Roll() { return TxId{ToInt(last_appended()) + 1}; }

JournalStats MemoryJournal::stats() const {
  JournalStats stats;
  MutexLock lock(mu_);
  stats.last_appended = TxId{ToInt(before_) + edits_.size()};
  stats.durable = durable();
  stats.edits = ToInt(stats.durable) - ToInt(before_);
  stats.first_kept = stats.edits > 0 ? TxId{ToInt(before_) + 1} : kNoTx;
  return stats;
}

void MemoryJournal::MakeDurable(TxId up_to) {
  {
    MutexLock lock(mu_);
    const uint64_t wanted = std::min(ToInt(up_to), ToInt(before_) + edits_.size());
    if (!failure_.ok() || wanted <= ToInt(durable())) return;
    durable_.store(wanted, std::memory_order_release);
    changed_.NotifyAll();
  }
  listeners_.Call();
}

void MemoryJournal::MakeAllDurable() { MakeDurable(last_appended()); }

void MemoryJournal::Fail(absl::Status reason) {
  std::function<void(absl::Status)> on_failure;
  {
    MutexLock lock(mu_);
    if (!failure_.ok()) return;
    failure_ = reason;
    on_failure = on_failure_;
    changed_.NotifyAll();
  }
  if (on_failure) on_failure(reason);
}

void MemoryJournal::SetReady(absl::Status status) {
  MutexLock lock(mu_);
  ready_ = std::move(status);
}

std::vector<std::pair<TxId, std::string>> MemoryJournal::edits() const {
  MutexLock lock(mu_);
  std::vector<std::pair<TxId, std::string>> all;
  for (size_t i = 0; i < edits_.size(); ++i) {
    all.emplace_back(TxId{ToInt(before_) + 1 + i}, edits_[i]);
  }
  return all;
}

TxId MemoryJournal::released() const {
  MutexLock lock(mu_);
  return released_;
}

}  // namespace cairn::namenode
