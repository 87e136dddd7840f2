// Copies to other nodes: for a pipeline, for the namenode, for balance.
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/use_future.hpp"
#include "common/clock.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/transfer_test.h"

namespace cairn::datanode {
namespace {

using testing::NodeAt;
using testing::Pattern;
using testing::SilentNode;
using testing::TestBlock;
using testing::TestNode;
using testing::TransferClient;
using testing::TransferTest;
using testing::WriteOp;
using transfer::Opcode;
using Op = hdfs::OpWriteBlockProto;
using ::testing::Eq;
using ::testing::SizeIs;

TEST_F(TransferTest, AReplicaIsTransferredToANodeThatJoinsThePipeline) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  const TestBlock block;
  const std::string data = Pattern(100'100);
  TransferClient writer(one.port());
  SetUp(writer, WriteOp(block));
  ASSERT_TRUE(writer.SendPacket(0, 0, absl::string_view(data).substr(0, 65536)));
  ASSERT_TRUE(writer.SendPacket(1, 65536, absl::string_view(data).substr(65536)));
  ExpectAck(writer, 0);
  ExpectAck(writer, 1);

  hdfs::OpTransferBlockProto op;
  *op.mutable_header()->mutable_baseheader()->mutable_block() = block.ToProto();
  op.mutable_header()->set_clientname("test-client");
  *op.add_targets() = NodeAt(two.port());
  TransferClient client(one.port());
  client.SendOp(Opcode::kTransferBlock, op);
  ASSERT_OK_AND_ASSIGN(const auto reply, client.ReadReply());
  EXPECT_EQ(reply.status(), hdfs::STATUS_SUCCESS) << reply.message();
  EXPECT_EQ(two.store->Find(BlockId{block.id})->state, ReplicaState::kBeingWritten);
  EXPECT_THAT(Read(two, block, 0, data.size()), IsOkAndHolds(Eq(data)));
}

TEST_F(TransferTest, ATransferToWhatIsNoPipelineIsRefused) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  const TestBlock block;
  ASSERT_OK(Write({&one}, block, Pattern(1000)));
  hdfs::OpTransferBlockProto good;
  *good.mutable_header()->mutable_baseheader()->mutable_block() = block.ToProto();
  good.mutable_header()->set_clientname("test-client");
  hdfs::OpTransferBlockProto far = good;
  *far.add_targets() = NodeAt(two.port());
  far.mutable_targets(0)->mutable_id()->set_xferport(65536u + two.port());
  hdfs::OpTransferBlockProto nowhere = good;
  *nowhere.add_targets() = NodeAt(0);
  hdfs::OpTransferBlockProto many = good;
  for (size_t i = 0; i < transfer::kMaxPipelineNodes; ++i) *many.add_targets() = NodeAt(two.port());
  hdfs::OpTransferBlockProto stored = good;
  *stored.add_targets() = NodeAt(two.port());
  for (size_t i = 0; i <= transfer::kMaxPipelineNodes; ++i) stored.add_targetstorageids("");
  for (const auto& op : {good, far, nowhere, many, stored}) {  // the first: without a target
    TransferClient client(one.port());
    client.SendOp(Opcode::kTransferBlock, op);
    ASSERT_OK_AND_ASSIGN(const auto reply, client.ReadReply());
    EXPECT_EQ(reply.status(), hdfs::STATUS_ERROR_INVALID) << reply.ShortDebugString();
  }
  EXPECT_FALSE(two.store->Find(BlockId{block.id}).has_value());
}

TEST_F(TransferTest, ACopyOrderedByTheNamenodeArrivesFinalized) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  TestNode three(dir_.Path("n3"));
  const TestBlock block;
  const std::string data = Pattern(1'500'000);
  ASSERT_OK(Write({&one}, block, data));
  one.server->Replicate({.block = BlockId{block.id},
                         .stamp = GenerationStamp{block.stamp},
                         .targets = {NodeAt(two.port()), NodeAt(three.port())}});
  for (TestNode* node : {&two, &three}) {
    EVENTUALLY(node->events.Of(ReplicaEvents::Kind::kFinalized).size() == 1);
    EXPECT_THAT(Read(*node, block, 0, data.size()), IsOkAndHolds(Eq(data)));
  }
}

