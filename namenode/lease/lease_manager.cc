#include "namenode/lease/lease_manager.h"

#include <algorithm>
#include <utility>

namespace cairn::namenode {

LeaseManager::LeaseManager(Options options, Clock& clock) : options_(options), clock_(clock) {}

void LeaseManager::RenewLocked(Leases::iterator lease, absl::Duration now) {
  lease->renewed = now;
  leases_.splice(leases_.end(), leases_, lease);
}

LeaseManager::Leases::iterator LeaseManager::LeaseOf(absl::string_view holder, absl::Duration now) {
  if (const auto known = by_holder_.find(holder); known != by_holder_.end()) {
    RenewLocked(known->second, now);
    return known->second;
  }
  leases_.push_back({std::string(holder), now, {}});
  const Leases::iterator lease = std::prev(leases_.end());
  if (!IsReservedHolder(holder)) by_holder_.emplace(std::string(holder), lease);
  return lease;
}

void LeaseManager::ReleaseLocked(InodeId file) {
  const auto found = by_file_.find(file);
  if (found == by_file_.end()) return;
  const Leases::iterator lease = found->second;
  by_file_.erase(found);
  lease->files.erase(file);
  if (!lease->files.empty()) return;
  by_holder_.erase(lease->holder);
  leases_.erase(lease);
}

void LeaseManager::Restore(InodeId file, absl::string_view holder) {
  const absl::Duration now = clock_.Monotonic();
  MutexLock lock(mu_);
  const auto found = by_file_.find(file);
  if (found != by_file_.end()) {
    const bool same = found->second->holder == holder;
    if (same && IsReservedHolder(holder)) return;  // it has its time
    if (!same) ReleaseLocked(file);
  }
  const Leases::iterator lease = LeaseOf(holder, now);
  lease->files.insert(file);
  by_file_[file] = lease;
}

void LeaseManager::Release(InodeId file) {
  MutexLock lock(mu_);
  ReleaseLocked(file);
}

void LeaseManager::Renew(absl::string_view holder) {
  const absl::Duration now = clock_.Monotonic();
  MutexLock lock(mu_);
  const auto found = by_holder_.find(holder);
  if (found != by_holder_.end()) RenewLocked(found->second, now);
}

bool LeaseManager::IsHeldByClient(InodeId file) const {
  MutexLock lock(mu_);
  const auto found = by_file_.find(file);
  return found != by_file_.end() && !IsReservedHolder(found->second->holder);
}

bool LeaseManager::IsSoftExpired(absl::string_view holder) const {
  const absl::Duration now = clock_.Monotonic();
  MutexLock lock(mu_);
  const auto found = by_holder_.find(holder);
  return found == by_holder_.end() || now - found->second->renewed >= options_.soft_limit;
}

std::vector<InodeId> LeaseManager::FilesAfter(InodeId after, size_t most) const {
  std::vector<InodeId> files;
  MutexLock lock(mu_);
  for (auto at = by_file_.upper_bound(after); at != by_file_.end() && files.size() < most; ++at) {
    files.push_back(at->first);
  }
  return files;
}

std::vector<InodeId> LeaseManager::TakeExpired(size_t limit) {
  std::vector<InodeId> expired;
  const absl::Duration now = clock_.Monotonic();
  MutexLock lock(mu_);
  while (!leases_.empty() && now - leases_.front().renewed >= options_.hard_limit &&
         expired.size() < limit) {
    const InodeId file = *leases_.front().files.begin();
    expired.push_back(file);
    ReleaseLocked(file);
  }
  std::sort(expired.begin(), expired.end());
  return expired;
}

}  // namespace cairn::namenode
