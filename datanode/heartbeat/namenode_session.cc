#include "datanode/heartbeat/namenode_session.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "common/thread.h"

namespace cairn::datanode {
namespace {

// Changes in one message; a message of gRPC is limited to a few megabytes.
constexpr size_t kMaxChangesPerReport = 20'000;

// Buckets and single replicas in one message of digests. A volume with more of them is listed.
constexpr size_t kMostInDigests = 50'000;

// Between two reports of finished replicas. The first goes at once; those of many small files
// written at a time share messages, which cost both ends more than the changes in them. It is the
// longer the more the last one carried: a writer of one file after the other waits less than its
// syncs take.
constexpr absl::Duration kReportSpacing = absl::Milliseconds(1);
constexpr absl::Duration kMaxReportSpacing = absl::Milliseconds(4);

// Of copies that failed: in one heartbeat, and between two heartbeats that are made for them.
constexpr size_t kMostFailedCopies = 1000;
constexpr size_t kMostWrongUnits = 1000;
constexpr size_t kMostVerdicts = 1000;
constexpr absl::Duration kFailuresSpacing = absl::Milliseconds(100);

// Somebody may set the wall clock; heartbeats go on.
absl::Duration Now() { return SystemClock().Monotonic(); }

internal::ReplicaState StateOf(ReplicaEvents::Kind kind) {
  switch (kind) {
    case ReplicaEvents::Kind::kBeingWritten:
      return internal::BEING_WRITTEN;
    case ReplicaEvents::Kind::kFinalized:
      return internal::FINALIZED;
    case ReplicaEvents::Kind::kDeleted:
      return internal::DELETED;
    case ReplicaEvents::Kind::kCorrupt:
      return internal::CORRUPT;
  }
  return internal::CORRUPT;
}

internal::ReplicaState StateOf(ReplicaState state) {
  switch (state) {
    case ReplicaState::kFinalized:
      return internal::FINALIZED;
    case ReplicaState::kBeingWritten:
    case ReplicaState::kTemporary:
      return internal::BEING_WRITTEN;
    case ReplicaState::kWaitingRecovery:
      return internal::WAITING_RECOVERY;
    case ReplicaState::kCorrupt:
      return internal::CORRUPT;
  }
  return internal::CORRUPT;
}

void FillBlock(const ReplicaInfo& replica, internal::BlockRef* out) {
  out->set_block_id(ToInt(replica.block));
  out->set_generation_stamp(ToInt(replica.stamp));
  out->set_length(replica.length);
}

void FillReport(const ReplicaInfo& replica, internal::ReplicaReport* out) {
  FillBlock(replica, out->mutable_block());
  out->set_state(StateOf(replica.state));
}

absl::string_view WhatIsWrong(const absl::Status& status) {
  if (absl::IsAborted(status)) return "the namenode wants a new session";
  const bool away = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  return away ? "the namenode is away, or not ready" : "the namenode refuses this datanode";
}

}  // namespace

NamenodeSession::NamenodeSession(NamenodeLink& link) : link_(link) {}

NamenodeSession::~NamenodeSession() { Stop(); }

absl::Status NamenodeSession::Start(SessionOptions options, ReplicaStore& store,
                                    std::function<int()> transfers, Obey obey) {
  options_ = std::move(options);
  store_ = &store;
  transfers_ = std::move(transfers);
  obey_ = std::move(obey);
  interval_ = options_.heartbeat_interval;
  const absl::Status status = RegisterNow();
  if (absl::IsFailedPrecondition(status)) return status;
  if (!status.ok()) LOG_WARN("{}, trying on: {}", WhatIsWrong(status), status);
  thread_ = std::thread([this] {
    SetThreadName("heartbeat");
    Run();
  });
  order_thread_ = std::thread([this] {
    SetThreadName("order-wait");
    WaitForOrders();
  });
  return absl::OkStatus();
}

void NamenodeSession::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  wake_for_orders_.NotifyAll();
  stop_waiting_.request_stop();
  if (thread_.joinable()) thread_.join();
  if (order_thread_.joinable()) order_thread_.join();
}