// The order was given before an append began, or before a restart.
TEST_F(TransferTest, OnlyWhatTheNamenodeMeantIsCopiedAndArrivesFinalized) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  const std::string data = Pattern(5000);
  const absl::string_view view = data;
  const TestBlock appended{.id = 1};
  ASSERT_OK(Write({&one}, appended, view.substr(0, 1000)));
  Op op = WriteOp(appended);
  op.set_stage(Op::PIPELINE_SETUP_APPEND);
  op.set_minbytesrcvd(1000);
  op.set_latestgenerationstamp(1002);
  TransferClient writer(one.port());
  SetUp(writer, op);
  const TestBlock newer{.id = 2, .stamp = 1002};
  ASSERT_OK(Write({&one}, newer, data));
  const TestBlock good{.id = 3};
  ASSERT_OK(Write({&one}, good, data));

  TransferContext& context = *one.context;
  const auto copied = [&](const Push& push) {
    return boost::asio::co_spawn(one.threads.Next(), PushReplica(context, push),
                                 boost::asio::use_future)
        .get();
  };
  const auto refused = StatusIs(absl::StatusCode::kFailedPrecondition);
  const std::vector<hdfs::DatanodeInfoProto> targets = {NodeAt(two.port())};
  for (const uint64_t id : {1u, 2u}) {
    EXPECT_THAT(copied({.block = BlockId{id}, .stamp = GenerationStamp{1001}, .targets = targets}),
                refused);
  }
  EXPECT_OK(copied({.block = BlockId{3}, .stamp = GenerationStamp{1001}, .targets = targets}));
  EXPECT_EQ(two.store->size(), 1u);
}

// Nobody knows what was acknowledged of it, so it is no replica to go on from.
TEST_F(TransferTest, AReplicaThatWaitsForRecoveryIsNotTransferred) {
  TestNode two(dir_.Path("n2"));
  const TestBlock block;
  {
    TestNode one(dir_.Path("n1"));
    TransferClient writer(one.port());
    SetUp(writer, WriteOp(block));
    ASSERT_TRUE(writer.SendPacket(0, 0, Pattern(1000)));
    ExpectAck(writer, 0);
  }
  TestNode one(dir_.Path("n1"));
  ASSERT_EQ(one.store->Find(BlockId{block.id})->state, ReplicaState::kWaitingRecovery);
  hdfs::OpTransferBlockProto op;
  *op.mutable_header()->mutable_baseheader()->mutable_block() = block.ToProto();
  op.mutable_header()->set_clientname("test-client");
  *op.add_targets() = NodeAt(two.port());
  TransferClient client(one.port());
  client.SendOp(Opcode::kTransferBlock, op);
  ASSERT_OK_AND_ASSIGN(const auto reply, client.ReadReply());
  EXPECT_EQ(reply.status(), hdfs::STATUS_ERROR);
  EXPECT_EQ(two.store->size(), 0u);
}

TEST_F(TransferTest, ACopyForBalanceGoesAtItsPaceAndEndsWithTheServer) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  const TestBlock block;
  const std::string data = Pattern(1'500'000);
  ASSERT_OK(Write({&one}, block, data));
  const Push push{.block = BlockId{block.id},
                  .stamp = GenerationStamp{block.stamp},
                  .targets = {NodeAt(two.port())},
                  .balance_bytes_per_second = 10'000'000};
  const absl::Duration begun = SystemClock().Monotonic();
  one.server->Replicate(push);
  EVENTUALLY(two.events.Of(ReplicaEvents::Kind::kFinalized).size() == 1);
  EXPECT_GE(SystemClock().Monotonic() - begun, absl::Milliseconds(100)) << "its last packet waits";
  EXPECT_THAT(Read(two, block, 0, data.size()), IsOkAndHolds(Eq(data)));

  TestNode three(dir_.Path("n3"));
  Push slow = push;
  slow.targets = {NodeAt(three.port())};
  slow.balance_bytes_per_second = 20'000;  // more than a minute
  one.server->Replicate(slow);
  EVENTUALLY(three.server->transfers() == 1);
  one.server->Drain(absl::ZeroDuration());
  EVENTUALLY(three.server->transfers() == 0);
  EVENTUALLY(!three.store->Find(BlockId{block.id}).has_value());
}

