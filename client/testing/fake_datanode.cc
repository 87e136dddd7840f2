#include "client/testing/fake_datanode.h"

#include <arpa/inet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/erasure_convert.h"
#include "client/transfer_reply.h"
#include "common/check.h"
#include "common/net/domain_socket.h"
#include "erasure/layout.h"
#include "wire/transfer/big_endian.h"
#include "wire/transfer/block_checksum.h"
#include "wire/transfer/checksum.h"
#include "wire/transfer/meta_file.h"
#include "wire/transfer/packet.h"

namespace cairn::client {
namespace {

constexpr size_t kReadPacketBytes = 64 << 10;

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string SumOf(const std::string& data, const hdfs::BlockChecksumOptionsProto& options) {
  const transfer::DataChecksum checksum;
  auto summer = options.blockchecksumtype() == hdfs::COMPOSITE_CRC
                    ? transfer::NewCompositeCrc(checksum, data.size(), options.stripelength())
                    : transfer::NewMd5OfCrcs();
  CHECK(summer.ok()) << summer.status();
  std::string sums(checksum.ChecksumBytes(data.size()), '\0');
  checksum.Compute(Bytes(data), std::as_writable_bytes(std::span(sums)));
  (*summer)->Add(Bytes(sums));
  return (*summer)->Finish();
}

// Without a name; the caller closes it.
int NewFile(const std::string& bytes) {
  const int fd = ::memfd_create("replica", MFD_CLOEXEC);
  CHECK_GE(fd, 0);
  CHECK(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  return fd;
}

std::string MetaFileOf(const std::string& data) {
  const transfer::DataChecksum checksum;
  std::string meta(transfer::MetaFileBytes(checksum, data.size()), '\0');
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(meta));
  transfer::EncodeMetaHeader(checksum, bytes.first<transfer::kMetaHeaderBytes>());
  checksum.Compute(Bytes(data), bytes.subspan(transfer::kMetaHeaderBytes));
  return meta;
}

hdfs::OpBlockChecksumResponseProto ChecksumAnswer(const std::string& sum, uint64_t bytes,
                                                  const hdfs::BlockChecksumOptionsProto& options) {
  const transfer::DataChecksum checksum;
  hdfs::OpBlockChecksumResponseProto answer;
  answer.set_bytespercrc(checksum.bytes_per_checksum());
  answer.set_crcperblock(checksum.ChunkCount(bytes));
  answer.set_blockchecksum(sum);
  answer.set_crctype(static_cast<hdfs::ChecksumTypeProto>(checksum.type()));
  *answer.mutable_blockchecksumoptions() = options;
  return answer;
}

}  // namespace

FakeCluster::Node::Node(FakeCluster& cluster, int index)
    : cluster_(cluster),
      index_(index),
      port_({.serve =
                 [this](Socket& socket) {
                   while (ServeOne(socket)) {
                   }
                 },
             .closed =
                 [this] {
                   MutexLock lock(cluster_.mu_);
                   ++cluster_.closed_connections_;
                 },
             // Small, so that a writer's bytes do not all fit.
             .receive_buffer_bytes = 64 << 10}) {}

void FakeCluster::Node::PassDescriptors(const std::string& directory) {
  CHECK(socket_ == nullptr);
  socket_ = std::make_unique<FakePort>(
      FakePort::Options{.serve =
                            [this](Socket& socket) {
                              while (ServeOne(socket)) {
                              }
                            },
                        .path = absl::StrCat(directory, "/dn.", port())});
}

bool FakeCluster::Node::ServeOne(Socket& socket) {
  const std::optional<FakeOp> op = TakeOp(socket);
  if (!op.has_value()) return false;
  switch (op->opcode) {
    case transfer::Opcode::kWriteBlock:
      return Write(socket, op->As<hdfs::OpWriteBlockProto>());
    case transfer::Opcode::kTransferBlock:
      return Copy(socket, op->As<hdfs::OpTransferBlockProto>());
    case transfer::Opcode::kBlockChecksum:
      return Checksum(socket, op->As<hdfs::OpBlockChecksumProto>());
    case transfer::Opcode::kBlockGroupChecksum:
      return GroupChecksum(socket, op->As<hdfs::OpBlockGroupChecksumProto>());
    case transfer::Opcode::kRequestShortCircuitFds:
      return HandOver(socket, op->As<hdfs::OpRequestShortCircuitAccessProto>());
    default:
      CHECK(op->opcode == transfer::Opcode::kReadBlock);
      return Read(socket, op->As<hdfs::OpReadBlockProto>());
  }
}

bool FakeCluster::Node::Write(Socket& socket, const hdfs::OpWriteBlockProto& op) {
  std::vector<int> chain = {index_};
  for (const auto& target : op.targets()) chain.push_back(cluster_.IndexOf(target.id()));
  const uint64_t id = op.header().baseheader().block().blockid();
  hdfs::BlockOpResponseProto reply;
  reply.set_status(hdfs::STATUS_SUCCESS);
  reply.set_firstbadlink("");
  absl::Duration delay = absl::ZeroDuration();
  {
    MutexLock lock(cluster_.mu_);
    const auto silent = cluster_.last_silent_.find(index_);
    if (silent != cluster_.last_silent_.end()) {
      delay = silent->second;
      cluster_.refusing_.insert(chain.back());
      cluster_.last_silent_.erase(silent);
    }
    for (int node : chain) {
      if (!cluster_.refusing_.contains(node)) continue;
      reply.set_status(hdfs::STATUS_ERROR);
      reply.set_message("refused for a test");
      reply.set_firstbadlink(absl::StrCat("127.0.0.1:", cluster_.nodes_[node]->port()));
      break;
    }
    if (op.stage() == hdfs::OpWriteBlockProto::PIPELINE_SETUP_STREAMING_RECOVERY) {
      if (cluster_.blocks_[id].finished) {
        reply.set_status(hdfs::STATUS_ERROR);
        reply.set_message("is not being written");
      }
      for (int node : chain) cluster_.blocks_[id].bytes[node].resize(op.minbytesrcvd());
    }
  }
  absl::SleepFor(delay);
  {
    MutexLock lock(cluster_.mu_);
    if (!AwaitStart()) return false;
    if (cluster_.giving_signs_) reply.set_signsoflife(op.signoflifems() > 0);
  }
  Reply(socket, reply);
  if (reply.status() != hdfs::STATUS_SUCCESS) return false;
  if (op.stage() == hdfs::OpWriteBlockProto::PIPELINE_CLOSE_RECOVERY) return false;
  const auto checksum = transfer::DataChecksum::FromProto(op.requestedchecksum());
  CHECK(checksum.ok()) << checksum.status();
  while (StorePacket(socket, id, chain, *checksum)) {
  }
  return false;
}

bool FakeCluster::Node::Copy(Socket& socket, const hdfs::OpTransferBlockProto& op) {
  hdfs::BlockOpResponseProto reply;
  reply.set_status(hdfs::STATUS_SUCCESS);
  reply.set_firstbadlink("");
  {
    MutexLock lock(cluster_.mu_);
    Block& block = cluster_.blocks_.at(op.header().baseheader().block().blockid());
    const int target = cluster_.IndexOf(op.targets(0).id());
    if (cluster_.refusing_copies_.contains(target)) {
      reply.set_status(hdfs::STATUS_ERROR);
    } else {
      block.bytes[target] = block.bytes[index_];
    }
  }
  Reply(socket, reply);
  return false;
}

bool FakeCluster::Node::AwaitStart() {
  while (cluster_.stopped_.contains(index_) && !cluster_.ending_) {
    cluster_.released_.Wait(cluster_.mu_);
  }
  return !cluster_.ending_;
}

bool FakeCluster::Node::AwaitReads(FakeCluster::Silence silence) {
  MutexLock lock(cluster_.mu_);
  const auto is_silent = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const auto found = cluster_.stalling_.find(index_);
    return found != cluster_.stalling_.end() && found->second == silence && !cluster_.ending_;
  };
  while (is_silent()) cluster_.released_.Wait(cluster_.mu_);
  return !cluster_.ending_;
}

