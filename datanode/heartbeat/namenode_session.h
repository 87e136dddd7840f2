// datanode/heartbeat/namenode_session.h - keeps the namenode informed, and carries its orders here.
//
//   register -> [report round] -> heartbeats, changes, now and then a round ... -> ABORTED:
//   register again
//
// One thread makes all calls but one, so that reports leave in their order. Another always waits
// for orders (AwaitOrders), and lets the first one make a heartbeat as soon as there are some. A
// change of a replica that somebody waits for (finalized, deleted, corrupt) leaves at once,
// together with all that piled up while the last call was under way; "being written" waits for
// company until the next heartbeat. A report is sent again under its number until it is answered,
// across any absence of the namenode; only a new session numbers it anew. While the namenode is
// away, transfers go on.
//
// A report round tells all that the volumes hold, by digests; only where those differ from what the
// namenode knows replicas are listed (heartbeat/report_parts.h). A description looks at each
// replica of a volume at a moment of its own, while they come, go and move between volumes. So what
// was announced until its end is told before it, and it says the same of those replicas, whatever
// it saw. Of the others it may be ahead of their changes, which are told once more; a move is
// announced as it happens (ReplicaEvents::Moved), so it is never ahead of one. Thus no description
// puts a replica that has moved on two volumes, or on none before its move is told.
//
// Threads: Changed from any thread; orders are given to `obey` on the session's thread, which must
// not wait for disks or peers.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "datanode/heartbeat/change_report.h"
#include "datanode/heartbeat/namenode_link.h"
#include "datanode/heartbeat/report_parts.h"
#include "datanode/volume/replica_store.h"

namespace cairn::datanode {

struct SessionOptions {
  internal::Address address;  // where clients and other datanodes reach this one
  std::string datanode_uuid;
  std::string software_version = "0.1.0";
  absl::Duration heartbeat_interval = absl::Seconds(3);
  absl::Duration retry_min = absl::Milliseconds(100);  // while the namenode is away
  absl::Duration retry_max = absl::Milliseconds(500);
  int replicas_per_part = 10'000;                   // of a list
  absl::Duration report_interval = absl::Hours(1);  // dfs.blockreport.intervalMsec: between rounds
  absl::Duration report_retry = absl::Milliseconds(300);  // the namenode is not ready for a round
};

class NamenodeSession final : public ReplicaEvents {
 public:
  using Obey = std::function<void(const internal::Command&)>;

  // `link` outlives the session.
  explicit NamenodeSession(NamenodeLink& link);
  ~NamenodeSession() override;  // Stop()

  // Registers once and starts the thread. The namenode being away is no error: the thread goes on
  // trying. kFailedPrecondition: the namenode refused us, or has other ids than our volumes;
  // nothing was started. `store` outlives Stop.
  absl::Status Start(SessionOptions options, ReplicaStore& store, std::function<int()> transfers,
                     Obey obey);
  // Sends what is pending, if the namenode is there, and ends the thread. Idempotent.
  void Stop();

  void Changed(Kind kind, const Volume& volume, const ReplicaInfo& replica) override
      ABSL_LOCKS_EXCLUDED(mu_);
  // In one report, the deletion first: two replicas on one node are one too many, and the namenode
  // may have either deleted.
  void Moved(const Volume& from, const ReplicaInfo& before, const Volume& to,
             const ReplicaInfo& after) override ABSL_LOCKS_EXCLUDED(mu_);
  // The next heartbeat, which says so, leaves at once.
  void VolumeFailed(const Volume& volume) override ABSL_LOCKS_EXCLUDED(mu_);

  // Attempts to register so far. An order that came before the last of them is of a namenode, or of
  // a life of it, that is gone.
  uint64_t registrations() const { return registrations_.load(std::memory_order_acquire); }

  // A copy that the namenode ordered could not be made. A heartbeat says so at once, but those that
  // fail one after the other share heartbeats. If there are too many, the oldest are not told.
  void CopyFailed(internal::FailedCopy failed) ABSL_LOCKS_EXCLUDED(mu_);
  // A unit of another datanode is wrong. Told likewise, and to another life of the namenode, too.
  void FoundWrong(internal::WrongUnit unit) ABSL_LOCKS_EXCLUDED(mu_);
  // What has come of an order to verify a group. Told as a copy that failed.
  void GroupVerified(internal::GroupVerdict verdict) ABSL_LOCKS_EXCLUDED(mu_);

