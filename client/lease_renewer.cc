#include "client/lease_renewer.h"

#include <utility>
#include <vector>

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
  const auto entry = std::make_shared<Entry>();
  {
    MutexLock lock(entry->mu);
    entry->holder = &holder;
  }
  MutexLock lock(mu_);
  // The call that opened the file was a renewal.
  last_renewal_ = clock_.Monotonic();
  entries_[&holder] = entry;
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void LeaseRenewer::Remove(LeaseHolder& holder) {
  std::shared_ptr<Entry> entry;
  {
    MutexLock lock(mu_);
    const auto found = entries_.find(&holder);
    if (found == entries_.end()) return;
    entry = std::move(found->second);
    entries_.erase(found);
  }
  MutexLock lock(entry->mu);
  entry->holder = nullptr;
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
  {
    MutexLock lock(mu_);
    if (entries_.empty()) return;
  }
  hdfs::RenewLeaseRequestProto request;
  hdfs::RenewLeaseResponseProto response;
  request.set_clientname(client_name_);
  const absl::Status renewed = namenode_.Call("renewLease", request, response);
  bool lost = false;
  std::vector<std::shared_ptr<Entry>> entries;
  {
    MutexLock lock(mu_);
    if (renewed.ok()) last_renewal_ = clock_.Monotonic();
    lost = clock_.Monotonic() - last_renewal_ > hard_limit_;
    for (const auto& [holder, entry] : entries_) entries.push_back(entry);
  }
  for (const std::shared_ptr<Entry>& entry : entries) {
    MutexLock lock(entry->mu);
    if (entry->holder == nullptr) continue;
    if (lost) {
      entry->holder->Abort(absl::AbortedError(
          absl::StrCat("the lease could not be renewed in time: ", renewed.message())));
    } else {
      entry->holder->KeepAlive();
    }
  }
}

}  // namespace cairn::client
