// client/lease_renewer.h - tells the namenode that this client's writers live.
//
// One thread, started with the first open stream, renews the lease of the client name while streams
// are open (one call renews them all). When no renewal has succeeded for the hard limit, the
// namenode has taken the files away: the streams are aborted.
#pragma once

#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/registry.h"
#include "client/rpc_channel.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace cairn::client {

// An open output stream as the renewer sees it. Called from its thread, without the renewer's lock.
class LeaseHolder {
 public:
  virtual ~LeaseHolder() = default;  // removed before
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
  void Remove(LeaseHolder& holder) { holders_.Remove(holder); }  // see Registry::Remove

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  void RenewOnce() ABSL_LOCKS_EXCLUDED(mu_);

  const absl::Duration period_;
  const absl::Duration hard_limit_;
  RpcChannel& namenode_;
  const std::string client_name_;
  Clock& clock_;
  Registry<LeaseHolder> holders_;
  Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::Duration last_renewal_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;  // started under mu_, joined by the destructor
};

}  // namespace cairn::client
