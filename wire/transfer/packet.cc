#include "wire/transfer/packet.h"

#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "proto/hdfs/data_transfer.pb.h"
#include "wire/parse_message.h"
#include "wire/transfer/big_endian.h"

namespace cairn::transfer {
namespace {

// Tags of PacketHeaderProto: field number << 3 | wire type.
constexpr std::byte kOffsetTag{0x09};  // 1, fixed 64
constexpr std::byte kSeqnoTag{0x11};   // 2, fixed 64
constexpr std::byte kLastTag{0x18};    // 3, varint
constexpr std::byte kLengthTag{0x25};  // 4, fixed 32
constexpr std::byte kSyncTag{0x28};    // 5, varint

template <typename Int>
void StoreLittle(Int value, std::byte* out) {
  for (size_t i = 0; i < sizeof(Int); ++i) {
    out[i] = static_cast<std::byte>(static_cast<std::make_unsigned_t<Int>>(value) >> (8 * i));
  }
}

template <typename Int>
Int LoadLittle(const std::byte* in) {
  std::make_unsigned_t<Int> value = 0;
  for (size_t i = 0; i < sizeof(Int); ++i) {
    value |= static_cast<std::make_unsigned_t<Int>>(in[i]) << (8 * i);
  }
  return static_cast<Int>(value);
}

bool IsBool(std::byte value) { return value == std::byte{0} || value == std::byte{1}; }

struct RawHeader {
  int64_t offset = 0;
  int64_t seqno = 0;
  bool last = false;
  int32_t data_bytes = 0;
  bool sync = false;
};

// The layout that every known writer produces; false for anything else.
bool DecodeUsualLayout(std::span<const std::byte> in, RawHeader& out) {
  if (in.size() != kPlainHeaderBytes && in.size() != kSyncHeaderBytes) return false;
  if (in[0] != kOffsetTag || in[9] != kSeqnoTag || in[18] != kLastTag || !IsBool(in[19]) ||
      in[20] != kLengthTag) {
    return false;
  }
  out.sync = false;
  if (in.size() == kSyncHeaderBytes) {
    if (in[25] != kSyncTag || !IsBool(in[26])) return false;
    out.sync = in[26] == std::byte{1};
  }
  out.offset = LoadLittle<int64_t>(&in[1]);
  out.seqno = LoadLittle<int64_t>(&in[10]);
  out.last = in[19] == std::byte{1};
  out.data_bytes = LoadLittle<int32_t>(&in[21]);
  return true;
}

bool DecodeAnyLayout(std::span<const std::byte> in, RawHeader& out) {
  hdfs::PacketHeaderProto message;
  const absl::string_view bytes(reinterpret_cast<const char*>(in.data()), in.size());
  if (!ParseMessage(bytes, &message)) return false;
  out = {.offset = message.offsetinblock(),
         .seqno = message.seqno(),
         .last = message.lastpacketinblock(),
         .data_bytes = message.datalen(),
         .sync = message.syncblock()};
  return true;
}

absl::Status Invalid(absl::string_view what, int64_t value) {
  return absl::InvalidArgumentError(absl::StrCat("packet header: ", what, " ", value));
}

}  // namespace

size_t EncodePacketHeader(const PacketHeader& header, uint32_t checksum_bytes,
                          std::span<std::byte, kMaxEncodedHeaderBytes> out) {
  const size_t header_bytes = header.sync_block ? kSyncHeaderBytes : kPlainHeaderBytes;
  const uint64_t payload_bytes = uint64_t{checksum_bytes} + header.data_bytes;
  CHECK(kPacketPrefixBytes + header_bytes + payload_bytes <= kMaxPacketBytes) << payload_bytes;
  StoreBig32(static_cast<uint32_t>(4 + payload_bytes), &out[0]);
  StoreBig16(static_cast<uint16_t>(header_bytes), &out[4]);
  std::byte* const fields = &out[kPacketPrefixBytes];
  fields[0] = kOffsetTag;
  StoreLittle(header.offset_in_block, fields + 1);
  fields[9] = kSeqnoTag;
  StoreLittle(header.seqno, fields + 10);
  fields[18] = kLastTag;
  fields[19] = static_cast<std::byte>(header.last_in_block);
  fields[20] = kLengthTag;
  StoreLittle(header.data_bytes, fields + 21);
  if (header.sync_block) {
    fields[25] = kSyncTag;
    fields[26] = std::byte{1};
  }
  return kPacketPrefixBytes + header_bytes;
}

absl::StatusOr<PacketPrefix> DecodePacketPrefix(std::span<const std::byte, kPacketPrefixBytes> in) {
  const uint32_t length = LoadBig32(&in[0]);
  const uint16_t header_bytes = LoadBig16(&in[4]);
  if (length < 4) return Invalid("length below 4:", length);
  if (header_bytes == 0 || header_bytes > kMaxHeaderBytes) {
    return Invalid("header length out of range:", header_bytes);
  }
  const uint64_t whole = uint64_t{length} - 4 + kPacketPrefixBytes + header_bytes;
  if (whole > kMaxPacketBytes) return Invalid("packet above 16 MiB:", length);
  return PacketPrefix{.payload_bytes = length - 4, .header_bytes = header_bytes};
}

absl::StatusOr<PacketHeader> DecodePacketHeader(std::span<const std::byte> in,
                                                const PacketPrefix& prefix) {
  RawHeader raw;
  if (!DecodeUsualLayout(in, raw) && !DecodeAnyLayout(in, raw)) {
    return absl::InvalidArgumentError("packet header: not a PacketHeaderProto");
  }
  if (raw.data_bytes < 0 || static_cast<uint32_t>(raw.data_bytes) > prefix.payload_bytes) {
    return Invalid("data length does not fit the packet:", raw.data_bytes);
  }
  if (raw.offset < 0 || raw.offset > std::numeric_limits<int64_t>::max() - raw.data_bytes) {
    return Invalid("offset out of range:", raw.offset);
  }
  if (raw.seqno < kHeartbeatSeqno) return Invalid("sequence number out of range:", raw.seqno);
  if (raw.data_bytes != 0 && (raw.last || raw.seqno == kHeartbeatSeqno)) {
    return Invalid("data in a last packet or heartbeat:", raw.data_bytes);
  }
  return PacketHeader{.offset_in_block = raw.offset,
                      .seqno = raw.seqno,
                      .last_in_block = raw.last,
                      .data_bytes = static_cast<uint32_t>(raw.data_bytes),
                      .sync_block = raw.sync};
}

}  // namespace cairn::transfer
