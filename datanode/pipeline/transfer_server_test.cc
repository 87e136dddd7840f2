// The data transfer port, spoken to over real sockets.
#include "datanode/pipeline/transfer_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/use_future.hpp"
#include "common/clock.h"
#include "common/crc32c.h"
#include "common/testing/eventually.h"
#include "common/testing/faulty_file_system.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wrapped_file_system.h"
#include "datanode/testing/test_node.h"
#include "wire/transfer/block_checksum.h"
#include "wire/transfer/packet.h"

namespace cairn::datanode {
namespace {

using testing::NodeAt;
using testing::Pattern;
using testing::TestBlock;
using testing::TestNode;
using testing::TransferClient;
using testing::WriteOp;
using transfer::Opcode;
using Op = hdfs::OpWriteBlockProto;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// A next node that takes connections and then, after a good reply if it is asked for one, says and
// reads nothing more: as one that was stopped.
class SilentNode {
 public:
  explicit SilentNode(bool replies, bool promises_signs = false)
      : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const int size = 4096;  // of what it takes in without reading
    CHECK(::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    CHECK(::bind(listener_, any, length) == 0 && ::listen(listener_, 8) == 0);
    CHECK(::getsockname(listener_, any, &length) == 0);
    port_ = ntohs(address.sin_port);
    if (!replies) return;
    thread_ = std::thread([this, promises_signs] {
      const int fd = ::accept(listener_, nullptr, nullptr);
      hdfs::BlockOpResponseProto reply;
      reply.set_status(hdfs::STATUS_SUCCESS);
      reply.set_signsoflife(promises_signs);
      reply.set_firstbadlink("");
      const std::string bytes = transfer::EncodeDelimited(reply);
      CHECK(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0);
      connection_ = fd;
    });
  }
  ~SilentNode() {
    if (thread_.joinable()) thread_.join();
    if (connection_ >= 0) ::close(connection_);
    ::close(listener_);
  }
  SilentNode(const SilentNode&) = delete;
  SilentNode& operator=(const SilentNode&) = delete;
  uint16_t port() const { return port_; }

 private:
  const int listener_;
  int connection_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

class TransferTest : public ::testing::Test {
 protected:
  // Writes a whole new block through `nodes` in order.
  static absl::Status Write(const std::vector<TestNode*>& nodes, const TestBlock& block,
                            absl::string_view data, size_t packet_bytes = 65536) {
    TransferClient client(nodes[0]->port());
    std::vector<uint16_t> targets;
    for (size_t i = 1; i < nodes.size(); ++i) targets.push_back(nodes[i]->port());
    client.SendOp(Opcode::kWriteBlock, WriteOp(block, targets));
    ASSIGN_OR_RETURN(const auto reply, client.ReadReply());
    if (reply.status() != hdfs::STATUS_SUCCESS || !reply.has_firstbadlink()) {
      return absl::FailedPreconditionError(reply.ShortDebugString());
    }
    return client.WriteRest(0, data, packet_bytes);
  }
  static absl::StatusOr<std::string> Read(TestNode& node, const TestBlock& block, uint64_t offset,
                                          uint64_t length) {
    return TransferClient(node.port()).ReadBlock(block, offset, length);
  }

  // Opens a pipeline and gets its good reply.
  static void SetUp(TransferClient& client, const Op& op) {
    ASSERT_TRUE(client.SendOp(Opcode::kWriteBlock, op));
    ASSERT_OK_AND_ASSIGN(const auto reply, client.ReadReply());
    ASSERT_EQ(reply.status(), hdfs::STATUS_SUCCESS) << reply.ShortDebugString();
  }
  static void ExpectAck(TransferClient& client, int64_t seqno) {
    ASSERT_OK_AND_ASSIGN(const auto ack, client.ReadAck());
    EXPECT_EQ(ack.seqno, seqno);
    EXPECT_TRUE(ack.AllSucceeded());
  }

