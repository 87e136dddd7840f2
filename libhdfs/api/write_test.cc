#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "common/testing/eventually.h"
#include "libhdfs/testing/api_test.h"

namespace cairn::libhdfs {
namespace {

using WriteTest = ApiTest;

TEST_F(WriteTest, WhatIsWrittenIsThere) {
  const std::string bytes = Bytes(kBlockBytes + 4321);
  Put("/f", bytes);
  EXPECT_EQ(cluster_.Contents("/f"), bytes);
}

TEST_F(WriteTest, FlushedBytesHaveArrivedBeforeTheFileIsClosed) {
  const hdfsFile file = hdfsOpenFile(fs_, "/f", O_WRONLY, 0, 0, 0);
  EXPECT_EQ(hdfsWrite(fs_, file, "bytes", 5), 5);
  EXPECT_EQ(hdfsFlush(fs_, file), 0);
  EXPECT_EQ(hdfsHFlush(fs_, file), 0);
  EXPECT_EQ(cluster_.BytesReceived("/f"), 5u);
  EXPECT_EQ(hdfsHSync(fs_, file), 0);
  EXPECT_EQ(hdfsTell(fs_, file), 5);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

// The write waits for acknowledgements, and the other call for the write.
TEST_F(WriteTest, AFlushBesideAWriteThatWaitsIsNoError) {
  client::ClientOptions options = Options();
  options.write_window_bytes = 256 << 10;
  const hdfsFS fs = AddInstance(cluster_.Connect(options), "hdfs://fake:8020");
  const hdfsFile file = hdfsOpenFile(fs, "/f", O_WRONLY, 0, 0, 0);
  const std::string bytes = Bytes(kBlockBytes);
  cluster_.HoldPackets(true);
  std::atomic<bool> written = false;
  std::thread writes([&] {
    EXPECT_EQ(hdfsWrite(fs, file, bytes.data(), static_cast<tSize>(bytes.size())),
              static_cast<tSize>(bytes.size()));
    written = true;
  });
  EVENTUALLY(cluster_.Calls("addBlock") == 1);
  std::atomic<bool> flushed = false;
  std::thread flushes([&] {
    EXPECT_EQ(hdfsHFlush(fs, file), 0) << hdfsGetLastExceptionRootCause();
    flushed = true;
  });
  absl::SleepFor(absl::Milliseconds(50));  // both are to be waiting by then
  EXPECT_FALSE(written);
  EXPECT_FALSE(flushed);
  cluster_.HoldPackets(false);
  writes.join();
  flushes.join();
  EXPECT_EQ(hdfsCloseFile(fs, file), 0);
  EXPECT_EQ(cluster_.Contents("/f"), bytes);
  EXPECT_EQ(hdfsDisconnect(fs), 0);
}

TEST_F(WriteTest, NothingAndLessThanNothing) {
  const hdfsFile file = hdfsOpenFile(fs_, "/f", O_WRONLY, 0, 0, 0);
  EXPECT_EQ(hdfsWrite(fs_, file, "x", 0), 0);
  EXPECT_EQ(hdfsWrite(fs_, file, nullptr, 0), 0);
  EXPECT_FAILS(hdfsWrite(fs_, file, "x", -1), EINVAL);
  EXPECT_FAILS(hdfsWrite(fs_, file, nullptr, 1), EINVAL);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
  EXPECT_EQ(cluster_.Contents("/f"), "");
}

TEST_F(WriteTest, AFileThatIsReadIsNotWritten) {
  Put("/f", "bytes");
  const hdfsFile file = Open("/f");
  EXPECT_FAILS(hdfsWrite(fs_, file, "x", 1), EINVAL);
  EXPECT_FAILS(hdfsFlush(fs_, file), EBADF);
  EXPECT_FAILS(hdfsHFlush(fs_, file), EBADF);
  EXPECT_FAILS(hdfsHSync(fs_, file), EBADF);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

TEST_F(WriteTest, AnErrorOfWritingStays) {
  for (int node = 0; node < 4; ++node) cluster_.RefuseSetUp(node);
  const hdfsFile file = hdfsOpenFile(fs_, "/f", O_WRONLY, 0, 0, 0);
  EXPECT_FAILS(hdfsWrite(fs_, file, "bytes", 5), EINTERNAL);
  EXPECT_FAILS(hdfsWrite(fs_, file, "more", 4), EINTERNAL);
  EXPECT_FAILS(hdfsHSync(fs_, file), EINTERNAL);
  EXPECT_FAILS(hdfsFlush(fs_, file), EINTERNAL);
  EXPECT_FAILS(hdfsCloseFile(fs_, file), EINTERNAL);
  EXPECT_FAILS(hdfsCloseFile(fs_, file), EBADF);
}

}  // namespace
}  // namespace cairn::libhdfs
