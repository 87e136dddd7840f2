#include "namenode/cluster/cluster_state.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status_macros.h"

namespace cairn::namenode {
namespace {

bool SameAddress(const DatanodeAddress& a, const DatanodeAddress& b) {
  return a.ip == b.ip && a.transfer_port == b.transfer_port;
}

std::string Name(const DatanodeAddress& address) {
  return absl::StrCat(address.ip, ":", address.transfer_port);
}

void CopyNumbers(const StorageInfo& from, StorageInfo* to) {
  to->capacity_bytes = from.capacity_bytes;
  to->used_bytes = from.used_bytes;
  to->remaining_bytes = from.remaining_bytes;
  to->blocks = from.blocks;
  to->failed = from.failed;
}

uint64_t ToMillis(absl::Time time) {
  return static_cast<uint64_t>(std::max<int64_t>(0, absl::ToUnixMillis(time)));
}

absl::Status RegisterAgain(absl::string_view uuid, absl::string_view why) {
  return absl::AbortedError(absl::StrCat("datanode ", uuid, ": ", why, "; register again"));
}

}  // namespace

absl::string_view AdminStateText(AdminState state) {
  switch (state) {
    case AdminState::kInService:
      return "In Service";
    case AdminState::kDecommissioning:
      return "Decommission In Progress";
    case AdminState::kDecommissioned:
      return "Decommissioned";
    case AdminState::kEnteringMaintenance:
      return "Entering Maintenance";
    case AdminState::kInMaintenance:
      return "In Maintenance";
  }
  return "In Service";
}

ClusterState::ClusterState(Options options, Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      made_(clock.Monotonic()),
      racks_(options_.racks != nullptr ? options_.racks : std::make_shared<RackTable>()),
      rules_(options_.rules != nullptr ? options_.rules : std::make_shared<HostRules>()),
      // A datanode that outlives a restart of the namenode must not hit upon a valid session.
      next_session_(static_cast<uint64_t>(absl::ToUnixMicros(clock.Now()))),
      next_roll_(clock.Monotonic() + options_.scheduled_window),
      view_(std::make_shared<ClusterView>(std::vector<ClusterView::Input>(), racks_)),
      view_made_(clock.Monotonic()),
      view_expires_(absl::InfiniteDuration()) {}

// ---- storages

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

// ---- what datanodes say

Liveness ClusterState::LivenessOf(const Node& node, absl::Duration now) const {
  const absl::Duration silent = now - node.last_heartbeat;
  if (node.declared_dead || silent >= options_.dead_interval) return Liveness::kDead;
  return silent >= options_.stale_interval ? Liveness::kStale : Liveness::kLive;
}

absl::Status ClusterState::CheckRegistrationLocked(const NodeRegistration& node) const {
  const absl::Duration now = clock_.Monotonic();
  if (const auto found = nodes_.find(node.uuid); found != nodes_.end()) {
    const Node& known = *found->second;
    if (!SameAddress(known.info.address, node.address) &&
        LivenessOf(known, now) == Liveness::kLive) {
      return absl::AlreadyExistsError(
          absl::StrCat("datanode uuid ", node.uuid, " at ", Name(node.address),
                       ": a live datanode has this uuid at ", Name(known.info.address),
                       "; is its directory a copy?"));
    }
  }
  if (!rules_->For(node.address).included) {
    return absl::PermissionDeniedError(absl::StrCat(
        "datanode ", node.uuid, " at ", Name(node.address), " (", node.address.host_name,
        ") denied communication with namenode: it is not in the include-list (dfs.hosts)"));
  }
  absl::flat_hash_set<absl::string_view> seen;
  for (const StorageInfo& storage : node.storages) {
    if (!seen.insert(storage.uuid).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("datanode ", node.uuid, " names storage ", storage.uuid, " twice"));
    }
    const auto known = storage_numbers_.find(storage.uuid);
    if (known == storage_numbers_.end()) continue;
    const Node* const owner = OwnerOf(known->second);
    if (owner != nullptr && owner->info.uuid != node.uuid &&
        LivenessOf(*owner, now) == Liveness::kLive) {
      return absl::AlreadyExistsError(
          absl::StrCat("storage ", storage.uuid, " of datanode ", node.uuid, " at ",
                       Name(node.address), " belongs to the live datanode ", owner->info.uuid,
                       " at ", Name(owner->info.address), "; is its directory a copy?"));
    }
  }
  // Last, since it begins something: whoever is refused for good is asked nothing.
  if (!racks_->Knows(node.address.ip, node.address.host_name)) {
    return absl::UnavailableError(absl::StrCat("datanode ", node.uuid, " at ", Name(node.address),
                                               ": its rack is being looked up; try again"));
  }
  return absl::OkStatus();
}

absl::Status ClusterState::CheckRegistration(const NodeRegistration& node) const {
  MutexLock lock(mu_);
  return CheckRegistrationLocked(node);
}

absl::StatusOr<uint64_t> ClusterState::Register(const NodeRegistration& registration) {
  const absl::Time wall = clock_.Now();
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckRegistrationLocked(registration));
  std::vector<StorageInfo> storages = registration.storages;
  for (StorageInfo& storage : storages) {
    const auto number = storage_numbers_.find(storage.uuid);
    if (number == storage_numbers_.end() ||
        storages_[number->second].datanode_uuid != registration.uuid) {
      return absl::FailedPreconditionError(absl::StrCat(
          "storage ", storage.uuid, " has no number as one of datanode ", registration.uuid));
    }
    storage.number = number->second;
    storage.reported = false;
  }
  if (nodes_.size() >= kMaxNodes && !nodes_.contains(registration.uuid)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("datanode ", registration.uuid, ": ", kMaxNodes, " datanodes are known"));
  }
  std::unique_ptr<Node>& node = nodes_[registration.uuid];
  if (node == nullptr) {
    node = std::make_unique<Node>();
    node->scheduled = std::make_shared<ScheduledBlocks>();
  }
  node->info.uuid = registration.uuid;
  node->info.address = registration.address;
  node->info.rack = racks_->RackOf(registration.address.ip, registration.address.host_name);
  node->info.storages = std::move(storages);
  node->info.session = next_session_++;
  node->info.transfers = 0;
  node->info.last_heartbeat_ms = ToMillis(wall);
  node->last_heartbeat = clock_.Monotonic();
  node->declared_dead = false;
  node->last_sequence = 0;
  node->report_running = false;
  node->published = nullptr;
  node->rule = rules_->For(registration.address);
  Govern(*node, wall);
  view_expires_ = -absl::InfiniteDuration();
  return node->info.session;
}

