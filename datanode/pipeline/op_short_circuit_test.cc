// The operations of clients of the same machine, over a UNIX socket.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <climits>
#include <utility>

#include "absl/strings/match.h"
#include "common/net/domain_socket.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/transfer_test.h"
#include "wire/transfer/group_token.h"
#include "wire/transfer/meta_file.h"

namespace cairn::datanode {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;
using testing::Pattern;
using testing::TestBlock;
using testing::TestNode;
using testing::TokenOf;
using testing::TransferClient;
using testing::TransferTest;
using testing::WriteOp;
using transfer::Opcode;

struct Files {
  int data = -1, meta = -1;
  Files() = default;
  Files(Files&& other) noexcept
      : data(std::exchange(other.data, -1)), meta(std::exchange(other.meta, -1)) {}
  ~Files() {
    if (data >= 0) ::close(data);
    if (meta >= 0) ::close(meta);
  }
};

std::string Contents(int fd) {
  struct stat found {};
  CHECK(::fstat(fd, &found) == 0);
  std::string bytes(static_cast<size_t>(found.st_size), '\0');
  CHECK(::pread(fd, bytes.data(), bytes.size(), 0) == found.st_size);
  return bytes;
}

class ShortCircuitTest : public TransferTest {
 protected:
  ShortCircuitTest() { CHECK_OK(node_.server->ListenLocally(path_)); }

  // A segment of shared memory, whose life is that of the connection `line`.
  struct Segment {
    TransferClient line;
    hdfs::ShortCircuitShmIdProto id;
    uint64_t* words = nullptr;
    explicit Segment(const std::string& path) : line(path) {
      hdfs::ShortCircuitShmRequestProto op;
      op.set_clientname("client");
      CHECK(line.SendOp(Opcode::kRequestShortCircuitShm, op));
      hdfs::ShortCircuitShmResponseProto reply;
      CHECK(reply.ParseFromString(line.ReadDelimited().value()));
      CHECK(reply.status() == hdfs::STATUS_SUCCESS) << reply.error();
      id = reply.id();
      std::array<int, 1> fd{};
      CHECK_OK(ReceiveDescriptors(line.fd(), fd).status());
      struct stat found {};
      CHECK(::fstat(fd[0], &found) == 0 && found.st_size == 8192);
      CHECK(::ftruncate(fd[0], 0) != 0) << "the datanode would die of it";
      words = static_cast<uint64_t*>(
          ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd[0], 0));
      CHECK(words != MAP_FAILED);
      ::close(fd[0]);
    }
    ~Segment() { ::munmap(words, 8192); }
    uint64_t& Slot(int slot) { return words[slot * 8]; }
    bool IsValid(int slot) {
      return (__atomic_load_n(&Slot(slot), __ATOMIC_ACQUIRE) & SharedSlots::kValid) != 0;
    }
  };

  static hdfs::OpRequestShortCircuitAccessProto Request(const TestBlock& block) {
    hdfs::OpRequestShortCircuitAccessProto op;
    *op.mutable_header()->mutable_block() = block.ToProto();
    op.set_maxversion(1);
    return op;
  }
  static hdfs::OpRequestShortCircuitAccessProto Request(const TestBlock& block,
                                                        const Segment& segment, int slot) {
    auto op = Request(block);
    *op.mutable_slotid()->mutable_shmid() = segment.id;
    op.mutable_slotid()->set_slotidx(slot);
    return op;
  }
  static absl::StatusOr<Files> Ask(TransferClient& client,
                                   const hdfs::OpRequestShortCircuitAccessProto& op) {
    client.SendOp(Opcode::kRequestShortCircuitFds, op);
    ASSIGN_OR_RETURN(const auto reply, client.ReadReply());
    if (reply.status() != hdfs::STATUS_SUCCESS) {
      return absl::FailedPreconditionError(reply.ShortDebugString());
    }
    EXPECT_EQ(reply.shortcircuitaccessversion(), 1u);
    std::array<int, 2> fds{};
    ASSIGN_OR_RETURN(const std::byte receipt, ReceiveDescriptors(client.fd(), fds));
    EXPECT_EQ(receipt == std::byte{1}, op.supportsreceiptverification());
    Files files;
    files.data = fds[0];
    files.meta = fds[1];
    return files;
  }
  static hdfs::Status Release(TransferClient& client, const Segment& segment, int slot) {
    hdfs::ReleaseShortCircuitAccessRequestProto op;
    *op.mutable_slotid()->mutable_shmid() = segment.id;
    op.mutable_slotid()->set_slotidx(slot);
    CHECK(client.SendOp(Opcode::kReleaseShortCircuitFds, op));
    hdfs::ReleaseShortCircuitAccessResponseProto reply;
    CHECK(reply.ParseFromString(client.ReadDelimited().value()));
    return reply.status();
  }