NamenodeSession::Change NamenodeSession::ChangeOf(Kind kind, const Volume& volume,
                                                  const ReplicaInfo& replica) {
  Change change{.storage_uuid = volume.identity().storage_uuid};
  FillBlock(replica, change.report.mutable_block());
  change.report.set_state(StateOf(kind));
  return change;
}

void NamenodeSession::Changed(Kind kind, const Volume& volume, const ReplicaInfo& replica) {
  Change change = ChangeOf(kind, volume, replica);
  {
    MutexLock lock(mu_);
    pending_.push_back(std::move(change));
    if (kind == Kind::kBeingWritten || urgent_) return;
    urgent_ = true;
  }
  wake_.NotifyAll();
}

void NamenodeSession::Moved(const Volume& from, const ReplicaInfo& before, const Volume& to,
                            const ReplicaInfo& after) {
  Change gone = ChangeOf(Kind::kDeleted, from, before);
  Change come = ChangeOf(Kind::kFinalized, to, after);
  {
    MutexLock lock(mu_);
    pending_.push_back(std::move(gone));
    pending_.push_back(std::move(come));
    urgent_ = true;
  }
  wake_.NotifyAll();
}

void NamenodeSession::VolumeFailed(const Volume& /*volume*/) {
  {
    MutexLock lock(mu_);
    volume_failed_ = true;
  }
  wake_.NotifyAll();
}

void NamenodeSession::CopyFailed(internal::FailedCopy failed) {
  {
    MutexLock lock(mu_);
    if (failed_copies_.size() >= kMostFailedCopies) failed_copies_.pop_front();
    failed_copies_.push_back(std::move(failed));
  }
  wake_.NotifyAll();
}

void NamenodeSession::FoundWrong(internal::WrongUnit unit) {
  {
    MutexLock lock(mu_);
    if (wrong_units_.size() >= kMostWrongUnits) wrong_units_.pop_front();
    wrong_units_.push_back(std::move(unit));
  }
  wake_.NotifyAll();
}

void NamenodeSession::GroupVerified(internal::GroupVerdict verdict) {
  {
    MutexLock lock(mu_);
    if (group_verdicts_.size() >= kMostVerdicts) group_verdicts_.pop_front();
    group_verdicts_.push_back(std::move(verdict));
  }
  wake_.NotifyAll();
}

void NamenodeSession::TakeFailures(internal::HeartbeatRequest* request) {
  MutexLock lock(mu_);
  for (internal::FailedCopy& failed : failed_copies_) {
    *request->add_failed_copies() = std::move(failed);
  }
  failed_copies_.clear();
  for (internal::WrongUnit& unit : wrong_units_) *request->add_wrong_units() = std::move(unit);
  wrong_units_.clear();
  for (internal::GroupVerdict& verdict : group_verdicts_) {
    *request->add_group_verdicts() = std::move(verdict);
  }
  group_verdicts_.clear();
}

// In front of those that were found meanwhile, as far as there is room.
void NamenodeSession::KeepFailures(internal::HeartbeatRequest* request) {
  MutexLock lock(mu_);
  for (int i = request->failed_copies_size(); i-- > 0;) {
    if (failed_copies_.size() >= kMostFailedCopies) break;
    failed_copies_.push_front(std::move(*request->mutable_failed_copies(i)));
  }
  for (int i = request->wrong_units_size(); i-- > 0;) {
    if (wrong_units_.size() >= kMostWrongUnits) break;
    wrong_units_.push_front(std::move(*request->mutable_wrong_units(i)));
  }
  for (int i = request->group_verdicts_size(); i-- > 0;) {
    if (group_verdicts_.size() >= kMostVerdicts) break;
    group_verdicts_.push_front(std::move(*request->mutable_group_verdicts(i)));
  }
}