absl::StatusOr<ClusterState::Node*> ClusterState::FindSession(absl::string_view uuid,
                                                              uint64_t session) const {
  const auto found = nodes_.find(uuid);
  if (found == nodes_.end())
    return RegisterAgain(uuid, "not registered since the namenode started");
  Node* const node = found->second.get();
  if (node->info.session != session) {
    return RegisterAgain(uuid, absl::StrCat("session ", session, " is not the current one (",
                                            node->info.session, ")"));
  }
  if (LivenessOf(*node, clock_.Monotonic()) == Liveness::kDead) {
    return RegisterAgain(uuid, "silent for too long, declared dead");
  }
  return node;
}

bool ClusterState::IsSession(absl::string_view uuid, uint64_t session) const {
  MutexLock lock(mu_);
  return FindSession(uuid, session).ok();
}

absl::Status ClusterState::Heartbeat(absl::string_view uuid, uint64_t session,
                                     std::span<const StorageInfo> storages, uint32_t transfers) {
  const absl::Time wall = clock_.Now();
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Node* const node, FindSession(uuid, session));
  const absl::Duration now = clock_.Monotonic();
  RollScheduled(now);
  for (const StorageInfo& reported : storages) {
    const std::vector<StorageInfo>& own = node->info.storages;
    const auto known = std::find_if(own.begin(), own.end(), [&](const StorageInfo& storage) {
      return storage.uuid == reported.uuid;
    });
    if (known == own.end()) {
      return RegisterAgain(uuid, absl::StrCat("storage ", reported.uuid, " is not registered"));
    }
    // It may have lost replicas, and what it told before it failed means nothing any more.
    if (known->failed && !reported.failed) {
      return RegisterAgain(uuid, absl::StrCat("storage ", reported.uuid, " is back"));
    }
  }
  bool placement_changed = LivenessOf(*node, now) != Liveness::kLive;
  for (StorageInfo& storage : node->info.storages) {
    const auto reported =
        std::find_if(storages.begin(), storages.end(),
                     [&](const StorageInfo& candidate) { return candidate.uuid == storage.uuid; });
    const bool had_failed = storage.failed;
    if (reported != storages.end()) {
      CopyNumbers(*reported, &storage);
    } else {
      storage.failed = true;
    }
    placement_changed |= storage.failed != had_failed;
  }
  node->info.transfers = transfers;
  node->info.last_heartbeat_ms = ToMillis(wall);
  node->last_heartbeat = now;
  node->published = nullptr;
  numbers_changed_ = true;
  if (placement_changed) view_expires_ = -absl::InfiniteDuration();
  return absl::OkStatus();
}