// It would wait for ten minutes, and a server's destructor for it.
TEST_F(TransferTest, AServersEndCutsACopyToASilentNode) {
  TestNode one(dir_.Path("n1"));
  const TestBlock block;
  ASSERT_OK(Write({&one}, block, Pattern(1000)));
  SilentNode silent(/*replies=*/false);
  absl::Status outcome;
  one.server->Replicate({.block = BlockId{block.id},
                         .stamp = GenerationStamp{block.stamp},
                         .targets = {NodeAt(silent.port())}},
                        [&outcome](const absl::Status& why) { outcome = why; });
  silent.WaitForBytes();
  one.server.reset();
  EXPECT_THAT(outcome, StatusIs(absl::StatusCode::kCancelled));
}

// Nobody keeps a copy of bad bytes, and where they come from is found out.
TEST_F(TransferTest, ACopyOfARottenReplicaCondemnsItsSource) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  TestNode three(dir_.Path("n3"));
  for (const bool by_client : {false, true}) {
    const TestBlock block{.id = by_client ? 1u : 2u};
    ASSERT_OK(Write({&one}, block, Pattern(1'500'000)));
    Rot(one, block, 1'400'000);
    if (by_client) {
      hdfs::OpTransferBlockProto op;
      *op.mutable_header()->mutable_baseheader()->mutable_block() = block.ToProto();
      op.mutable_header()->set_clientname("test-client");
      *op.add_targets() = NodeAt(two.port());
      TransferClient client(one.port());
      client.SendOp(Opcode::kTransferBlock, op);
      ASSERT_OK_AND_ASSIGN(const auto reply, client.ReadReply());
      EXPECT_NE(reply.status(), hdfs::STATUS_SUCCESS);
    } else {
      one.server->Replicate({.block = BlockId{block.id},
                             .stamp = GenerationStamp{block.stamp},
                             .targets = {NodeAt(two.port()), NodeAt(three.port())}});
    }
    EVENTUALLY(one.store->Find(BlockId{block.id})->state == ReplicaState::kCorrupt);
    for (TestNode* node : {&two, &three}) {
      EVENTUALLY(!node->store->Find(BlockId{block.id}).has_value());
      EXPECT_THAT(node->events.Of(ReplicaEvents::Kind::kFinalized), SizeIs(0));
    }
  }
}

// The partial chunk at its end has no checksum that a reader could be given as it is: one is
// computed, and never of bytes that do not match theirs.
TEST_F(TransferTest, ARottenTailOfAnOpenReplicaIsNotVouchedFor) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  const TestBlock block;
  const std::string data = Pattern(700);
  TransferClient writer(one.port());
  SetUp(writer, WriteOp(block));
  ASSERT_TRUE(writer.SendPacket(0, 0, data));
  ExpectAck(writer, 0);
  hdfs::OpTransferBlockProto op;
  *op.mutable_header()->mutable_baseheader()->mutable_block() = block.ToProto();
  op.mutable_header()->set_clientname("test-client");
  *op.add_targets() = NodeAt(two.port());
  for (const bool rotten : {false, true, false}) {
    EXPECT_EQ(Read(one, block, 0, 650).ok(), !rotten);
    EXPECT_THAT(Read(one, block, 0, 512), IsOkAndHolds(Eq(data.substr(0, 512))));
    TransferClient client(one.port());
    client.SendOp(Opcode::kTransferBlock, op);
    ASSERT_OK_AND_ASSIGN(const auto reply, client.ReadReply());
    EXPECT_EQ(reply.status() == hdfs::STATUS_SUCCESS, !rotten) << reply.message();
    EVENTUALLY(two.store->Find(BlockId{block.id}).has_value() == !rotten);
    ASSERT_OK(two.store->Invalidate(BlockId{block.id}, GenerationStamp{block.stamp}));
    Rot(one, block, 600);  // and back
  }
}

}  // namespace
}  // namespace cairn::datanode
