#include "client/lease_renewer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/thread.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {

LeaseRenewer::LeaseRenewer(absl::Duration period, absl::Duration hard_limit, RpcChannel& namenode,
                           std::string client_name, Clock& clock)
    : period_(period),
      hard_limit_(hard_limit),
      namenode_(namenode),
      client_name_(std::move(client_name)),
      clock_(clock) {}

LeaseRenewer::~LeaseRenewer() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void LeaseRenewer::Add(LeaseHolder& holder) {
  MutexLock lock(mu_);
  // The call that opened the file was a renewal.
  last_renewal_ = clock_.Monotonic();
  holders_.Add(holder);
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void LeaseRenewer::Run() {
  SetThreadName("lease-renewer");
  while (true) {
    {
      MutexLock lock(mu_);
      const absl::Duration until = clock_.Monotonic() + period_;
      while (!stopping_ && clock_.Monotonic() < until) {
        changed_.WaitFor(mu_, absl::ToChronoMilliseconds(until - clock_.Monotonic()) +
                                  std::chrono::milliseconds(1));
      }
      if (stopping_) return;
    }
    RenewOnce();
  }
}

void LeaseRenewer::RenewOnce() {
  if (holders_.empty()) return;
  hdfs::RenewLeaseRequestProto request;
  hdfs::RenewLeaseResponseProto response;
  request.set_clientname(client_name_);
  const absl::Status renewed = namenode_.Call("renewLease", request, response);
  {
    MutexLock lock(mu_);
    if (renewed.ok()) last_renewal_ = clock_.Monotonic();
    if (clock_.Monotonic() - last_renewal_ <= hard_limit_) return;
  }
  holders_.ForEach([&](LeaseHolder& holder) {
    holder.Abort(absl::AbortedError(
        absl::StrCat("the lease could not be renewed in time: ", renewed.message())));
  });
}

}  // namespace cairn::client