void NamenodeSession::TriggerReport(bool full) {
  {
    MutexLock lock(mu_);
    if (full) lists_wanted_ = true;
    urgent_ = true;
  }
  wake_.NotifyAll();
}

void NamenodeSession::Run() {
  absl::Duration retry = options_.retry_min;
  while (true) {
    const absl::Status status = Round();
    absl::Duration pause;
    if (status.ok()) {
      retry = options_.retry_min;
      pause = std::min(next_heartbeat_, round_.volumes.empty() ? next_round_ : round_.not_before) -
              Now();
    } else {
      LOG_EVERY_SECONDS(kWarn, 30, "{}: {}", WhatIsWrong(status), status);
      if (absl::IsAborted(status)) EndSession();
      pause = retry;
      retry = std::min(retry * 2, options_.retry_max);
    }
    MutexLock lock(mu_);
    if (stopping_) {
      if (status.ok() && pending_.empty() && in_flight_.empty()) return;
      if (!status.ok()) return;
      continue;
    }
    if (status.ok() && (heartbeat_now_ || volume_failed_)) pause = absl::ZeroDuration();
    if (status.ok() && HasFailures()) pause = std::min(pause, next_failures_ - Now());
    if (status.ok() && (round_wanted_ || lists_wanted_)) pause = absl::ZeroDuration();
    if (status.ok() && urgent_) pause = std::min(pause, next_report_ - Now());
    if (pause <= absl::ZeroDuration()) continue;
    wake_.WaitFor(mu_, absl::ToChronoNanoseconds(pause));
  }
}

void NamenodeSession::EndSession() {
  session_.reset();
  MutexLock lock(mu_);
  order_session_.reset();
}

void NamenodeSession::WaitForOrders() {
  internal::AwaitOrdersRequest request;
  request.set_datanode_uuid(options_.datanode_uuid);
  while (true) {
    {
      MutexLock lock(mu_);
      while (!stopping_ && (!order_session_.has_value() || heartbeat_now_)) {
        wake_for_orders_.Wait(mu_);
      }
      if (stopping_) return;
      request.set_session(*order_session_);
    }
    const auto reply = link_.AwaitOrders(request, stop_waiting_.get_token());
    MutexLock lock(mu_);
    if (reply.ok() && !reply->orders()) continue;
    if (reply.ok()) {
      heartbeat_now_ = true;
      wake_.NotifyAll();
    } else if (absl::IsAborted(reply.status()) && order_session_ == request.session()) {
      // The session is over; the heartbeat will hear the same, and register again.
      order_session_.reset();
      heartbeat_now_ = true;
      wake_.NotifyAll();
    } else if (!stopping_) {
      wake_for_orders_.WaitFor(mu_, absl::ToChronoNanoseconds(options_.retry_max));
    }
  }
}

bool NamenodeSession::HeartbeatIsDue() {
  if (Now() >= next_heartbeat_) return true;
  MutexLock lock(mu_);
  return heartbeat_now_ || volume_failed_ || (HasFailures() && Now() >= next_failures_);
}

absl::Status NamenodeSession::Round() {
  if (!session_.has_value()) RETURN_IF_ERROR(RegisterNow());
  RETURN_IF_ERROR(SendChanges());
  RETURN_IF_ERROR(SendReports());
  if (HeartbeatIsDue()) RETURN_IF_ERROR(SendHeartbeat());
  return absl::OkStatus();
}

// Never waits for a disk: whatever becomes of one, the heartbeats go on.
std::vector<internal::StorageState> NamenodeSession::Storages() const {
  std::vector<internal::StorageState> storages;
  for (const auto& volume : store_->volumes()) {
    if (volume->retired()) continue;  // the namenode takes what is not named as gone
    internal::StorageState& state = storages.emplace_back();
    state.set_storage_uuid(volume->identity().storage_uuid);
    state.set_type(static_cast<uint32_t>(volume->type()));
    const SpaceInfo space = volume->Space();
    state.set_failed(volume->failed());
    if (volume->failed()) continue;  // what lies in its place now, if anything, is not ours
    const uint64_t reserved = volume->reserved_bytes();
    state.set_capacity_bytes(space.capacity_bytes > reserved ? space.capacity_bytes - reserved : 0);
    state.set_used_bytes(volume->used_bytes());
    state.set_remaining_bytes(volume->Available());
    state.set_blocks(volume->blocks());
  }
  return storages;
}

