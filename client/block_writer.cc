#include "client/block_writer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "wire/transfer/ack.h"

namespace cairn::client {
namespace {

constexpr int kMaxRecoveries = 5;  // without an acknowledgement in between
constexpr size_t kPacketsPerSend = 8;
constexpr size_t kAckReadBytes = 4096;
// How often a wait looks whether the stream was aborted.
constexpr absl::Duration kWaitSlice = absl::Seconds(2);
// For acknowledgements that follow a failed send: they were sent before the connection ended.
constexpr absl::Duration kAckPatience = absl::Seconds(1);
constexpr absl::Duration kRestartPoll = absl::Milliseconds(500);
// A block that is full sooner than this keeps its slow node: the next one goes without.
constexpr absl::Duration kSoonFull = absl::Seconds(10);
constexpr absl::Duration kAskAgain = absl::Minutes(1);  // for the place of a slow node

std::string NodeName(const hdfs::DatanodeInfoProto& node) {
  return absl::StrCat(node.id().ipaddr(), ":", node.id().xferport());
}

}  // namespace

bool WantsAnotherNode(ReplaceNode policy, size_t replication, size_t nodes, bool promised) {
  if (nodes >= replication || policy == ReplaceNode::kNever) return false;
  if (policy == ReplaceNode::kAlways) return true;
  return replication >= 3 && (nodes <= replication / 2 || promised);
}

BlockWriter::BlockWriter(const OpenFile& file, const Settings& settings, OutPacketPool& pool,
                         const std::atomic<bool>& aborted)
    : file_(file),
      settings_(settings),
      pool_(pool),
      aborted_(aborted),
      slow_nodes_({.seconds = file.context->options.slow_node_seconds,
                   .mean = file.context->options.slow_node_time}) {}

hdfs::ExtendedBlockProto BlockWriter::block() const {
  hdfs::ExtendedBlockProto block = target_.block;
  block.set_numbytes(acked_bytes_);
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
  put_bytes_ = acked_bytes_ = sent_bytes_ = block.b().numbytes();
  return Reopen(hdfs::OpWriteBlockProto::PIPELINE_SETUP_APPEND);
}

void BlockWriter::Use(OpenPipeline pipeline) {
  socket_ = std::move(pipeline.socket);
  gives_signs_ = pipeline.gives_signs;
  is_local_ = socket_.IsLocal();
  acked_ = sent_ = sent_of_next_ = 0;
  heartbeat_left_ = 0;
  acks_.clear();
  failed_.reset();
  began_ = last_progress_ = last_sent_ = last_heard_ = file_.context->clock.Monotonic();
  began_bytes_ = acked_bytes_;
  slow_nodes_.Restart(target_.nodes.size());
}

// ---- Moving bytes ----

absl::Status BlockWriter::Put(std::unique_ptr<OutPacket> packet, bool sync) {
  packet->Seal(next_seqno_++, /*last=*/false, sync, settings_.checksum);
  put_bytes_ = std::max(put_bytes_, packet->end());
  kept_bytes_ += packet->size();
  packets_.push_back(std::move(packet));
  RETURN_IF_ERROR(PumpOnce(/*wait=*/false));
  RETURN_IF_ERROR(ReplaceSlowNode());
  while (kept_bytes_ > settings_.window_bytes && !packets_.empty()) {
    if (acked_ > 0) {
      can_write_anew_ = false;
      ReleaseAcked();
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
  if (!can_write_anew_) ReleaseAcked();
  return absl::OkStatus();
}

std::optional<PipelineFailure> BlockWriter::Pump(bool wait) {
  const size_t acked = acked_;
  const ClientOptions& options = file_.context->options;
  const absl::Duration limit = PipelineTimeout(options, target_.nodes.size());
  const absl::Duration silence = gives_signs_ ? SilenceLimit(options, target_.nodes.size()) : limit;
  const absl::Duration slice =
      std::min({kWaitSlice, PipelineHeartbeatAfter(options) / 2, silence / 2});
  while (true) {
    if (auto failure = SendSome()) return failure;
    if (auto failure = TakeAcks()) return failure;
    if (!wait || acked_ != acked || aborted_.load(std::memory_order_relaxed)) return std::nullopt;
    if (IsOwed() && file_.context->clock.Monotonic() - last_heard_ > silence) {
      return Blame(absl::UnavailableError(
          absl::StrCat(socket_.peer(), ": no sign of life in ", absl::FormatDuration(silence))));
    }
    if (file_.context->clock.Monotonic() - last_progress_ > limit) {
      return Blame(absl::UnavailableError(
          absl::StrCat(socket_.peer(), ": no acknowledgement in ", absl::FormatDuration(limit))));
    }
    const absl::StatusOr<bool> ready = socket_.Wait(/*or_writable=*/HasUnsent(), slice);
    if (!ready.ok()) return Blame(ready.status());
    QueueHeartbeat();
  }
}

std::optional<PipelineFailure> BlockWriter::SendSome() {
  if (absl::Status sent = SendHeartbeat(); !sent.ok()) return Blame(std::move(sent), kAckPatience);
  while (!AllSent() && heartbeat_left_ == 0) {
    std::array<iovec, 3 * kPacketsPerSend> pieces;
    size_t count = 0;
    size_t skip = sent_of_next_;
    const size_t until = std::min(packets_.size(), sent_ + kPacketsPerSend);
    for (size_t i = sent_; i < until; ++i, skip = 0) {
      count += packets_[i]->Pieces(skip, std::span(pieces).subspan(count).first<3>());
    }
    absl::StatusOr<size_t> taken = socket_.SendNow(std::span(pieces).first(count));
    if (!taken.ok()) return Blame(taken.status(), kAckPatience);
    if (*taken == 0) return std::nullopt;
    // The time of a transfer begins when its bytes have gone.
    last_progress_ = last_sent_ = file_.context->clock.Monotonic();
    if (!IsOwed()) last_heard_ = last_sent_;
    sent_of_next_ += *taken;
    while (!AllSent() && sent_of_next_ >= packets_[sent_]->wire_bytes()) {
      sent_of_next_ -= packets_[sent_]->wire_bytes();
      packets_[sent_]->set_sent_at(last_sent_);
      sent_bytes_ = std::max(sent_bytes_, packets_[sent_]->end());
      ++sent_;
    }
  }
  return std::nullopt;
}

std::optional<PipelineFailure> BlockWriter::TakeAcks() {
  while (true) {
    const size_t had = acks_.size();
    acks_.resize(had + kAckReadBytes);
    absl::StatusOr<size_t> got = socket_.ReceiveNow(std::span(acks_).subspan(had));
    acks_.resize(had + (got.ok() ? *got : 0));
    if (!got.ok()) return PipelineFailure{.status = got.status(), .bad_node = 0};
    if (*got == 0) return std::nullopt;
    last_heard_ = file_.context->clock.Monotonic();
    size_t used = 0;
    while (true) {
      absl::StatusOr<std::optional<transfer::TakenAck>> taken =
          transfer::TakeAck(std::span<const std::byte>(acks_).subspan(used));
      if (!taken.ok()) return PipelineFailure{.status = taken.status(), .bad_node = 0};
      if (!taken->has_value()) break;
      used += (*taken)->consumed;
      const transfer::PipelineAck& ack = (*taken)->ack;
      if (ack.seqno == transfer::kSignOfLifeSeqno) continue;
      last_progress_ = last_heard_;
      if (const std::optional<size_t> bad = ack.FirstFailure()) {
        const size_t node = std::min(*bad, target_.nodes.size() - 1);
        return PipelineFailure{.status = absl::UnavailableError(
                                   absl::StrCat(NodeName(target_.nodes[node]), ": transfer status ",
                                                ack.statuses[*bad], " for packet ", ack.seqno)),
                               .bad_node = node,
                               .restarting = ack.statuses[*bad] == hdfs::STATUS_OOB_RESTART};
      }
      if (ack.seqno == transfer::kHeartbeatSeqno) continue;
      // Acknowledgements come in the order of the packets, and for what was sent only.
      if (acked_ >= sent_ || ack.seqno != packets_[acked_]->seqno() ||
          ack.statuses.size() != target_.nodes.size()) {
        return PipelineFailure{.status = absl::UnavailableError(absl::StrCat(
                                   socket_.peer(), ": acknowledged packet ", ack.seqno, " for ",
                                   ack.statuses.size(), " nodes out of turn")),
                               .bad_node = 0};
      }
      NoteTimes(ack);
      acked_bytes_ = std::max(acked_bytes_, packets_[acked_]->end());
      ++acked_;
      recoveries_ = 0;
    }
    acks_.erase(acks_.begin(), acks_.begin() + static_cast<ptrdiff_t>(used));
    // After the last acknowledgement the datanode closes the connection.
    if (AllAcked() && !packets_.empty() && packets_.back()->is_last()) return std::nullopt;
  }
}

void BlockWriter::NoteTimes(const transfer::PipelineAck& ack) {
  const OutPacket& packet = *packets_[acked_];
  if (ack.node_micros.empty() || packet.is_last()) return;  // the last one waits for a sync
  absl::InlinedVector<uint64_t, 4> micros = ack.node_micros;
  const int64_t took = absl::ToInt64Microseconds(last_heard_ - packet.sent_at());
  micros[0] += transfer::MicrosOnTheWay(ack, static_cast<uint64_t>(std::max<int64_t>(took, 0)));
  slow_nodes_.Add(last_heard_, micros);
}

PipelineFailure BlockWriter::Blame(absl::Status status, absl::Duration patience) {
  Clock& clock = file_.context->clock;
  const absl::Duration deadline = clock.Monotonic() + patience;
  while (true) {
    // A node may have said who failed before the connection went down.
    if (std::optional<PipelineFailure> told = TakeAcks()) {
      if (told->bad_node != 0 || told->restarting) return *std::move(told);
      break;
    }
    const absl::Duration left = deadline - clock.Monotonic();
    if (left <= absl::ZeroDuration()) break;
    const absl::StatusOr<bool> ready = socket_.Wait(/*or_writable=*/false, left);
    if (!ready.ok() || !*ready) break;
  }
  return {.status = std::move(status), .bad_node = 0};
}

void BlockWriter::ReleaseAcked() {
  for (; acked_ > 0; --acked_, --sent_) {
    kept_bytes_ -= packets_.front()->size();
    pool_.Give(std::move(packets_.front()));
    packets_.pop_front();
  }
}

void BlockWriter::QueueHeartbeat() {
  if (HasUnsent() || file_.context->clock.Monotonic() - last_sent_ <
                         PipelineHeartbeatAfter(file_.context->options)) {
    return;
  }
  heartbeat_bytes_ = heartbeat_left_ =
      transfer::EncodePacketHeader({.seqno = transfer::kHeartbeatSeqno}, 0, heartbeat_);
}

absl::Status BlockWriter::SendHeartbeat() {
  if (heartbeat_left_ == 0) return absl::OkStatus();
  iovec piece{.iov_base = heartbeat_.data() + (heartbeat_bytes_ - heartbeat_left_),
              .iov_len = heartbeat_left_};
  ASSIGN_OR_RETURN(const size_t taken, socket_.SendNow(std::span(&piece, 1)));
  heartbeat_left_ -= taken;
  if (taken > 0) last_sent_ = file_.context->clock.Monotonic();
  return absl::OkStatus();
}

bool BlockWriter::Serve(bool idle) {
  if (failed_.has_value() || !socket_.is_open()) return false;
  QueueHeartbeat();
  if (!idle && heartbeat_left_ == 0) return HasUnsent();
  failed_ = Pump(/*wait=*/false);
  if (failed_.has_value()) return false;
  if (!can_write_anew_) ReleaseAcked();
  return HasUnsent();
}

absl::Status BlockWriter::PumpUntilAcked() {
  while (!AllAcked()) RETURN_IF_ERROR(PumpOnce(/*wait=*/true));
  return absl::OkStatus();
}

absl::Status BlockWriter::Flush() {
  // While packets are on their way the block can still go elsewhere; what has been promised cannot.
  RETURN_IF_ERROR(PumpUntilAcked());
  can_write_anew_ = false;
  flushed_ = true;
  ReleaseAcked();
  return absl::OkStatus();
}

absl::Status BlockWriter::Finish(bool sync) {
  if (!can_write_anew_) RETURN_IF_ERROR(PumpUntilAcked());
  std::unique_ptr<OutPacket> last = pool_.Take(put_bytes_, 0);
  last->Seal(next_seqno_++, /*last=*/true, sync, settings_.checksum);
  packets_.push_back(std::move(last));
  RETURN_IF_ERROR(PumpUntilAcked());
  ReleaseAcked();
  kept_bytes_ = 0;
  socket_.Close();
  return absl::OkStatus();
}

// ---- When a node fails ----

absl::Status BlockWriter::Recover(PipelineFailure failure) {
  socket_.Close();
  if (++recoveries_ > kMaxRecoveries) {
    return absl::UnavailableError(absl::StrCat(file_.path, ": no progress after ", kMaxRecoveries,
                                               " recoveries: ", failure.status.message()));
  }
  const bool wait =
      target_.nodes.size() == 1 || (failure.bad_node == 0 && is_local_ && !MayBeFinished());
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
  return can_write_anew_ && !packets_.empty() && packets_.back()->is_last() &&
         acked_ + 1 < packets_.size();
}

absl::Status BlockWriter::WriteAnew(PipelineFailure failure, bool exclude) {
  for (int attempt = 0;; ++attempt) {
    if (std::exchange(exclude, true)) Exclude(failure);
    RETURN_IF_ERROR(AbandonBlock(file_, target_.block));
    if (attempt == file_.context->options.block_write_retries) break;
    const hdfs::ExtendedBlockProto* previous = previous_.has_value() ? &*previous_ : nullptr;
    ASSIGN_OR_RETURN(target_, AddBlock(file_, previous, excluded_->List()));
    std::optional<OpenPipeline> pipeline =
        SetUpPipeline(*file_.context, target_,
                      {.stage = hdfs::OpWriteBlockProto::PIPELINE_SETUP_CREATE,
                       .generation_stamp = target_.block.generationstamp(),
                       .block_bytes = settings_.block_bytes},
                      settings_.checksum, failure);
    if (pipeline.has_value()) {
      acked_bytes_ = sent_bytes_ = 0;
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
  const bool closing = packets_.size() == acked_ + 1 && packets_.back()->is_last();
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
  const std::optional<size_t> slow = slow_nodes_.Find();
  const absl::Duration now = file_.context->clock.Monotonic();
  if (!slow.has_value() || now < no_replacement_until_) return absl::OkStatus();
  no_replacement_until_ = now + kAskAgain;
  const hdfs::DatanodeInfoProto& node = target_.nodes[*slow];
  std::vector<hdfs::DatanodeInfoProto> excluded = excluded_->List();
  excluded.push_back(node);
  // Without another one to take its place the slow node is better than none.
  if (!FindNode(file_, target_, excluded).ok()) return absl::OkStatus();
  excluded_->Add(node);
  const double bytes = static_cast<double>(acked_bytes_ - std::min(acked_bytes_, began_bytes_));
  const double left = static_cast<double>(settings_.block_bytes - put_bytes_);
  if (bytes > 0 && (now - began_) * (left / bytes) < kSoonFull) return absl::OkStatus();
  const absl::Status why = absl::UnavailableError(
      absl::StrCat(NodeName(node), ": holds up the pipeline of block ", target_.block.blockid()));
  socket_.Close();
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
  ReleaseAcked();
  PipelineFailure failure;
  while (true) {
    if (std::exchange(replace, true)) RETURN_IF_ERROR(ReplaceNode(stage));
    ASSIGN_OR_RETURN(const uint64_t stamp, RenewStamp(file_, target_));
    std::optional<OpenPipeline> pipeline = SetUpPipeline(*file_.context, target_,
                                                         {.stage = stage,
                                                          .generation_stamp = stamp,
                                                          .min_bytes = acked_bytes_,
                                                          .max_bytes = sent_bytes_,
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
    sent_ = acked_ = packets_.size();
  }
  return absl::OkStatus();
}

}  // namespace cairn::client
