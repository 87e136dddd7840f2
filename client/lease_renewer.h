// client/lease_renewer.h - tells the namenode that this client's writers live.
//
// One thread, started with the first open stream, renews the lease of the client name while streams
// are open (one call renews them all) and lets each stream keep its pipeline alive. When no renewal
// has succeeded for the hard limit, the namenode has taken the files away: the streams are aborted.
//
// The thread never owns a stream. A stream holds the context and the context this object: whoever
// dropped the last stream on that thread would have it join itself. Streams remove themselves
// instead, and wait while the thread is just calling them.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/rpc_channel.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace cairn::client {

// An open output stream as the renewer sees it. Called from its thread, without the renewer's lock.
class LeaseHolder {
 public:
  virtual ~LeaseHolder() = default;  // removed before
  virtual void KeepAlive() = 0;
  virtual void Abort(absl::Status why) = 0;
};

class LeaseRenewer {
 public:
  // `namenode` and `clock` outlive this.
  LeaseRenewer(absl::Duration period, absl::Duration hard_limit, RpcChannel& namenode,
               std::string client_name, Clock& clock);
  ~LeaseRenewer();  // joins the thread
  LeaseRenewer(const LeaseRenewer&) = delete;
  LeaseRenewer& operator=(const LeaseRenewer&) = delete;

  void Add(LeaseHolder& holder) ABSL_LOCKS_EXCLUDED(mu_);
  // Idempotent. `holder` is in no call from the thread when this returns; not to be called with a
  // lock that the holder's calls take.
  void Remove(LeaseHolder& holder) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // What the thread knows of a stream. Its lock is held while the stream is called.
  struct Entry {
    Mutex mu;
    LeaseHolder* holder ABSL_GUARDED_BY(mu) = nullptr;  // null: removed
  };

  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  void RenewOnce() ABSL_LOCKS_EXCLUDED(mu_);

  const absl::Duration period_;
  const absl::Duration hard_limit_;
  RpcChannel& namenode_;
  const std::string client_name_;
  Clock& clock_;
  Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::Duration last_renewal_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<LeaseHolder*, std::shared_ptr<Entry>> entries_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;  // started under mu_, joined by the destructor
};

}  // namespace cairn::client
