#include "tests/sim/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tests/sim/limits.h"

namespace cairn::sim {
namespace {

using datanode::ReplicaInfo;
using namenode::DatanodeCommand;
using namenode::DatanodeReports;
using namenode::ReplicaState;

constexpr absl::Duration kRetryMin = absl::Milliseconds(100);
constexpr absl::Duration kRetryMax = absl::Milliseconds(500);
// Replicas in one part of a full report: few, so that changes come between the parts.
constexpr size_t kPart = 3;

ReplicaState StateOf(datanode::ReplicaEvents::Kind kind) {
  switch (kind) {
    case datanode::ReplicaEvents::Kind::kBeingWritten:
      return ReplicaState::kBeingWritten;
    case datanode::ReplicaEvents::Kind::kFinalized:
      return ReplicaState::kFinalized;
    case datanode::ReplicaEvents::Kind::kDeleted:
      return ReplicaState::kDeleted;
    case datanode::ReplicaEvents::Kind::kCorrupt:
      return ReplicaState::kCorrupt;
  }
  return ReplicaState::kCorrupt;
}

ReplicaState StateOf(datanode::ReplicaState state) {
  switch (state) {
    case datanode::ReplicaState::kFinalized:
      return ReplicaState::kFinalized;
    case datanode::ReplicaState::kBeingWritten:
    case datanode::ReplicaState::kTemporary:
      return ReplicaState::kBeingWritten;
    case datanode::ReplicaState::kWaitingRecovery:
      return ReplicaState::kWaitingRecovery;
    case datanode::ReplicaState::kCorrupt:
      return ReplicaState::kCorrupt;
  }
  return ReplicaState::kCorrupt;
}

}  // namespace

Session::Session(Process& process, Network& network, NamenodeNode& namenode, Host host,
                 Planted planted, Report& trusted, Obey obey)
    : process_(process),
      network_(network),
      namenode_(namenode),
      host_(host),
      planted_(planted),
      trusted_(trusted),
      obey_(std::move(obey)) {}

void Session::Start(datanode::ReplicaStore& store) {
  store_ = &store;
  process_.Spawn([this] { Run(); });
}

void Session::Changed(Kind kind, const datanode::Volume&, const ReplicaInfo& replica) {
  pending_.push_back({Version(replica), StateOf(kind)});
  if (kind == Kind::kBeingWritten || urgent_) return;
  urgent_ = true;
  if (wake_) wake_->Set(true);
}

void Session::VolumeFailed(const datanode::Volume&) {
  next_heartbeat_ = process_.world().now();
  if (wake_) wake_->Set(true);
}

void Session::TriggerReport() {
  full_report_ = urgent_ = true;
  if (wake_) wake_->Set(true);
}

namenode::BlockVersion Session::Version(const ReplicaInfo& replica) {
  if (planted_ == Planted::kStampNotChecked) {
    return {replica.block, namenode_.NewestStamp(replica.block, replica.stamp), replica.length};
  }
  return {replica.block, replica.stamp, replica.length};
}

template <typename T>
T Session::Call(const std::function<T(DatanodeReports&)>& operation) {
  std::optional<T> answer =
      network_.Call<T>(process_, host_, kNamenodeHost, kCallLimit,
                       [&namenode = namenode_, operation](const std::function<void(T)>& reply) {
                         namenode.ServeDatanode<T>(operation, reply);
                       });
  if (!answer.has_value()) return absl::UnavailableError("the namenode is away");
  return *std::move(answer);
}

void Session::Run() {
  absl::Duration retry = kRetryMin;
  while (true) {
    const absl::Status status = Round();
    absl::Duration pause;
    if (status.ok()) {
      retry = kRetryMin;
      pause = urgent_ ? absl::Milliseconds(1) : next_heartbeat_ - process_.world().now();
    } else {
      if (absl::IsAborted(status)) session_.reset();
      pause = retry;
      retry = std::min(retry * 2, kRetryMax);
    }
    wake_.emplace();
    const Process::Answer<bool> wake = *wake_;
    if (status.ok()) {
      process_.Await(wake, std::max(pause, absl::Microseconds(1)));
    } else {
      process_.Sleep(pause);
    }
    wake_.reset();
  }
}

absl::Status Session::Round() {
  if (!session_.has_value()) RETURN_IF_ERROR(Register());
  RETURN_IF_ERROR(SendChanges());
  RETURN_IF_ERROR(SendFullReport());
  if (process_.world().now() >= next_heartbeat_) RETURN_IF_ERROR(Heartbeat());
  return absl::OkStatus();
}

std::vector<namenode::StorageInfo> Session::Storages() const {
  namenode::StorageInfo storage;
  const datanode::Volume& volume = *store_->volumes().front();
  storage.uuid = volume.identity().storage_uuid;
  storage.capacity_bytes = uint64_t{1} << 30;
  storage.used_bytes = volume.used_bytes();
  storage.remaining_bytes = storage.capacity_bytes - volume.used_bytes();
  storage.blocks = volume.blocks();
  storage.failed = volume.failed();
  if (storage.failed) storage.capacity_bytes = storage.remaining_bytes = storage.used_bytes = 0;
  return {storage};
}

absl::Status Session::Register() {
  namenode::DatanodeRegistration registration;
  registration.cluster_id = "CID-sim";
  registration.block_pool_id = "BP-sim";
  registration.layout_version = namenode::kDatanodeLayoutVersion;
  registration.datanode_uuid = absl::StrCat("dn-", host_);
  registration.address.ip = absl::StrCat("10.0.0.", host_);
  registration.address.host_name = registration.address.ip;
  registration.address.transfer_port = 9866;
  registration.storages = Storages();
  ++registrations_;
  ASSIGN_OR_RETURN(const namenode::DatanodeWelcome welcome,
                   Call<absl::StatusOr<namenode::DatanodeWelcome>>(
                       [registration](DatanodeReports& r) { return r.Register(registration); }));
  process_.world().Trace("dn-%d: registered", host_);
  session_ = welcome.session;
  sequence_ = in_flight_.empty() ? 0 : 1;
  next_heartbeat_ = process_.world().now();
  if (welcome.full_report) full_report_ = true;
  return absl::OkStatus();
}

absl::Status Session::SendChanges() {
  while (true) {
    if (in_flight_.empty()) {
      const bool due = urgent_ || process_.world().now() >= next_heartbeat_;
      if (pending_.empty()) urgent_ = false;
      if (pending_.empty() || !due) return absl::OkStatus();
      in_flight_.assign(pending_.begin(), pending_.end());
      pending_.clear();
      urgent_ = false;
      ++sequence_;
    }
    namenode::ChangesReport report;
    report.datanode_uuid = absl::StrCat("dn-", host_);
    report.session = *session_;
    report.sequence = sequence_;
    report.storages.push_back({absl::StrCat("DS-", host_), in_flight_});
    RETURN_IF_ERROR(
        Call<absl::Status>([report](DatanodeReports& r) { return r.ReportChanges(report); }));
    in_flight_.clear();
  }
}

absl::Status Session::SendFullReport() {
  if (!full_report_) return absl::OkStatus();
  full_report_ = false;
  if (store_->volumes().front()->failed()) return absl::OkStatus();  // the heartbeat says so
  Report replicas;
  for (const ReplicaInfo& replica : store_->List(0)) {
    replicas.push_back({Version(replica), StateOf(replica.state)});
  }
  if (planted_ == Planted::kStaleReports && namenode_.starts() > 1) {
    replicas = trusted_;
  } else {
    trusted_ = replicas;
  }
  const uint64_t report_id = next_report_id_++;
  size_t next = 0;
  uint32_t part = 0;
  do {
    namenode::ReplicasReport report;
    report.datanode_uuid = absl::StrCat("dn-", host_);
    report.session = *session_;
    report.sequence = ++sequence_;
    report.storage_uuid = absl::StrCat("DS-", host_);
    report.report_id = report_id;
    report.part = part++;
    for (const size_t end = std::min(next + kPart, replicas.size()); next < end; ++next) {
      report.replicas.push_back(replicas[next]);
    }
    report.last = next == replicas.size();
    const absl::Status sent =
        Call<absl::Status>([report](DatanodeReports& r) { return r.ReportReplicas(report); });
    if (!sent.ok()) {  // the whole of it again, under a new number
      full_report_ = true;
      return sent;
    }
  } while (next < replicas.size());
  return absl::OkStatus();
}

void Session::CopyFailed(const namenode::ReplicateCommand& order, std::string reason) {
  namenode::FailedCopy& failed = failed_copies_.emplace_back();
  failed.block = order.block.id;
  failed.stamp = order.block.stamp;
  for (const namenode::ReplicaTarget& target : order.targets) {
    failed.target_uuids.push_back(target.datanode_uuid);
  }
  failed.reason = std::move(reason);
  next_heartbeat_ = process_.world().now();
}

absl::Status Session::Heartbeat() {
  namenode::DatanodeHeartbeat heartbeat;
  heartbeat.failed_copies = std::exchange(failed_copies_, {});  // one that gets lost is not told
  heartbeat.datanode_uuid = absl::StrCat("dn-", host_);
  heartbeat.session = *session_;
  heartbeat.storages = Storages();
  ASSIGN_OR_RETURN(const std::vector<DatanodeCommand> commands,
                   Call<absl::StatusOr<std::vector<DatanodeCommand>>>(
                       [heartbeat](DatanodeReports& r) { return r.Heartbeat(heartbeat); }));
  next_heartbeat_ = process_.world().now() + kHeartbeat;
  for (const DatanodeCommand& command : commands) {
    if (std::holds_alternative<namenode::FullReportCommand>(command)) {
      full_report_ = urgent_ = true;
    } else {
      obey_(command);
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::sim