  // Soon: lists of all replicas, or what has changed.
  void TriggerReport(bool full) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Change = ReplicaChange;

  static Change ChangeOf(Kind kind, const Volume& volume, const ReplicaInfo& replica);
  void Run();
  void WaitForOrders();
  void EndSession();
  bool HeartbeatIsDue() ABSL_LOCKS_EXCLUDED(mu_);
  // One round: whatever is due. The error of the first call that failed.
  absl::Status Round();
  absl::Status RegisterNow();
  absl::Status SendChanges();  // if they are due
  // All that wait now, and returns them. None is in flight.
  absl::StatusOr<std::vector<Change>> SendPending() ABSL_LOCKS_EXCLUDED(mu_);
  // Those in flight, as far as one message takes them, and returns them; the others wait again.
  absl::StatusOr<std::vector<Change>> SendInFlight() ABSL_LOCKS_EXCLUDED(mu_);
  // The round that is under way or due, as far as it goes.
  absl::Status SendReports();
  bool RoundIsDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool BeginRound() ABSL_LOCKS_EXCLUDED(mu_);
  // Tells what waits to be told at the end of a description of the volume, and returns what of it
  // the description must agree with.
  absl::StatusOr<ToldReplicas> TellBefore(size_t volume);
  // False: the namenode is not ready; again later.
  absl::StatusOr<bool> ReportVolume(size_t volume);
  absl::Status SendList(size_t volume, std::span<const BlockRange> ranges);
  absl::Status SendHeartbeat();
  bool HasFailures() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return !failed_copies_.empty() || !wrong_units_.empty() || !group_verdicts_.empty();
  }
  // Moves what is not told yet to the heartbeat; and back, if that was not answered.
  void TakeFailures(internal::HeartbeatRequest* request) ABSL_LOCKS_EXCLUDED(mu_);
  void KeepFailures(internal::HeartbeatRequest* request) ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<internal::StorageState> Storages() const;

  NamenodeLink& link_;
  SessionOptions options_;
  ReplicaStore* store_ = nullptr;
  std::function<int()> transfers_;
  Obey obey_;
  std::thread thread_, order_thread_;
  std::stop_source stop_waiting_;
  std::atomic<uint64_t> registrations_{0};

  // The thread's own.
  std::optional<uint64_t> session_;
  uint64_t sequence_ = 0;
  uint64_t next_report_id_ = 1;
  uint32_t digest_shift_ = 0;  // 0: the namenode wants lists
  struct Round {
    std::vector<size_t> volumes;  // still to be reported; the last one is the next
    bool lists = false;           // of all replicas, whatever the digests
    absl::Duration not_before;
  } round_;
  absl::Duration next_round_;
  absl::BitGen random_;
  std::vector<Change> in_flight_;  // sent, or about to be, as number sequence_
  absl::Duration interval_;
  absl::Duration next_heartbeat_;  // by the monotonic clock
  absl::Duration next_report_;     // the same; of urgent changes
  absl::Duration next_failures_;   // the same; of failed copies, wrong units and verdicts

  Mutex mu_;
  CondVar wake_;             // the session's thread
  CondVar wake_for_orders_;  // the one that waits for orders
  std::deque<Change> pending_ ABSL_GUARDED_BY(mu_);
  bool urgent_ ABSL_GUARDED_BY(mu_) = false;
  bool volume_failed_ ABSL_GUARDED_BY(mu_) = false;  // no heartbeat has said so yet
  std::deque<internal::FailedCopy> failed_copies_ ABSL_GUARDED_BY(mu_);     // not told yet
  std::deque<internal::WrongUnit> wrong_units_ ABSL_GUARDED_BY(mu_);        // likewise
  std::deque<internal::GroupVerdict> group_verdicts_ ABSL_GUARDED_BY(mu_);  // likewise
  bool round_wanted_ ABSL_GUARDED_BY(mu_) = false;
  bool lists_wanted_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  // The session in which orders may be waited for: registered, and not known to have ended.
  std::optional<uint64_t> order_session_ ABSL_GUARDED_BY(mu_);
  bool heartbeat_now_ ABSL_GUARDED_BY(mu_) = false;  // for orders; until one was made
};

}  // namespace cairn::datanode
