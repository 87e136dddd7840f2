#include "libhdfs/testing/api_test.h"

namespace cairn::libhdfs {
namespace {

using OpenTest = ApiTest;

TEST_F(OpenTest, FlagsThatHdfsHasNot) {
  EXPECT_FAILS(hdfsOpenFile(fs_, "/f", O_RDWR, 0, 0, 0), ENOTSUP);
  EXPECT_FAILS(hdfsOpenFile(fs_, "/f", O_WRONLY | O_RDWR, 0, 0, 0), EINVAL);
  EXPECT_FAILS(hdfsOpenFile(fs_, "/f", O_RDONLY, 0, 0, 0), ENOENT);
  EXPECT_FAILS(hdfsOpenFile(fs_, nullptr, O_RDONLY, 0, 0, 0), EINVAL);
  EXPECT_FAILS(hdfsOpenFile(fs_, "", O_WRONLY, 0, 0, 0), EINVAL);
  EXPECT_FAILS(hdfsOpenFile(no_fs_, "/f", O_RDONLY, 0, 0, 0), EBADF);
}

TEST_F(OpenTest, SizesOfANewFile) {
  EXPECT_FAILS(hdfsOpenFile(fs_, "/f", O_WRONLY, 0, -1, 0), EINVAL);
  EXPECT_FAILS(hdfsOpenFile(fs_, "/f", O_WRONLY, 0, 0, -1), EINVAL);
  EXPECT_FAILS(hdfsOpenFile(fs_, "/f", O_WRONLY, 0, 0, 1000), EINVAL);  // not whole chunks
  const hdfsFile file = hdfsOpenFile(fs_, "/f", O_WRONLY, 4096, 1, 4096);
  const std::string bytes = Bytes(10'000);
  EXPECT_EQ(hdfsWrite(fs_, file, bytes.data(), 10'000), 10'000);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
  EXPECT_EQ(cluster_.BlockCount("/f"), 3u);
  EXPECT_EQ(cluster_.Replicas("/f", 0), 1);
}

TEST_F(OpenTest, AppendGoesOnAtTheEnd) {
  Put("/f", "one");
  const hdfsFile file = hdfsOpenFile(fs_, "/f", O_WRONLY | O_APPEND, 0, 0, 0);
  EXPECT_EQ(hdfsTell(fs_, file), 3);
  EXPECT_EQ(hdfsWrite(fs_, file, "two", 3), 3);
  EXPECT_FAILS(hdfsOpenFile(fs_, "/f", O_WRONLY | O_APPEND, 0, 0, 0), EBUSY);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
  EXPECT_EQ(cluster_.Contents("/f"), "onetwo");
}

TEST_F(OpenTest, TheStreamBuilder) {
  hdfsStreamBuilder* bld = hdfsStreamBuilderAlloc(fs_, "/f", O_WRONLY);
  EXPECT_EQ(hdfsStreamBuilderSetBufferSize(bld, 4096), 0);
  EXPECT_EQ(hdfsStreamBuilderSetReplication(bld, 2), 0);
  EXPECT_EQ(hdfsStreamBuilderSetDefaultBlockSize(bld, 4096), 0);
  const hdfsFile file = hdfsStreamBuilderBuild(bld);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(hdfsWrite(fs_, file, Bytes(5000).data(), 5000), 5000);
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
  EXPECT_EQ(cluster_.BlockCount("/f"), 2u);
  EXPECT_EQ(cluster_.Replicas("/f", 0), 2);
}

TEST_F(OpenTest, AStreamBuilderForReadingTakesNoSizes) {
  hdfsStreamBuilder* const bld = hdfsStreamBuilderAlloc(fs_, "/f", O_RDONLY);
  EXPECT_FAILS(hdfsStreamBuilderSetBufferSize(bld, 4096), EINVAL);
  EXPECT_FAILS(hdfsStreamBuilderSetReplication(bld, 2), EINVAL);
  EXPECT_FAILS(hdfsStreamBuilderSetDefaultBlockSize(bld, 4096), EINVAL);
  EXPECT_FAILS(hdfsStreamBuilderBuild(bld), ENOENT);
  EXPECT_FAILS(hdfsStreamBuilderAlloc(fs_, nullptr, O_RDONLY), EINVAL);
  EXPECT_FAILS(hdfsStreamBuilderBuild(nullptr), EINVAL);
  EXPECT_FAILS(hdfsStreamBuilderSetReplication(nullptr, 2), EINVAL);
  hdfsStreamBuilderFree(nullptr);
}

TEST_F(OpenTest, AFileKnowsWhatItIsOpenFor) {
  const hdfsFile written = hdfsOpenFile(fs_, "/f", O_WRONLY, 0, 0, 0);
  EXPECT_TRUE(hdfsFileIsOpenForWrite(written));
  EXPECT_FALSE(hdfsFileIsOpenForRead(written));
  EXPECT_EQ(hdfsCloseFile(fs_, written), 0);
  const hdfsFile read = Open("/f");
  EXPECT_FALSE(hdfsFileIsOpenForWrite(read));
  EXPECT_TRUE(hdfsFileIsOpenForRead(read));
  EXPECT_EQ(hdfsCloseFile(fs_, read), 0);
  for (const hdfsFile gone : {written, read, hdfsFile{}}) {
    EXPECT_FALSE(hdfsFileIsOpenForWrite(gone));
    EXPECT_FALSE(hdfsFileIsOpenForRead(gone));
  }
}

TEST_F(OpenTest, AClosedHandleIsNoHandle) {
  Put("/f", "bytes");
  const hdfsFile file = Open("/f");
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
  const hdfsFile other = Open("/f");  // does not get the number of the closed one
  char byte = 0;
  hdfsReadStatistics* statistics = nullptr;
  EXPECT_FAILS(hdfsCloseFile(fs_, file), EBADF);
  EXPECT_FAILS(hdfsRead(fs_, file, &byte, 1), EBADF);
  EXPECT_FAILS(hdfsPread(fs_, file, 0, &byte, 1), EBADF);
  EXPECT_FAILS(hdfsPreadFully(fs_, file, 0, &byte, 1), EBADF);
  EXPECT_FAILS(hdfsWrite(fs_, file, &byte, 1), EBADF);
  EXPECT_FAILS(hdfsSeek(fs_, file, 0), EBADF);
  EXPECT_FAILS(hdfsTell(fs_, file), EBADF);
  EXPECT_FAILS(hdfsAvailable(fs_, file), EBADF);
  EXPECT_FAILS(hdfsFlush(fs_, file), EBADF);
  EXPECT_FAILS(hdfsHFlush(fs_, file), EBADF);
  EXPECT_FAILS(hdfsHSync(fs_, file), EBADF);
  EXPECT_FAILS(hdfsFileGetReadStatistics(file, &statistics), EBADF);
  EXPECT_EQ(hdfsUnbufferFile(file), EBADF);
  EXPECT_EQ(hdfsFileClearReadStatistics(file), EBADF);
  EXPECT_EQ(hdfsRead(fs_, other, &byte, 1), 1);
  EXPECT_EQ(hdfsCloseFile(fs_, other), 0);
}

// As Hadoop's does: what a program wrote and forgot to close is there.
TEST_F(OpenTest, DisconnectingClosesWhatIsWritten) {
  const hdfsFS fs = AddInstance(cluster_.Connect(Options()), "hdfs://fake:8020");
  const hdfsFile file = hdfsOpenFile(fs, "/f", O_WRONLY, 0, 0, 0);
  EXPECT_EQ(hdfsWrite(fs, file, "bytes", 5), 5);
  EXPECT_EQ(hdfsDisconnect(fs), 0);
  EXPECT_EQ(cluster_.Contents("/f"), "bytes");
  EXPECT_EQ(cluster_.Calls("complete"), 1);
  EXPECT_EQ(hdfsWrite(fs, file, "more", 4), -1);
  EXPECT_EQ(hdfsCloseFile(fs, file), 0);
  EXPECT_FAILS(hdfsDisconnect(fs), EBADF);
}

TEST_F(OpenTest, AFileOpenForReadingOutlivesItsConnection) {
  Put("/f", "bytes");
  const hdfsFS fs = AddInstance(cluster_.Connect(Options()), "hdfs://fake:8020");
  const hdfsFile file = hdfsOpenFile(fs, "/f", O_RDONLY, 0, 0, 0);
  EXPECT_EQ(hdfsDisconnect(fs), 0);
  char byte = 0;
  EXPECT_EQ(hdfsPread(nullptr, file, 2, &byte, 1), 1);
  EXPECT_EQ(byte, 't');
  EXPECT_EQ(hdfsCloseFile(nullptr, file), 0);
}

}  // namespace
}  // namespace cairn::libhdfs