  const std::string path_ = dir_.Path("dn.sock");
  TestNode node_{dir_.Path("n1")};
  const TestBlock block_;
  const std::string data_ = Pattern(100'001);
};

TEST_F(ShortCircuitTest, AClientGetsTheFilesOfAFinalizedReplica) {
  ASSERT_OK(Write({&node_}, block_, data_));
  TransferClient client(path_);
  for (const bool receipt : {false, true}) {  // on one connection
    auto op = Request(block_);
    op.set_supportsreceiptverification(receipt);
    ASSERT_OK_AND_ASSIGN(const Files files, Ask(client, op));
    if (receipt) {
      ASSERT_TRUE(client.Send(absl::string_view("\0", 1)));
    }
    EXPECT_EQ(Contents(files.data), data_);
    const std::string meta = Contents(files.meta);
    EXPECT_EQ(meta.size(), transfer::MetaFileBytes({}, data_.size()));
    EXPECT_EQ(::fcntl(files.data, F_GETFL) & O_ACCMODE, O_RDONLY);
    EXPECT_EQ(::fcntl(files.meta, F_GETFL) & O_ACCMODE, O_RDONLY);
  }
}

TEST_F(ShortCircuitTest, TheOtherOperationsAreServedThereToo) {
  {
    TransferClient client(path_);
    SetUp(client, WriteOp(block_));
    ASSERT_OK(client.WriteRest(0, data_));
  }
  TransferClient client(path_);
  EXPECT_THAT(client.ReadBlock(block_, 10, 70'000), IsOkAndHolds(data_.substr(10, 70'000)));
}

TEST_F(ShortCircuitTest, WhatCannotBeHadIsRefusedWithAReason) {
  const TestBlock open{.id = block_.id + 1};
  ASSERT_OK(Write({&node_}, block_, data_));
  TransferClient writer(node_.port());
  SetUp(writer, WriteOp(open));
  ASSERT_TRUE(writer.SendPacket(0, 0, data_.substr(0, 1000)));
  ExpectAck(writer, 0);

  TransferClient client(path_);
  const auto refused = [&](const hdfs::OpRequestShortCircuitAccessProto& op) {
    return std::string(Ask(client, op).status().message());
  };
  EXPECT_THAT(refused(Request(open)), HasSubstr("ERROR_UNSUPPORTED"));
  EXPECT_THAT(refused(Request({.id = 1})), HasSubstr("not found"));
  EXPECT_THAT(refused(Request({.id = block_.id, .stamp = 1002})), HasSubstr("older"));
  auto other_pool = Request(block_);
  other_pool.mutable_header()->mutable_block()->set_poolid("BP-other");
  EXPECT_THAT(refused(other_pool), HasSubstr("block pool"));
  auto of_group = Request(block_);
  *of_group.mutable_header()->mutable_token() = TokenOf(transfer::kGroupToken);
  EXPECT_THAT(refused(of_group), HasSubstr("is a block group"));
  auto old_client = Request(block_);
  old_client.set_maxversion(0);
  EXPECT_THAT(refused(old_client), HasSubstr("ERROR_UNSUPPORTED"));
  // With the version, a client goes on asking for other blocks.
  EXPECT_THAT(refused(old_client), HasSubstr("shortCircuitAccessVersion: 1"));
  EXPECT_OK(Ask(client, Request(block_))) << "the connection lives on";

  TransferClient over_tcp(node_.port());
  EXPECT_THAT(Ask(over_tcp, Request(block_)).status().message(),
              AllOf(HasSubstr("ERROR_UNSUPPORTED"), Not(HasSubstr("shortCircuitAccessVersion"))));
}

