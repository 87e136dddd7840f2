// What clients of the data transfer port send, leave out or rely on, and what looks like an error
// and is none. The numbers are those of tests/traps.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "datanode/testing/test_node.h"

namespace cairn::datanode {
namespace {

using ::testing::Eq;
using ::testing::IsEmpty;
using testing::Pattern;
using testing::TestBlock;
using testing::TestNode;
using testing::TransferClient;
using testing::WriteOp;
using transfer::Opcode;

class ProtocolTrapsTest : public ::testing::Test {
 protected:
  // What is answered to `op` on a connection of its own, which then takes all of `data`.
  hdfs::BlockOpResponseProto Write(const hdfs::OpWriteBlockProto& op, absl::string_view data) {
    TransferClient client(node_.port());
    EXPECT_TRUE(client.SendOp(Opcode::kWriteBlock, op));
    const auto reply = client.ReadReply();
    EXPECT_OK(reply);
    if (!reply.ok()) return {};
    if (reply->status() == hdfs::STATUS_SUCCESS) {
      EXPECT_OK(client.WriteRest(0, data));
    }
    return *reply;
  }
  hdfs::OpReadBlockProto ReadOp(const TestBlock& block, uint64_t length) {
    hdfs::OpReadBlockProto op;
    *op.mutable_header()->mutable_baseheader()->mutable_block() = block.ToProto();
    op.mutable_header()->set_clientname("test-client");
    op.set_offset(0);
    op.set_len(length);
    return op;
  }

  TempDir dir_;
  TestNode node_{dir_.Path("n1")};
};

// Go reads an answer's length together with what follows: fewer than five bytes in all hang it.
TEST_F(ProtocolTrapsTest, Trap1AnswersAreNeverTooShort) {
  const TestBlock block;
  const auto good = Write(WriteOp(block), Pattern(1000));
  EXPECT_EQ(good.status(), hdfs::STATUS_SUCCESS);
  EXPECT_TRUE(good.has_firstbadlink());
  EXPECT_EQ(good.firstbadlink(), "");
  EXPECT_GE(transfer::EncodeDelimited(good).size(), 5u);

  const auto refused = Write(WriteOp(block), "");  // it is there already
  EXPECT_NE(refused.status(), hdfs::STATUS_SUCCESS);
  EXPECT_FALSE(refused.message().empty());

  TransferClient reader(node_.port());
  ASSERT_TRUE(reader.SendOp(Opcode::kReadBlock, ReadOp({.id = 1}, 1)));
  ASSERT_OK_AND_ASSIGN(const auto missing, reader.ReadReply());
  EXPECT_NE(missing.status(), hdfs::STATUS_SUCCESS);
  EXPECT_FALSE(missing.message().empty());
}

// A reader that has what it wants hangs up; one that has read everything need not say so.
TEST_F(ProtocolTrapsTest, Trap9AReaderThatHangsUpIsNoError) {
  const TestBlock block;
  const std::string data = Pattern(8 << 20);
  Write(WriteOp(block), data);
  for (int i = 0; i < 5; ++i) {
    TransferClient reader(node_.port());
    ASSERT_TRUE(reader.SendOp(Opcode::kReadBlock, ReadOp(block, data.size())));
    ASSERT_OK(reader.ReadReply());
    reader.Close();  // with most of the block still to come
  }
  TransferClient silent(node_.port());
  ASSERT_TRUE(silent.SendOp(Opcode::kReadBlock, ReadOp(block, 100)));
  ASSERT_OK(silent.ReadReply());
  silent.ShutdownWrite();  // all it wanted is on its way, and no status follows
  EXPECT_THAT(TransferClient(node_.port()).ReadBlock(block, 0, data.size()),
              IsOkAndHolds(Eq(data)));
  EXPECT_THAT(node_.events.Of(ReplicaEvents::Kind::kCorrupt), IsEmpty());
}

// Java says the block size there.
TEST_F(ProtocolTrapsTest, Trap23TheHeadersLengthOfANewBlockMeansNothing) {
  const TestBlock block{.length = 128 << 20};
  Write(WriteOp(block), Pattern(1000));
  const auto replica = node_.store->Find(BlockId{block.id});
  ASSERT_TRUE(replica.has_value());
  EXPECT_EQ(replica->state, ReplicaState::kFinalized);
  EXPECT_EQ(replica->length, 1000u);
}

TEST_F(ProtocolTrapsTest, Trap24HintsThatClientsGetWrongAreNotBelieved) {
  TestBlock block;
  for (const uint32_t size : {0u, 1u, 7u, 0xffffffffu}) {
    ++block.id;
    hdfs::OpWriteBlockProto op = WriteOp(block);
    op.set_pipelinesize(size);
    op.set_pinning(size != 0);
    for (uint32_t i = 0; i < 3; ++i) {  // more than there are targets
      op.add_targetpinnings(true);
      op.add_targetstorageids("DS-of-another-node");
      op.add_targetstoragetypes(hdfs::STORAGE_TYPE_SSD);
    }
    op.set_storageid("DS-that-nobody-has");
    const std::string data = Pattern(1000);
    EXPECT_EQ(Write(op, data).status(), hdfs::STATUS_SUCCESS) << size;
    EXPECT_THAT(TransferClient(node_.port()).ReadBlock(block, 0, 1000), IsOkAndHolds(Eq(data)));
  }
}

}  // namespace
}  // namespace cairn::datanode
