#include "client/out_packet.h"

#include <algorithm>
#include <utility>

#include "common/check.h"

namespace cairn::client {

void OutPacket::Reset(uint64_t offset_in_block, size_t capacity) {
  offset_ = offset_in_block;
  capacity_ = capacity;
  data_.clear();
  checksums_.clear();
}

void OutPacket::Append(std::span<const std::byte> bytes) {
  CHECK_LE(bytes.size(), room());
  data_.insert(data_.end(), bytes.begin(), bytes.end());
}

std::span<std::byte> OutPacket::Extend(size_t bytes) {
  CHECK_LE(bytes, room());
  data_.resize(data_.size() + bytes);
  return std::span(data_).last(bytes);
}

void OutPacket::Seal(int64_t seqno, bool last, bool sync, const transfer::DataChecksum& checksum) {
  seqno_ = seqno;
  last_ = last;
  checksums_.resize(checksum.ChecksumBytes(data_.size()));
  checksum.Compute(data_, checksums_);
  header_bytes_ = transfer::EncodePacketHeader({.offset_in_block = static_cast<int64_t>(offset_),
                                                .seqno = seqno,
                                                .last_in_block = last,
                                                .data_bytes = static_cast<uint32_t>(data_.size()),
                                                .sync_block = sync},
                                               static_cast<uint32_t>(checksums_.size()), header_);
}

size_t OutPacket::Pieces(size_t skip, std::span<iovec, 3> out) {
  const std::span<std::byte> parts[] = {std::span(header_).first(header_bytes_), checksums_, data_};
  size_t count = 0;
  for (std::span<std::byte> part : parts) {
    const size_t drop = std::min(skip, part.size());
    skip -= drop;
    if (drop < part.size()) {
      out[count++] = {.iov_base = part.data() + drop, .iov_len = part.size() - drop};
    }
  }
  return count;
}

PacketSizes::PacketSizes(const ClientOptions& options) {
  const uint32_t chunk = options.bytes_per_checksum;
  usual_ = std::max(options.write_packet_bytes / chunk, 1u) * chunk;
  large_ = std::max<size_t>(options.large_packet_bytes / chunk * chunk, usual_);
}

transfer::DataChecksum WriteChecksum(const ClientOptions& options) {
  return {transfer::ChecksumType::kCrc32c, options.bytes_per_checksum};
}

std::unique_ptr<OutPacket> OutPacketPool::Take(uint64_t offset_in_block, size_t capacity) {
  std::unique_ptr<OutPacket> packet;
  if (free_.empty()) {
    packet = std::make_unique<OutPacket>();
  } else {
    packet = std::move(free_.back());
    free_.pop_back();
  }
  packet->Reset(offset_in_block, capacity);
  return packet;
}

void OutPacketPool::Give(std::unique_ptr<OutPacket> packet) { free_.push_back(std::move(packet)); }

}  // namespace cairn::client
