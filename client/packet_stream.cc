#include "client/packet_stream.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace cairn::client {
namespace {

constexpr size_t kPacketsPerSend = 8;
constexpr size_t kAckReadBytes = 4096;
// How often a wait looks whether the stream was aborted.
constexpr absl::Duration kWaitSlice = absl::Seconds(2);
// For acknowledgements that follow a failed send: they were sent before the connection ended.
constexpr absl::Duration kAckPatience = absl::Seconds(1);

}  // namespace

std::string NodeName(const hdfs::DatanodeInfoProto& node) {
  return absl::StrCat(node.id().ipaddr(), ":", node.id().xferport());
}

PacketStream::PacketStream(const ClientContext& context, OutPacketPool& pool,
                           const transfer::DataChecksum& checksum)
    : context_(context),
      pool_(pool),
      checksum_(checksum),
      slow_nodes_(
          {.seconds = context.options.slow_node_seconds, .mean = context.options.slow_node_time}) {}

// ---- The connection ----

void PacketStream::Use(OpenPipeline pipeline, const std::vector<hdfs::DatanodeInfoProto>& nodes) {
  socket_ = std::move(pipeline.socket);
  gives_signs_ = pipeline.gives_signs;
  is_local_ = socket_.IsLocal();
  nodes_.clear();
  for (const hdfs::DatanodeInfoProto& node : nodes) nodes_.push_back(NodeName(node));
  acked_ = sent_ = sent_of_next_ = 0;
  heartbeat_left_ = 0;
  acks_.clear();
  last_progress_ = last_sent_ = last_heard_ = context_.clock.Monotonic();
  slow_nodes_.Restart(nodes_.size());
}

// ---- The queue ----

void PacketStream::Put(std::unique_ptr<OutPacket> packet, bool sync) {
  packet->Seal(next_seqno_++, /*last=*/false, sync, checksum_);
  put_bytes_ = std::max(put_bytes_, packet->end());
  kept_bytes_ += packet->size();
  packets_.push_back(std::move(packet));
}

void PacketStream::PutClosing(bool sync) {
  std::unique_ptr<OutPacket> last = pool_.Take(put_bytes_, 0);
  last->Seal(next_seqno_++, /*last=*/true, sync, checksum_);
  packets_.push_back(std::move(last));
}

void PacketStream::ReleaseAcked() {
  for (; acked_ > 0; --acked_, --sent_) {
    kept_bytes_ -= packets_.front()->size();
    pool_.Give(std::move(packets_.front()));
    packets_.pop_front();
  }
}

void PacketStream::Abandon() {
  Disconnect();
  heartbeat_left_ = sent_of_next_ = 0;
  SetAllAcked();
  ReleaseAcked();
}

// ---- Moving bytes ----

std::optional<PipelineFailure> PacketStream::Move() {
  if (auto failure = SendSome()) return failure;
  return TakeAcks();
}

