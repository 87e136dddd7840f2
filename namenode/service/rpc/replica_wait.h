// namenode/service/rpc/replica_wait.h - calls that wait for a report, since without it they can
// only say "not yet": complete() and addBlock() while a block lacks its minimum of replicas.
//
// Datanodes report a replica about when the client learns that its last packet is safe, so the
// client's next call often comes first. Answering "not yet" at once would cost it 400 ms (Java) or
// the whole copy (Go): the call is tried again when the report has come, and answered "not yet"
// only when ClientProtocolOptions::complete_wait has passed.
//
//   const auto outcome = call.namenode().Complete(..., /*on_replica=*/nullptr);
//   ... answers it, unless it is "not yet": most calls end here, and none of this is made
//   auto place = WaitingPlace::Take(call.edge_owner, call.edge().options.complete_wait);
//   ... without a place answers it all the same
//   std::make_shared<WaitingComplete>(call, *std::move(place), ...)->Start();
//
// Internal to this folder.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "namenode/service/rpc/client_protocol_methods.h"

namespace cairn::namenode::client_protocol {

// One waiting call. The timer owns it; the namenode, which may hold its call-back for as long as
// the replica is missing, only knows it weakly.
//
// One try is made at a time, and nobody answers during one: a client that was told "not yet" while
// its file was closed, or got a block, would not know what has become of it.
//
// Threads: Start on the call's; what follows on the scheduler's. The call-back may come on any,
// perhaps with the namenode's locks held, so it only schedules. No lock is held over a try.
class ReplicaWait : public std::enable_shared_from_this<ReplicaWait> {
 public:
  virtual ~ReplicaWait() = default;

  // Tries again at once, since the report may have come after the first try, and this time with a
  // call-back. A shared_ptr must own this already.
  void Start() ABSL_LOCKS_EXCLUDED(mu_);

 protected:
  // What a try came to.
  struct Tried {
    bool missing;                        // `answer` is "not yet", for when the time is up
    uint64_t ticket;                     // `answer` waits for it
    absl::StatusOr<std::string> answer;  // the response, serialized
  };

  // Defers the reply. `ticket`: the first try's, for which each answer waits, too.
  ReplicaWait(const Call& call, WaitingPlace place, uint64_t ticket);

  // `on_replica` is for the namenode. `client_gone`: nobody will get the answer.
  virtual Tried Try(const Caller& caller, bool client_gone, std::function<void()> on_replica) = 0;

  const Edge& edge() const { return *edge_; }

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  void TryWith(std::optional<rpc::DeferredReply> reply) ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<rpc::DeferredReply> BeginTry() ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<rpc::DeferredReply> EndTry(rpc::DeferredReply reply, Tried tried)
      ABSL_LOCKS_EXCLUDED(mu_);
  void OnReplica();
  void GiveUp() ABSL_LOCKS_EXCLUDED(mu_);

  const std::shared_ptr<const Edge> edge_;
  const WaitingPlace place_;
  const std::string user_, remote_ip_;

  Mutex mu_;
  std::optional<rpc::DeferredReply> reply_ ABSL_GUARDED_BY(mu_);  // empty: answered, or being tried
  bool news_ ABSL_GUARDED_BY(mu_) = false;          // a report has come during the try
  bool time_up_ ABSL_GUARDED_BY(mu_) = false;       // whoever tries answers, whatever it is
  std::optional<Tried> last_ ABSL_GUARDED_BY(mu_);  // there after the first try
  uint64_t ticket_ ABSL_GUARDED_BY(mu_);            // the newest edit that a try depends on
};

}  // namespace cairn::namenode::client_protocol
