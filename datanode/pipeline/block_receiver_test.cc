// Packets in, to the disk and on, and their acknowledgements.
#include "datanode/pipeline/block_receiver.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/testing/eventually.h"
#include "common/testing/faulty_file_system.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/stepped_receiver.h"
#include "datanode/testing/transfer_test.h"

namespace cairn::datanode {
namespace {

using testing::Pattern;
using testing::SilentNode;
using testing::SteppedReceiver;
using testing::TestBlock;
using testing::TestNode;
using testing::TransferClient;
using testing::TransferTest;
using testing::WriteOp;
using Op = hdfs::OpWriteBlockProto;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::SizeIs;

TEST_F(TransferTest, APipelineOfThreeHoldsTheBlockOnEachNode) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  TestNode three(dir_.Path("n3"));
  const TestBlock block;
  const std::string data = Pattern((3 << 20) + 777);
  ASSERT_OK(Write({&one, &two, &three}, block, data));
  for (TestNode* node : {&one, &two, &three}) {
    EXPECT_THAT(Read(*node, block, 0, data.size()), IsOkAndHolds(Eq(data)));
    EXPECT_THAT(node->events.Of(ReplicaEvents::Kind::kFinalized), SizeIs(1));
  }
}

// Bigger packets than a buffer, and tiny ones, take the same way.
TEST_F(TransferTest, PacketSizeDoesNotMatter) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  const std::string data = Pattern(2'500'000);
  uint64_t id = 100;
  for (const size_t packet_bytes : {512u * 3, 4096u, 1'000'000u / 512 * 512, 2'097'152u}) {
    const TestBlock block{.id = id++};
    ASSERT_OK(Write({&one, &two}, block, data, packet_bytes)) << packet_bytes;
    EXPECT_THAT(Read(two, block, 0, data.size()), IsOkAndHolds(Eq(data))) << packet_bytes;
  }
}

// hflush sends the partial last chunk; the next packet begins again at that chunk's boundary.
TEST_F(TransferTest, TheOverlapAfterHflushOverwritesTheTailAndItsChecksum) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  const TestBlock block;
  const std::string data = Pattern(3000);
  const absl::string_view view = data;
  TransferClient client(one.port());
  SetUp(client, WriteOp(block, {two.port()}));
  ASSERT_TRUE(client.SendPacket(0, 0, view.substr(0, 700)));
  ExpectAck(client, 0);
  EXPECT_THAT(Read(two, block, 0, 700), IsOkAndHolds(Eq(data.substr(0, 700))));
  ASSERT_TRUE(client.SendPacket(1, 512, view.substr(512, 1000)));  // to 1512
  ExpectAck(client, 1);
  EXPECT_THAT(Read(one, block, 600, 912), IsOkAndHolds(Eq(data.substr(600, 912))));
  ASSERT_TRUE(client.SendPacket(2, 512, view.substr(512, 1000)));  // a repeated packet
  ExpectAck(client, 2);
  ASSERT_OK(client.WriteRest(1024, view.substr(1024), 65536, 3));
  for (TestNode* node : {&one, &two}) {
    EXPECT_THAT(Read(*node, block, 0, 3000), IsOkAndHolds(Eq(data)));
  }
}