  // Flips a bit of a replica's data, as a rotten disk would.
  static void Rot(TestNode& node, const TestBlock& block, std::streamoff offset) {
    const ReplicaInfo info = *node.store->Find(BlockId{block.id});
    const std::string path = PathsIn(node.store->volumes()[0]->DirectoryOf(info.block, info.state),
                                     info.block, info.stamp)
                                 .data;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(offset);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(offset);
    file.put(byte);
    ASSERT_TRUE(file.flush());
  }
  static TransferOptions Impatient() {
    TransferOptions options;
    options.next_node_limit = absl::Milliseconds(200);
    options.next_node_extra = absl::Milliseconds(200);
    return options;
  }

  TempDir dir_;
};

TEST_F(TransferTest, BlocksOfEverySizeComeBackAsTheyWereWritten) {
  TestNode node(dir_.Path("n1"));
  TestBlock block;
  for (const size_t size :
       {0u, 1u, 511u, 512u, 513u, 65535u, 65536u, 65537u, (1u << 20) + 7, (5u << 20) + 4097}) {
    ++block.id;
    const std::string data = Pattern(size);
    ASSERT_OK(Write({&node}, block, data)) << size;
    EXPECT_THAT(Read(node, block, 0, size), IsOkAndHolds(Eq(data))) << size;
    const auto info = node.store->Find(BlockId{block.id});
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->state, ReplicaState::kFinalized);
    EXPECT_EQ(info->length, size);
  }
}

TEST_F(TransferTest, ReadsWithinABlockAreAlignedAndTrimmed) {
  TestNode node(dir_.Path("n1"));
  const TestBlock block;
  const std::string data = Pattern(3'000'001);
  ASSERT_OK(Write({&node}, block, data));
  TransferClient client(node.port());  // one connection, kept alive
  for (const auto& [offset, length] : std::vector<std::pair<size_t, size_t>>{
           {0, 1}, {511, 2}, {512, 512}, {100, 1'500'000}, {2'999'999, 2}, {3'000'001, 0}}) {
    EXPECT_THAT(client.ReadBlock(block, offset, length),
                IsOkAndHolds(Eq(data.substr(offset, length))))
        << offset;
    EXPECT_THAT(client.ReadBlock(block, offset, length, /*checksums=*/false),
                IsOkAndHolds(Eq(data.substr(offset, length))))
        << offset;
  }
}

TEST_F(TransferTest, ReadsThatCannotBeServedSayWhy) {
  TestNode node(dir_.Path("n1"));
  TestBlock block;
  ASSERT_OK(Write({&node}, block, Pattern(1000)));
  const auto refused = [&](const TestBlock& b, uint64_t offset, uint64_t length) {
    return std::string(Read(node, b, offset, length).status().message());
  };
  EXPECT_THAT(refused(block, 0, 1001), HasSubstr("don't match block"));
  EXPECT_THAT(refused(block, ~uint64_t{0}, 2), HasSubstr("don't match block"));
  EXPECT_THAT(refused({.id = 1}, 0, 1), HasSubstr("not found"));
  EXPECT_THAT(refused({.id = block.id, .stamp = 1002}, 0, 1), HasSubstr("older"));
  EXPECT_THAT(Read(node, {.id = block.id, .stamp = 1}, 0, 1000), IsOk());
}

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

// ---- signs of life (wire/transfer/sign_of_life.h)

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

TEST_F(TransferTest, AGapInThePacketsClosesTheConnection) {
  TestNode node(dir_.Path("n1"));
  TransferClient client(node.port());
  SetUp(client, WriteOp({}));
  ASSERT_TRUE(client.SendPacket(0, 512, Pattern(512)));
  EXPECT_TRUE(client.AtEnd());
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

// Readers of the tail of a replica that grows by a few bytes at a time are no damage.
TEST_F(TransferTest, AGrowingTailIsReadWhileItIsWritten) {
  TestNode node(dir_.Path("n1"));
  const TestBlock block;
  const std::string data = Pattern(3000);
  TransferClient writer(node.port());
  SetUp(writer, WriteOp(block));
  std::atomic<uint64_t> acked = 0;
  std::thread reader([&] {
    for (uint64_t end = 1; end < data.size(); end = acked) {
      if (end > 1) {
        EXPECT_THAT(Read(node, block, 0, end), IsOkAndHolds(Eq(data.substr(0, end))));
      }
    }
  });
  for (uint64_t at = 0; at < data.size(); at += 3) {
    const uint64_t from = at / 512 * 512;
    ASSERT_TRUE(writer.SendPacket(static_cast<int64_t>(at), from,
                                  absl::string_view(data).substr(from, at + 3 - from)));
    ExpectAck(writer, static_cast<int64_t>(at));
    acked = at + 3;
  }
  reader.join();
}

TEST_F(TransferTest, BlockChecksumsFollowFromTheBytes) {
  TestNode node(dir_.Path("n1"));
  TestBlock block;
  const std::string data = Pattern(100'000);
  ASSERT_OK(Write({&node}, block, data));
  const auto ask = [&](uint64_t length, hdfs::BlockChecksumTypeProto type) {
    block.length = length;
    hdfs::OpBlockChecksumProto op;
    *op.mutable_header()->mutable_block() = block.ToProto();
    op.mutable_blockchecksumoptions()->set_blockchecksumtype(type);
    TransferClient client(node.port());
    client.SendOp(Opcode::kBlockChecksum, op);
    return client.ReadReply();
  };
  for (const uint64_t length : {uint64_t{100'000}, uint64_t{1000}, uint64_t{512}}) {
    const auto covered = std::as_bytes(std::span(data.data(), length));
    std::vector<std::byte> sums(transfer::DataChecksum().ChecksumBytes(length));
    transfer::DataChecksum().Compute(covered, sums);
    const transfer::Md5Digest md5 = transfer::Md5(sums);
    ASSERT_OK_AND_ASSIGN(const auto by_md5, ask(length, hdfs::MD5CRC));
    EXPECT_EQ(by_md5.checksumresponse().blockchecksum(),
              std::string(reinterpret_cast<const char*>(md5.data()), md5.size()));
    EXPECT_EQ(by_md5.checksumresponse().crcperblock(), 196u);
    EXPECT_EQ(by_md5.checksumresponse().crctype(), hdfs::CHECKSUM_CRC32C);
    ASSERT_OK_AND_ASSIGN(const auto composite, ask(length, hdfs::COMPOSITE_CRC));
    std::string expected(4, '\0');
    const uint32_t crc = Crc32c(covered);
    for (int i = 0; i < 4; ++i)
      expected[static_cast<size_t>(i)] = static_cast<char>(crc >> (24 - 8 * i));
    EXPECT_EQ(composite.checksumresponse().blockchecksum(), expected);
  }
  ASSERT_OK_AND_ASSIGN(const auto beyond, ask(100'001, hdfs::MD5CRC));
  EXPECT_EQ(beyond.status(), hdfs::STATUS_ERROR_INVALID);
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

TEST_F(TransferTest, ADamagedMetaFileMakesTheReplicaCorruptNotWrong) {
  TestNode node(dir_.Path("n1"));
  const TestBlock block;
  ASSERT_OK(Write({&node}, block, Pattern(1000)));
  const std::string meta =
      absl::StrCat(node.store->volumes()[0]->FinalizedDirectory(BlockId{block.id}), "/",
                   MetaFileName(BlockId{block.id}, GenerationStamp{block.stamp}));
  std::ofstream(meta, std::ios::app) << "more";
  EXPECT_FALSE(Read(node, block, 0, 1000).ok());
  EXPECT_THAT(node.events.Of(ReplicaEvents::Kind::kCorrupt), SizeIs(1));
  EXPECT_EQ(node.store->Find(BlockId{block.id})->state, ReplicaState::kCorrupt);
}

TEST_F(TransferTest, GarbageEndsItsOwnConnectionOnly) {
  TestNode node(dir_.Path("n1"));
  const std::string kinds[] = {"GET / HTTP/1.1\r\n\r\n", std::string("\x00\x1c\xff\x01\x00", 5),
                               std::string("\x00\x1c\x50\xff\xff\xff\xff\xff\xff", 9),
                               std::string("\x00\x1c\x51\x03\xff\xff\xff", 7),
                               std::string("\xde\xad\xbe\xef\x00", 5)};
  for (const std::string& garbage : kinds) {
    TransferClient client(node.port());
    client.Send(garbage);
    EXPECT_TRUE(client.AtEnd());
  }
  TransferClient client(node.port());
  SetUp(client, WriteOp({}));
  client.Send(Pattern(100));  // in place of a packet
  EXPECT_TRUE(client.AtEnd());
  EXPECT_OK(Write({&node}, {.id = 77}, Pattern(10)));
}

TEST_F(TransferTest, APeerThatDripsIsCutOff) {
  TransferOptions options;
  options.header_limit = absl::Milliseconds(300);
  TestNode node(dir_.Path("n1"), options);
  TransferClient silent(node.port());
  TransferClient dripping(node.port());
  const std::string op = transfer::EncodeOp(Opcode::kWriteBlock, WriteOp({}));
  for (const char byte : op.substr(0, op.size() - 1)) {
    if (!dripping.Send(std::string(1, byte))) break;
  }
  EXPECT_TRUE(dripping.AtEnd());
  EXPECT_TRUE(silent.AtEnd());
  EVENTUALLY(node.server->transfers() == 0);
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

// One slow disk must not hold up the connections that share its reader's thread.
TEST_F(TransferTest, FilesAreOpenedAndReadByDiskThreadsOnly) {
  class Watched final : public FileSystemWrapper {
   public:
    absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                               const OpenOptions& options) override {
      Note();
      ASSIGN_OR_RETURN(auto file, FileSystemWrapper::Open(path, options));
      return std::make_unique<WatchedFile>(std::move(file), *this);
    }
    void Note() {
      char name[16] = {};
      pthread_getname_np(pthread_self(), name, sizeof(name));
      if (absl::StartsWith(name, "io-")) ++on_io_threads;
      if (absl::StartsWith(name, "disk-")) ++on_disk_threads;
    }
    std::atomic<int> on_io_threads = 0, on_disk_threads = 0;

   private:
    class WatchedFile final : public FileWrapper {
     public:
      WatchedFile(std::unique_ptr<File> file, Watched& watched)
          : FileWrapper(std::move(file)), watched_(watched) {}
      absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override {
        watched_.Note();
        return FileWrapper::ReadAt(offset, out);
      }

     private:
      Watched& watched_;
    };
  };
  Watched fs;
  TestNode node(dir_.Path("n1"), {}, fs);
  TestNode other(dir_.Path("n2"));
  const std::string data = Pattern((3 << 20) + 100);
  ASSERT_OK(Write({&node}, {.id = 1}, data));
  fs.on_disk_threads = 0;
  EXPECT_THAT(Read(node, {.id = 1}, 0, data.size()), IsOkAndHolds(Eq(data)));
  EXPECT_GE(fs.on_disk_threads, 2) << "data and meta file";
  node.server->Replicate(
      {.block = BlockId{1}, .stamp = GenerationStamp{1001}, .targets = {NodeAt(other.port())}});
  EVENTUALLY(other.store->Find(BlockId{1}).has_value());
  EXPECT_EQ(fs.on_io_threads, 0);
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

TEST_F(TransferTest, ReadersSeeOfAnOpenReplicaWhatIsAcknowledged) {
  TransferOptions options;
  options.visible_wait = absl::Milliseconds(50);
  TestNode node(dir_.Path("n1"), options);
  TransferClient client(node.port());
  SetUp(client, WriteOp({}));
  const std::string data = Pattern(1300);
  ASSERT_TRUE(client.SendPacket(0, 0, data));
  ExpectAck(client, 0);
  EXPECT_THAT(Read(node, {}, 0, 1300), IsOkAndHolds(Eq(data)));
  EXPECT_THAT(Read(node, {}, 1000, 300), IsOkAndHolds(Eq(data.substr(1000))));
  EXPECT_THAT(std::string(Read(node, {}, 0, 1301).status().message()),
              HasSubstr("don't match block"));
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
