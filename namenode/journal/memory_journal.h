// namenode/journal/memory_journal.h - a journal without a disk, for tests of what stands on it.
//
// It keeps every edit, so a test can look at them or replay them. With Mode::kAtOnce an edit is
// durable when Append returns and listeners are called from within Append; with Mode::kStepped
// nothing is durable until the test says so. Passes the same contract tests as the file journal.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"
#include "namenode/journal/journal.h"
#include "namenode/journal/listeners.h"

namespace cairn::namenode {

class MemoryJournal final : public Journal {
 public:
  enum class Mode { kAtOnce, kStepped };
  // The first edit will be last + 1.
  explicit MemoryJournal(Mode mode = Mode::kAtOnce, TxId last = kNoTx);

  absl::Status Ready() override;
  void Append(TxId txid, absl::string_view edit) override;
  TxId last_appended() const override;
  TxId durable() const override;
  absl::Status WaitDurable(TxId txid) override;
  std::shared_ptr<void> Listen(std::function<void()> on_durable) override;
  void OnFailure(std::function<void(absl::Status)> on_failure) override;
  void Release(TxId applied) override;
  absl::StatusOr<TxId> Roll() override;
  JournalStats stats() const override;

  // What tests do to it. Listeners and failure handlers run on the calling thread.
  void MakeDurable(TxId up_to);  // clipped to last_appended()
  void MakeAllDurable();
  void Fail(absl::Status reason);      // as after a failed write: final
  void SetReady(absl::Status status);  // what Ready() answers, such as a full disk; OK heals it

  std::vector<std::pair<TxId, std::string>> edits() const;  // all that were appended, in order
  TxId released() const;

 private:
  mutable Mutex mu_;
  CondVar changed_;
  const Mode mode_;
  const TxId before_;  // the txid before the first edit
  Listeners listeners_;
  std::atomic<uint64_t> durable_;
  std::vector<std::string> edits_ ABSL_GUARDED_BY(mu_);  // edits_[i] has txid before_ + 1 + i
  TxId released_ ABSL_GUARDED_BY(mu_) = kNoTx;
  absl::Status ready_ ABSL_GUARDED_BY(mu_);
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  std::function<void(absl::Status)> on_failure_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