absl::Status NamenodeSession::RegisterNow() {
  const VolumeIdentity identity = store_->volumes().front()->identity();
  internal::RegisterRequest request;
  request.set_cluster_id(identity.cluster_id);
  request.set_block_pool_id(identity.block_pool_id);
  request.set_layout_version(kLayoutVersion);
  request.set_software_version(options_.software_version);
  request.set_datanode_uuid(options_.datanode_uuid);
  *request.mutable_address() = options_.address;
  for (const auto& storage : Storages()) *request.add_storages() = storage;
  registrations_.fetch_add(1, std::memory_order_acq_rel);
  ASSIGN_OR_RETURN(const internal::RegisterReply reply, link_.Register(request));
  for (const auto& volume : store_->volumes()) {
    if (volume->failed()) continue;
    RETURN_IF_ERROR(volume->AdoptCluster(reply.cluster_id(), reply.block_pool_id()));
  }
  LOG_INFO("registered with cluster {}, block pool {}, session {}{}", reply.cluster_id(),
           reply.block_pool_id(), reply.session(),
           reply.full_report() ? ", full report asked" : "");
  session_ = reply.session();
  sequence_ = in_flight_.empty() ? 0 : 1;
  if (reply.heartbeat_interval_ms() > 0) {
    interval_ = absl::Milliseconds(reply.heartbeat_interval_ms());
  }
  next_heartbeat_ = Now();
  digest_shift_ = std::min(reply.digest_shift(), kMaxDigestShift);
  MutexLock lock(mu_);
  failed_copies_.clear();  // the namenode has forgotten what it ordered before
  group_verdicts_.clear();
  if (reply.full_report()) round_wanted_ = true;
  order_session_ = reply.session();
  heartbeat_now_ = false;
  wake_for_orders_.NotifyAll();
  return absl::OkStatus();
}

absl::Status NamenodeSession::SendChanges() {
  if (!in_flight_.empty()) RETURN_IF_ERROR(SendInFlight().status());
  {
    MutexLock lock(mu_);
    const bool due = (urgent_ && Now() >= next_report_) || stopping_ ||
                     pending_.size() >= kMaxChangesPerReport || Now() >= next_heartbeat_ ||
                     RoundIsDue();  // what is told before it need not differ in it
    if (pending_.empty()) urgent_ = false;
    if (pending_.empty() || !due) return absl::OkStatus();
  }
  return SendPending().status();
}

// What comes meanwhile may come as fast as it could be sent: heartbeats and reports come first.
absl::StatusOr<std::vector<NamenodeSession::Change>> NamenodeSession::SendPending() {
  size_t left = 0;
  {
    MutexLock lock(mu_);
    left = pending_.size();
  }
  std::vector<Change> told;
  while (left > 0) {
    {
      MutexLock lock(mu_);
      const auto count = static_cast<std::ptrdiff_t>(std::min(left, kMaxChangesPerReport));
      const auto end = pending_.begin() + count;
      in_flight_.assign(std::make_move_iterator(pending_.begin()), std::make_move_iterator(end));
      pending_.erase(pending_.begin(), end);
      if (pending_.empty()) urgent_ = false;
    }
    ++sequence_;
    ASSIGN_OR_RETURN(std::vector<Change> sent, SendInFlight());
    left -= sent.size();
    told.insert(told.end(), std::make_move_iterator(sent.begin()),
                std::make_move_iterator(sent.end()));
  }
  return told;
}

