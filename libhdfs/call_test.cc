#include "libhdfs/call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "libhdfs/errno.h"

namespace cairn::libhdfs {
namespace {

int Succeed() {
  return Call("succeed", -1, []() -> absl::StatusOr<int> {
    errno = EAGAIN;  // as calls inside do
    return 7;
  });
}

int Fail() {
  return Call("fail", -1, []() -> absl::StatusOr<int> { return absl::NotFoundError("/f"); });
}

TEST(CallTest, SuccessLeavesErrnoAlone) {
  errno = ECHILD;
  EXPECT_EQ(Succeed(), 7);
  EXPECT_EQ(errno, ECHILD);
  EXPECT_EQ(hdfsGetLastExceptionRootCause(), nullptr);
}

TEST(CallTest, AFailureIsToldUntilTheNextCallThatSucceeds) {
  EXPECT_EQ(Fail(), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_STREQ(hdfsGetLastExceptionRootCause(), "FileNotFoundException: /f");
  EXPECT_STREQ(hdfsGetLastExceptionStackTrace(), "FileNotFoundException: /f\n\tat fail");
  Succeed();
  EXPECT_EQ(hdfsGetLastExceptionRootCause(), nullptr);
  EXPECT_EQ(hdfsGetLastExceptionStackTrace(), nullptr);
}

TEST(CallTest, EachThreadHasItsOwnFailure) {
  Fail();
  std::thread([] { EXPECT_EQ(hdfsGetLastExceptionRootCause(), nullptr); }).join();
  EXPECT_NE(hdfsGetLastExceptionRootCause(), nullptr);
}

TEST(CallTest, NoExceptionGetsOut) {
  EXPECT_EQ(Call("f", -1, []() -> absl::StatusOr<int> { throw std::bad_alloc(); }), -1);
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_EQ(Call("f", -1, []() -> absl::StatusOr<int> { throw std::runtime_error("x"); }), -1);
  EXPECT_EQ(errno, EINTERNAL);
}

TEST(CallTest, SomeFunctionsReturnTheErrnoItself) {
  EXPECT_EQ(CallForErrno("f", []() -> absl::StatusOr<int> { return 0; }), 0);
  EXPECT_EQ(CallForErrno("f", []() -> absl::StatusOr<int> { return WithErrno(EPIPE, ""); }), EPIPE);
}

}  // namespace
}  // namespace cairn::libhdfs