// What was acknowledged is never written over by what a bad line makes of it, on no node of the
// pipeline: each can be recovered at the acknowledged length.
TEST_F(TransferTest, ABadPacketAfterHsyncLeavesTheAcknowledgedTailAlone) {
  const std::string data = Pattern(2000);
  const absl::string_view view = data;
  enum Damage { kChecksum, kOldByte, kNewByte, kCutOff };
  for (const Damage damage : {kChecksum, kOldByte, kNewByte, kCutOff}) {
    SCOPED_TRACE(damage);
    TestNode one(dir_.Path(absl::StrCat("n1-", damage)));
    TestNode two(dir_.Path(absl::StrCat("n2-", damage)));
    const TestBlock block;
    {
      TransferClient client(one.port());
      SetUp(client, WriteOp(block, {two.port()}));
      ASSERT_TRUE(client.SendPacket(0, 0, view.substr(0, 700), /*sync=*/true));
      ExpectAck(client, 0);
      const absl::string_view next = view.substr(512, 1100);
      if (damage == kCutOff) {  // after some bytes, of which the old ones are bad
        const std::string wrong = Pattern(1100, 2);
        ASSERT_TRUE(client.SendPartOfPacket(512, wrong, 300));
        client.Close();
      } else {
        ASSERT_TRUE(damage == kChecksum
                        ? client.SendPacket(1, 512, view.substr(512, 512), false, /*flip=*/true)
                        : client.SendDamaged(1, 512, next, damage == kOldByte ? 100 : 300));
        ASSERT_OK_AND_ASSIGN(const auto ack, client.ReadAck());
        // The damaged byte is one that everybody has.
        EXPECT_EQ(ack.AllSucceeded(), damage == kOldByte);
      }
    }
    for (TestNode* node : {&one, &two}) {
      EVENTUALLY(!node->store->FindOpen(BlockId{block.id})->has_writer());
      EXPECT_THAT(Read(*node, block, 0, 700), IsOkAndHolds(Eq(data.substr(0, 700))));
    }
    Op op = WriteOp(block, {two.port()});
    op.set_stage(Op::PIPELINE_SETUP_STREAMING_RECOVERY);
    op.set_minbytesrcvd(700);
    op.set_maxbytesrcvd(700);
    op.set_latestgenerationstamp(1002);
    TransferClient client(one.port());
    SetUp(client, op);
    ASSERT_OK(client.WriteRest(512, view.substr(512), 65536, 1));
    for (TestNode* node : {&one, &two}) {
      EXPECT_THAT(Read(*node, {.stamp = 1002}, 0, data.size()), IsOkAndHolds(Eq(data)));
    }
  }
}

// A node that passes packets on has not checked what it got before it completes a chunk of it.
TEST_F(TransferTest, NoChecksumIsMadeOfBytesThatNobodyChecked) {
  const std::string data = Pattern(2000);
  const absl::string_view view = data;
  TestNode one(dir_.Path("n1"), Impatient());
  const SilentNode silent(/*replies=*/true);  // it finds nothing
  TransferClient client(one.port());
  SetUp(client, WriteOp({}, {silent.port()}));
  ASSERT_TRUE(client.SendDamaged(0, 0, view.substr(0, 700), 600));
  ASSERT_TRUE(client.SendPacket(1, 700, view.substr(700, 324)));
  EVENTUALLY(!one.store->FindOpen(BlockId{TestBlock().id})->has_writer());
  EXPECT_EQ(one.store->FindOpen(BlockId{TestBlock().id})->received(), 700u);
}

// The next node takes nothing while a packet that goes on in the last chunk is on its way to it.
// What came before is then written, and acknowledged: readers, and a process that is started after
// this one was killed, find its bytes and checksums together.
TEST_F(TransferTest, AFlushWhileTheNextNodeIsBlockedWritesTheChecksumOfWhatItWrites) {
  const std::string data = Pattern(130'000);
  const absl::string_view view = data;
  const TestBlock block;
  TestNode node(dir_.Path("n1"));
  SteppedReceiver stepped(node, block);
  const auto open = node.store->FindOpen(BlockId{block.id});
  ASSERT_TRUE(stepped.client.SendPacket(0, 0, view.substr(0, 512)));
  EVENTUALLY(stepped.Poll().receiver().received_bytes() == 512);  // its flush waits for the disk
  ASSERT_TRUE(stepped.client.SendPacket(1, 512, view.substr(512, 188), /*sync=*/true));
  EVENTUALLY(stepped.Poll().receiver().received_bytes() == 700);
  ASSERT_TRUE(stepped.client.SendPacket(2, 512, view.substr(512)));
  EVENTUALLY(stepped.Poll().UnreadByNextNode() > 4096);  // a part of the last one
  stepped.ReleaseDisk();
  stepped.AcknowledgeFromNextNode(0);
  stepped.AcknowledgeFromNextNode(1);
  EVENTUALLY(stepped.Poll().receiver().received_bytes() >= 700 && open->acked() == 700);

  EXPECT_THAT(Read(node, block, 512, 188), IsOkAndHolds(Eq(data.substr(512, 188))));
  std::filesystem::copy(dir_.Path("n1"), dir_.Path("killed"),
                        std::filesystem::copy_options::recursive);
  TestNode again(dir_.Path("killed"));
  const auto found = again.store->Find(BlockId{block.id});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->state, ReplicaState::kWaitingRecovery);
  EXPECT_GE(found->length, 700u);
  EXPECT_THAT(Read(again, block, 0, 700), IsOkAndHolds(Eq(data.substr(0, 700))));
}

