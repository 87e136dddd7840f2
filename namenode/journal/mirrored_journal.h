// namenode/journal/mirrored_journal.h - the journal in several directories, best on several disks.
//
//   Append ──► copy 0: its own buffer, committer, device write ──┐ durable() is the least of those
//         └──► copy 1: ...                                      ─┘ that are in use
//
// Each copy is a journal of its own, so the writes go on in parallel, and each groups as its own
// disk makes it. An edit is acknowledged when all copies that are in use have it. One whose write
// fails, or whose disk is full while another's is not, is dropped: said loudly, and not used again
// until a restart has brought it up to date from the others. When the last one fails, it is as
// with a single journal.
//
// At start every configured directory must be there: a missing one may hold edits that the others
// lack, and nobody but the operator can say that it does not, by taking it out of the
// configuration. Each directory therefore has a file `copies`, which names all that had the
// journal: one that was a member and is found empty has lost its contents, and is not filled again
// in silence.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/mutex.h"
#include "namenode/journal/journal.h"
#include "namenode/journal/listeners.h"

namespace cairn::namenode {

// One directory of the journal, for people.
struct JournalCopyState {
  std::string directory;
  TxId durable = kNoTx;
  absl::Status dropped;  // OK: in use. Else why it is not, since `durable`
};

class MirroredJournal final : public Journal {
 public:
  struct Copy {
    std::string directory;
    std::unique_ptr<Journal> journal;
  };

  // At least one copy; all have the same last edit.
  explicit MirroredJournal(std::vector<Copy> copies);
  ~MirroredJournal() override;

  absl::Status Ready() override;
  void Append(TxId txid, absl::string_view edit) override;
  TxId last_appended() const override;
  TxId durable() const override { return TxId{durable_.load(std::memory_order_acquire)}; }
  absl::Status WaitDurable(TxId txid) override ABSL_LOCKS_EXCLUDED(mu_);
  std::shared_ptr<void> Listen(std::function<void()> on_durable) override;
  void OnFailure(std::function<void(absl::Status)> on_failure) override ABSL_LOCKS_EXCLUDED(mu_);
  void Release(TxId applied) override;
  absl::StatusOr<TxId> Roll() override;
  JournalStats stats() const override;

  std::vector<JournalCopyState> copies() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Member {
    Copy copy;
    std::atomic<bool> in_use{true};
    absl::Status why;         // guarded by mu_; why it is not in use
    TxId dropped_at = kNoTx;  // guarded by mu_
    std::shared_ptr<void> listening;
  };

  // What the copies in use have in common has perhaps grown.
  void Update() ABSL_LOCKS_EXCLUDED(mu_);
  // False: it is the last one, and stays.
  bool Drop(Member& member, const absl::Status& why) ABSL_LOCKS_EXCLUDED(mu_);
  void Failed(Member& member, const absl::Status& why) ABSL_LOCKS_EXCLUDED(mu_);
  void WatchSpace() ABSL_LOCKS_EXCLUDED(mu_);
  Journal& FirstInUse() const;

  std::vector<std::unique_ptr<Member>> members_;  // never changes after construction
  Listeners listeners_;
  std::atomic<uint64_t> durable_{0};

  mutable Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  std::function<void(absl::Status)> on_failure_ ABSL_GUARDED_BY(mu_);
  std::thread watcher_;  // drops a copy whose disk is full
};

// Opens the journal that is kept in `directories` (`options.directory` is not used), and brings
// those up to date that are behind or damaged; what they held is put into a subdirectory
// `aside-...` and not deleted. Errors are those of OpenFileJournal, and:
//   kFailedPrecondition  a directory is missing, or has lost what it held
//   kDataLoss            two directories have different edits under one txid, or none is whole up
//   to
//                        the last edit; the message names them, and nothing was changed
absl::StatusOr<std::unique_ptr<MirroredJournal>> OpenMirroredJournal(
    FileSystem& fs, Clock& clock, const JournalOptions& options,
    const std::vector<std::string>& directories, TxId applied, TxId from,
    const ReplayFunction& replay);

}  // namespace cairn::namenode
