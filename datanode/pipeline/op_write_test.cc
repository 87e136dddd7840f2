// How a write begins: of a new replica, or of one that is there.
#include "absl/strings/str_cat.h"
#include "common/crc32c.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/transfer_test.h"

namespace cairn::datanode {
namespace {

using testing::Pattern;
using testing::TestBlock;
using testing::TestNode;
using testing::TransferClient;
using testing::TransferTest;
using testing::WriteOp;
using transfer::Opcode;
using Op = hdfs::OpWriteBlockProto;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(TransferTest, ANodeThatCannotBeReachedIsNamed) {
  TestNode one(dir_.Path("n1"));
  uint16_t nobody = 0;
  {
    TestNode gone(dir_.Path("n2"));
    nobody = gone.port();
  }
  TransferClient client(one.port());
  client.SendOp(Opcode::kWriteBlock, WriteOp({}, {nobody}));
  ASSERT_OK_AND_ASSIGN(const auto reply, client.ReadReply());
  EXPECT_EQ(reply.status(), hdfs::STATUS_ERROR);
  EXPECT_EQ(reply.firstbadlink(), absl::StrCat("127.0.0.1:", nobody));
  EVENTUALLY(!one.store->Find(BlockId{TestBlock().id}).has_value());
}

TEST_F(TransferTest, MoreSaidOfAPipelineThanItHasNodesIsRefused) {
  TestNode node(dir_.Path("n1"));
  const auto refused = [&](const Op& op) {
    TransferClient client(node.port());
    client.SendOp(Opcode::kWriteBlock, op);
    const auto reply = client.ReadReply();
    return reply.ok() && reply->status() == hdfs::STATUS_ERROR_INVALID;
  };
  Op ids = WriteOp({});
  Op types = WriteOp({});
  Op pinnings = WriteOp({});
  for (size_t i = 0; i <= transfer::kMaxPipelineNodes; ++i) {
    ids.add_targetstorageids("");
    types.add_targetstoragetypes(hdfs::STORAGE_TYPE_DISK);
    pinnings.add_targetpinnings(false);
  }
  EXPECT_TRUE(refused(ids));
  EXPECT_TRUE(refused(types));
  EXPECT_TRUE(refused(pinnings));
  EXPECT_TRUE(refused(WriteOp({}, std::vector<uint16_t>(transfer::kMaxPipelineNodes, 1))));
  EXPECT_FALSE(node.store->Find(BlockId{TestBlock().id}).has_value());
}

// Its checksums would take four times the buffer's memory, outside the pool of buffers.
TEST_F(TransferTest, ABlockWithAChecksumForEachByteIsNotBegun) {
  TestNode node(dir_.Path("n1"));
  for (const auto& [bytes, taken] : {std::pair(1u, false), {63u, false}, {64u, true}}) {
    TransferClient client(node.port());
    client.checksum = transfer::DataChecksum(transfer::ChecksumType::kCrc32c, bytes);
    const TestBlock block{.id = bytes};
    Op op = WriteOp(block);
    *op.mutable_requestedchecksum() = client.checksum.ToProto();
    client.SendOp(Opcode::kWriteBlock, op);
    ASSERT_OK_AND_ASSIGN(const auto reply, client.ReadReply());
    EXPECT_EQ(reply.status() == hdfs::STATUS_SUCCESS, taken) << bytes;
    EXPECT_EQ(node.store->Find(BlockId{block.id}).has_value(), taken) << bytes;
    EXPECT_THAT(node.events.Of(ReplicaEvents::Kind::kBeingWritten), SizeIs(taken ? 1 : 0));
    if (!taken) continue;
    ASSERT_OK(client.WriteRest(0, Pattern(100'000)));
    EXPECT_THAT(Read(node, block, 0, 100'000), IsOkAndHolds(Eq(Pattern(100'000))));
  }
}

// The writer's line broke before the first byte, maybe at another node: it goes on with what is
// here.
TEST_F(TransferTest, AReplicaWithoutAByteStaysForItsWriter) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  const TestBlock block;
  {
    TransferClient client(one.port());
    SetUp(client, WriteOp(block, {two.port()}));
  }
  EVENTUALLY(!two.store->FindOpen(BlockId{block.id})->has_writer());
  Op op = WriteOp(block);
  op.set_stage(Op::PIPELINE_SETUP_STREAMING_RECOVERY);
  op.set_latestgenerationstamp(1002);
  TransferClient client(two.port());
  SetUp(client, op);
  ASSERT_OK(client.WriteRest(0, Pattern(1000)));
  EXPECT_THAT(Read(two, {.stamp = 1002}, 0, 1000), IsOkAndHolds(Eq(Pattern(1000))));
}

// Its writer knows what was acknowledged; the node has forgotten.
TEST_F(TransferTest, AReplicaOfARestartedNodeGoesOnWithItsWriter) {
  const TestBlock block;
  const std::string data = Pattern(200'000);
  {
    TestNode node(dir_.Path("n1"));
    TransferClient client(node.port());
    SetUp(client, WriteOp(block));
    ASSERT_TRUE(client.SendPacket(0, 0, data.substr(0, 1000)));
    ExpectAck(client, 0);
    ASSERT_TRUE(client.SendPacket(1, 512, data.substr(512, 10'000)));
    ExpectAck(client, 1);
  }
  TestNode node(dir_.Path("n1"));
  ASSERT_EQ(node.store->Find(BlockId{block.id})->state, ReplicaState::kWaitingRecovery);
  Op op = WriteOp(block);
  op.set_stage(Op::PIPELINE_SETUP_STREAMING_RECOVERY);
  op.set_latestgenerationstamp(1002);
  op.set_minbytesrcvd(20'000);  // more than it has: it missed something
  op.set_maxbytesrcvd(20'000);
  TransferClient refused(node.port());
  refused.SendOp(Opcode::kWriteBlock, op);
  ASSERT_OK_AND_ASSIGN(const auto reply, refused.ReadReply());
  EXPECT_EQ(reply.status(), hdfs::STATUS_ERROR);
  op.set_minbytesrcvd(1000);  // the second acknowledgement was lost
  TransferClient client(node.port());
  SetUp(client, op);
  ASSERT_OK(client.WriteRest(512, absl::string_view(data).substr(512), 65536, 1));
  EXPECT_THAT(Read(node, {.stamp = 1002}, 0, data.size()), IsOkAndHolds(Eq(data)));
}

TEST_F(TransferTest, StreamingRecoveryGoesOnAfterTheAcknowledgedBytes) {
  TestNode node(dir_.Path("n1"));
  const TestBlock block;
  const std::string data = Pattern(200'000);
  TransferClient old_client(node.port());
  SetUp(old_client, WriteOp(block));
  ASSERT_TRUE(old_client.SendPacket(0, 0, data.substr(0, 1000)));
  ExpectAck(old_client, 0);

  Op op = WriteOp(block);  // the old connection still looks alive
  op.set_stage(Op::PIPELINE_SETUP_STREAMING_RECOVERY);
  op.set_minbytesrcvd(1000);
  op.set_maxbytesrcvd(1000);
  op.set_latestgenerationstamp(1002);
  TransferClient client(node.port());
  SetUp(client, op);
  EXPECT_TRUE(old_client.AtEnd());
  ASSERT_OK(client.WriteRest(512, absl::string_view(data).substr(512), 65536, 1));
  EXPECT_THAT(Read(node, {.stamp = 1002}, 0, data.size()), IsOkAndHolds(Eq(data)));

  op.set_latestgenerationstamp(1003);  // finalized by now
  TransferClient late(node.port());
  late.SendOp(Opcode::kWriteBlock, op);
  ASSERT_OK_AND_ASSIGN(const auto reply, late.ReadReply());
  EXPECT_EQ(reply.status(), hdfs::STATUS_ERROR);
  EXPECT_THAT(reply.message(), HasSubstr("not being written"));
}

// The client counts whole packets; what a node has of one more is cut off.
TEST_F(TransferTest, StreamingRecoveryTakesANodeThatHoldsPartOfAPacket) {
  TestNode node(dir_.Path("n1"));
  const std::string data = Pattern(3 << 20);
  TransferClient old_client(node.port());
  SetUp(old_client, WriteOp({}));
  ASSERT_TRUE(old_client.SendPacket(0, 0, absl::string_view(data).substr(0, 1024)));
  ExpectAck(old_client, 0);
  ASSERT_TRUE(old_client.SendPartOfPacket(1024, absl::string_view(data).substr(1024), 2 << 20));
  EVENTUALLY(node.store->FindOpen(BlockId{TestBlock().id})->received() > 1024);
  Op op = WriteOp({});
  op.set_stage(Op::PIPELINE_SETUP_STREAMING_RECOVERY);
  op.set_minbytesrcvd(1024);
  op.set_maxbytesrcvd(1024);
  op.set_latestgenerationstamp(1002);
  TransferClient client(node.port());
  SetUp(client, op);
  ASSERT_OK(client.WriteRest(1024, absl::string_view(data).substr(1024), 65536, 1));
  EXPECT_THAT(Read(node, {.stamp = 1002}, 0, data.size()), IsOkAndHolds(Eq(data)));
}

TEST_F(TransferTest, AppendContinuesAPartialChunkUnderANewStamp) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  const TestBlock block;
  const std::string data = Pattern(1'200'000);
  const size_t first = 1'048'576 - 100;
  ASSERT_OK(Write({&one, &two}, block, absl::string_view(data).substr(0, first)));
  Op op = WriteOp(block, {two.port()});
  op.set_stage(Op::PIPELINE_SETUP_APPEND);
  op.set_minbytesrcvd(first);
  op.set_latestgenerationstamp(1005);
  TransferClient client(one.port());
  SetUp(client, op);
  ASSERT_OK(client.WriteRest(first, absl::string_view(data).substr(first)));
  for (TestNode* node : {&one, &two}) {
    EXPECT_THAT(Read(*node, {.stamp = 1005}, 0, data.size()), IsOkAndHolds(Eq(data)));
    EXPECT_EQ(node->store->Find(BlockId{block.id})->stamp, GenerationStamp{1005});
  }
  op.set_latestgenerationstamp(1006);
  TransferClient wrong(one.port());
  wrong.SendOp(Opcode::kWriteBlock, op);
  ASSERT_OK_AND_ASSIGN(const auto reply, wrong.ReadReply());
  EXPECT_THAT(reply.message(), HasSubstr("append expects"));
}

TEST_F(TransferTest, CloseRecoveryFinalizesWithoutPackets) {
  TestNode node(dir_.Path("n1"));
  const TestBlock block;
  const std::string data = Pattern(5000);
  {
    TransferClient client(node.port());
    SetUp(client, WriteOp(block));
    ASSERT_TRUE(client.SendPacket(0, 0, data));
    ExpectAck(client, 0);
  }
  Op op = WriteOp(block);
  op.set_stage(Op::PIPELINE_CLOSE_RECOVERY);
  op.set_minbytesrcvd(5000);
  op.set_maxbytesrcvd(5000);
  op.set_latestgenerationstamp(1002);
  for (int i = 0; i < 2; ++i) {  // a second one finds it done
    TransferClient client(node.port());
    SetUp(client, op);
    EXPECT_TRUE(client.AtEnd());
    op.set_latestgenerationstamp(1003);
  }
  EXPECT_EQ(node.store->Find(BlockId{block.id})->state, ReplicaState::kFinalized);
  EXPECT_THAT(Read(node, {.stamp = 1003}, 0, 5000), IsOkAndHolds(Eq(data)));
}

TEST_F(TransferTest, AfterARestartReplicasAreFoundInTheirState) {
  const TestBlock done{.id = 1};
  const TestBlock open{.id = 2};
  const std::string data = Pattern(100'000);
  {
    TestNode node(dir_.Path("n1"));
    ASSERT_OK(Write({&node}, done, data));
    TransferClient client(node.port());
    SetUp(client, WriteOp(open));
    ASSERT_TRUE(client.SendPacket(0, 0, absl::string_view(data).substr(0, 65536)));
    ASSERT_TRUE(client.SendPacket(1, 65536, absl::string_view(data).substr(65536)));
    ExpectAck(client, 0);
    ExpectAck(client, 1);
  }
  TestNode node(dir_.Path("n1"));
  EXPECT_EQ(node.store->Find(BlockId{1})->state, ReplicaState::kFinalized);
  EXPECT_EQ(node.store->Find(BlockId{2})->state, ReplicaState::kWaitingRecovery);
  EXPECT_EQ(node.store->Find(BlockId{2})->length, data.size());
  EXPECT_THAT(Read(node, done, 0, data.size()), IsOkAndHolds(Eq(data)));
  EXPECT_THAT(Read(node, open, 0, data.size()), IsOkAndHolds(Eq(data)));
}

}  // namespace
}  // namespace cairn::datanode
