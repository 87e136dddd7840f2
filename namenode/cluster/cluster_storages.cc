// ClusterState: the records of storages, and which of them are waited for.
#include <algorithm>
#include <map>

#include "namenode/cluster/cluster_state.h"

namespace cairn::namenode {

const ClusterState::Storage* ClusterState::FindStorage(absl::string_view uuid) const {
  const auto found = storage_numbers_.find(uuid);
  return found == storage_numbers_.end() ? nullptr : &storages_[found->second];
}

ClusterState::Node* ClusterState::OwnerOf(uint32_t storage) const {
  if (storage >= storages_.size() || !storages_[storage].known) return nullptr;
  const auto found = nodes_.find(storages_[storage].datanode_uuid);
  return found == nodes_.end() ? nullptr : found->second.get();
}

std::optional<uint32_t> ClusterState::NumberOf(absl::string_view storage_uuid) const {
  MutexLock lock(mu_);
  const auto found = storage_numbers_.find(storage_uuid);
  if (found == storage_numbers_.end()) return std::nullopt;
  return found->second;
}

bool ClusterState::IsStorageOf(absl::string_view storage_uuid,
                               absl::string_view datanode_uuid) const {
  MutexLock lock(mu_);
  const Storage* const storage = FindStorage(storage_uuid);
  return storage != nullptr && storage->datanode_uuid == datanode_uuid;
}

bool ClusterState::IsRecordedAway(absl::string_view storage_uuid) const {
  MutexLock lock(mu_);
  const Storage* const storage = FindStorage(storage_uuid);
  return storage != nullptr && storage->lost_from != BlockId{};
}

void ClusterState::AddStorage(uint32_t number, absl::string_view storage_uuid,
                              absl::string_view datanode_uuid, uint32_t type, bool given_up,
                              BlockId lost_from) {
  MutexLock lock(mu_);
  if (number >= storages_.size()) storages_.resize(number + 1);
  // The former owner, if there is one, must not go on showing a disk that has moved.
  if (Node* const former = OwnerOf(number);
      former != nullptr && former->info.uuid != datanode_uuid) {
    std::erase_if(former->info.storages,
                  [&](const StorageInfo& storage) { return storage.number == number; });
    former->published = nullptr;
    view_expires_ = -absl::InfiniteDuration();
  }
  const bool reported = storages_[number].reported && storages_[number].uuid == storage_uuid;
  storages_[number] = {std::string(storage_uuid),
                       std::string(datanode_uuid),
                       type,
                       true,
                       given_up,
                       reported,
                       lost_from};
  storage_numbers_[std::string(storage_uuid)] = number;
  view_expires_ = -absl::InfiniteDuration();  // it is awaited, or not any more
}

std::vector<uint32_t> ClusterState::StoragesOf(absl::string_view datanode_uuid) const {
  std::vector<uint32_t> numbers;
  MutexLock lock(mu_);
  for (uint32_t number = 0; number < storages_.size(); ++number) {
    if (storages_[number].known && storages_[number].datanode_uuid == datanode_uuid) {
      numbers.push_back(number);
    }
  }
  return numbers;
}

ClusterState::Awaited ClusterState::AwaitedDatanodes(size_t most_missing) const {
  Awaited awaited;
  std::map<absl::string_view, bool> reported;  // by uuid: all of its storages
  MutexLock lock(mu_);
  for (uint32_t number = 0; number < storages_.size(); ++number) {
    const Storage& storage = storages_[number];
    if (!storage.known || storage.given_up) continue;
    const auto [of_node, is_new] = reported.try_emplace(storage.datanode_uuid, true);
    of_node->second = of_node->second && HasReported(number);
  }
  awaited.known = static_cast<int>(reported.size());
  for (const auto& [uuid, all] : reported) {
    const auto node = nodes_.find(uuid);
    if (node != nodes_.end() && !node->second->declared_dead) {
      ++awaited.registered;
      awaited.reported += all;
    } else if (awaited.missing.size() < most_missing) {
      awaited.missing.emplace_back(uuid);
    }
  }
  return awaited;
}

void ClusterState::SetReported(uint32_t storage, uint64_t session) {
  MutexLock lock(mu_);
  Node* const node = OwnerOf(storage);
  if (node == nullptr || node->info.session != session) return;
  storages_[storage].reported = true;
  for (StorageInfo& info : node->info.storages) {
    if (info.number == storage) info.reported = true;
  }
  node->published = nullptr;
  numbers_changed_ = true;
}

// Or is not there any more, as its datanode has come without it.
bool ClusterState::HasReported(uint32_t storage) const {
  if (storages_[storage].reported) return true;
  const Node* const node = OwnerOf(storage);
  if (node == nullptr) return false;
  const std::vector<StorageInfo>& there = node->info.storages;
  return std::none_of(there.begin(), there.end(), [&](const StorageInfo& info) {
    return info.number == storage && !info.failed;
  });
}

std::optional<ClusterState::StorageRecord> ClusterState::UntoldHolder(BlockId block) const {
  const bool lost_are_waited_for = LostDiskWaitLeft() > absl::ZeroDuration();
  MutexLock lock(mu_);
  const absl::Duration now = clock_.Monotonic();
  for (uint32_t number = 0; number < storages_.size(); ++number) {
    const Storage& storage = storages_[number];
    if (!storage.known || storage.reported) continue;
    if (storage.lost_from != BlockId{} && CounterOf(block) >= ToInt(storage.lost_from)) {
      continue;
    }
    const bool is_away = IsAway(number, now);
    if (is_away && !lost_are_waited_for) continue;
    return StorageRecord{number,           storage.uuid, storage.datanode_uuid, storage.type,
                         storage.given_up, is_away,      storage.lost_from};
  }
  return std::nullopt;
}

absl::Duration ClusterState::LostDiskWaitLeft() const {
  return std::max(made_ + options_.lost_disk_wait - clock_.Monotonic(), absl::ZeroDuration());
}

bool ClusterState::IsAway(uint32_t storage, absl::Duration now) const {
  const Node* const node = OwnerOf(storage);
  if (node == nullptr) return now - made_ >= options_.dead_interval;  // till then it may still come
  if (LivenessOf(*node, now) == Liveness::kDead) return true;
  const std::vector<StorageInfo>& there = node->info.storages;
  return std::none_of(there.begin(), there.end(), [&](const StorageInfo& info) {
    return info.number == storage && !info.failed;
  });
}

std::vector<ClusterState::StorageRecord> ClusterState::OutdatedRecords(size_t most) const {
  std::vector<StorageRecord> records;
  MutexLock lock(mu_);
  const absl::Duration now = clock_.Monotonic();
  for (uint32_t number = 0; number < storages_.size() && records.size() < most; ++number) {
    const Storage& storage = storages_[number];
    if (!storage.known) continue;
    const Node* const node = OwnerOf(number);
    if (node == nullptr && now - made_ < options_.dead_interval) continue;  // it may still come
    const bool given_up = node == nullptr || LivenessOf(*node, now) == Liveness::kDead;
    const bool is_away = IsAway(number, now);
    if (given_up == storage.given_up && is_away == (storage.lost_from != BlockId{})) continue;
    records.push_back({number, storage.uuid, storage.datanode_uuid, storage.type, given_up, is_away,
                       is_away ? storage.lost_from : BlockId{}});
  }
  return records;
}

std::vector<ClusterState::StorageRecord> ClusterState::RecordedAway(
    std::span<const uint32_t> storages) const {
  std::vector<StorageRecord> records;
  MutexLock lock(mu_);
  const absl::Duration now = clock_.Monotonic();
  for (const uint32_t number : storages) {
    if (number >= storages_.size() || storages_[number].lost_from == BlockId{}) continue;
    if (IsAway(number, now)) continue;  // named by a client who should know better
    const Storage& storage = storages_[number];
    records.push_back(
        {number, storage.uuid, storage.datanode_uuid, storage.type, /*given_up=*/false});
  }
  return records;
}

}  // namespace cairn::namenode
