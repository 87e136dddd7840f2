#include "common/testing/eventually.h"
#include "libhdfs/open_file.h"
#include "libhdfs/testing/api_test.h"

namespace cairn::libhdfs {
namespace {

using OpenAsyncTest = ApiTest;

TEST_F(OpenAsyncTest, TheFutureGivesTheFileAsOftenAsAsked) {
  Put("/f", "bytes");
  hdfsOpenFileBuilder* const builder = hdfsOpenFileBuilderAlloc(fs_, "/f");
  EXPECT_EQ(hdfsOpenFileBuilderOpt(builder, "no.such.option", "1"), builder);
  EXPECT_EQ(hdfsOpenFileBuilderMust(builder, "fs.option.openfile.length", "5"), builder);
  hdfsOpenFileFuture* const future = hdfsOpenFileBuilderBuild(builder);
  ASSERT_NE(future, nullptr);
  const hdfsFile file = hdfsOpenFileFutureGet(future);
  char byte = 0;
  EXPECT_EQ(hdfsRead(fs_, file, &byte, 1), 1);
  EXPECT_EQ(hdfsOpenFileFutureGetWithTimeout(future, 1, jDays), file);
  EXPECT_FAILS(hdfsOpenFileFutureCancel(future, 1), EBUSY);
  hdfsOpenFileFutureFree(future);
  EXPECT_EQ(hdfsTell(fs_, file), 1);  // it was taken: freeing does not close it
  EXPECT_EQ(hdfsCloseFile(fs_, file), 0);
}

TEST_F(OpenAsyncTest, TheFutureGivesTheErrorOfTheOpen) {
  hdfsOpenFileFuture* const future =
      hdfsOpenFileBuilderBuild(hdfsOpenFileBuilderAlloc(fs_, "/no/such"));
  EXPECT_FAILS(hdfsOpenFileFutureGet(future), ENOENT);
  EXPECT_FAILS(hdfsOpenFileFutureGetWithTimeout(future, INT64_MAX, jDays), ENOENT);
  hdfsOpenFileFutureFree(future);
}

TEST_F(OpenAsyncTest, AnOptionThatMustBeKnownAndIsNot) {
  hdfsOpenFileBuilder* const builder = hdfsOpenFileBuilderAlloc(fs_, "/f");
  hdfsOpenFileBuilderMust(builder, "no.such.option", "1");
  EXPECT_FAILS(hdfsOpenFileBuilderBuild(builder), EINVAL);
  EXPECT_THAT(hdfsGetLastExceptionRootCause(), ::testing::HasSubstr("no.such.option"));
}

TEST_F(OpenAsyncTest, AFileThatNobodyTookIsClosed) {
  Put("/f", "bytes");
  const size_t before = Files().All().size();
  hdfsOpenFileFutureFree(hdfsOpenFileBuilderBuild(hdfsOpenFileBuilderAlloc(fs_, "/f")));
  hdfsOpenFileFuture* const second = hdfsOpenFileBuilderBuild(hdfsOpenFileBuilderAlloc(fs_, "/f"));
  if (hdfsOpenFileFutureCancel(second, 0) == 0) {
    EXPECT_FAILS(hdfsOpenFileFutureGet(second), ECANCELED);
  }
  hdfsOpenFileFutureFree(second);
  EVENTUALLY(cluster_.Calls("getBlockLocations") == 2 && Files().All().size() == before);
}

TEST_F(OpenAsyncTest, NullIsRefused) {
  EXPECT_FAILS(hdfsOpenFileBuilderAlloc(fs_, nullptr), EINVAL);
  EXPECT_FAILS(hdfsOpenFileBuilderMust(nullptr, "a", "b"), EINVAL);
  EXPECT_FAILS(hdfsOpenFileBuilderOpt(nullptr, "a", "b"), EINVAL);
  EXPECT_FAILS(hdfsOpenFileBuilderBuild(nullptr), EINVAL);
  EXPECT_FAILS(hdfsOpenFileBuilderBuild(hdfsOpenFileBuilderAlloc(no_fs_, "/f")), EBADF);
  EXPECT_FAILS(hdfsOpenFileFutureGet(nullptr), EINVAL);
  EXPECT_FAILS(hdfsOpenFileFutureGetWithTimeout(nullptr, 1, jSeconds), EINVAL);
  EXPECT_FAILS(hdfsOpenFileFutureCancel(nullptr, 0), EINVAL);
  hdfsOpenFileFutureFree(nullptr);
  hdfsOpenFileBuilderFree(nullptr);
}

}  // namespace
}  // namespace cairn::libhdfs