// ---- reports

ClusterState::ReportTurn::ReportTurn(ClusterState* cluster, std::string uuid, uint64_t session,
                                     uint64_t sequence, bool is_new)
    : cluster_(is_new ? cluster : nullptr),
      uuid_(std::move(uuid)),
      session_(session),
      sequence_(sequence),
      is_new_(is_new) {}

ClusterState::ReportTurn::ReportTurn(ReportTurn&& other) noexcept
    : cluster_(std::exchange(other.cluster_, nullptr)),
      uuid_(std::move(other.uuid_)),
      session_(other.session_),
      sequence_(other.sequence_),
      is_new_(other.is_new_) {}

ClusterState::ReportTurn::~ReportTurn() { Finish(false); }

void ClusterState::ReportTurn::Done() { Finish(true); }

void ClusterState::ReportTurn::Finish(bool done) {
  if (cluster_ == nullptr) return;
  std::exchange(cluster_, nullptr)->FinishReport(uuid_, session_, sequence_, done);
}

absl::StatusOr<ClusterState::ReportTurn> ClusterState::BeginReport(absl::string_view uuid,
                                                                   uint64_t session,
                                                                   uint64_t sequence) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Node* const node, FindSession(uuid, session));
  if (sequence <= node->last_sequence) {
    return ReportTurn(this, std::string(uuid), session, sequence, /*is_new=*/false);
  }
  if (sequence != node->last_sequence + 1) {
    return RegisterAgain(
        uuid, absl::StrCat("report ", sequence, " came, ", node->last_sequence + 1, " is missing"));
  }
  if (node->report_running) {
    return absl::UnavailableError(
        absl::StrCat("datanode ", uuid, ": report ", sequence, " is being processed"));
  }
  node->report_running = true;
  return ReportTurn(this, std::string(uuid), session, sequence, /*is_new=*/true);
}

void ClusterState::FinishReport(absl::string_view uuid, uint64_t session, uint64_t sequence,
                                bool done) {
  MutexLock lock(mu_);
  const auto found = nodes_.find(uuid);
  // A turn of a former session says nothing about the present one.
  if (found == nodes_.end() || found->second->info.session != session) return;
  found->second->report_running = false;
  if (done) found->second->last_sequence = sequence;
}

// ---- reads

DatanodeInfo ClusterState::Describe(const Node& node, absl::Duration now) const {
  DatanodeInfo info = node.info;
  info.liveness = LivenessOf(node, now);
  info.silent_for = now - node.last_heartbeat;
  return info;
}

