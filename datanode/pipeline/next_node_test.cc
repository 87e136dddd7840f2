// A pipeline whose next node is silent, slow, dead or about to restart.
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/transfer_test.h"

namespace cairn::datanode {
namespace {

using testing::Pattern;
using testing::SilentNode;
using testing::TestBlock;
using testing::TestNode;
using testing::TransferClient;
using testing::TransferTest;
using testing::WriteOp;
using transfer::Opcode;
using Op = hdfs::OpWriteBlockProto;
using ::testing::ElementsAre;
using ::testing::SizeIs;

// Each node is patient for longer than the ones behind it.
TEST_F(TransferTest, ANodeThatIsSilentInTheSetUpIsNamed) {
  TestNode one(dir_.Path("n1"), Impatient());
  TestNode two(dir_.Path("n2"), Impatient());
  const SilentNode silent(/*replies=*/false);
  TransferClient client(one.port());
  client.SendOp(Opcode::kWriteBlock, WriteOp({}, {two.port(), silent.port()}));
  ASSERT_OK_AND_ASSIGN(const auto reply, client.ReadReply());
  EXPECT_EQ(reply.status(), hdfs::STATUS_ERROR);
  EXPECT_EQ(reply.firstbadlink(), absl::StrCat("127.0.0.1:", silent.port()));
}

TEST_F(TransferTest, WhenTheNextNodeDiesTheAcknowledgementNamesIt) {
  TestNode one(dir_.Path("n1"));
  auto two = std::make_unique<TestNode>(dir_.Path("n2"));
  TransferClient client(one.port());
  SetUp(client, WriteOp({}, {two->port()}));
  ASSERT_TRUE(client.SendPacket(0, 0, Pattern(512)));
  ExpectAck(client, 0);
  two.reset();
  ASSERT_TRUE(client.SendPacket(1, 512, Pattern(512)));
  ASSERT_OK_AND_ASSIGN(const auto ack, client.ReadAck());
  EXPECT_THAT(ack.statuses, ElementsAre(hdfs::STATUS_SUCCESS, hdfs::STATUS_ERROR));
}

TEST_F(TransferTest, ANodeThatStopsAcknowledgingIsNamedAndAnIdleStreamIsNotCut) {
  TestNode one(dir_.Path("n1"), Impatient());
  TestNode two(dir_.Path("n2"), Impatient());
  TestNode three(dir_.Path("n3"), Impatient());
  TransferClient idle(one.port());
  SetUp(idle, WriteOp({.id = 1}, {two.port(), three.port()}));
  ASSERT_TRUE(idle.SendPacket(0, 0, Pattern(512)));
  ExpectAck(idle, 0);

  const SilentNode silent(/*replies=*/true);
  TransferClient client(one.port());
  SetUp(client, WriteOp({.id = 2}, {two.port(), silent.port()}));
  ASSERT_TRUE(client.SendPacket(0, 0, Pattern(512)));
  ASSERT_OK_AND_ASSIGN(const auto ack, client.ReadAck());
  EXPECT_THAT(ack.statuses,
              ElementsAre(hdfs::STATUS_SUCCESS, hdfs::STATUS_SUCCESS, hdfs::STATUS_ERROR));
  EXPECT_TRUE(client.AtEnd());

  // The first stream has been quiet for longer than that took.
  ASSERT_TRUE(idle.SendPacket(1, 512, Pattern(512)));
  ExpectAck(idle, 1);
  ASSERT_TRUE(idle.SendLast(2, 1024));
  ExpectAck(idle, 2);
}

// The first node, too, can send no more then; it must hear why before it blames its neighbour.
TEST_F(TransferTest, ASilentNodeIsNamedWhileDataPileUpBeforeIt) {
  TestNode one(dir_.Path("n1"), Impatient());
  TestNode two(dir_.Path("n2"), Impatient());
  const SilentNode silent(/*replies=*/true);
  TransferClient client(one.port());
  SetUp(client, WriteOp({}, {two.port(), silent.port()}));
  std::thread sender([&client] {  // until it is cut off
    const std::string piece = Pattern(65536);
    for (int64_t seqno = 0; client.SendPacket(seqno, static_cast<uint64_t>(seqno) * 65536, piece);
         ++seqno) {
    }
  });
  const auto ack = client.ReadAck();
  sender.join();
  ASSERT_OK(ack);
  EXPECT_THAT(ack->statuses,
              ElementsAre(hdfs::STATUS_SUCCESS, hdfs::STATUS_SUCCESS, hdfs::STATUS_ERROR));
}

TEST_F(TransferTest, AWriterWhoseNextNodeTakesNothingCanBeStopped) {
  TestNode node(dir_.Path("n1"));
  const SilentNode silent(/*replies=*/true);
  TransferClient client(node.port());
  SetUp(client, WriteOp({}, {silent.port()}));
  const BlockId block{TestBlock().id};
  std::thread sender([&client] {  // until it is cut off
    const std::string piece = Pattern(65536);
    for (int64_t seqno = 0; client.SendPacket(seqno, static_cast<uint64_t>(seqno) * 65536, piece);
         ++seqno) {
    }
  });
  const auto open = node.store->FindOpen(block);
  EVENTUALLY(open->received() >= (1 << 20));
  open->StopWriter([] {});
  EVENTUALLY(!open->has_writer());
  sender.join();
}

// ---- Signs of life (wire/transfer/sign_of_life.h) ----

Op AskingForSigns(Op op, uint32_t milliseconds = 1000) {
  op.set_signoflifems(milliseconds);
  return op;
}

TEST_F(TransferTest, DuringASetUpANodeSaysThatItIsThereAndNamesTheSilentOne) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  const SilentNode silent(/*replies=*/false);
  TransferClient client(one.port());
  client.SendOp(Opcode::kWriteBlock, AskingForSigns(WriteOp({}, {two.port(), silent.port()})));
  int signs = 0;
  while (true) {
    ASSERT_OK_AND_ASSIGN(const auto reply, client.ReadReply());
    EXPECT_TRUE(reply.signsoflife());
    if (reply.status() == hdfs::STATUS_IN_PROGRESS) {
      ++signs;
      continue;
    }
    EXPECT_EQ(reply.status(), hdfs::STATUS_ERROR);
    EXPECT_EQ(reply.firstbadlink(), absl::StrCat("127.0.0.1:", silent.port()));
    break;
  }
  EXPECT_GE(signs, 1);
}

TEST_F(TransferTest, ANodeThatWaitsForItsNextOneGivesSignsOfLife) {
  TestNode node(dir_.Path("n1"));
  const SilentNode silent(
      /*replies=*/true);  // one that does not know of signs: a minute is granted
  TransferClient client(node.port());
  SetUp(client, AskingForSigns(WriteOp({}, {silent.port()})));
  ASSERT_TRUE(client.SendPacket(0, 0, Pattern(512)));
  for (int i = 0; i < 3; ++i) ExpectAck(client, transfer::kSignOfLifeSeqno);
}

// The node before a stopped one notices, though only the client named a limit.
TEST_F(TransferTest, ANodeThatFellSilentIsNamedWhileTheOthersGiveSigns) {
  TestNode one(dir_.Path("n1"));
  const SilentNode silent(/*replies=*/true, /*promises_signs=*/true);
  TransferClient client(one.port());
  SetUp(client, AskingForSigns(WriteOp({}, {silent.port()})));
  ASSERT_TRUE(client.SendPacket(0, 0, Pattern(512)));
  absl::StatusOr<transfer::PipelineAck> ack = client.ReadAck();
  while (ack.ok() && ack->seqno == transfer::kSignOfLifeSeqno) ack = client.ReadAck();
  ASSERT_OK(ack);
  EXPECT_THAT(ack->statuses, ElementsAre(hdfs::STATUS_SUCCESS, hdfs::STATUS_ERROR));
}

TEST_F(TransferTest, WhoAsksForSignsHearsHowLongEachNodeTook) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  TransferClient client(one.port());
  SetUp(client, AskingForSigns(WriteOp({}, {two.port()}), 60'000));
  ASSERT_TRUE(client.SendPacket(0, 0, Pattern(512)));
  ASSERT_OK_AND_ASSIGN(const auto ack, client.ReadAck());
  EXPECT_THAT(ack.node_micros, SizeIs(2));
  EXPECT_GT(ack.downstream_nanos, 0u);
  TransferClient other(one.port());
  SetUp(other, WriteOp({.id = 2}, {two.port()}));
  ASSERT_TRUE(other.SendPacket(0, 0, Pattern(512)));
  ASSERT_OK_AND_ASSIGN(const auto plain, other.ReadAck());
  EXPECT_THAT(plain.node_micros, SizeIs(0));
}

// ---- restarts

TEST_F(TransferTest, ARestartIsAnnouncedUpThePipeline) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  TransferClient client(one.port());
  SetUp(client, WriteOp({}, {two.port()}));
  ASSERT_TRUE(client.SendPacket(0, 0, Pattern(512)));
  ExpectAck(client, 0);
  two.context->writers.AnnounceRestart();
  ASSERT_TRUE(client.SendPacket(1, 512, Pattern(512)));
  ASSERT_OK_AND_ASSIGN(const auto of_two, client.ReadAck());
  EXPECT_EQ(of_two.seqno, transfer::kUnknownSeqno);
  EXPECT_THAT(of_two.statuses, ElementsAre(hdfs::STATUS_SUCCESS, hdfs::STATUS_OOB_RESTART));
  one.context->writers.AnnounceRestart();
  ASSERT_OK_AND_ASSIGN(const auto of_one, client.ReadAck());
  EXPECT_EQ(of_one.seqno, transfer::kUnknownSeqno);
  EXPECT_THAT(of_one.statuses, ElementsAre(hdfs::STATUS_OOB_RESTART));
  client.Close();
  EVENTUALLY(one.server->transfers() == 0 && two.server->transfers() == 0);
}

}  // namespace
}  // namespace cairn::datanode
