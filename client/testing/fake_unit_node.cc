#include "client/testing/fake_unit_node.h"

#include <optional>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/check.h"

namespace cairn::client {

FakeGroups::Node::Node(FakeGroups& groups, int index)
    : groups_(groups), index_(index), port_({.serve = [this](Socket& socket) { Serve(socket); }}) {}

void FakeGroups::Node::Restart() {
  std::string told;
  transfer::AppendAck({.seqno = transfer::kUnknownSeqno, .statuses = {hdfs::STATUS_OOB_RESTART}},
                      told);
  port_.EndConnections(told);
}

void FakeGroups::Node::Serve(Socket& socket) {
  const std::optional<FakeOp> op = TakeOp(socket);
  if (!op.has_value()) return;
  CHECK(op->opcode == transfer::Opcode::kWriteBlock);
  const auto request = op->As<hdfs::OpWriteBlockProto>();
  hdfs::BlockOpResponseProto reply;
  std::string bytes;
  {
    MutexLock lock(groups_.mu_);
    if (!groups_.AwaitSetUp(index_)) return;
    hdfs::BlockOpResponseProto sign;
    sign.set_status(hdfs::STATUS_IN_PROGRESS);
    sign.set_signsoflife(true);
    for (int i = 0; i < groups_.signs_in_set_up_; ++i) bytes += transfer::EncodeDelimited(sign);
    reply.set_message(groups_.SetUp(index_, request));
  }
  reply.set_status(reply.message().empty() ? hdfs::STATUS_SUCCESS : hdfs::STATUS_ERROR);
  reply.set_firstbadlink("");
  reply.set_signsoflife(request.signoflifems() > 0);
  bytes += transfer::EncodeDelimited(reply);
  if (!socket.Send(std::as_bytes(std::span(bytes))).ok()) return;
  if (reply.status() != hdfs::STATUS_SUCCESS) return;
  if (request.stage() == hdfs::OpWriteBlockProto::PIPELINE_CLOSE_RECOVERY) return;
  while (StorePacket(socket, request.header().baseheader().block().blockid())) {
  }
}

bool FakeGroups::Node::StorePacket(Socket& socket, uint64_t block) {
  const std::optional<FakePacket> packet = TakePacket(socket);
  if (!packet.has_value()) return false;
  const transfer::PacketHeader& header = packet->header;
  transfer::PipelineAck ack{.seqno = header.seqno, .statuses = {hdfs::STATUS_SUCCESS}};
  {
    MutexLock lock(groups_.mu_);
    if (groups_.silent_.contains(index_)) {
      while (!groups_.ending_) groups_.changed_.Wait(groups_.mu_);
      return false;
    }
    if (header.is_heartbeat()) {
      ++groups_.heartbeats_;
    } else {
      ack.statuses[0] = Store(block, *packet);
    }
  }
  return SendAck(socket, ack) && ack.AllSucceeded() && !header.last_in_block;
}

hdfs::Status FakeGroups::Node::Store(uint64_t block, const FakePacket& packet) {
  const std::span<const std::byte> data = packet.data();
  const auto offset = static_cast<uint64_t>(packet.header.offset_in_block);
  const bool last = packet.header.last_in_block;
  Replica& replica = groups_.replicas_[{index_, block}];
  const auto limit = groups_.die_after_.find(index_);
  if (limit != groups_.die_after_.end() && offset + data.size() > limit->second) {
    groups_.refusing_[index_] = 1 << 30;
    return hdfs::STATUS_ERROR;
  }
  const auto restart = groups_.restart_after_.find(index_);
  if (restart != groups_.restart_after_.end() && offset + data.size() > restart->second) {
    groups_.restart_after_.erase(restart);
    return hdfs::STATUS_OOB_RESTART;
  }
  if (last && groups_.restarting_at_close_.erase(index_) > 0) return hdfs::STATUS_OOB_RESTART;
  if (last && groups_.dying_at_close_.contains(index_)) return hdfs::STATUS_ERROR;
  if (offset != replica.bytes.size()) {
    groups_.Complain(absl::StrCat("block ", block, ": a packet at ", offset, " after ",
                                  replica.bytes.size(), " bytes"));
    return hdfs::STATUS_ERROR;
  }
  replica.bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
  replica.finished = last;
  replica.synced = last && packet.header.sync_block;
  if (last) groups_.history_.push_back("finished");
  return hdfs::STATUS_SUCCESS;
}

}  // namespace cairn::client