TEST_F(ShortCircuitTest, ASlotIsRevokedWhenItsReplicaChanges) {
  Segment segment(path_);
  TransferClient client(path_);
  for (int slot = 0; slot < 3; ++slot) {
    SCOPED_TRACE(slot);
    const TestBlock block{.id = block_.id + static_cast<uint64_t>(slot)};
    ASSERT_OK(Write({&node_}, block, data_));
    segment.Slot(slot) = SharedSlots::kValid | 5;
    ASSERT_OK_AND_ASSIGN(const Files files, Ask(client, Request(block, segment, slot)));
    EXPECT_TRUE(segment.IsValid(slot));
    const BlockId id{block.id};
    const GenerationStamp stamp{block.stamp};
    if (slot == 0) {
      ASSERT_OK(node_.store->Invalidate(id, stamp));
    } else if (slot == 1) {
      ASSERT_OK(node_.store->OpenForAppend(id, stamp, GenerationStamp{block.stamp + 1},
                                           data_.size(), false));
    } else {
      Rot(node_, block, 1000);
      EXPECT_THAT(node_.store->Verify(id, stamp), StatusIs(StatusCode::kDataLoss));
    }
    EXPECT_FALSE(segment.IsValid(slot));
    EXPECT_EQ(segment.Slot(slot), 5u) << "the client's part";
    // Deleted or changed, the descriptors show bytes of this block.
    if (slot < 2) {
      EXPECT_EQ(Contents(files.data), data_);
    }
    EXPECT_EQ(Release(client, segment, slot), hdfs::STATUS_SUCCESS);
    EXPECT_EQ(Release(client, segment, slot), hdfs::STATUS_ERROR_INVALID);
  }
}

// Its id is what the client says. (It was that of a free slot once, and its revocation the end.)
TEST_F(ShortCircuitTest, ABlockOfAnyIdIsRegisteredAndForgotten) {
  for (const uint64_t id : {uint64_t{0}, ~uint64_t{0}}) {
    const TestBlock block{.id = id};
    TransferClient client(path_);
    {
      Segment segment(path_);
      segment.Slot(0) = SharedSlots::kValid;
      for (int i = 0; i < 2; ++i) {
        EXPECT_FALSE(Ask(client, Request(block, segment, 0)).ok());
        EXPECT_EQ(Release(client, segment, 0), hdfs::STATUS_ERROR_INVALID);
      }
    }
    ASSERT_OK(Write({&node_}, block, data_));
    Segment segment(path_);
    segment.Slot(0) = SharedSlots::kValid;
    ASSERT_OK(Ask(client, Request(block, segment, 0)));
    ASSERT_OK(node_.store->Invalidate(BlockId{id}, GenerationStamp{block.stamp}));
    EXPECT_FALSE(segment.IsValid(0));
  }
}

TEST_F(ShortCircuitTest, ATruncationRevokesBeforeItCuts) {
  ASSERT_OK(Write({&node_}, block_, data_));
  Segment segment(path_);
  segment.Slot(0) = SharedSlots::kValid;
  TransferClient client(path_);
  ASSERT_OK(Ask(client, Request(block_, segment, 0)));
  ASSERT_OK(node_.store->Truncate(BlockId{block_.id}, GenerationStamp{block_.stamp},
                                  GenerationStamp{block_.stamp + 1}, 1000));
  EXPECT_FALSE(segment.IsValid(0));
}

TEST_F(ShortCircuitTest, SegmentsOfOneUserAreLimited) {
  SharedSlots slots;
  std::vector<SegmentId> made;
  for (size_t i = 0; i < SharedSlots::kMaxSegmentsOfUser; ++i) {
    ASSERT_OK_AND_ASSIGN(const SharedSlots::Created created, slots.Create(1, nullptr));
    ::close(created.fd);
    made.push_back(created.id);
  }
  EXPECT_THAT(slots.Create(1, nullptr), StatusIs(StatusCode::kResourceExhausted));
  ASSERT_OK_AND_ASSIGN(const SharedSlots::Created of_other, slots.Create(2, nullptr));
  ::close(of_other.fd);
  slots.Remove(made[0]);
  ASSERT_OK_AND_ASSIGN(const SharedSlots::Created again, slots.Create(1, nullptr));
  ::close(again.fd);
}

