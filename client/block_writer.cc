#include "client/block_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/fs_error.h"
#include "common/status_macros.h"

namespace cairn::client {
namespace {

constexpr int kMaxRecoveries = 5;  // without an acknowledgement in between
constexpr absl::Duration kRestartPoll = absl::Milliseconds(500);
// A block that is full sooner than this keeps its slow node: the next one goes without.
constexpr absl::Duration kSoonFull = absl::Seconds(10);
constexpr absl::Duration kAskAgain = absl::Minutes(1);  // for the place of a slow node

// A namenode that has no other datanode does not know what became of the last one.
absl::Status NoOther(const absl::Status& none, const absl::Status& failure) {
  const std::string text = absl::StrCat(none.message(), " (Before that: ", failure.message(), ")");
  const FsError error = GetFsError(none);
  return error == FsError::kNone ? absl::Status(none.code(), text) : MakeFsError(error, text);
}

}  // namespace

bool WantsAnotherNode(ReplaceNode policy, size_t replication, size_t nodes, bool promised) {
  if (nodes >= replication || policy == ReplaceNode::kNever) return false;
  if (policy == ReplaceNode::kAlways) return true;
  return replication >= 3 && (nodes <= replication / 2 || promised);
}

BlockWriter::BlockWriter(const WrittenFile& file, const Settings& settings, OutPacketPool& pool,
                         const std::atomic<bool>& aborted)
    : file_(file),
      settings_(settings),
      aborted_(aborted),
      stream_(*file.context, pool, settings.checksum) {}

hdfs::ExtendedBlockProto BlockWriter::block() const {
  hdfs::ExtendedBlockProto block = target_.block;
  block.set_numbytes(stream_.acked_bytes());
  return block;
}

// ---- Opening ----

absl::Status BlockWriter::Create(const hdfs::ExtendedBlockProto* previous,
                                 ExcludedNodes& excluded) {
  if (previous != nullptr) previous_ = *previous;
  excluded_ = &excluded;
  can_write_anew_ = true;
  ASSIGN_OR_RETURN(target_, AddBlock(file_, previous, excluded.List()));
  PipelineFailure failure;
  std::optional<OpenPipeline> pipeline =
      SetUpPipeline(*file_.context, target_,
                    {.stage = hdfs::OpWriteBlockProto::PIPELINE_SETUP_CREATE,
                     .generation_stamp = target_.block.generationstamp(),
                     .block_bytes = settings_.block_bytes},
                    settings_.checksum, failure);
  if (!pipeline.has_value()) return WriteAnew(failure);
  Use(*std::move(pipeline));
  return absl::OkStatus();
}

absl::Status BlockWriter::Append(const hdfs::LocatedBlockProto& block, ExcludedNodes& excluded) {
  excluded_ = &excluded;
  appended_ = true;
  ASSIGN_OR_RETURN(target_, ToTarget(block));
  stream_.BeginAt(block.b().numbytes());
  return Reopen(hdfs::OpWriteBlockProto::PIPELINE_SETUP_APPEND);
}

void BlockWriter::Use(OpenPipeline pipeline) {
  stream_.Use(std::move(pipeline), target_.nodes);
  failed_.reset();
  began_ = file_.context->clock.Monotonic();
  began_bytes_ = stream_.acked_bytes();
}

// ---- Moving bytes ----

absl::Status BlockWriter::Put(std::unique_ptr<OutPacket> packet, bool sync) {
  stream_.Put(std::move(packet), sync);
  RETURN_IF_ERROR(PumpOnce(/*wait=*/false));
  RETURN_IF_ERROR(ReplaceSlowNode());
  while (stream_.kept_bytes() > settings_.window_bytes && stream_.kept() > 0) {
    if (stream_.kept_acked() > 0) {
      can_write_anew_ = false;
      stream_.ReleaseAcked();
    } else {
      RETURN_IF_ERROR(PumpOnce(/*wait=*/true));
    }
  }
  return absl::OkStatus();
}

absl::Status BlockWriter::PumpOnce(bool wait) {
  std::optional<PipelineFailure> failure =
      failed_.has_value() ? std::exchange(failed_, std::nullopt) : Pump(wait);
  if (aborted_.load(std::memory_order_relaxed)) {
    return absl::AbortedError(absl::StrCat(file_.path, ": the lease is lost"));
  }
  if (failure.has_value()) return Recover(*std::move(failure));
  if (!can_write_anew_) stream_.ReleaseAcked();
  return absl::OkStatus();
}

std::optional<PipelineFailure> BlockWriter::Pump(bool wait) {
  const uint64_t acked = stream_.acked_packets();
  while (true) {
    if (auto failure = stream_.Move()) return failure;
    if (!wait || stream_.acked_packets() != acked || aborted_.load(std::memory_order_relaxed)) {
      return std::nullopt;
    }
    if (auto failure = stream_.CheckOverdue()) return failure;
    if (auto failure = stream_.Wait(stream_.WaitSlice())) return failure;
    stream_.QueueHeartbeat();
  }
}

bool BlockWriter::Serve(bool idle) {
  if (failed_.has_value() || !stream_.is_connected()) return false;
  stream_.QueueHeartbeat();
  if (!idle && !stream_.HasHeartbeat()) return HasUnsent();
  failed_ = Pump(/*wait=*/false);
  if (failed_.has_value()) return false;
  if (!can_write_anew_) stream_.ReleaseAcked();
  return HasUnsent();
}

absl::Status BlockWriter::PumpUntilAcked() {
  while (!stream_.AllAcked()) RETURN_IF_ERROR(PumpOnce(/*wait=*/true));
  return absl::OkStatus();
}

absl::Status BlockWriter::Flush() {
  // While packets are on their way the block can still go elsewhere; what has been promised cannot.
  RETURN_IF_ERROR(PumpUntilAcked());
  can_write_anew_ = false;
  flushed_ = true;
  stream_.ReleaseAcked();
  return absl::OkStatus();
}

absl::Status BlockWriter::Finish(bool sync) {
  if (!can_write_anew_) RETURN_IF_ERROR(PumpUntilAcked());
  stream_.PutClosing(sync);
  RETURN_IF_ERROR(PumpUntilAcked());
  stream_.ReleaseAcked();
  stream_.Disconnect();
  return absl::OkStatus();
}

// ---- When a node fails ----

absl::Status BlockWriter::Recover(PipelineFailure failure) {
  stream_.Disconnect();
  if (stream_.acked_packets() != acked_at_recovery_) recoveries_ = 0;
  acked_at_recovery_ = stream_.acked_packets();
  if (++recoveries_ > kMaxRecoveries) {
    return absl::UnavailableError(absl::StrCat(file_.path, ": no progress after ", kMaxRecoveries,
                                               " recoveries: ", failure.status.message()));
  }
  const bool wait = target_.nodes.size() == 1 ||
                    (failure.bad_node == 0 && stream_.is_local() && !MayBeFinished());
  if (failure.restarting && wait) return WaitForRestart(std::move(failure));
  return can_write_anew_ ? WriteAnew(std::move(failure)) : GoOnWithout(std::move(failure));
}

absl::Status BlockWriter::WaitForRestart(PipelineFailure failure) {
  const ClientContext& context = *file_.context;
  const absl::Duration give_up =
      context.clock.Monotonic() + context.options.datanode_restart_timeout;
  const hdfs::DatanodeIDProto& id = target_.nodes[failure.bad_node].id();
  while (context.clock.Monotonic() < give_up) {
    absl::SleepFor(kRestartPoll);
    if (aborted_.load(std::memory_order_relaxed)) {
      return absl::AbortedError(absl::StrCat(file_.path, ": the lease is lost"));
    }
    if (!context.ConnectTransfer(id, kRestartPoll).ok()) continue;
    if (MayBeFinished()) return WriteAnew(std::move(failure), /*exclude=*/false);
    // Its replica is there, whole up to what it acknowledged; the other nodes have theirs.
    can_write_anew_ = false;
    return Reopen(RecoveryStage());
  }
  return can_write_anew_ ? WriteAnew(std::move(failure)) : GoOnWithout(std::move(failure));
}

bool BlockWriter::MayBeFinished() const {
  return can_write_anew_ && stream_.has_closing() && stream_.unacked() > 1;
}

absl::Status BlockWriter::WriteAnew(PipelineFailure failure, bool exclude) {
  for (int attempt = 0;; ++attempt) {
    if (std::exchange(exclude, true)) Exclude(failure);
    RETURN_IF_ERROR(AbandonBlock(file_, target_.block));
    if (attempt == file_.context->options.block_write_retries) break;
    const hdfs::ExtendedBlockProto* previous = previous_.has_value() ? &*previous_ : nullptr;
    absl::StatusOr<PipelineTarget> other = AddBlock(file_, previous, excluded_->List());
    if (!other.ok()) return NoOther(other.status(), failure.status);
    target_ = *std::move(other);
    std::optional<OpenPipeline> pipeline =
        SetUpPipeline(*file_.context, target_,
                      {.stage = hdfs::OpWriteBlockProto::PIPELINE_SETUP_CREATE,
                       .generation_stamp = target_.block.generationstamp(),
                       .block_bytes = settings_.block_bytes},
                      settings_.checksum, failure);
    if (pipeline.has_value()) {
      stream_.StartOver();
      Use(*std::move(pipeline));
      return absl::OkStatus();
    }
  }
  return absl::UnavailableError(
      absl::StrCat(file_.path, ": Unable to create new block: ", failure.status.message()));
}

absl::Status BlockWriter::GoOnWithout(PipelineFailure failure) {
  Exclude(failure);
  if (target_.nodes.size() == 1) {
    return absl::UnavailableError(absl::StrCat(file_.path, ": All datanodes [",
                                               NodeName(target_.nodes[0]),
                                               "] are bad. Aborting: ", failure.status.message()));
  }
  target_.RemoveNode(failure.bad_node);
  return Reopen(RecoveryStage());
}

Stage BlockWriter::RecoveryStage() const {
  const bool closing = stream_.unacked() == 1 && stream_.has_closing();
  return closing ? hdfs::OpWriteBlockProto::PIPELINE_CLOSE_RECOVERY
                 : hdfs::OpWriteBlockProto::PIPELINE_SETUP_STREAMING_RECOVERY;
}

void BlockWriter::Exclude(const PipelineFailure& failure) {
  const ClientOptions& options = file_.context->options;
  // Whoever says that it will be back is soon welcome again.
  excluded_->Add(target_.nodes[failure.bad_node], failure.restarting
                                                      ? options.datanode_restart_timeout
                                                      : options.excluded_node_expiry);
}

absl::Status BlockWriter::ReplaceSlowNode() {
  const std::optional<size_t> slow = stream_.slow_nodes().Find();
  const absl::Duration now = file_.context->clock.Monotonic();
  if (!slow.has_value() || now < no_replacement_until_) return absl::OkStatus();
  no_replacement_until_ = now + kAskAgain;
  const hdfs::DatanodeInfoProto& node = target_.nodes[*slow];
  std::vector<hdfs::DatanodeInfoProto> excluded = excluded_->List();
  excluded.push_back(node);
  // Without another one to take its place the slow node is better than none.
  if (!FindNode(file_, target_, excluded).ok()) return absl::OkStatus();
  excluded_->Add(node);
  const double bytes =
      static_cast<double>(stream_.acked_bytes() - std::min(stream_.acked_bytes(), began_bytes_));
  const double left = static_cast<double>(settings_.block_bytes - bytes_put());
  if (bytes > 0 && (now - began_) * (left / bytes) < kSoonFull) return absl::OkStatus();
  const absl::Status why = absl::UnavailableError(
      absl::StrCat(NodeName(node), ": holds up the pipeline of block ", target_.block.blockid()));
  stream_.Disconnect();
  if (can_write_anew_) return WriteAnew({.status = why, .bad_node = *slow});
  // The copy comes from the others, while nothing is written. If none can be made, all goes on as
  // it was, under a new stamp.
  PipelineTarget others = target_;
  others.RemoveNode(*slow);
  if (AddNode(file_, others, std::move(excluded)).ok()) target_ = std::move(others);
  return Reopen(RecoveryStage(), /*replace=*/false);
}

absl::Status BlockWriter::ReplaceNode(Stage stage) {
  const ClientOptions& options = file_.context->options;
  // The finished block is brought to its number of replicas by the namenode.
  if (stage == hdfs::OpWriteBlockProto::PIPELINE_CLOSE_RECOVERY) return absl::OkStatus();
  if (!WantsAnotherNode(options.replace_node, settings_.replication, target_.nodes.size(),
                        appended_ || flushed_)) {
    return absl::OkStatus();
  }
  const absl::Status added = AddNode(file_, target_, excluded_->List());
  const size_t enough = options.replace_node_min_replication;
  const bool go_on =
      options.replace_node_best_effort || (enough > 0 && target_.nodes.size() >= enough);
  return go_on ? absl::OkStatus() : added;
}

absl::Status BlockWriter::Reopen(Stage stage, bool replace) {
  stream_.ReleaseAcked();
  PipelineFailure failure;
  while (true) {
    if (std::exchange(replace, true)) RETURN_IF_ERROR(ReplaceNode(stage));
    ASSIGN_OR_RETURN(const uint64_t stamp, RenewStamp(file_, target_));
    std::optional<OpenPipeline> pipeline = SetUpPipeline(*file_.context, target_,
                                                         {.stage = stage,
                                                          .generation_stamp = stamp,
                                                          .min_bytes = stream_.acked_bytes(),
                                                          .max_bytes = stream_.sent_bytes(),
                                                          .block_bytes = settings_.block_bytes},
                                                         settings_.checksum, failure);
    if (pipeline.has_value()) {
      hdfs::ExtendedBlockProto renewed = block();
      renewed.set_generationstamp(stamp);
      RETURN_IF_ERROR(UpdatePipeline(file_, target_, renewed));
      target_.block = renewed;
      Use(*std::move(pipeline));
      break;
    }
    excluded_->Add(target_.nodes[failure.bad_node]);
    if (target_.nodes.size() == 1) {
      return absl::UnavailableError(
          absl::StrCat(file_.path, ": All datanodes [", NodeName(target_.nodes[0]),
                       "] are bad. Aborting: ", failure.status.message()));
    }
    target_.RemoveNode(failure.bad_node);
    if (stage == hdfs::OpWriteBlockProto::PIPELINE_SETUP_APPEND) {
      stage = hdfs::OpWriteBlockProto::PIPELINE_SETUP_APPEND_RECOVERY;
    }
  }
  if (stage == hdfs::OpWriteBlockProto::PIPELINE_CLOSE_RECOVERY) {
    // The nodes have finished the block by that; the closing packet is not sent again.
    stream_.SetAllAcked();
  }
  return absl::OkStatus();
}

}  // namespace cairn::client