bool FakeCluster::Node::AwaitRelease(Socket& socket) {
  while (true) {
    {
      MutexLock lock(cluster_.mu_);
      if (!AwaitStart()) return false;
      if (!cluster_.holding_) return true;
      if (!cluster_.giving_signs_) {
        cluster_.released_.Wait(cluster_.mu_);
        continue;
      }
      ++cluster_.signs_;
    }
    if (!SendAck(socket,
                 {.seqno = transfer::kSignOfLifeSeqno, .statuses = {hdfs::STATUS_SUCCESS}})) {
      return false;
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
}

bool FakeCluster::Node::StorePacket(Socket& socket, uint64_t id, const std::vector<int>& chain,
                                    const transfer::DataChecksum& checksum) {
  if (!AwaitRelease(socket)) return false;
  const std::optional<FakePacket> packet = TakePacket(socket, checksum);
  if (!packet.has_value()) return false;
  const transfer::PacketHeader& header = packet->header;
  const std::span<const std::byte> data = packet->data();
  transfer::PipelineAck ack{.seqno = header.seqno};
  bool silent = false;
  {
    MutexLock lock(cluster_.mu_);
    silent = cluster_.restarting_at_close_.contains(index_) && !header.last_in_block;
    if (cluster_.acking_wrong_.erase(index_) > 0) ack.seqno += 7;
    if (header.is_heartbeat()) ++cluster_.heartbeats_;
    if (!AwaitStart()) return false;
    for (int node : chain) {
      if (cluster_.restarting_.erase(node) > 0) {
        ack.seqno = transfer::kUnknownSeqno;
        ack.statuses.push_back(hdfs::STATUS_OOB_RESTART);
        break;
      }
      if (const auto time = cluster_.times_.find(node); !cluster_.times_.empty()) {
        ack.node_micros.push_back(
            time == cluster_.times_.end() ? 0 : absl::ToInt64Microseconds(time->second));
      }
      const auto limit = cluster_.die_after_.find(node);
      const bool dies = limit != cluster_.die_after_.end() &&
                        static_cast<uint64_t>(header.end_offset()) > limit->second;
      ack.statuses.push_back(dies ? hdfs::STATUS_ERROR : hdfs::STATUS_SUCCESS);
      if (dies) cluster_.refusing_.insert(node);
      if (dies || header.is_heartbeat()) continue;
      std::string& bytes = cluster_.blocks_[id].bytes[node];
      // Of a block that has been abandoned meanwhile.
      if (static_cast<size_t>(header.offset_in_block) > bytes.size()) return false;
      bytes.resize(header.offset_in_block);
      bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
    }
    if (header.last_in_block) cluster_.blocks_[id].synced_at_end = header.sync_block;
    if (header.last_in_block && cluster_.restarting_at_close_.erase(index_) > 0) {
      cluster_.blocks_[id].finished = true;
      ack = {.seqno = transfer::kUnknownSeqno, .statuses = {hdfs::STATUS_OOB_RESTART}};
    }
  }
  if (silent) return true;
  return SendAck(socket, ack) && ack.AllSucceeded() && !header.last_in_block;
}

bool FakeCluster::Node::Read(Socket& socket, const hdfs::OpReadBlockProto& op) {
  if (!AwaitReads(Silence::kFromTheStart)) return false;
  const hdfs::BaseHeaderProto& header = op.header().baseheader();
  std::string data;
  std::optional<std::string> instead;
  std::optional<uint64_t> flipped_at;
  bool corrupt = false;
  bool breaks = false;
  hdfs::BlockOpResponseProto refusal;
  refusal.set_status(hdfs::STATUS_SUCCESS);
  {
    MutexLock lock(cluster_.mu_);
    const auto block = cluster_.blocks_.find(header.block().blockid());
    const bool is_known = block != cluster_.blocks_.end();
    const bool is_lost = is_known && block->second.is_unit && !block->second.bytes.contains(index_);
    if (!is_known || is_lost || block->second.bytes[index_].size() < op.offset()) {
      refusal.set_status(hdfs::STATUS_ERROR);
      refusal.set_message("Replica not found");
    } else if (block->second.is_unit &&
               header.token().identifier() != cluster_.UnitToken(header.block().blockid())) {
      refusal.set_status(hdfs::STATUS_ERROR_ACCESS_TOKEN);
    } else {
      data = block->second.bytes[index_];
      flipped_at = block->second.flipped_at;
    }
    corrupt = cluster_.corrupting_.contains(index_);
    breaks = refusal.status() == hdfs::STATUS_SUCCESS && cluster_.breaking_[index_] > 0;
    if (breaks) {
      --cluster_.breaking_[index_];
      ++cluster_.broken_[index_];
    }
    const auto found = cluster_.instead_.find(index_);
    if (found != cluster_.instead_.end()) instead = found->second;
  }
  if (refusal.status() != hdfs::STATUS_SUCCESS) {
    Reply(socket, refusal);
    return false;
  }
  const transfer::DataChecksum checksum;
  uint64_t at = checksum.RoundDown(op.offset());
  const uint64_t end = std::min<uint64_t>(data.size(), checksum.RoundUp(op.offset() + op.len()));
  hdfs::BlockOpResponseProto reply;
  reply.set_status(hdfs::STATUS_SUCCESS);
  *reply.mutable_readopchecksuminfo()->mutable_checksum() = checksum.ToProto();
  reply.mutable_readopchecksuminfo()->set_chunkoffset(at);
  Reply(socket, reply);
  if (instead.has_value()) {
    socket.Send(Bytes(*instead)).IgnoreError();  // the client may hang up at the first bad byte
    return false;
  }
  for (int64_t seqno = 0;; ++seqno) {
    std::string piece = data.substr(at, std::min<uint64_t>(end - at, kReadPacketBytes));
    std::string sums(checksum.ChecksumBytes(piece.size()), '\0');
    checksum.Compute(Bytes(piece), std::as_writable_bytes(std::span(sums)));
    if (corrupt && !piece.empty()) piece[piece.size() / 2] ^= 1;
    if (flipped_at >= at && flipped_at < at + piece.size()) piece[*flipped_at - at] ^= 1;
    std::array<std::byte, transfer::kMaxEncodedHeaderBytes> packet_header;
    const size_t size =
        transfer::EncodePacketHeader({.offset_in_block = static_cast<int64_t>(at),
                                      .seqno = seqno,
                                      .last_in_block = piece.empty(),
                                      .data_bytes = static_cast<uint32_t>(piece.size())},
                                     static_cast<uint32_t>(sums.size()), packet_header);
    const size_t half = piece.size() / 2;
    if (!socket.Send(std::span(packet_header).first(size)).ok() || !socket.Send(Bytes(sums)).ok() ||
        !socket.Send(Bytes(piece).first(half)).ok() || breaks ||
        !AwaitReads(Silence::kInsideAPacket) || !socket.Send(Bytes(piece).subspan(half)).ok()) {
      return false;
    }
    at += piece.size();
    if (piece.empty()) break;
  }
  hdfs::ClientReadStatusProto status;
  return ReceiveDelimited(socket, status).ok();
}

bool FakeCluster::Node::HandOver(Socket& socket, const hdfs::OpRequestShortCircuitAccessProto& op) {
  const uint64_t id = op.header().block().blockid();
  hdfs::BlockOpResponseProto reply;
  reply.set_status(hdfs::STATUS_ERROR_UNSUPPORTED);
  reply.set_message("");
  reply.set_shortcircuitaccessversion(1);
  std::string data;
  std::string meta;
  {
    MutexLock lock(cluster_.mu_);
    ++cluster_.descriptor_requests_;
    const auto block = cluster_.blocks_.find(id);
    const bool is_here = block != cluster_.blocks_.end() && block->second.bytes.contains(index_);
    if (is_here &&
        (!block->second.is_unit || op.header().token().identifier() == cluster_.UnitToken(id))) {
      reply.set_status(hdfs::STATUS_SUCCESS);
      data = block->second.bytes[index_];
      meta = MetaFileOf(data);
      for (const auto& at : {block->second.flipped_at, block->second.flipped_in_files_at}) {
        if (at.has_value()) data[*at] ^= 1;
      }
    }
  }
  Reply(socket, reply);
  if (reply.status() != hdfs::STATUS_SUCCESS) return true;
  const std::array<int, 2> fds = {NewFile(data), NewFile(meta)};
  const bool sent = SendDescriptors(socket.fd(), std::byte{0}, fds) == 1;
  for (const int fd : fds) ::close(fd);
  return sent;
}

bool FakeCluster::Node::Checksum(Socket& socket, const hdfs::OpBlockChecksumProto& op) {
  const uint64_t id = op.header().block().blockid();
  std::string data;
  hdfs::BlockOpResponseProto reply;
  {
    MutexLock lock(cluster_.mu_);
    const auto block = cluster_.blocks_.find(id);
    const bool is_lost =
        block == cluster_.blocks_.end() || !block->second.bytes.contains(index_) ||
        (block->second.is_unit && op.header().token().identifier() != cluster_.UnitToken(id));
    reply.set_status(is_lost ? hdfs::STATUS_ERROR : hdfs::STATUS_SUCCESS);
    if (!is_lost) data = block->second.bytes[index_].substr(0, op.header().block().numbytes());
  }
  if (reply.status() == hdfs::STATUS_SUCCESS) {
    const auto& options = op.blockchecksumoptions();
    *reply.mutable_checksumresponse() = ChecksumAnswer(SumOf(data, options), data.size(), options);
  }
  Reply(socket, reply);
  return false;
}

bool FakeCluster::Node::GroupChecksum(Socket& socket, const hdfs::OpBlockGroupChecksumProto& op) {
  const auto policy = ToPolicy(op.ecpolicy(), "/group");
  CHECK(policy.ok()) << policy.status();
  const erasure::Layout layout(policy->schema, policy->cell_bytes);
  hdfs::BlockChecksumOptionsProto options = op.blockchecksumoptions();
  const bool composite = options.blockchecksumtype() == hdfs::COMPOSITE_CRC;
  if (composite) options.set_stripelength(policy->cell_bytes);
  const uint64_t group = op.header().block().blockid();
  std::vector<std::string> sums(layout.data_units());
  hdfs::BlockOpResponseProto reply;
  uint64_t first_bytes = 0;
  {
    MutexLock lock(cluster_.mu_);
    ++cluster_.group_sums_;
    reply.set_status(cluster_.group_sum_status_);
    for (uint32_t unit = 0; unit < layout.data_units() && reply.status() == hdfs::STATUS_SUCCESS;
         ++unit) {
      const uint64_t covered = layout.UnitBytes(op.requestednumbytes(), unit);
      if (covered == 0) break;
      int at = 0;
      while (at < op.blockindices_size() && op.blockindices(at) != unit) ++at;
      const Block& block = cluster_.blocks_.at(group + unit);
      if (at == op.blockindices_size() || block.bytes.empty() ||
          op.blocktokens(at).identifier() != cluster_.UnitToken(group + unit)) {
        reply.set_status(hdfs::STATUS_ERROR);
        continue;
      }
      const std::string& bytes = block.bytes.begin()->second;
      if (unit == 0) first_bytes = bytes.size();
      sums[unit] = SumOf(bytes.substr(0, covered), options);
    }
  }
  if (reply.status() == hdfs::STATUS_SUCCESS) {
    std::string sum(composite ? 4 : sizeof(transfer::Md5Digest), '\0');
    if (composite) {
      const auto crc = transfer::CompositeGroupCrc(transfer::ChecksumType::kCrc32c, sums,
                                                   policy->cell_bytes, op.requestednumbytes());
      CHECK(crc.ok()) << crc.status();
      transfer::StoreBig32(*crc, std::as_writable_bytes(std::span(sum)).data());
    } else {
      const transfer::Md5Digest digest = transfer::Md5OfGroup(sums);
      std::memcpy(sum.data(), digest.data(), digest.size());
    }
    *reply.mutable_checksumresponse() = ChecksumAnswer(sum, first_bytes, op.blockchecksumoptions());
  }
  Reply(socket, reply);
  return false;
}

FakeCluster::DeafPort::DeafPort() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  for (int& fd : sockets_) fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  CHECK(::bind(sockets_[0], any, size) == 0);
  CHECK(::listen(sockets_[0], 0) == 0);
  CHECK(::getsockname(sockets_[0], any, &size) == 0);
  for (size_t i = 1; i < sockets_.size(); ++i) ::connect(sockets_[i], any, size);
  port_ = ntohs(address.sin_port);
}

FakeCluster::DeafPort::~DeafPort() {
  for (const int fd : sockets_) ::close(fd);
}

}  // namespace cairn::client
