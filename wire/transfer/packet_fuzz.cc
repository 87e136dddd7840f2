// Any header is refused or keeps what DecodePacketHeader guarantees, and survives a second trip.
#include "common/check.h"
#include "wire/transfer/packet.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cairn::transfer;  // NOLINT: one function long
  const auto bytes = std::as_bytes(std::span(data, size));
  if (size < kPacketPrefixBytes) return 0;
  const auto prefix = DecodePacketPrefix(bytes.first<kPacketPrefixBytes>());
  if (!prefix.ok()) return 0;
  CHECK(prefix->payload_bytes < kMaxPacketBytes);
  if (size < kPacketPrefixBytes + prefix->header_bytes) return 0;
  const auto header =
      DecodePacketHeader(bytes.subspan(kPacketPrefixBytes, prefix->header_bytes), *prefix);
  if (!header.ok()) return 0;
  CHECK(header->data_bytes <= prefix->payload_bytes);
  CHECK(header->offset_in_block >= 0 && header->end_offset() >= header->offset_in_block);
  const uint32_t checksum_bytes = prefix->payload_bytes - header->data_bytes;
  if (kMaxEncodedHeaderBytes + prefix->payload_bytes > kMaxPacketBytes) return 0;
  std::array<std::byte, kMaxEncodedHeaderBytes> out;
  const size_t written = EncodePacketHeader(*header, checksum_bytes, out);
  const auto again_prefix = DecodePacketPrefix(std::span(out).first<kPacketPrefixBytes>());
  CHECK(again_prefix.ok());
  const auto again = DecodePacketHeader(
      std::span(out).subspan(kPacketPrefixBytes, written - kPacketPrefixBytes), *again_prefix);
  CHECK(again.ok() && *again == *header);
  return 0;
}
