#include "namenode/lease/lease_manager.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/fs_error.h"

namespace cairn::namenode {

LeaseManager::LeaseManager(Options options, Clock& clock) : options_(options), clock_(clock) {}

void LeaseManager::RenewLocked(Leases::iterator lease, absl::Duration now) {
  lease->renewed = now;
  leases_.splice(leases_.end(), leases_, lease);
}

void LeaseManager::GrantLocked(InodeId file, absl::string_view holder, absl::Duration now) {
  auto known = by_holder_.find(holder);
  if (known == by_holder_.end()) {
    leases_.push_back({std::string(holder), now, {}});
    known = by_holder_.emplace(std::string(holder), std::prev(leases_.end())).first;
  }
  RenewLocked(known->second, now);
  known->second->files.insert(file);
  by_file_[file] = known->second;
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

absl::Status LeaseManager::Grant(InodeId file, absl::string_view holder) {
  const absl::Duration now = clock_.Monotonic();
  MutexLock lock(mu_);
  const auto found = by_file_.find(file);
  if (found != by_file_.end() && found->second->holder != holder) {
    return MakeFsError(
        FsError::kAlreadyBeingCreated,
        absl::StrCat("inode ", ToInt(file), " is being written by ", found->second->holder));
  }
  GrantLocked(file, holder, now);
  return absl::OkStatus();
}

void LeaseManager::Restore(InodeId file, absl::string_view holder) {
  const absl::Duration now = clock_.Monotonic();
  MutexLock lock(mu_);
  const auto found = by_file_.find(file);
  if (found != by_file_.end() && found->second->holder != holder) ReleaseLocked(file);
  GrantLocked(file, holder, now);
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

std::optional<std::string> LeaseManager::HolderOf(InodeId file) const {
  MutexLock lock(mu_);
  const auto found = by_file_.find(file);
  if (found == by_file_.end()) return std::nullopt;
  return found->second->holder;
}

bool LeaseManager::IsHeldBy(InodeId file, absl::string_view holder) const {
  MutexLock lock(mu_);
  const auto found = by_file_.find(file);
  return found != by_file_.end() && found->second->holder == holder;
}

bool LeaseManager::IsSoftExpired(absl::string_view holder) const {
  const absl::Duration now = clock_.Monotonic();
  MutexLock lock(mu_);
  const auto found = by_holder_.find(holder);
  return found == by_holder_.end() || now - found->second->renewed >= options_.soft_limit;
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

size_t LeaseManager::open_files() const {
  MutexLock lock(mu_);
  return by_file_.size();
}

size_t LeaseManager::holders() const {
  MutexLock lock(mu_);
  return leases_.size();
}

std::vector<LeaseManager::OpenFile> LeaseManager::ListOpen(InodeId after, size_t limit) const {
  const absl::Duration now = clock_.Monotonic();
  std::vector<OpenFile> files;
  MutexLock lock(mu_);
  for (const auto& [file, lease] : by_file_) {
    if (file > after) files.push_back({file, "", absl::ZeroDuration()});
  }
  const size_t count = std::min(limit, files.size());
  std::partial_sort(files.begin(), files.begin() + count, files.end(),
                    [](const OpenFile& a, const OpenFile& b) { return a.file < b.file; });
  files.resize(count);
  for (OpenFile& file : files) {
    const Lease& lease = *by_file_.find(file.file)->second;
    file.holder = lease.holder;
    file.idle = now - lease.renewed;
  }
  return files;
}

}  // namespace cairn::namenode