std::optional<PipelineFailure> PacketStream::SendSome() {
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
    last_progress_ = last_sent_ = context_.clock.Monotonic();
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

std::optional<PipelineFailure> PacketStream::TakeAcks() {
  while (true) {
    const size_t had = acks_.size();
    acks_.resize(had + kAckReadBytes);
    absl::StatusOr<size_t> got = socket_.ReceiveNow(std::span(acks_).subspan(had));
    acks_.resize(had + (got.ok() ? *got : 0));
    if (!got.ok()) return PipelineFailure{.status = got.status(), .bad_node = 0};
    if (*got == 0) return std::nullopt;
    last_heard_ = context_.clock.Monotonic();
    size_t used = 0;
    while (true) {
      absl::StatusOr<std::optional<transfer::TakenAck>> taken =
          transfer::TakeAck(std::span<const std::byte>(acks_).subspan(used));
      if (!taken.ok()) return PipelineFailure{.status = taken.status(), .bad_node = 0};
      if (!taken->has_value()) break;
      used += (*taken)->consumed;
      if (auto failure = TakeAck((*taken)->ack)) return failure;
    }
    acks_.erase(acks_.begin(), acks_.begin() + static_cast<ptrdiff_t>(used));
    // After the last acknowledgement the datanode closes the connection.
    if (AllAcked() && has_closing()) return std::nullopt;
  }
}

std::optional<PipelineFailure> PacketStream::TakeAck(const transfer::PipelineAck& ack) {
  if (ack.seqno == transfer::kSignOfLifeSeqno) return std::nullopt;
  last_progress_ = last_heard_;
  if (const std::optional<size_t> bad = ack.FirstFailure()) {
    const size_t node = std::min(*bad, nodes_.size() - 1);
    return PipelineFailure{
        .status = absl::UnavailableError(absl::StrCat(
            nodes_[node], ": transfer status ", ack.statuses[*bad], " for packet ", ack.seqno)),
        .bad_node = node,
        .restarting = ack.statuses[*bad] == hdfs::STATUS_OOB_RESTART};
  }
  if (ack.seqno == transfer::kHeartbeatSeqno) return std::nullopt;
  // Acknowledgements come in the order of the packets, and for what was sent only.
  if (acked_ >= sent_ || ack.seqno != packets_[acked_]->seqno() ||
      ack.statuses.size() != nodes_.size()) {
    return PipelineFailure{.status = absl::UnavailableError(
                               absl::StrCat(socket_.peer(), ": acknowledged packet ", ack.seqno,
                                            " for ", ack.statuses.size(), " nodes out of turn")),
                           .bad_node = 0};
  }
  NoteTimes(ack);
  acked_bytes_ = std::max(acked_bytes_, packets_[acked_]->end());
  ++acked_;
  ++acked_packets_;
  return std::nullopt;
}

void PacketStream::NoteTimes(const transfer::PipelineAck& ack) {
  const OutPacket& packet = *packets_[acked_];
  if (ack.node_micros.empty() || packet.is_last()) return;  // the last one waits for a sync
  absl::InlinedVector<uint64_t, 4> micros = ack.node_micros;
  const int64_t took = absl::ToInt64Microseconds(last_heard_ - packet.sent_at());
  micros[0] += transfer::MicrosOnTheWay(ack, static_cast<uint64_t>(std::max<int64_t>(took, 0)));
  slow_nodes_.Add(last_heard_, micros);
}

PipelineFailure PacketStream::Blame(absl::Status status, absl::Duration patience) {
  Clock& clock = context_.clock;
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

absl::Duration PacketStream::Silence(bool spare) const {
  return gives_signs_ ? SilenceLimit(context_.options, nodes_.size(), spare)
                      : PipelineTimeout(context_.options, nodes_.size());
}

bool PacketStream::IsSilent() const {
  return IsOwed() && context_.clock.Monotonic() - last_heard_ > Silence(/*spare=*/true);
}

std::optional<PipelineFailure> PacketStream::CheckOverdue(bool spare) {
  if (AllAcked()) return std::nullopt;
  const absl::Duration silence = Silence(spare);
  if (IsOwed() && context_.clock.Monotonic() - last_heard_ > silence) {
    return Blame(absl::UnavailableError(
        absl::StrCat(socket_.peer(), ": no sign of life in ", absl::FormatDuration(silence))));
  }
  const absl::Duration limit = PipelineTimeout(context_.options, nodes_.size());
  if (context_.clock.Monotonic() - last_progress_ > limit) {
    return Blame(absl::UnavailableError(
        absl::StrCat(socket_.peer(), ": no acknowledgement in ", absl::FormatDuration(limit))));
  }
  return std::nullopt;
}

absl::Duration PacketStream::WaitSlice(bool spare) const {
  return std::min({kWaitSlice, PipelineHeartbeatAfter(context_.options) / 2, Silence(spare) / 2});
}

std::optional<PipelineFailure> PacketStream::Wait(absl::Duration timeout) {
  const absl::StatusOr<bool> ready = socket_.Wait(/*or_writable=*/HasUnsent(), timeout);
  if (!ready.ok()) return Blame(ready.status());
  return std::nullopt;
}

pollfd PacketStream::WhatToPoll() const {
  return {.fd = socket_.fd(),
          .events = static_cast<short>(POLLIN | (HasUnsent() ? POLLOUT : 0)),
          .revents = 0};
}

void PacketStream::QueueHeartbeat() {
  if (HasUnsent() ||
      context_.clock.Monotonic() - last_sent_ < PipelineHeartbeatAfter(context_.options)) {
    return;
  }
  heartbeat_bytes_ = heartbeat_left_ =
      transfer::EncodePacketHeader({.seqno = transfer::kHeartbeatSeqno}, 0, heartbeat_);
}

absl::Status PacketStream::SendHeartbeat() {
  if (heartbeat_left_ == 0) return absl::OkStatus();
  iovec piece{.iov_base = heartbeat_.data() + (heartbeat_bytes_ - heartbeat_left_),
              .iov_len = heartbeat_left_};
  ASSIGN_OR_RETURN(const size_t taken, socket_.SendNow(std::span(&piece, 1)));
  heartbeat_left_ -= taken;
  if (taken > 0) last_sent_ = context_.clock.Monotonic();
  return absl::OkStatus();
}

}  // namespace cairn::client