void ClusterState::RebuildView(absl::Duration now) const {
  std::vector<ClusterView::Input> inputs;
  inputs.reserve(nodes_.size());
  absl::Duration expires = absl::InfiniteDuration();
  for (const auto& [uuid, node] : nodes_) {
    const Liveness liveness = LivenessOf(*node, now);
    if (node->published == nullptr || node->published->liveness != liveness) {
      node->published = std::make_shared<const DatanodeInfo>(Describe(*node, now));
    }
    if (liveness == Liveness::kLive) {
      expires = std::min(expires, node->last_heartbeat + options_.stale_interval);
    } else if (liveness == Liveness::kStale) {
      expires = std::min(expires, node->last_heartbeat + options_.dead_interval);
    }
    inputs.push_back({node->published, node->scheduled});
  }
  // Placement draws from this order: with the same random numbers it decides the same.
  std::sort(inputs.begin(), inputs.end(),
            [](const auto& a, const auto& b) { return a.info->uuid < b.info->uuid; });
  std::vector<uint32_t> awaited;
  if (now - made_ < options_.dead_interval) {
    for (uint32_t number = 0; number < storages_.size(); ++number) {
      const Storage& storage = storages_[number];
      if (storage.known && !storage.given_up && OwnerOf(number) == nullptr) {
        awaited.push_back(number);
      }
    }
    if (!awaited.empty()) expires = std::min(expires, made_ + options_.dead_interval);
  }
  view_ = std::make_shared<const ClusterView>(std::move(inputs), racks_, awaited);
  view_made_ = now;
  view_expires_ = expires;
  numbers_changed_ = false;
}

std::shared_ptr<const ClusterView> ClusterState::View() const {
  MutexLock lock(mu_);
  const absl::Duration now = clock_.Monotonic();
  if (now >= view_expires_ || (numbers_changed_ && now - view_made_ >= options_.view_age)) {
    RebuildView(now);
  }
  return view_;
}

std::optional<StorageLocation> ClusterState::Locate(uint32_t storage) const {
  const std::shared_ptr<const ClusterView> view = View();
  const StorageLocation* const location = view->Find(storage);
  if (location == nullptr) return std::nullopt;
  return *location;
}

ClusterTotals ClusterState::Totals() const {
  ClusterTotals totals;
  MutexLock lock(mu_);
  const absl::Duration now = clock_.Monotonic();
  for (const auto& [uuid, node] : nodes_) {
    switch (LivenessOf(*node, now)) {
      case Liveness::kLive:
        ++totals.live;
        break;
      case Liveness::kStale:
        ++totals.stale;
        break;
      case Liveness::kDead:
        ++totals.dead;
        continue;
    }
    switch (node->info.admin_state) {
      case AdminState::kInService:
        break;
      case AdminState::kDecommissioning:
        ++totals.decommissioning;
        continue;
      case AdminState::kDecommissioned:
        ++totals.decommissioned;
        continue;
      case AdminState::kEnteringMaintenance:
        ++totals.entering_maintenance;
        continue;
      case AdminState::kInMaintenance:
        ++totals.in_maintenance;
        continue;
    }
    for (const StorageInfo& storage : node->info.storages) {
      if (storage.failed) continue;
      totals.capacity_bytes += storage.capacity_bytes;
      totals.used_bytes += storage.used_bytes;
      totals.remaining_bytes += storage.remaining_bytes;
    }
  }
  absl::flat_hash_set<absl::string_view> unregistered;
  for (const Storage& storage : storages_) {
    if (storage.known && !nodes_.contains(storage.datanode_uuid)) {
      unregistered.insert(storage.datanode_uuid);
    }
  }
  totals.unregistered = static_cast<int>(unregistered.size());
  return totals;
}

std::vector<DatanodeInfo> ClusterState::Nodes() const {
  std::vector<DatanodeInfo> infos;
  {
    MutexLock lock(mu_);
    const absl::Duration now = clock_.Monotonic();
    infos.reserve(nodes_.size());
    for (const auto& [uuid, node] : nodes_) infos.push_back(Describe(*node, now));
  }
  std::sort(infos.begin(), infos.end(),
            [](const DatanodeInfo& a, const DatanodeInfo& b) { return a.uuid < b.uuid; });
  return infos;
}

// ---- scheduled blocks

void ClusterState::RollScheduled(absl::Duration now) const {
  if (now < next_roll_) return;
  next_roll_ = now + options_.scheduled_window;
  for (const auto& [uuid, node] : nodes_) node->scheduled->Roll();
}

void ClusterState::Schedule(std::span<const uint32_t> storages) {
  MutexLock lock(mu_);
  for (const uint32_t storage : storages) {
    if (Node* const node = OwnerOf(storage)) node->scheduled->Add(1);
  }
}

