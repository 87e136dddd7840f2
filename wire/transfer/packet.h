// wire/transfer/packet.h - the packets that carry a block's bytes, in reads and writes alike.
//
//   offset  bytes   field
//   0       4, BE   PLEN = 4 + checksum bytes + data bytes
//   4       2, BE   HLEN
//   6       HLEN    PacketHeaderProto: 25 bytes, or 27 with syncBlock
//   ..      4 each  checksums, big-endian, one for each started chunk of the data
//   ..              data
//
// A reader takes the 6 bytes of the prefix, then HLEN bytes, then what DecodePacketHeader says
// follows. Pure functions over bytes; no sockets. Every number is checked before it is used as a
// size. Source: Apache Hadoop's data transfer protocol, version 28.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"

namespace cairn::transfer {

// A whole packet, prefix and header included. Hadoop's readers refuse more.
inline constexpr size_t kMaxPacketBytes = size_t{16} << 20;
inline constexpr size_t kPacketPrefixBytes = 6;
inline constexpr size_t kPlainHeaderBytes = 25;
inline constexpr size_t kSyncHeaderBytes = 27;
// Room for any header that EncodePacketHeader writes.
inline constexpr size_t kMaxEncodedHeaderBytes = kPacketPrefixBytes + kSyncHeaderBytes;
// A header from a peer: the known fields need 27 bytes; the rest is for fields yet to be invented.
inline constexpr size_t kMaxHeaderBytes = 512;
// Packets of this many data bytes are what Hadoop's clients send and expect.
inline constexpr size_t kUsualPacketDataBytes = size_t{64} << 10;

inline constexpr int64_t kHeartbeatSeqno = -1;   // an empty packet that keeps a connection alive
inline constexpr int64_t kUnknownSeqno = -2;     // acknowledgements only, with OOB_RESTART
inline constexpr int64_t kSignOfLifeSeqno = -3;  // the same, to who asked for it (sign_of_life.h)

struct PacketHeader {
  int64_t offset_in_block =
      0;  // of the first data byte, or where the block ends in an empty packet
  int64_t seqno = 0;
  bool last_in_block = false;  // then there is no data
  uint32_t data_bytes = 0;
  bool sync_block = false;  // writes: to be on stable media before it is acknowledged

  bool is_heartbeat() const { return seqno == kHeartbeatSeqno; }
  int64_t end_offset() const { return offset_in_block + data_bytes; }
  friend bool operator==(const PacketHeader&, const PacketHeader&) = default;
};

// Writes prefix and header for a packet with `checksum_bytes` of checksums. Returns the bytes
// written, 31 or 33; checksums and data are to follow them.
size_t EncodePacketHeader(const PacketHeader& header, uint32_t checksum_bytes,
                          std::span<std::byte, kMaxEncodedHeaderBytes> out);

struct PacketPrefix {
  uint32_t payload_bytes = 0;  // checksums and data
  uint16_t header_bytes = 0;
};

// kInvalidArgument: PLEN below 4, an empty or oversized header, or a packet above kMaxPacketBytes.
absl::StatusOr<PacketPrefix> DecodePacketPrefix(std::span<const std::byte, kPacketPrefixBytes> in);

// Decodes `in`, the header_bytes of `prefix`, with its fields in any order.
// The checksums take prefix.payload_bytes - data_bytes. Guaranteed: data_bytes <= payload_bytes,
// 0 <= offset_in_block, offset + data does not overflow, and neither a last packet nor a heartbeat
// has data. kInvalidArgument otherwise.
absl::StatusOr<PacketHeader> DecodePacketHeader(std::span<const std::byte> in,
                                                const PacketPrefix& prefix);

}  // namespace cairn::transfer
