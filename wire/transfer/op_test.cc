#include "wire/transfer/op.h"

#include "common/testing/status_matchers.h"
#include "proto/hdfs/data_transfer.pb.h"

namespace cairn::transfer {
namespace {

using ::testing::HasSubstr;

std::span<const std::byte> Span(absl::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string SmallestReply() {
  hdfs::BlockOpResponseProto reply;
  reply.set_status(hdfs::STATUS_SUCCESS);
  reply.set_firstbadlink("");
  return EncodeDelimited(reply);
}

TEST(OpTest, SmallestGoodReplyIsTheWorkedExample) {
  EXPECT_EQ(SmallestReply(), std::string("\x04\x08\x00\x12\x00", 5));
}

TEST(OpTest, OperationIsTakenOnceItsLastByteIsThere) {
  hdfs::ClientReadStatusProto message;
  message.set_status(hdfs::STATUS_CHECKSUM_OK);
  const std::string whole = EncodeOp(Opcode::kReadBlock, message);
  EXPECT_EQ(whole, std::string("\x00\x1c\x51\x02\x08\x06", 6));
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(TakeOp(Span(whole).first(size)), IsOkAndHolds(testing::Eq(std::nullopt)));
  }
  const std::string more = whole + "next";
  ASSERT_OK_AND_ASSIGN(const auto op, TakeOp(Span(more)));
  ASSERT_TRUE(op.has_value());
  EXPECT_EQ(op->opcode, Opcode::kReadBlock);
  EXPECT_EQ(op->body, "\x08\x06");
  EXPECT_EQ(op->consumed, whole.size());
}

TEST(OpTest, AnotherVersionIsRefusedAtItsSecondByte) {
  EXPECT_THAT(TakeOp(Span(absl::string_view("\x00\x1b", 2))),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("27")));
  EXPECT_THAT(TakeOp(Span("GET / HTTP/1.1")), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(OpTest, LengthAboveTheLimitIsRefusedBeforeItsBytesCome) {
  const absl::string_view huge("\x00\x1c\x50\xff\xff\xff\xff\x07", 8);
  EXPECT_THAT(TakeOp(Span(huge)), StatusIs(absl::StatusCode::kInvalidArgument));
  const absl::string_view endless("\xff\xff\xff\xff\xff\xff", 6);
  EXPECT_THAT(TakeDelimited(Span(endless), kMaxReplyBytes),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("varint")));
}

}  // namespace
}  // namespace cairn::transfer
