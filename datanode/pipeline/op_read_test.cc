// Reads over the data transfer port.
#include <pthread.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crc32c.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "common/testing/wrapped_file_system.h"
#include "datanode/testing/transfer_test.h"
#include "wire/transfer/block_checksum.h"
#include "wire/transfer/group_token.h"

namespace cairn::datanode {
namespace {

using ::testing::Eq;
using ::testing::HasSubstr;
using testing::NodeAt;
using testing::Pattern;
using ::testing::SizeIs;
using testing::TestBlock;
using testing::TestNode;
using testing::TokenOf;
using testing::TransferClient;
using testing::TransferTest;
using testing::WriteOp;
using transfer::Opcode;

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

// Unit 0 has the group's id, and its bytes are not the group's.
TEST_F(TransferTest, WhoTakesABlockGroupForABlockReadsNothing) {
  TestNode node(dir_.Path("n1"));
  const TestBlock unit{.id = (uint64_t{1} << 63) + 16};
  ASSERT_OK(Write({&node}, unit, Pattern(1000)));
  EXPECT_THAT(Read(node, unit, 0, 1000), IsOk()) << "with the unit's own token";
  hdfs::OpReadBlockProto read;
  hdfs::BaseHeaderProto& header = *read.mutable_header()->mutable_baseheader();
  *header.mutable_block() = unit.ToProto();
  *header.mutable_token() = TokenOf(transfer::kGroupToken);
  read.mutable_header()->set_clientname("test-client");
  read.set_offset(0);
  read.set_len(10);
  hdfs::OpBlockChecksumProto checksum;
  *checksum.mutable_header() = header;
  TransferClient reads(node.port()), asks(node.port());
  ASSERT_TRUE(reads.SendOp(Opcode::kReadBlock, read));
  ASSERT_TRUE(asks.SendOp(Opcode::kBlockChecksum, checksum));
  for (TransferClient* const client : {&reads, &asks}) {
    ASSERT_OK_AND_ASSIGN(const auto reply, client->ReadReply());
    EXPECT_NE(reply.status(), hdfs::STATUS_SUCCESS);
    EXPECT_THAT(reply.message(), HasSubstr("is a block group"));
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

}  // namespace
}  // namespace cairn::datanode
