#include "wire/transfer/ack.h"

#include "common/testing/status_matchers.h"
#include "wire/transfer/op.h"
#include "wire/transfer/packet.h"

namespace cairn::transfer {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;

std::span<const std::byte> Span(absl::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(AckTest, OneNodesAcknowledgementIsTheWorkedExample) {
  std::string out;
  AppendAck({.seqno = 2, .statuses = {hdfs::STATUS_SUCCESS}}, out);
  EXPECT_EQ(out, std::string("\x09\x08\x04\x10\x00\x18\x00\x22\x01\x00", 10));
}

TEST(AckTest, AcknowledgementsComeBackInOrder) {
  std::string out;
  AppendAck({.seqno = 7, .statuses = {hdfs::STATUS_SUCCESS, hdfs::STATUS_ERROR_CHECKSUM}}, out);
  AppendAck({.seqno = kUnknownSeqno, .statuses = {hdfs::STATUS_OOB_RESTART}}, out);
  ASSERT_OK_AND_ASSIGN(const auto first, TakeAck(Span(out)));
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->ack.seqno, 7);
  EXPECT_THAT(first->ack.statuses, ElementsAre(hdfs::STATUS_SUCCESS, hdfs::STATUS_ERROR_CHECKSUM));
  EXPECT_THAT(first->ack.FirstFailure(), Eq(1u));
  ASSERT_OK_AND_ASSIGN(const auto second, TakeAck(Span(out).subspan(first->consumed)));
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->ack.seqno, kUnknownSeqno);
  EXPECT_EQ(first->consumed + second->consumed, out.size());
  EXPECT_THAT(TakeAck(Span(out).first(5)), IsOkAndHolds(Eq(std::nullopt)));
}

// Java 3.x prefers the flags, whose other bits carry congestion.
TEST(AckTest, FlagsWinOverReply) {
  hdfs::PipelineAckProto message;
  message.set_seqno(1);
  message.add_reply(hdfs::STATUS_SUCCESS);
  message.add_flag(0x61);
  message.add_flag(0x0f);  // a status that nobody has defined
  ASSERT_OK_AND_ASSIGN(const auto taken, TakeAck(Span(EncodeDelimited(message))));
  EXPECT_THAT(taken->ack.statuses, ElementsAre(hdfs::STATUS_ERROR, hdfs::STATUS_ERROR));
}

TEST(AckTest, TimesOfNodesTravelOnlyIfTheyAreOfAllNodes) {
  PipelineAck ack{.seqno = 1,
                  .statuses = {hdfs::STATUS_SUCCESS, hdfs::STATUS_SUCCESS},
                  .node_micros = {5, 700},
                  .blocked_permille = 250};
  std::string out;
  AppendAck(ack, out);
  ASSERT_OK_AND_ASSIGN(const auto whole, TakeAck(Span(out)));
  EXPECT_THAT(whole->ack.node_micros, ElementsAre(5, 700));
  EXPECT_EQ(whole->ack.blocked_permille, 250u);
  ack.node_micros.pop_back();
  out.clear();
  AppendAck(ack, out);
  ASSERT_OK_AND_ASSIGN(const auto part, TakeAck(Span(out)));
  EXPECT_THAT(part->ack.node_micros, ElementsAre());
}

TEST(AckTest, TheWayIsWhatTheNodeDidNotNeedItself) {
  PipelineAck ack{.downstream_nanos = 400'000};
  EXPECT_EQ(MicrosOnTheWay(ack, 1000), 600u);
  EXPECT_EQ(MicrosOnTheWay(ack, 300), 0u);
  ack.blocked_permille = 900;  // it was waiting for the node behind it most of the time
  EXPECT_EQ(MicrosOnTheWay(ack, 1000), 60u);
}

TEST(AckTest, GarbageAndMonstersAreRefused) {
  EXPECT_THAT(TakeAck(Span(absl::string_view("\x02\xff\xff", 3))),
              StatusIs(absl::StatusCode::kInvalidArgument));
  hdfs::PipelineAckProto message;
  message.set_seqno(1);
  for (size_t i = 0; i <= kMaxPipelineNodes; ++i) message.add_reply(hdfs::STATUS_SUCCESS);
  EXPECT_THAT(TakeAck(Span(EncodeDelimited(message))),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace cairn::transfer
