#include "wire/transfer/ack.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "wire/parse_message.h"
#include "wire/transfer/op.h"

namespace cairn::transfer {
namespace {

constexpr uint32_t kFlagStatusMask = 0xf;

hdfs::Status ToStatus(uint32_t number) {
  return hdfs::Status_IsValid(static_cast<int>(number)) ? static_cast<hdfs::Status>(number)
                                                        : hdfs::STATUS_ERROR;
}

}  // namespace

std::optional<size_t> PipelineAck::FirstFailure() const {
  const auto bad = std::find_if(statuses.begin(), statuses.end(),
                                [](hdfs::Status s) { return s != hdfs::STATUS_SUCCESS; });
  if (bad == statuses.end()) return std::nullopt;
  return static_cast<size_t>(bad - statuses.begin());
}

bool PipelineAck::AllSucceeded() const { return !FirstFailure().has_value(); }

uint64_t MicrosOnTheWay(const PipelineAck& ack, uint64_t took_micros) {
  const uint64_t way = took_micros - std::min(took_micros, ack.downstream_nanos / 1000);
  return way * (kAllBlocked - ack.blocked_permille) / kAllBlocked;
}

void AppendAck(const PipelineAck& ack, std::string& out) {
  hdfs::PipelineAckProto message;
  message.set_seqno(ack.seqno);
  for (const hdfs::Status status : ack.statuses) {
    message.add_reply(status);
    message.add_flag(static_cast<uint32_t>(status));
  }
  // Written even when 0: it keeps the shortest acknowledgement above the minimum.
  message.set_downstreamacktimenanos(ack.downstream_nanos);
  if (ack.node_micros.size() == ack.statuses.size()) {
    message.mutable_nodemicros()->Add(ack.node_micros.begin(), ack.node_micros.end());
    message.set_blockedpermille(ack.blocked_permille);
  }
  out += EncodeDelimited(message);
}

absl::StatusOr<std::optional<TakenAck>> TakeAck(std::span<const std::byte> buffered) {
  ASSIGN_OR_RETURN(const std::optional<Delimited> frame, TakeDelimited(buffered, kMaxAckBytes));
  if (!frame.has_value()) return std::nullopt;
  hdfs::PipelineAckProto message;
  if (!ParseMessage(frame->body, &message)) {
    return absl::InvalidArgumentError("acknowledgement: not a PipelineAckProto");
  }
  const bool by_flag = message.flag_size() > 0;
  const int nodes = by_flag ? message.flag_size() : message.reply_size();
  if (nodes > static_cast<int>(kMaxPipelineNodes)) {
    return absl::InvalidArgumentError(absl::StrCat("acknowledgement of ", nodes, " nodes"));
  }
  TakenAck taken{
      .ack = {.seqno = message.seqno(), .downstream_nanos = message.downstreamacktimenanos()},
      .consumed = frame->consumed};
  for (int i = 0; i < nodes; ++i) {
    taken.ack.statuses.push_back(by_flag ? ToStatus(message.flag(i) & kFlagStatusMask)
                                         : message.reply(i));
  }
  if (message.nodemicros_size() == nodes) {
    taken.ack.node_micros.assign(message.nodemicros().begin(), message.nodemicros().end());
    taken.ack.blocked_permille = std::min(message.blockedpermille(), kAllBlocked);
  }
  return taken;
}

}  // namespace cairn::transfer
