#include "common/protobuf_log.h"

#include <gmock/gmock.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/wrappers.pb.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "common/io/file_system.h"
#include "common/logging.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ProtobufLogTest : public ::testing::Test {
 protected:
  ProtobufLogTest() {
    EXPECT_OK(InitLogging({.program = "tester", .file = dir_.Path("log")}));
    LogProtobufErrors();
  }
  ~ProtobufLogTest() override { EXPECT_OK(InitLogging({.program = "cairn"})); }

  std::string Logged() { return PosixFileSystem().ReadAll(dir_.Path("log"), 1 << 20).value(); }

  TempDir dir_;
};

TEST_F(ProtobufLogTest, AnyNumberOfErrorsIsOneShortLineOfTheLog) {
  testing::internal::CaptureStderr();
  for (int i = 0; i < 1000; ++i) {
    GOOGLE_LOG(ERROR) << "missing\n" << std::string(100'000, 'x');
    google::protobuf::StringValue text;
    EXPECT_FALSE(text.ParseFromString("\x0a\x01\xff"));  // not UTF-8
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  const std::string log = Logged();
  // None when the test is repeated in one process: the limit is per period.
  static bool first = true;
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), std::exchange(first, false) ? 1 : 0);
  EXPECT_LT(log.size(), 600u);
}

TEST_F(ProtobufLogTest, WhatIsNoErrorIsNotLogged) {
  GOOGLE_LOG(INFO) << "chatter";
  EXPECT_THAT(Logged(), Not(HasSubstr("chatter")));
}

}  // namespace
}  // namespace cairn
