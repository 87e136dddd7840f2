#include "common/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/io/file_system.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class LoggingTest : public testing::Test {
 protected:
  LoggingTest() { EXPECT_OK(InitLogging({.program = "tester", .file = dir_.Path("log")})); }
  ~LoggingTest() override { EXPECT_OK(InitLogging({.program = "cairn"})); }

  std::string Logged() { return PosixFileSystem().ReadAll(dir_.Path("log"), 1 << 20).value(); }

  TempDir dir_;
};

TEST_F(LoggingTest, LineNamesProgramPlaceAndMessage) {
  LOG_INFO("volume {} has {} replicas", "/data", 3);
  EXPECT_THAT(Logged(), AllOf(HasSubstr(" I tester["), HasSubstr(" logging_test.cc:"),
                              HasSubstr(" volume /data has 3 replicas\n")));
}

TEST_F(LoggingTest, StatusAndStringViewCanBeLogged) {
  LOG_WARN("{}: {}", absl::string_view("x"), absl::NotFoundError("gone"));
  EXPECT_THAT(Logged(), HasSubstr("x: NOT_FOUND: gone\n"));
}

TEST_F(LoggingTest, LevelBelowTheLimitIsNotEvenFormatted) {
  int formatted = 0;
  const auto count = [&] { return ++formatted; };
  LOG_DEBUG("{}", count());
  SetLogLevel(LogLevel::kDebug);
  LOG_DEBUG("{}", count());
  EXPECT_EQ(formatted, 1);
}

TEST_F(LoggingTest, TextFromUsersCannotForgeALine) {
  LOG_INFO("user {}", "a\n2026 I forged \x1b[31m");
  EXPECT_THAT(Logged(), AllOf(HasSubstr("user a\\n2026 I forged \\x1b[31m\n"),
                              Not(HasSubstr("\n2026 I forged"))));
}

TEST_F(LoggingTest, RepeatedEventIsLoggedOncePerPeriod) {
  for (int i = 0; i < 100; ++i) {
    LOG_EVERY_SECONDS(kWarn, 3600, "rare {}", i);
    LOG_EVERY_SECONDS(kWarn, 0, "each {}", i);
  }
  // The limit belongs to the place: when this test is repeated in one process, even rare 0 is gone.
  EXPECT_THAT(Logged(),
              AllOf(Not(HasSubstr("rare 1")), HasSubstr("each 0\n"), HasSubstr("each 99\n")));
}

TEST_F(LoggingTest, LimiterTellsHowManyItHeldBack) {
  logging_internal::Limiter limiter;
  uint64_t suppressed = 99;
  EXPECT_TRUE(limiter.Allow(3600, &suppressed));
  EXPECT_EQ(suppressed, 0u);
  EXPECT_FALSE(limiter.Allow(3600, &suppressed));
  EXPECT_FALSE(limiter.Allow(3600, &suppressed));
  logging_internal::Limiter always;
  EXPECT_TRUE(always.Allow(0, &suppressed));
  EXPECT_TRUE(always.Allow(0, &suppressed));
}

TEST_F(LoggingTest, FileThatCannotBeOpenedIsAnErrorThatNamesIt) {
  EXPECT_THAT(InitLogging({.file = dir_.Path("log") + "/below/a/file"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("/below/a/file")));
  LOG_INFO("still here");
  EXPECT_THAT(Logged(), HasSubstr("still here"));
}

TEST(EscapeForLogTest, OnlyPrintableTextPasses) {
  EXPECT_EQ(EscapeForLog("plain /path"), "plain /path");
  EXPECT_EQ(EscapeForLog("gr\xc3\xbc\xc3\x9f \xe2\x82\xac"), "gr\xc3\xbc\xc3\x9f \xe2\x82\xac");
  EXPECT_EQ(EscapeForLog("a\n\t\\\x7f"), "a\\n\\t\\\\\\x7f");
  EXPECT_EQ(EscapeForLog("\xff\xc3"), "\\xff\\xc3");           // invalid, cut off
  EXPECT_EQ(EscapeForLog("\xc2\x9b"), "\\xc2\\x9b");           // C1: CSI of a terminal
  EXPECT_EQ(EscapeForLog("\xc0\xaf"), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(EscapeForLog("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(EscapeForLog("abcdef", 3), "abc...");
}

TEST(EscapedTest, NamesAreAsTheyAreUnlessTheyCouldForgeALineOrSteerATerminal) {
  for (const char* const name :
       {"", "/a/b c", "/gr\xc3\xbc\xc3\x9f", "/a\\b\\\\c", "/\xf0\x9f\x98\x80"}) {
    EXPECT_EQ(Escaped(name), name);
  }
  EXPECT_EQ(Escaped("/x\nblk_7\t/f"), "/x\\nblk_7\\t/f");
  EXPECT_EQ(Escaped("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(Escaped("\xc2\x9b"
                    "2J"),
            "\\xc2\\x9b2J")
      << "CSI in one character";
  EXPECT_EQ(Escaped("/\xff"), "/\\xff");
  EXPECT_EQ(Escaped("/a\\n\n"), "/a\\\\n\\n") << "both kinds can be told apart";
  EXPECT_EQ(Escaped(std::string(5000, 'x')), std::string(5000, 'x')) << "nothing is cut off";
}

TEST(ParseLogLevelTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(ParseLogLevel("warn"), IsOkAndHolds(LogLevel::kWarn));
  EXPECT_THAT(ParseLogLevel("loud"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"loud\"")));
}

}  // namespace
}  // namespace cairn