TEST_F(ShortCircuitTest, WhoeverDoesNotTakeTheDescriptorsIsCutOff) {
  ASSERT_OK(Write({&node_}, block_, data_));
  TransferClient client(path_);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(client.SendOp(Opcode::kRequestShortCircuitFds, Request(block_)));
  }
  EXPECT_FALSE(client.AtEnd());  // the first answer has come, and is not taken
  EVENTUALLY(node_.server->transfers() == 0);
  // The first is answered, the second not.
  ASSERT_OK(client.ReadReply());
  std::array<int, 2> fds{};
  ASSERT_OK(ReceiveDescriptors(client.fd(), fds));
  for (const int fd : fds) ::close(fd);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(ShortCircuitTest, OnlyAFreeValidSlotOfALivingSegmentIsTaken) {
  ASSERT_OK(Write({&node_}, block_, data_));
  auto segment = std::make_unique<Segment>(path_);
  Segment other(path_);
  TransferClient client(path_);
  const auto refused = [&](int slot) {
    return std::string(Ask(client, Request(block_, *segment, slot)).status().message());
  };
  EXPECT_THAT(refused(0), HasSubstr("not marked valid"));
  for (const int slot : {-1, 128, INT32_MAX, INT32_MIN}) {
    EXPECT_THAT(refused(slot), HasSubstr("there are 128"));
  }
  segment->Slot(7) = SharedSlots::kValid;
  EXPECT_OK(Ask(client, Request(block_, *segment, 7)));
  EXPECT_THAT(refused(7), HasSubstr("taken"));
  // A refused request leaves the slot free.
  segment->Slot(8) = SharedSlots::kValid;
  EXPECT_FALSE(Ask(client, Request({.id = 1}, *segment, 8)).ok());
  EXPECT_OK(Ask(client, Request(block_, *segment, 8)));

  // The segment goes with its connection, and the others stay.
  const hdfs::ShortCircuitShmIdProto id = segment->id;
  segment.reset();
  other.Slot(0) = SharedSlots::kValid;
  auto gone = Request(block_, other, 0);
  *gone.mutable_slotid()->mutable_shmid() = id;
  EXPECT_TRUE(Eventually(
      [&] { return absl::StrContains(Ask(client, gone).status().message(), "no such segment"); }));
  EXPECT_OK(Ask(client, Request(block_, other, 0)));
  ASSERT_OK(node_.store->Invalidate(BlockId{block_.id}, GenerationStamp{block_.stamp}));
  EXPECT_FALSE(other.IsValid(0));
}

TEST_F(ShortCircuitTest, AClientThatDoesNotConfirmTheReceiptHoldsNoSlot) {
  ASSERT_OK(Write({&node_}, block_, data_));
  Segment segment(path_);
  segment.Slot(0) = SharedSlots::kValid;
  {
    TransferClient client(path_);
    auto op = Request(block_, segment, 0);
    op.set_supportsreceiptverification(true);
    ASSERT_OK(Ask(client, op));
  }
  TransferClient client(path_);
  EXPECT_TRUE(Eventually([&] { return Ask(client, Request(block_, segment, 0)).ok(); }));
}

TEST_F(ShortCircuitTest, TheEndDoesNotWaitForSegments) {
  Segment segment(path_);
  EXPECT_EQ(node_.server->transfers(), 0) << "a connection that does nothing is no load";
  node_.server->Drain(absl::Minutes(1));
  EXPECT_TRUE(segment.line.AtEnd());
  EXPECT_NE(::access(path_.c_str(), F_OK), 0) << "the socket is removed";
}

TEST_F(ShortCircuitTest, ASocketOfADeadProcessIsReplacedAndThatOfALivingOneIsNot) {
  TestNode second(dir_.Path("n2"));
  EXPECT_THAT(second.server->ListenLocally(path_),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("another process serves it")));
  // As a kill leaves it.
  const std::string left = dir_.Path("left.sock");
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  left.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ::close(fd);
  EXPECT_OK(second.server->ListenLocally(left));
  TransferClient client(left);
  EXPECT_FALSE(Ask(client, Request(block_)).ok());
}

TEST_F(ShortCircuitTest, APathThatDoesNotDoIsRefused) {
  TestNode second(dir_.Path("n2"));
  std::ofstream(dir_.Path("file")) << "precious";
  EXPECT_THAT(second.server->ListenLocally(dir_.Path("file")),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("is no socket")));
  EXPECT_EQ(::access(dir_.Path("file").c_str(), F_OK), 0);
  EXPECT_FALSE(second.server->ListenLocally(dir_.Path("no/such/dn.sock")).ok());
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0777), 0);
  EXPECT_THAT(second.server->ListenLocally(dir_.Path("dn.sock2")),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("others can write there")));
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0700), 0);
  EXPECT_OK(second.server->ListenLocally(dir_.Path("new/dn.sock"))) << "its directory is made";
}

}  // namespace
}  // namespace cairn::datanode