void ClusterState::Unschedule(uint32_t storage) {
  MutexLock lock(mu_);
  if (Node* const node = OwnerOf(storage)) node->scheduled->RemoveOne();
}

// ---- what the operator says

void ClusterState::SetRacks(std::shared_ptr<const RackTable> racks) {
  MutexLock lock(mu_);
  racks_ = std::move(racks);
  for (const auto& [uuid, node] : nodes_) {
    const DatanodeAddress& address = node->info.address;
    if (!racks_->Knows(address.ip, address.host_name)) continue;  // asked now, told later
    const std::string& rack = racks_->RackOf(address.ip, address.host_name);
    if (node->info.rack == rack) continue;
    node->info.rack = rack;
    node->published = nullptr;
  }
  view_expires_ = -absl::InfiniteDuration();
}

void ClusterState::SetHostRules(std::shared_ptr<const HostRules> rules) {
  const absl::Time wall = clock_.Now();
  MutexLock lock(mu_);
  rules_ = std::move(rules);
  for (const auto& [uuid, node] : nodes_) {
    node->rule = rules_->For(node->info.address);
    Govern(*node, wall);
  }
}

// The state that follows from the node's rule.
void ClusterState::Govern(Node& node, absl::Time wall) {
  const AdminState now = node.info.admin_state;
  switch (node.rule.goal) {
    case HostRule::Goal::kServe:
      return SetAdminState(node, AdminState::kInService);
    case HostRule::Goal::kDecommission:
      return SetAdminState(node, IsDecommission(now) ? now : AdminState::kDecommissioning);
    case HostRule::Goal::kMaintenance:
      if (wall >= node.rule.maintenance_until) return SetAdminState(node, AdminState::kInService);
      node.info.maintenance_until = node.rule.maintenance_until;
      return SetAdminState(node, IsMaintenance(now) ? now : AdminState::kEnteringMaintenance);
  }
}

void ClusterState::SetAdminState(Node& node, AdminState state) {
  if (!IsMaintenance(state)) node.info.maintenance_until = absl::InfiniteFuture();
  node.published = nullptr;
  view_expires_ = -absl::InfiniteDuration();
  if (node.info.admin_state == state) return;
  AdminChange change{node.info.uuid,
                     node.info.address,
                     node.info.admin_state,
                     state,
                     LivenessOf(node, clock_.Monotonic()),
                     {}};
  for (const StorageInfo& storage : node.info.storages) change.storages.push_back(storage.number);
  admin_changes_.push_back(std::move(change));
  node.info.admin_state = state;
}

std::vector<ClusterState::AdminChange> ClusterState::TakeAdminChanges() {
  const absl::Time wall = clock_.Now();
  MutexLock lock(mu_);
  for (const auto& [uuid, node] : nodes_) {
    if (IsMaintenance(node->info.admin_state) && wall >= node->info.maintenance_until) {
      Govern(*node, wall);
    }
  }
  return std::exchange(admin_changes_, {});
}

bool ClusterState::FinishLeaving(absl::string_view uuid, AdminState from) {
  MutexLock lock(mu_);
  const auto found = nodes_.find(uuid);
  if (found == nodes_.end() || found->second->info.admin_state != from) return false;
  if (from == AdminState::kDecommissioning) {
    SetAdminState(*found->second, AdminState::kDecommissioned);
  } else if (from == AdminState::kEnteringMaintenance) {
    SetAdminState(*found->second, AdminState::kInMaintenance);
  } else {
    return false;
  }
  return true;
}

// ---- for repair

std::vector<ClusterState::DeadNode> ClusterState::TakeNewlyDead() {
  std::vector<DeadNode> dead;
  MutexLock lock(mu_);
  const absl::Duration now = clock_.Monotonic();
  for (const auto& [uuid, node] : nodes_) {
    if (node->declared_dead || LivenessOf(*node, now) != Liveness::kDead) continue;
    node->declared_dead = true;
    dead.push_back({uuid, node->info.session, {}});
    for (const StorageInfo& storage : node->info.storages) {
      dead.back().storages.push_back(storage.number);
    }
  }
  return dead;
}

}  // namespace cairn::namenode
