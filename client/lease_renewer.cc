#include "client/lease_renewer.h"

#include <algorithm>
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

void LeaseRenewer::Add(const std::shared_ptr<LeaseHolder>& holder) {
  MutexLock lock(mu_);
  // The call that opened the file was a renewal.
  last_renewal_ = clock_.Monotonic();
  holders_.push_back(holder);
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void LeaseRenewer::Remove(const LeaseHolder* holder) {
  MutexLock lock(mu_);
  // A holder that is being destroyed is an expired pointer here already.
  std::erase_if(holders_, [&](const std::weak_ptr<LeaseHolder>& h) {
    const std::shared_ptr<LeaseHolder> alive = h.lock();
    return alive == nullptr || alive.get() == holder;
  });
}

std::vector<std::shared_ptr<LeaseHolder>> LeaseRenewer::Holders() {
  MutexLock lock(mu_);
  std::vector<std::shared_ptr<LeaseHolder>> alive;
  for (const std::weak_ptr<LeaseHolder>& h : holders_) {
    if (std::shared_ptr<LeaseHolder> holder = h.lock()) alive.push_back(std::move(holder));
  }
  return alive;
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
  const std::vector<std::shared_ptr<LeaseHolder>> holders = Holders();
  if (holders.empty()) return;
  hdfs::RenewLeaseRequestProto request;
  hdfs::RenewLeaseResponseProto response;
  request.set_clientname(client_name_);
  const absl::Status renewed = namenode_.Call("renewLease", request, response);
  bool lost = false;
  {
    MutexLock lock(mu_);
    if (renewed.ok()) last_renewal_ = clock_.Monotonic();
    lost = clock_.Monotonic() - last_renewal_ > hard_limit_;
  }
  for (const std::shared_ptr<LeaseHolder>& holder : holders) {
    if (lost) {
      holder->Abort(absl::AbortedError(
          absl::StrCat("the lease could not be renewed in time: ", renewed.message())));
    } else {
      holder->KeepAlive();
    }
  }
}

}  // namespace cairn::client
