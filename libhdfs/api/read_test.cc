#include <climits>
#include <thread>

#include "libhdfs/testing/api_test.h"

namespace cairn::libhdfs {
namespace {

class ReadTest : public ApiTest {
 protected:
  void SetUp() override { Put("/f", bytes_); }

  const std::string bytes_ = Bytes(kBlockBytes * 2 + 1234);
  const tSize size_ = static_cast<tSize>(bytes_.size());
};

TEST_F(ReadTest, AFileIsReadToItsEnd) {
  const hdfsFile file = Open("/f");
  EXPECT_EQ(hdfsAvailable(fs_, file), size_);
  std::string read;
  std::string piece(100'000, '\0');
  while (const tSize bytes = hdfsRead(fs_, file, piece.data(), 100'000)) {
    ASSERT_GT(bytes, 0);
    read.append(piece, 0, static_cast<size_t>(bytes));
    EXPECT_EQ(hdfsTell(fs_, file), static_cast<tOffset>(read.size()));
  }
  EXPECT_EQ(read, bytes_);
  EXPECT_EQ(hdfsAvailable(fs_, file), 0);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

TEST_F(ReadTest, SeekMovesWithinTheFileOnly) {
  const hdfsFile file = Open("/f");
  EXPECT_EQ(hdfsSeek(fs_, file, size_ - 1), 0);
  char two[2] = {};
  EXPECT_EQ(hdfsRead(fs_, file, two, 2), 1);
  EXPECT_EQ(two[0], bytes_.back());
  EXPECT_EQ(hdfsSeek(fs_, file, size_), 0);
  EXPECT_EQ(hdfsRead(fs_, file, two, 2), 0);
  EXPECT_FAILS(hdfsSeek(fs_, file, size_ + 1), EINVAL);
  EXPECT_FAILS(hdfsSeek(fs_, file, -1), EINVAL);
  EXPECT_FAILS(hdfsSeek(fs_, file, INT64_MAX), EINVAL);
  EXPECT_EQ(hdfsTell(fs_, file), size_);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

TEST_F(ReadTest, APositionalReadLeavesThePosition) {
  const hdfsFile file = Open("/f");
  std::string room(bytes_.size() + 10, '\0');
  EXPECT_EQ(hdfsPread(fs_, file, 5, room.data(), 100), 100);
  EXPECT_EQ(room.substr(0, 100), bytes_.substr(5, 100));
  EXPECT_EQ(hdfsPread(fs_, file, size_ - 5, room.data(), 100), 5);
  EXPECT_EQ(hdfsPread(fs_, file, size_, room.data(), 100), 0);
  EXPECT_EQ(hdfsPread(fs_, file, INT64_MAX, room.data(), 100), 0);
  EXPECT_EQ(hdfsPread(fs_, file, size_ - 5, room.data(), INT32_MAX), 5);
  EXPECT_EQ(hdfsPread(fs_, file, 0, room.data(), static_cast<tSize>(room.size())), size_);
  EXPECT_EQ(hdfsTell(fs_, file), 0);
  EXPECT_FAILS(hdfsPread(fs_, file, -1, room.data(), 100), EINVAL);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

TEST_F(ReadTest, PreadFullyIsAllOrNothing) {
  const hdfsFile file = Open("/f");
  std::string room(bytes_.size(), '\0');
  EXPECT_EQ(hdfsPreadFully(fs_, file, 0, room.data(), size_), 0);
  EXPECT_EQ(room, bytes_);
  EXPECT_EQ(hdfsPreadFully(fs_, file, size_ - 5, room.data(), 5), 0);
  EXPECT_FAILS(hdfsPreadFully(fs_, file, size_ - 5, room.data(), 6), EINTERNAL);
  EXPECT_EQ(hdfsPreadFully(fs_, file, size_, room.data(), 0), 0);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

TEST_F(ReadTest, NothingAndLessThanNothing) {
  const hdfsFile file = Open("/f");
  char byte = 0;
  EXPECT_EQ(hdfsRead(fs_, file, &byte, 0), 0);
  EXPECT_EQ(hdfsRead(fs_, file, nullptr, 0), 0);
  EXPECT_EQ(hdfsPread(fs_, file, 0, nullptr, 0), 0);
  EXPECT_FAILS(hdfsRead(fs_, file, &byte, -1), EINVAL);
  EXPECT_FAILS(hdfsRead(fs_, file, &byte, INT32_MIN), EINVAL);
  EXPECT_FAILS(hdfsRead(fs_, file, nullptr, 1), EINVAL);
  EXPECT_FAILS(hdfsPread(fs_, file, 0, &byte, -1), EINVAL);
  EXPECT_FAILS(hdfsPread(fs_, file, 0, nullptr, 1), EINVAL);
  EXPECT_FAILS(hdfsPreadFully(fs_, file, 0, &byte, -1), EINVAL);
  EXPECT_EQ(hdfsTell(fs_, file), 0);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

TEST_F(ReadTest, AFileThatIsWrittenIsNotRead) {
  const hdfsFile file = hdfsOpenFile(fs_, "/g", O_WRONLY, 0, 0, 0);
  char byte = 0;
  hdfsReadStatistics* statistics = nullptr;
  EXPECT_FAILS(hdfsRead(fs_, file, &byte, 1), EINVAL);
  EXPECT_FAILS(hdfsPread(fs_, file, 0, &byte, 1), EINVAL);
  EXPECT_FAILS(hdfsPreadFully(fs_, file, 0, &byte, 1), EINVAL);
  EXPECT_FAILS(hdfsSeek(fs_, file, 0), EBADF);
  EXPECT_FAILS(hdfsAvailable(fs_, file), EBADF);
  EXPECT_FAILS(hdfsFileGetReadStatistics(file, &statistics), EINVAL);
  EXPECT_EQ(hdfsFileClearReadStatistics(file), EINVAL);
  EXPECT_EQ(hdfsUnbufferFile(file), ENOTSUP);
  EXPECT_EQ(errno, ENOTSUP);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

TEST_F(ReadTest, AReadGoesOnAfterUnbuffering) {
  const hdfsFile file = Open("/f");
  char four[4] = {};
  EXPECT_EQ(hdfsRead(fs_, file, four, 4), 4);
  EXPECT_EQ(hdfsUnbufferFile(file), 0);
  EXPECT_EQ(hdfsTell(fs_, file), 4);
  EXPECT_EQ(hdfsRead(fs_, file, four, 4), 4);
  EXPECT_EQ(std::string(four, 4), bytes_.substr(4, 4));
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

TEST_F(ReadTest, WhatIsReadIsCounted) {
  const hdfsFile file = Open("/f");
  std::string room(1000, '\0');
  EXPECT_EQ(hdfsPread(fs_, file, 0, room.data(), 1000), 1000);
  EXPECT_EQ(hdfsRead(fs_, file, room.data(), 10), 10);
  hdfsReadStatistics* statistics = nullptr;
  ASSERT_EQ(hdfsFileGetReadStatistics(file, &statistics), 0);
  EXPECT_EQ(statistics->totalBytesRead, 1010u);
  EXPECT_EQ(hdfsReadStatisticsGetRemoteBytesRead(statistics), 1010);
  hdfsFileFreeReadStatistics(statistics);
  EXPECT_EQ(hdfsFileClearReadStatistics(file), 0);
  ASSERT_EQ(hdfsFileGetReadStatistics(file, &statistics), 0);
  EXPECT_EQ(statistics->totalBytesRead, 0u);
  hdfsFileFreeReadStatistics(statistics);
  EXPECT_FAILS(hdfsFileGetReadStatistics(file, nullptr), EINVAL);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

TEST_F(ReadTest, NoReadIsHedgedByDefault) {
  hdfsHedgedReadMetrics* metrics = nullptr;
  ASSERT_EQ(hdfsGetHedgedReadMetrics(fs_, &metrics), 0);
  EXPECT_EQ(metrics->hedgedReadOps, 0u);
  hdfsFreeHedgedReadMetrics(metrics);
}

TEST_F(ReadTest, HedgedReadsAreCounted) {
  client::ClientOptions options = Options();
  options.short_circuit = false;
  options.hedged_read_threads = 1;
  options.hedged_read_threshold = absl::Milliseconds(1);
  const hdfsFS hedging = AddInstance(cluster_.Connect(options), "hdfs://fake:8020");
  cluster_.StallReads(0);
  const hdfsFile file = hdfsOpenFile(hedging, "/f", O_RDONLY, 0, 0, 0);
  std::string room(100, '\0');
  EXPECT_EQ(hdfsPread(hedging, file, 5, room.data(), 100), 100);
  EXPECT_EQ(room, bytes_.substr(5, 100));
  EXPECT_EQ(hdfsCloseFile(hedging, file), 0);
  hdfsHedgedReadMetrics* metrics = nullptr;
  ASSERT_EQ(hdfsGetHedgedReadMetrics(hedging, &metrics), 0);
  EXPECT_EQ(metrics->hedgedReadOps, 1u);
  EXPECT_EQ(metrics->hedgedReadOpsWin, 1u);
  EXPECT_EQ(metrics->hedgedReadOpsInCurThread, 1u) << "the one thread has the first replica";
  hdfsFreeHedgedReadMetrics(metrics);
  EXPECT_EQ(hdfsDisconnect(hedging), 0);
}

TEST_F(ReadTest, EightThreadsReadOneHandle) {
  const hdfsFile file = Open("/f");
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      std::string room(5000, '\0');
      for (size_t i = 0; i < 40; ++i) {
        const size_t at = (thread * 7919 + i * 104'729) % bytes_.size();
        const tSize bytes = hdfsPread(fs_, file, static_cast<tOffset>(at), room.data(), 5000);
        ASSERT_GT(bytes, 0);
        ASSERT_EQ(bytes_.compare(at, 5000, room, 0, static_cast<size_t>(bytes)), 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(hdfsTell(fs_, file), 0);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

// Each byte goes to one of them.
TEST_F(ReadTest, TwoThreadsShareAPosition) {
  const hdfsFile file = Open("/f");
  std::atomic<int64_t> total = 0;
  const auto read = [&] {
    std::string room(10'000, '\0');
    while (const tSize bytes = hdfsRead(fs_, file, room.data(), 10'000)) total += bytes;
  };
  std::thread other(read);
  read();
  other.join();
  EXPECT_EQ(total, size_);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

TEST_F(ReadTest, AFileMayBeClosedUnderItsReader) {
  const hdfsFile file = Open("/f");
  std::thread reader([&] {
    std::string room(bytes_.size(), '\0');
    tSize bytes = 0;
    while ((bytes = hdfsPread(fs_, file, 0, room.data(), size_)) > 0) EXPECT_EQ(room, bytes_);
    EXPECT_EQ(bytes, -1);
    EXPECT_EQ(errno, EBADF);
  });
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
  reader.join();
}

TEST_F(ReadTest, BytesThatAreRottenEverywhereAreAnError) {
  for (int node = 0; node < 4; ++node) cluster_.CorruptReads(node);
  const hdfsFile file = Open("/f");
  char byte = 0;
  EXPECT_FAILS(hdfsRead(fs_, file, &byte, 1), EINTERNAL);
  EXPECT_THAT(hdfsGetLastExceptionRootCause(), ::testing::StartsWith("ChecksumException: "));
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

}  // namespace
}  // namespace cairn::libhdfs