TEST_F(TransferTest, AHeartbeatCarriesNothing) {
  TestNode node(dir_.Path("n1"));
  TransferClient client(node.port());
  SetUp(client, WriteOp({}));
  const std::string payload(4096, 'x');
  std::array<std::byte, transfer::kMaxEncodedHeaderBytes> head;
  const size_t size = transfer::EncodePacketHeader({.seqno = transfer::kHeartbeatSeqno},
                                                   static_cast<uint32_t>(payload.size()), head);
  const absl::string_view header(reinterpret_cast<const char*>(head.data()), size);
  ASSERT_TRUE(client.Send(absl::StrCat(header, payload)));
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(TransferTest, HeartbeatsAndEmptySyncPacketsAreAcknowledgedInOrder) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  TransferClient client(one.port());
  SetUp(client, WriteOp({}, {two.port()}));
  const std::string data = Pattern(1000);
  ASSERT_TRUE(client.SendPacket(5, 0, data, /*sync=*/true));  // any first number will do
  ASSERT_TRUE(client.SendPacket(transfer::kHeartbeatSeqno, 0, ""));
  ASSERT_TRUE(client.SendPacket(6, 1000, "", /*sync=*/true));
  ASSERT_TRUE(client.SendLast(7, 1000));
  for (const int64_t seqno : {5, -1, 6, 7}) ExpectAck(client, seqno);
  EXPECT_TRUE(client.AtEnd());
  EXPECT_THAT(Read(two, {}, 0, 1000), IsOkAndHolds(Eq(data)));
}

TEST_F(TransferTest, TheLastNodeFindsABadChecksumAndTheFirstSaysWho) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  TransferClient client(one.port());
  SetUp(client, WriteOp({}, {two.port()}));
  const std::string data = Pattern(1024);
  ASSERT_TRUE(client.SendPacket(0, 0, data));
  ASSERT_TRUE(client.SendPacket(1, 1024, data, false, /*flip=*/true));
  ExpectAck(client, 0);
  ASSERT_OK_AND_ASSIGN(const auto ack, client.ReadAck());
  EXPECT_THAT(ack.statuses, ElementsAre(hdfs::STATUS_SUCCESS, hdfs::STATUS_ERROR_CHECKSUM));
  EXPECT_TRUE(client.AtEnd());
  EVENTUALLY(!two.store->FindOpen(BlockId{TestBlock().id})->has_writer());
  EXPECT_EQ(two.store->Find(BlockId{TestBlock().id})->length, 1024u);
}

// Stored and served as CRC32C whatever the writer used.
TEST_F(TransferTest, OtherChecksumsAreVerifiedAndTranslated) {
  TestNode one(dir_.Path("n1"));
  TestNode two(dir_.Path("n2"));
  uint64_t id = 500;
  for (const auto type : {transfer::ChecksumType::kCrc32, transfer::ChecksumType::kNull}) {
    const TestBlock block{.id = id++};
    const std::string data = Pattern(1'100'000);
    TransferClient client(one.port());
    client.checksum = transfer::DataChecksum(type, 512);
    Op op = WriteOp(block, {two.port()});
    *op.mutable_requestedchecksum() = client.checksum.ToProto();
    SetUp(client, op);
    ASSERT_OK(client.WriteRest(0, data));
    EXPECT_THAT(Read(two, block, 0, data.size()), IsOkAndHolds(Eq(data)));
    EXPECT_THAT(Read(one, block, 0, data.size()), IsOkAndHolds(Eq(data)));
  }
}

