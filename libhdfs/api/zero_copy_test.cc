#include "libhdfs/testing/api_test.h"

namespace cairn::libhdfs {
namespace {

class ZeroCopyTest : public ApiTest {
 protected:
  void SetUp() override {
    Put("/f", bytes_);
    file_ = Open("/f");
  }
  void TearDown() override {
    hdfsCloseFile(fs_, file_);
    hadoopRzOptionsFree(options_);
    ApiTest::TearDown();
  }

  const std::string bytes_ = Bytes(100'000);
  hdfsFile file_ = nullptr;
  hadoopRzOptions* options_ = hadoopRzOptionsAlloc();
};

TEST_F(ZeroCopyTest, WithAPoolTheWholeFileComes) {
  ASSERT_EQ(hadoopRzOptionsSetSkipChecksum(options_, 1), 0);
  ASSERT_EQ(hadoopRzOptionsSetByteBufferPool(options_, ELASTIC_BYTE_BUFFER_POOL_CLASS), 0);
  std::string read;
  while (true) {
    errno = EPERM;
    hadoopRzBuffer* const buffer = hadoopReadZero(file_, options_, 30'000);
    ASSERT_NE(buffer, nullptr);
    EXPECT_EQ(errno, 0);
    const void* const memory = hadoopRzBufferGet(buffer);
    const int32_t length = hadoopRzBufferLength(buffer);
    if (memory != nullptr) {
      read.append(static_cast<const char*>(memory), static_cast<size_t>(length));
    }
    hadoopRzBufferFree(file_, buffer);
    if (memory == nullptr) break;
  }
  EXPECT_EQ(read, bytes_);
}

TEST_F(ZeroCopyTest, WithoutAPoolNothingCan) {
  EXPECT_FAILS(hadoopReadZero(file_, options_, 10), EPROTONOSUPPORT);
  EXPECT_EQ(hdfsTell(fs_, file_), 0);
  ASSERT_EQ(hadoopRzOptionsSetByteBufferPool(options_, ELASTIC_BYTE_BUFFER_POOL_CLASS), 0);
  ASSERT_EQ(hadoopRzOptionsSetByteBufferPool(options_, nullptr), 0);
  EXPECT_FAILS(hadoopReadZero(file_, options_, 10), EPROTONOSUPPORT);
}

TEST_F(ZeroCopyTest, TheEndAndNothingNeedNoPool) {
  hadoopRzBuffer* buffer = hadoopReadZero(file_, options_, 0);
  EXPECT_NE(hadoopRzBufferGet(buffer), nullptr);
  EXPECT_EQ(hadoopRzBufferLength(buffer), 0);
  hadoopRzBufferFree(file_, buffer);
  ASSERT_EQ(hdfsSeek(fs_, file_, 100'000), 0);
  buffer = hadoopReadZero(file_, options_, INT32_MAX);
  ASSERT_NE(buffer, nullptr);
  EXPECT_EQ(hadoopRzBufferGet(buffer), nullptr);
  hadoopRzBufferFree(file_, buffer);
}

TEST_F(ZeroCopyTest, ArgumentsThatMakeNoSenseAreRefused) {
  EXPECT_FAILS(hadoopReadZero(file_, options_, -1), EINVAL);
  EXPECT_FAILS(hadoopReadZero(file_, nullptr, 1), EINVAL);
  EXPECT_FAILS(hadoopReadZero(nullptr, options_, 1), EBADF);
  EXPECT_FAILS(hadoopRzOptionsSetByteBufferPool(options_, "no/such/Pool"), EINVAL);
  EXPECT_FAILS(hadoopRzOptionsSetByteBufferPool(nullptr, nullptr), EINVAL);
  EXPECT_FAILS(hadoopRzOptionsSetSkipChecksum(nullptr, 1), EINVAL);
  EXPECT_EQ(hadoopRzBufferLength(nullptr), 0);
  EXPECT_EQ(hadoopRzBufferGet(nullptr), nullptr);
  hadoopRzBufferFree(file_, nullptr);
}

}  // namespace
}  // namespace cairn::libhdfs
