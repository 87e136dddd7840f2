#include "wire/transfer/packet.h"

#include <array>
#include <limits>
#include <vector>

#include "common/testing/status_matchers.h"
#include "proto/hdfs/data_transfer.pb.h"
#include "wire/transfer/big_endian.h"

namespace cairn::transfer {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

std::vector<std::byte> Bytes(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

std::vector<std::byte> Encoded(const PacketHeader& header, uint32_t checksum_bytes) {
  std::array<std::byte, kMaxEncodedHeaderBytes> out;
  const size_t size = EncodePacketHeader(header, checksum_bytes, out);
  return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)};
}

absl::StatusOr<PacketHeader> Decoded(const std::vector<std::byte>& packet) {
  ASSIGN_OR_RETURN(const PacketPrefix prefix,
                   DecodePacketPrefix(std::span(packet).first<kPacketPrefixBytes>()));
  return DecodePacketHeader(std::span(packet).subspan(kPacketPrefixBytes), prefix);
}

// The two packets that the protocol's description works out in bytes.
TEST(PacketTest, WorkedExamplesEncodeByteForByte) {
  EXPECT_THAT(Encoded({.offset_in_block = 1024, .seqno = 2, .data_bytes = 512}, 4),
              ElementsAreArray(Bytes({0, 0, 2, 8, 0, 0x19, 9, 0, 4,    0, 0,    0, 0, 0, 0, 0x11,
                                      2, 0, 0, 0, 0, 0,    0, 0, 0x18, 0, 0x25, 0, 2, 0, 0})));
  EXPECT_THAT(Encoded({.offset_in_block = 1536, .seqno = 3, .last_in_block = true}, 0),
              ElementsAreArray(Bytes({0, 0, 0, 4, 0, 0x19, 9, 0, 6,    0, 0,    0, 0, 0, 0, 0x11,
                                      3, 0, 0, 0, 0, 0,    0, 0, 0x18, 1, 0x25, 0, 0, 0, 0})));
}

TEST(PacketTest, HeadersComeBackAsTheyWent) {
  const PacketHeader headers[] = {
      {.offset_in_block = 1024, .seqno = 2, .data_bytes = 512},
      {.offset_in_block = int64_t{1} << 40, .seqno = 1 << 20, .last_in_block = true},
      {.offset_in_block = 7, .seqno = 0, .data_bytes = 65536, .sync_block = true},
      {.seqno = kHeartbeatSeqno},
  };
  for (const PacketHeader& header : headers) {
    EXPECT_THAT(Decoded(Encoded(header, 512)), IsOkAndHolds(header));
  }
}

// A peer's protobuf library may write the fields in any order, and new fields beside them.
TEST(PacketTest, FieldsInAnotherOrderAreUnderstood) {
  const std::vector<std::byte> packet =
      Bytes({0, 0, 0, 14, 0, 27, 0x25, 10, 0, 0, 0, 0x18, 0, 0x28, 1, 0x11, 5,
             0, 0, 0, 0,  0, 0,  0,    9,  0, 2, 0, 0,    0, 0,    0, 0});
  EXPECT_THAT(Decoded(packet),
              IsOkAndHolds(PacketHeader{
                  .offset_in_block = 512, .seqno = 5, .data_bytes = 10, .sync_block = true}));
}

TEST(PacketTest, PrefixRefusesSizesNobodyMaySend) {
  const auto decode = [](uint32_t length, uint16_t header) {
    std::array<std::byte, kPacketPrefixBytes> prefix;
    StoreBig32(length, &prefix[0]);
    StoreBig16(header, &prefix[4]);
    return DecodePacketPrefix(prefix).status();
  };
  const uint32_t largest = kMaxPacketBytes - kPacketPrefixBytes - 25 + 4;
  EXPECT_OK(decode(4, 25));
  EXPECT_OK(decode(largest, 25));
  EXPECT_THAT(decode(3, 25), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(decode(largest + 1, 25), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(decode(0xffffffff, 25), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(decode(4, 0), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(decode(4, kMaxHeaderBytes + 1), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(PacketTest, HeadersThatContradictThePacketAreRefused) {
  const PacketPrefix prefix{.payload_bytes = 100, .header_bytes = 25};
  const auto decode = [&](int64_t offset, int64_t seqno, bool last, int32_t data) {
    hdfs::PacketHeaderProto message;
    message.set_offsetinblock(offset);
    message.set_seqno(seqno);
    message.set_lastpacketinblock(last);
    message.set_datalen(data);
    const std::string bytes = message.SerializeAsString();
    return DecodePacketHeader(std::as_bytes(std::span(bytes)), prefix).status();
  };
  EXPECT_OK(decode(0, 0, false, 100));
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(decode(0, 0, false, 101), refused);
  EXPECT_THAT(decode(0, 0, false, -1), refused);
  EXPECT_THAT(decode(-1, 0, false, 0), refused);
  EXPECT_THAT(decode(std::numeric_limits<int64_t>::max(), 0, false, 1), refused);
  EXPECT_THAT(decode(0, -2, false, 0), refused);
  EXPECT_THAT(decode(0, 0, true, 1), refused);
  EXPECT_THAT(decode(0, -1, false, 1), refused);
  EXPECT_THAT(DecodePacketHeader(Bytes({9, 1}), prefix).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("PacketHeaderProto")));
}

}  // namespace
}  // namespace cairn::transfer