TEST_F(TransferTest, AGapInThePacketsClosesTheConnection) {
  TestNode node(dir_.Path("n1"));
  TransferClient client(node.port());
  SetUp(client, WriteOp({}));
  ASSERT_TRUE(client.SendPacket(0, 512, Pattern(512)));
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(TransferTest, QuietStreamsLeaveTheirBuffersToOthers) {
  TestNode one(dir_.Path("n1"), {}, PosixFileSystem(), {}, /*write_buffers=*/2);
  TestNode two(dir_.Path("n2"), {}, PosixFileSystem(), {}, /*write_buffers=*/2);
  const std::string data = Pattern(1'100'000);
  std::vector<std::unique_ptr<TransferClient>> clients;
  for (uint64_t id = 1; id <= 5; ++id) {
    clients.push_back(std::make_unique<TransferClient>(one.port()));
    SetUp(*clients.back(), WriteOp({.id = id}, {two.port()}));
    ASSERT_TRUE(clients.back()->SendPacket(0, 0, absl::string_view(data).substr(0, 700)));
    ExpectAck(*clients.back(), 0);
  }
  EVENTUALLY(one.buffers.taken() == 0);
  for (const auto& client :
       clients) {  // the overlap that hflush makes, after the buffer was given up
    ASSERT_TRUE(client->SendPacket(1, 512, absl::string_view(data).substr(512, 1000)));
    ExpectAck(*client, 1);
  }
  for (const auto& client : clients) {  // a completed chunk, whose checksum is computed anew
    ASSERT_TRUE(client->SendPacket(2, 1512, absl::string_view(data).substr(1512, 24)));
    ExpectAck(*client, 2);
  }
  for (const auto& client : clients) {
    ASSERT_OK(client->WriteRest(1536, absl::string_view(data).substr(1536), 65536, 3));
  }
  for (uint64_t id = 1; id <= 5; ++id) {
    EXPECT_THAT(Read(one, {.id = id}, 0, data.size()), IsOkAndHolds(Eq(data)));
    EXPECT_THAT(Read(two, {.id = id}, 0, data.size()), IsOkAndHolds(Eq(data)));
  }
}

TEST_F(TransferTest, AWriterThatFindsNoBufferFails) {
  TransferOptions options;
  options.buffer_wait = absl::Milliseconds(50);
  TestNode node(dir_.Path("n1"), options, PosixFileSystem(), {}, /*write_buffers=*/1);
  const auto buffer = node.buffers.TryTake();
  TransferClient client(node.port());
  SetUp(client, WriteOp({}));
  ASSERT_TRUE(client.SendPacket(0, 0, Pattern(512)));
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(TransferTest, WhoStallsInAPacketIsCutOffWhileOthersWaitForItsBuffer) {
  TransferOptions options;
  options.stall_limit = absl::Milliseconds(50);
  TestNode node(dir_.Path("n1"), options, PosixFileSystem(), {}, /*write_buffers=*/1);
  TransferClient stalled(node.port());
  SetUp(stalled, WriteOp({.id = 1}));
  ASSERT_TRUE(stalled.SendPartOfPacket(0, Pattern(65536), 1000));
  EVENTUALLY(node.buffers.taken() == 1);
  EXPECT_OK(Write({&node}, {.id = 2}, Pattern(200'000)));
  EXPECT_TRUE(stalled.AtEnd());
}

// ---- Memory ----

// Prefix and header of a packet whose data have a checksum for each 512 bytes.
std::string HeaderOf(int64_t seqno, uint64_t offset, uint32_t data_bytes) {
  std::array<std::byte, transfer::kMaxEncodedHeaderBytes> head;
  const auto checksum_bytes =
      static_cast<uint32_t>(transfer::DataChecksum().ChecksumBytes(data_bytes));
  const size_t size = transfer::EncodePacketHeader(
      {.offset_in_block = static_cast<int64_t>(offset), .seqno = seqno, .data_bytes = data_bytes},
      checksum_bytes, head);
  return std::string(reinterpret_cast<const char*>(head.data()), size);
}

TEST_F(TransferTest, ChecksumsThatAreAnnouncedTakeNoMemoryBeforeTheyCome) {
  TestNode node(dir_.Path("n1"));
  SteppedReceiver stepped(node, {});
  constexpr uint32_t kBytes = 2 << 20;  // 16 KiB of checksums, the most without a buffer
  const std::string head = HeaderOf(0, 0, kBytes);
  size_t most = 0;
  const auto own_bytes = [&] {
    const size_t now = stepped.Poll().receiver().own_bytes();
    most = std::max(most, now);
    return now;
  };
  ASSERT_TRUE(stepped.client.Send(head));
  ASSERT_TRUE(stepped.client.Send(std::string(100, 'c')));
  EVENTUALLY(own_bytes() == head.size() + 100);
  EXPECT_LE(most, 2 * 4096u);
  ASSERT_TRUE(stepped.client.Send(std::string(10'000, 'c')));
  EVENTUALLY(own_bytes() == head.size() + 10'100);
  EXPECT_LE(most, 2 * 4 * 4096u);
}

TEST_F(TransferTest, ChecksumsOfALargePacketWaitInABuffer) {
  TestNode node(dir_.Path("n1"));
  {
    SteppedReceiver stepped(node, {});
    constexpr uint32_t kBytes = 15 << 20;
    ASSERT_TRUE(stepped.client.Send(HeaderOf(0, 0, kBytes)));
    EVENTUALLY(stepped.Poll().receiver().own_bytes() > 0 &&
               node.context->checksum_buffers.taken() == 1);
    ASSERT_TRUE(stepped.client.Send(std::string(kBytes / 512 * 4, 'c')));
    EVENTUALLY(stepped.Poll().UnreadByNextNode() > 0);  // a part of them
    EXPECT_LT(stepped.receiver().own_bytes(), 1024u);
    EXPECT_EQ(node.buffers.taken(), 0u);
  }
  EXPECT_EQ(node.context->checksum_buffers.taken(), 0u);
}

TEST_F(TransferTest, AStreamThatIsQuietKeepsNoMemory) {
  const std::string data = Pattern(3000);
  const absl::string_view view = data;
  TestNode node(dir_.Path("n1"));
  SteppedReceiver stepped(node, {});
  stepped.ReleaseDisk();
  ASSERT_TRUE(stepped.client.SendPacket(0, 0, view.substr(0, 1000)));
  EVENTUALLY(stepped.Poll().receiver().received_bytes() == 1000);
  EXPECT_GT(stepped.receiver().own_bytes(), 0u);
  EVENTUALLY(stepped.Poll().receiver().own_bytes() == 0 && node.buffers.taken() == 0);
  ASSERT_TRUE(stepped.client.SendPacket(1, 512, view.substr(512)));
  EVENTUALLY(stepped.Poll().receiver().received_bytes() == 3000);
  stepped.AcknowledgeFromNextNode(0);
  stepped.AcknowledgeFromNextNode(1);
  EVENTUALLY(stepped.Poll().receiver().own_bytes() == 0 &&
             node.store->FindOpen(BlockId{TestBlock().id})->acked() == 3000);
  EXPECT_THAT(Read(node, {}, 0, data.size()), IsOkAndHolds(Eq(data)));
}

// Each holds a buffer for checksums, and some for data, while it waits for another.
TEST_F(TransferTest, WritersOfLargePacketsDoNotWaitForOneAnotherForEver) {
  TestNode one(dir_.Path("n1"), {}, PosixFileSystem(), {}, /*write_buffers=*/2);
  TestNode two(dir_.Path("n2"), {}, PosixFileSystem(), {}, /*write_buffers=*/2);
  ASSERT_EQ(one.context->checksum_buffers.max_buffers(), 1u);
  const std::string data = Pattern(7'000'000);
  std::vector<std::thread> writers;
  for (uint64_t id = 1; id <= 5; ++id) {
    // Small packets between them leave a buffer half full.
    const size_t packet_bytes = id % 3 == 0 ? 65536 : 5860 * 512;
    writers.emplace_back([&, id, packet_bytes] {
      EXPECT_OK(Write({&one, &two}, {.id = id}, data, packet_bytes));
    });
  }
  for (std::thread& writer : writers) writer.join();
  for (uint64_t id = 1; id <= 5; ++id) {
    EXPECT_THAT(Read(two, {.id = id}, 0, data.size()), IsOkAndHolds(Eq(data)));
  }
  EVENTUALLY(one.context->checksum_buffers.taken() == 0 && one.buffers.taken() == 0);
}

TEST_F(TransferTest, WhoStallsInChecksumsIsCutOffWhileOthersWaitForItsBuffer) {
  TransferOptions options;
  options.stall_limit = absl::Milliseconds(50);
  TestNode node(dir_.Path("n1"), options, PosixFileSystem(), {}, /*write_buffers=*/2);
  TransferClient stalled(node.port());
  SetUp(stalled, WriteOp({.id = 1}));
  ASSERT_TRUE(stalled.Send(HeaderOf(0, 0, 4 << 20)));
  ASSERT_TRUE(stalled.Send(std::string(20'000, 'c')));
  EVENTUALLY(node.context->checksum_buffers.taken() == 1);
  EXPECT_OK(Write({&node}, {.id = 2}, Pattern(6'000'000), /*packet_bytes=*/5860 * 512));
  EXPECT_TRUE(stalled.AtEnd());
}

TEST_F(TransferTest, WhoStallsInDataMayWhileOthersWaitForAnotherPool) {
  TransferOptions options;
  options.stall_limit = absl::Milliseconds(50);
  options.buffer_wait = absl::Milliseconds(500);
  TestNode node(dir_.Path("n1"), options, PosixFileSystem(), {}, /*write_buffers=*/2);
  const auto taken = node.context->checksum_buffers.TryTake();
  TransferClient stalled(node.port());
  SetUp(stalled, WriteOp({.id = 1}));
  ASSERT_TRUE(stalled.SendPartOfPacket(0, Pattern(65536), 1000));
  EVENTUALLY(node.buffers.taken() == 1);
  TransferClient other(node.port());
  SetUp(other, WriteOp({.id = 2}));
  ASSERT_TRUE(other.Send(HeaderOf(0, 0, 4 << 20)));
  EXPECT_TRUE(other.AtEnd());  // after buffer_wait
  EXPECT_EQ(node.buffers.taken(), 1u);
  EXPECT_TRUE(node.store->FindOpen(BlockId{1})->has_writer());
}

TEST_F(TransferTest, ANextNodeThatAcknowledgesWhatItWasNotSentHasFailed) {
  TestNode node(dir_.Path("n1"));
  SteppedReceiver stepped(node, {});
  stepped.ReleaseDisk();
  const auto open = node.store->FindOpen(BlockId{TestBlock().id});
  ASSERT_TRUE(stepped.client.SendPacket(0, 0, Pattern(512)));
  EVENTUALLY(stepped.Poll().receiver().received_bytes() == 512 && stepped.UnreadByNextNode() > 512);
  stepped.Poll();
  stepped.AcknowledgeFromNextNode(0, 1, 2, 3);
  EVENTUALLY(stepped.Poll().receiver().received_bytes() == 512 && open->acked() == 512);
  for (int64_t seqno = 1; seqno < 4; ++seqno) {
    ASSERT_TRUE(stepped.client.SendPacket(seqno, static_cast<uint64_t>(seqno) * 512, Pattern(512)));
  }
  EVENTUALLY(stepped.Poll().ended());
  EXPECT_EQ(open->acked(), 512u);  // not what was acknowledged in advance
}

// Its signs of life come behind acknowledgements that nobody can use yet: this node's disk is slow.
TEST_F(TransferTest, ANextNodeThatTakesNothingIsHeardBehindItsAcknowledgements) {
  TestNode node(dir_.Path("n1"));
  SteppedReceiver stepped(node, {}, /*mirror_gives_signs=*/true);
  constexpr int kPackets = 200;
  for (int i = 0; i < kPackets; ++i) {
    const auto offset = static_cast<uint64_t>(i) * 512;
    ASSERT_TRUE(stepped.client.SendPacket(i, offset, Pattern(512)));
    EVENTUALLY(stepped.Poll().ReadByNextNode().receiver().received_bytes() == offset + 512);
  }
  stepped.Poll();
  for (int i = 0; i < kPackets; ++i) stepped.AcknowledgeFromNextNode(i);
  ASSERT_TRUE(stepped.client.SendPacket(kPackets, kPackets * 512, Pattern(100'000)));
  EVENTUALLY(stepped.Poll().UnreadByNextNode() > 4096);  // a part of it
  stepped.AcknowledgeFromNextNode(transfer::kSignOfLifeSeqno);
  EVENTUALLY(stepped.Poll().UnreadFromNextNode() == 0);
}

// The writer is told, or cut off; nothing half done looks finished, and there is room again later.
TEST_F(TransferTest, AFullDiskEndsTheWriteWithAnError) {
  FaultyFileSystem fs;
  TestNode node("/n1", {}, fs);
  const std::string data = Pattern(8 << 20);
  fs.SetCapacity(3 << 20);
  EXPECT_FALSE(Write({&node}, {.id = 1}, data).ok());
  EVENTUALLY(!node.store->FindOpen(BlockId{1})->has_writer());
  EXPECT_NE(node.store->Find(BlockId{1})->state, ReplicaState::kFinalized);
  ASSERT_OK(node.store->Invalidate(BlockId{1}, GenerationStamp{1001}));
  fs.SetCapacity(100 << 20);
  EXPECT_OK(Write({&node}, {.id = 2}, data));
}

TEST_F(TransferTest, ADiskErrorIsAcknowledgedAsSuch) {
  FaultyFileSystem fs;
  TestNode node("/n1", {}, fs);
  TransferClient client(node.port());
  SetUp(client, WriteOp({}));
  fs.FailCall(FileCall::kWrite, 1, absl::DataLossError("EIO"));
  ASSERT_TRUE(client.SendPacket(0, 0, Pattern(1000)));
  ASSERT_OK_AND_ASSIGN(const auto ack, client.ReadAck());
  EXPECT_THAT(ack.statuses, ElementsAre(hdfs::STATUS_ERROR));
  EXPECT_TRUE(client.AtEnd());
  EXPECT_TRUE(node.store->volumes()[0]->failed());
}

// With cairn.datanode.sync.on.finalize=false only those blocks survive a power cut whose writer
// asked for it: with the last packet, or by an hsync before.
TEST_F(TransferTest, AFinishedBlockIsSyncedIfItsWriterAsksThoughTheDatanodeDoesNot) {
  struct Case {
    size_t bytes;
    bool hsync, sync_last, survives;
  };
  for (const Case& c : {Case{1000, false, false, false}, Case{1000, false, true, true},
                        Case{1000, true, false, true}, Case{1024, false, false, false},
                        Case{1024, false, true, true}, Case{1024, true, false, true}}) {
    FaultyFileSystem fs;
    {
      TestNode node("/n1", {}, fs, {.sync_on_finalize = false});
      TransferClient client(node.port());
      SetUp(client, WriteOp({.id = 1}));
      ASSERT_TRUE(client.SendPacket(0, 0, Pattern(c.bytes), c.hsync));
      ExpectAck(client, 0);
      ASSERT_TRUE(client.SendLast(1, c.bytes, c.sync_last));
      ExpectAck(client, 1);
      EXPECT_EQ(node.store->Find(BlockId{1})->state, ReplicaState::kFinalized);
    }
    fs.Crash();
    TestNode node("/n1", {}, fs);
    const auto found = node.store->Find(BlockId{1});
    ASSERT_EQ(found.has_value(), c.survives) << c.bytes << c.hsync << c.sync_last;
    if (!c.survives) continue;
    EXPECT_EQ(found->length, c.bytes);
    EXPECT_EQ(found->state, ReplicaState::kFinalized) << c.bytes << c.hsync << c.sync_last;
  }
}

}  // namespace
}  // namespace cairn::datanode