absl::StatusOr<std::vector<NamenodeSession::Change>> NamenodeSession::SendInFlight() {
  internal::ReportChangesRequest request;
  request.set_datanode_uuid(options_.datanode_uuid);
  request.set_session(*session_);
  request.set_sequence(sequence_);
  const size_t fit = AddChanges(in_flight_, &request);
  if (fit < in_flight_.size()) {
    const auto rest = in_flight_.begin() + static_cast<std::ptrdiff_t>(fit);
    MutexLock lock(mu_);
    pending_.insert(pending_.begin(), std::make_move_iterator(rest),
                    std::make_move_iterator(in_flight_.end()));
    in_flight_.erase(rest, in_flight_.end());
    urgent_ = true;
  }
  RETURN_IF_ERROR(link_.ReportChanges(request));
  next_report_ =
      Now() + std::min(kMaxReportSpacing, kReportSpacing * static_cast<double>(in_flight_.size()));
  return std::exchange(in_flight_, {});
}

bool NamenodeSession::RoundIsDue() const {
  return round_wanted_ || lists_wanted_ || Now() >= next_round_ ||
         (!round_.volumes.empty() && Now() >= round_.not_before);
}

bool NamenodeSession::BeginRound() {
  {
    MutexLock lock(mu_);
    if (!round_wanted_ && !lists_wanted_ && Now() < next_round_) return !round_.volumes.empty();
    round_.lists = std::exchange(lists_wanted_, false);
    round_wanted_ = false;
  }
  round_.volumes.clear();
  for (size_t volume = store_->volumes().size(); volume > 0; --volume) {
    round_.volumes.push_back(volume - 1);
  }
  round_.not_before = Now();
  // Datanodes that were started together need not go on reporting together.
  next_round_ = Now() + options_.report_interval * absl::Uniform(random_, 0.5, 1.0);
  return true;
}

absl::Status NamenodeSession::SendReports() {
  if (!BeginRound() || Now() < round_.not_before) return absl::OkStatus();
  while (!round_.volumes.empty()) {
    const absl::StatusOr<bool> done = ReportVolume(round_.volumes.back());
    if (!done.ok()) {  // the whole of it again, under new numbers
      MutexLock lock(mu_);
      (round_.lists ? lists_wanted_ : round_wanted_) = true;
      return done.status();
    }
    if (!*done) {
      round_.not_before = Now() + options_.report_retry;
      return absl::OkStatus();
    }
    round_.volumes.pop_back();
  }
  LOG_INFO("report round done");
  return absl::OkStatus();
}

absl::StatusOr<ToldReplicas> NamenodeSession::TellBefore(size_t volume) {
  ASSIGN_OR_RETURN(const std::vector<Change> told, SendPending());
  return LastTold(told, store_->VolumeAt(static_cast<int>(volume)).identity().storage_uuid);
}

absl::StatusOr<bool> NamenodeSession::ReportVolume(size_t volume) {
  const Volume& on = *store_->volumes()[volume];
  if (on.failed() || on.retired()) return true;  // the heartbeat says so
  if (round_.lists || digest_shift_ == 0) {
    RETURN_IF_ERROR(SendList(volume, {}));
    return true;
  }
  ReplicaStore::Summary summary = store_->Summarize(static_cast<int>(volume), digest_shift_);
  ASSIGN_OR_RETURN(const ToldReplicas told, TellBefore(volume));
  if (on.failed()) return true;  // what it held was being forgotten meanwhile
  // The digests cannot be brought up to it: buckets that it makes a difference to are listed.
  std::erase_if(summary.others,
                [&](const ReplicaInfo& replica) { return told.contains(replica.block); });
  if (summary.buckets.size() + summary.others.size() > kMostInDigests) {
    RETURN_IF_ERROR(SendList(volume, {}));
    return true;
  }
  internal::ReportDigestsRequest request;
  request.set_datanode_uuid(options_.datanode_uuid);
  request.set_session(*session_);
  request.set_sequence(++sequence_);
  request.set_storage_uuid(on.identity().storage_uuid);
  request.set_shift(digest_shift_);
  for (const auto& [number, digest] : summary.buckets) {
    internal::BucketDigest* const bucket = request.add_buckets();
    bucket->set_bucket(number);
    bucket->set_low(digest.low);
    bucket->set_high(digest.high);
    bucket->set_replicas(digest.count);
  }
  for (const ReplicaInfo& replica : summary.others) {
    FillReport(replica, request.add_others());
  }
  ASSIGN_OR_RETURN(const internal::ReportDigestsReply reply, link_.ReportDigests(request));
  switch (reply.result()) {
    case internal::ReportDigestsReply::LATER:
      return false;
    case internal::ReportDigestsReply::COMPARED:
      if (reply.differing().empty()) return true;
      LOG_INFO("volume {}: {} of {} buckets are listed, since the namenode knows them otherwise",
               on.path(), reply.differing_size(), summary.buckets.size());
      RETURN_IF_ERROR(SendList(
          volume,
          RangesOfBuckets({reply.differing().begin(), reply.differing().end()}, digest_shift_)));
      return true;
    default:
      RETURN_IF_ERROR(SendList(volume, {}));
      return true;
  }
}

