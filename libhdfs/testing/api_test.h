// libhdfs/testing/api_test.h - the C API on the fake cluster.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "client/testing/fake_cluster.h"
#include "common/testing/fake_clock.h"
#include "hdfs/hdfs.h"
#include "libhdfs/instance.h"

namespace cairn::libhdfs {

// `call` failed, as -1 or NULL, with `number` in errno.
#define EXPECT_FAILS(call, number)                       \
  do {                                                   \
    errno = 0;                                           \
    EXPECT_TRUE(IsFailure(call)) << #call;               \
    EXPECT_EQ(errno, number) << #call;                   \
    EXPECT_NE(hdfsGetLastExceptionRootCause(), nullptr); \
  } while (false)

inline bool IsFailure(int64_t value) { return value == -1; }
inline bool IsFailure(const void* value) { return value == nullptr; }

class ApiTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kBlockBytes = 1 << 20;

  static client::ClientOptions Options() {
    client::ClientOptions options;
    options.block_bytes = kBlockBytes;
    options.read_retry_window = absl::ZeroDuration();
    return options;
  }

  void TearDown() override { hdfsDisconnect(fs_); }

  // A file's bytes tell their place.
  static std::string Bytes(size_t size) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
    return bytes;
  }

  void Put(const char* path, const std::string& bytes) {
    const hdfsFile file = hdfsOpenFile(fs_, path, O_WRONLY, 0, 0, 0);
    ASSERT_NE(file, nullptr) << hdfsGetLastExceptionRootCause();
    ASSERT_EQ(hdfsWrite(fs_, file, bytes.data(), static_cast<tSize>(bytes.size())),
              static_cast<tSize>(bytes.size()));
    ASSERT_EQ(hdfsCloseFile(fs_, file), 0);
  }

  // Open for reading; the test closes it, or does not.
  hdfsFile Open(const char* path) {
    const hdfsFile file = hdfsOpenFile(fs_, path, O_RDONLY, 0, 0, 0);
    EXPECT_NE(file, nullptr) << hdfsGetLastExceptionRootCause();
    return file;
  }

  client::FakeCluster cluster_{4};
  hdfsFS fs_ = AddInstance(cluster_.Connect(Options()), "hdfs://fake:8020");
  const hdfsFS no_fs_ = nullptr;
};

}  // namespace cairn::libhdfs
