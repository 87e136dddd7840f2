#include "libhdfs/instance.h"

#include <array>

#include "common/testing/status_matchers.h"
#include "libhdfs/testing/api_test.h"

namespace cairn::libhdfs {
namespace {

using InstanceTest = ApiTest;

TEST_F(InstanceTest, PathsOfEveryKindAreUnderstood) {
  const auto resolve = [this](const char* text) { return (*FindInstance(fs_))->Resolve(text); };
  EXPECT_THAT(resolve("/a/b"), IsOkAndHolds("/a/b"));
  EXPECT_THAT(resolve("/a//b/./c/../"), IsOkAndHolds("/a/b"));
  EXPECT_THAT(resolve("/../.."), IsOkAndHolds("/"));
  EXPECT_THAT(resolve("a"), IsOkAndHolds("/user/tester/a"));
  EXPECT_THAT(resolve("hdfs://fake:8020/a"), IsOkAndHolds("/a"));
  EXPECT_THAT(resolve("hdfs://FAKE/a"), IsOkAndHolds("/a"));
  EXPECT_THAT(resolve("hdfs:/a"), IsOkAndHolds("/a"));
  EXPECT_THAT(resolve("/a:b"), IsOkAndHolds("/a:b"));
}

TEST_F(InstanceTest, PathsOfOtherFileSystemsAreRefused) {
  for (const char* path : {"", "file:///a", "hdfs://fake:8021/a", "hdfs://other:8020/a", ":a"}) {
    EXPECT_FAILS(hdfsExists(fs_, path), EINVAL);
  }
  EXPECT_FAILS(hdfsExists(fs_, nullptr), EINVAL);
}

TEST_F(InstanceTest, TheWorkingDirectoryIsTheHandlesOwn) {
  std::array<char, 64> text{};
  const hdfsFS other = AddInstance(cluster_.Connect(Options()), "hdfs://fake");
  ASSERT_EQ(hdfsSetWorkingDirectory(fs_, "sub"), 0);
  EXPECT_STREQ(hdfsGetWorkingDirectory(fs_, text.data(), text.size()),
               "hdfs://fake:8020/user/tester/sub");
  ASSERT_EQ(hdfsSetWorkingDirectory(fs_, "/x"), 0);
  EXPECT_STREQ(hdfsGetWorkingDirectory(fs_, text.data(), text.size()), "hdfs://fake:8020/x");
  EXPECT_STREQ(hdfsGetWorkingDirectory(other, text.data(), text.size()), "hdfs://fake/user/tester");
  hdfsDisconnect(other);
}

TEST_F(InstanceTest, AWorkingDirectoryThatDoesNotFitIsRefused) {
  const std::string uri = "hdfs://fake:8020/user/tester";
  std::array<char, 64> text{};
  EXPECT_FAILS(hdfsGetWorkingDirectory(fs_, text.data(), uri.size()), ENAMETOOLONG);
  EXPECT_EQ(hdfsGetWorkingDirectory(fs_, text.data(), uri.size() + 1), text.data());
  EXPECT_FAILS(hdfsGetWorkingDirectory(fs_, nullptr, 0), EINVAL);
}

TEST_F(InstanceTest, WithoutAHandleNothingIsDone) {
  std::array<char, 64> text{};
  int count = 0;
  hdfsHedgedReadMetrics* metrics = nullptr;
  for (const hdfsFS fs : {no_fs_, reinterpret_cast<hdfsFS>(this)}) {
    EXPECT_FAILS(hdfsExists(fs, "/a"), EBADF);
    EXPECT_FAILS(hdfsCreateDirectory(fs, "/a"), EBADF);
    EXPECT_FAILS(hdfsDelete(fs, "/a", 1), EBADF);
    EXPECT_FAILS(hdfsRename(fs, "/a", "/b"), EBADF);
    EXPECT_FAILS(hdfsCopy(fs, "/a", fs_, "/b"), EBADF);
    EXPECT_FAILS(hdfsMove(fs_, "/a", fs, "/b"), EBADF);
    EXPECT_FAILS(hdfsTruncateFile(fs, "/a", 0), EBADF);
    EXPECT_FAILS(hdfsSetReplication(fs, "/a", 1), EBADF);
    EXPECT_FAILS(hdfsChown(fs, "/a", "u", "g"), EBADF);
    EXPECT_FAILS(hdfsChmod(fs, "/a", 0644), EBADF);
    EXPECT_FAILS(hdfsUtime(fs, "/a", 1, 1), EBADF);
    EXPECT_FAILS(hdfsListDirectory(fs, "/a", &count), EBADF);
    EXPECT_FAILS(hdfsGetPathInfo(fs, "/a"), EBADF);
    EXPECT_FAILS(hdfsGetHosts(fs, "/a", 0, 1), EBADF);
    EXPECT_FAILS(hdfsGetWorkingDirectory(fs, text.data(), text.size()), EBADF);
    EXPECT_FAILS(hdfsSetWorkingDirectory(fs, "/a"), EBADF);
    EXPECT_FAILS(hdfsGetDefaultBlockSize(fs), EBADF);
    EXPECT_FAILS(hdfsGetDefaultBlockSizeAtPath(fs, "/a"), EBADF);
    EXPECT_FAILS(hdfsGetCapacity(fs), EBADF);
    EXPECT_FAILS(hdfsGetUsed(fs), EBADF);
    EXPECT_FAILS(hdfsGetHedgedReadMetrics(fs, &metrics), EBADF);
    EXPECT_FAILS(hdfsDisconnect(fs), EBADF);
  }
}

TEST_F(InstanceTest, ArgumentsThatMakeNoSenseAreRefused) {
  int count = 0;
  EXPECT_FAILS(hdfsListDirectory(fs_, "/a", nullptr), EINVAL);
  EXPECT_FAILS(hdfsListDirectory(fs_, nullptr, &count), EINVAL);
  EXPECT_FAILS(hdfsGetPathInfo(fs_, nullptr), EINVAL);
  EXPECT_FAILS(hdfsRename(fs_, "/a", nullptr), EINVAL);
  EXPECT_FAILS(hdfsCopy(fs_, nullptr, fs_, "/a"), EINVAL);
  EXPECT_FAILS(hdfsTruncateFile(fs_, "/a", -1), EINVAL);
  EXPECT_FAILS(hdfsSetReplication(fs_, "/a", 0), EINVAL);
  EXPECT_FAILS(hdfsSetReplication(fs_, "/a", -1), EINVAL);
  EXPECT_FAILS(hdfsGetHosts(fs_, "/a", -1, 1), EINVAL);
  EXPECT_FAILS(hdfsGetHosts(fs_, "/a", 0, -1), EINVAL);
  EXPECT_FAILS(hdfsGetHedgedReadMetrics(fs_, nullptr), EINVAL);
  EXPECT_FAILS(hdfsFileIsEncrypted(nullptr), EINVAL);
  EXPECT_EQ(hdfsChown(fs_, "/a", nullptr, nullptr), 0);
  hdfsFreeFileInfo(nullptr, 1);
  hdfsFreeHosts(nullptr);
}

// What the server does not know is told as such; the fake knows little.
TEST_F(InstanceTest, AnErrorOfTheServersIsToldWithItsException) {
  EXPECT_FAILS(hdfsSetReplication(fs_, "/a", 1), ENOTSUP);
  EXPECT_THAT(hdfsGetLastExceptionRootCause(), ::testing::StartsWith("RpcNoSuchMethodException: "));
  EXPECT_THAT(hdfsGetLastExceptionStackTrace(), ::testing::EndsWith("\n\tat hdfsSetReplication"));
}

TEST_F(InstanceTest, TheDefaultBlockSizeIsTheConfiguredOne) {
  EXPECT_EQ(hdfsGetDefaultBlockSize(fs_), static_cast<tOffset>(kBlockBytes));
  EXPECT_EQ(hdfsGetDefaultBlockSizeAtPath(fs_, "/no/such"), static_cast<tOffset>(kBlockBytes));
}

}  // namespace
}  // namespace cairn::libhdfs