// `ranges` empty: everything.
absl::Status NamenodeSession::SendList(size_t volume, std::span<const BlockRange> ranges) {
  const int index = static_cast<int>(volume);
  std::vector<ReplicaInfo> seen =
      ranges.empty() ? store_->List(index) : store_->List(index, ranges);
  ASSIGN_OR_RETURN(const ToldReplicas told, TellBefore(volume));
  // What it held was being forgotten meanwhile, and is not gone from a disk that is well.
  if (store_->VolumeAt(index).failed()) return absl::OkStatus();
  const std::vector<ReplicaInfo> replicas = BringUpTo(told, ranges, std::move(seen));
  const std::vector<ReportPart> parts =
      SplitReport(replicas, ranges, static_cast<size_t>(options_.replicas_per_part));
  const uint64_t report_id = next_report_id_++;
  for (size_t part = 0; part < parts.size(); ++part) {
    internal::ReportReplicasRequest request;
    request.set_datanode_uuid(options_.datanode_uuid);
    request.set_session(*session_);
    request.set_sequence(++sequence_);
    request.set_storage_uuid(store_->VolumeAt(index).identity().storage_uuid);
    request.set_report_id(report_id);
    request.set_part(static_cast<uint32_t>(part));
    request.set_last(part + 1 == parts.size());
    for (const ReplicaInfo& replica : parts[part].replicas) {
      FillReport(replica, request.add_replicas());
    }
    for (const BlockRange& range : parts[part].ranges) {
      internal::IdRange* const ids = request.add_ranges();
      ids->set_first(ToInt(range.first));
      ids->set_last(ToInt(range.last));
    }
    RETURN_IF_ERROR(link_.ReportReplicas(request));
  }
  return absl::OkStatus();
}

absl::Status NamenodeSession::SendHeartbeat() {
  internal::HeartbeatRequest request;
  {
    MutexLock lock(mu_);
    volume_failed_ = false;  // what fails from now on may miss this one
  }
  TakeFailures(&request);
  request.set_datanode_uuid(options_.datanode_uuid);
  request.set_session(*session_);
  for (const auto& storage : Storages()) *request.add_storages() = storage;
  request.set_transfers(static_cast<uint32_t>(std::max(transfers_(), 0)));
  const absl::StatusOr<internal::HeartbeatReply> answer = link_.Heartbeat(request);
  if (!answer.ok()) {
    KeepFailures(&request);
    return answer.status();
  }
  const internal::HeartbeatReply& reply = *answer;
  next_heartbeat_ = Now() + interval_;
  next_failures_ = Now() + kFailuresSpacing;
  {
    MutexLock lock(mu_);
    heartbeat_now_ = false;
    order_session_ = *session_;
  }
  wake_for_orders_.NotifyAll();
  for (const internal::Command& command : reply.commands()) {
    if (command.has_full_report()) {
      MutexLock lock(mu_);
      round_wanted_ = true;
    } else {
      obey_(command);
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::datanode
