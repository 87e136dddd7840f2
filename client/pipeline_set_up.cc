#include "client/pipeline_set_up.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/packet_stream.h"

namespace cairn::client {

PipelineSetUp::PipelineSetUp(ClientContext& context, const PipelineTarget& target,
                             const SetUpRequest& request, const transfer::DataChecksum& checksum)
    : context_(context),
      target_(target),
      request_(EncodeSetUp(context, target, request, checksum)),
      began_(context.clock.Monotonic()),
      heard_(began_) {
  const hdfs::DatanodeIDProto& node = target.nodes[0].id();
  const absl::StatusOr<uint16_t> port = ClientContext::TransferPort(node);
  if (port.ok()) {
    pending_.emplace(context.TransferHost(node), *port, context.socket_options);
  } else {
    Fail(port.status());
  }
}

void PipelineSetUp::Fail(absl::Status why) {
  over_ = true;
  failure_.status = std::move(why);
  socket_.reset();
  pending_.reset();
}

bool PipelineSetUp::Move() {
  if (!over_ && !socket_.has_value()) {
    absl::StatusOr<std::optional<Socket>> connected = pending_->Move();
    if (!connected.ok()) {
      Fail(connected.status());
    } else if (connected->has_value()) {
      Send(*std::move(*connected));
    }
  }
  if (!over_ && socket_.has_value()) TakeReply();
  return over_;
}

void PipelineSetUp::Send(Socket socket) {
  pending_.reset();
  socket_ = std::move(socket);
  heard_ = context_.clock.Monotonic();
  // A new connection has room for so little.
  if (absl::Status sent = socket_->Send(std::as_bytes(std::span(request_))); !sent.ok()) {
    Fail(std::move(sent));
  }
}

void PipelineSetUp::TakeReply() {
  while (true) {
    hdfs::BlockOpResponseProto reply;
    const absl::StatusOr<bool> whole = receiver_.Receive(*socket_, reply);
    if (!whole.ok()) return Fail(whole.status());
    if (!*whole) return;
    heard_ = context_.clock.Monotonic();
    NoteSetUpSigns(context_, reply);
    if (reply.status() == hdfs::STATUS_IN_PROGRESS) continue;
    gives_signs_ = reply.signsoflife();
    over_ = true;
    if (std::optional<PipelineFailure> failure = RefusalOf(target_, reply)) {
      failure_ = *std::move(failure);
      socket_.reset();
    }
    return;
  }
}

pollfd PipelineSetUp::WhatToPoll() const {
  if (socket_.has_value()) return {.fd = socket_->fd(), .events = POLLIN, .revents = 0};
  return {.fd = pending_.has_value() ? pending_->fd() : -1, .events = POLLOUT, .revents = 0};
}

bool PipelineSetUp::IsOverdue(bool spare) const {
  const size_t nodes = target_.nodes.size();
  const absl::Duration whole = PipelineTimeout(context_.options, nodes);
  const absl::Duration silence = SilenceLimit(context_.options, nodes, spare);
  const absl::Duration now = context_.clock.Monotonic();
  if (!socket_.has_value()) {
    return now - began_ > std::min(silence, context_.options.connect_timeout);
  }
  // Of datanodes that give no signs of life nobody knows whether they are at work.
  const bool impatient = context_.set_up_signs.load() != ClientContext::Signs::kNotGiven;
  return now - heard_ > (impatient ? silence : whole) || now - began_ > whole;
}

void PipelineSetUp::GiveUp() {
  if (socket_.has_value()) NoteSetUpSilence(context_);
  Fail(absl::UnavailableError(absl::StrCat(
      NodeName(target_.nodes[0]), ": setting up a pipeline for block ", target_.block.blockid(),
      socket_.has_value() ? ": no answer in " : ": not connected in ",
      absl::FormatDuration(context_.clock.Monotonic() - began_))));
}

std::optional<OpenPipeline> PipelineSetUp::Take(PipelineFailure& failure) {
  if (!socket_.has_value()) {
    failure = std::move(failure_);
    return std::nullopt;
  }
  return OpenPipeline{.socket = *std::exchange(socket_, std::nullopt), .gives_signs = gives_signs_};
}

}  // namespace cairn::client
