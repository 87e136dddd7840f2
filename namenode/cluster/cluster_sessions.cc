// ClusterState: what datanodes say. Registrations, heartbeats, and the order of reports.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "namenode/cluster/cluster_state.h"

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

}  // namespace cairn::namenode
