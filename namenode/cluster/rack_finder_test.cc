#include "namenode/cluster/rack_finder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "common/testing/eventually.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn::namenode {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Stands in for the script: knows some hosts, and notes what it was asked.
class RackScriptTest : public ::testing::Test {
 protected:
  std::unique_ptr<RackFinder> Make(size_t most_arguments = 100) {
    auto finder = std::make_unique<RackFinder>(
        RackFinder::Options{.script = "/etc/racks.sh", .script_arguments = most_arguments},
        PosixFileSystem(), clock_,
        [this](std::shared_ptr<const RackTable> table) { table_ = std::move(table); },
        [this](const ProgramCall& call) -> absl::StatusOr<std::string> {
          EXPECT_EQ(call.arguments[0], "/etc/racks.sh");
          asked_.emplace_back(call.arguments.begin() + 1, call.arguments.end());
          if (!fail_.ok()) return fail_;
          if (!output_.empty()) return output_;
          std::string racks;
          for (const std::string& host : asked_.back())
            absl::StrAppend(&racks, "/rack-of-", host, "\n");
          return racks;
        });
    EXPECT_OK(finder->Load());
    return finder;
  }
  std::string RackOf(absl::string_view ip) { return table_->RackOf(ip, ""); }

  FakeClock clock_;
  std::shared_ptr<const RackTable> table_;
  std::vector<std::vector<std::string>> asked_;
  std::string output_;  // empty: a good answer
  absl::Status fail_;
};

TEST_F(RackScriptTest, AHostIsInTheDefaultRackUntilTheScriptHasTold) {
  const auto finder = Make();
  EXPECT_FALSE(table_->Knows("10.0.0.1", "dn1"));
  EXPECT_EQ(RackOf("10.0.0.1"), "/default-rack");
  EXPECT_TRUE(finder->AskScript());
  EXPECT_TRUE(table_->Knows("10.0.0.1", "dn1"));
  EXPECT_EQ(RackOf("10.0.0.1"), "/rack-of-10.0.0.1");
  EXPECT_FALSE(finder->AskScript()) << "the answer is kept";
  EXPECT_THAT(asked_, ElementsAre(ElementsAre("10.0.0.1")));
}

TEST_F(RackScriptTest, OneRunIsAskedForNoMoreHostsThanItMayHaveArguments) {
  const auto finder = Make(2);
  for (const char* ip : {"10.0.0.1", "10.0.0.3", "10.0.0.2"}) RackOf(ip);
  while (finder->AskScript()) {
  }
  EXPECT_THAT(asked_, ElementsAre(ElementsAre("10.0.0.1", "10.0.0.2"), ElementsAre("10.0.0.3")));
  EXPECT_EQ(RackOf("10.0.0.3"), "/rack-of-10.0.0.3");
}

// A datanode is not kept out for it, and comes to its rack once the script works again.
TEST_F(RackScriptTest, AScriptThatFailsYieldsTheDefaultRackAndIsAskedAgainLater) {
  const auto finder = Make();
  fail_ = absl::FailedPreconditionError("/etc/racks.sh: exit status 1");
  RackOf("10.0.0.1");
  EXPECT_TRUE(finder->AskScript());
  EXPECT_TRUE(table_->Knows("10.0.0.1", ""));
  EXPECT_EQ(RackOf("10.0.0.1"), "/default-rack");
  clock_.Advance(absl::Seconds(59));
  EXPECT_FALSE(finder->AskScript());
  fail_ = absl::OkStatus();
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(finder->AskScript());
  EXPECT_EQ(RackOf("10.0.0.1"), "/rack-of-10.0.0.1");
}

TEST_F(RackScriptTest, AnAnswerThatDoesNotFitTheQuestionIsAFailure) {
  const auto finder = Make();
  for (const absl::string_view bad : {"/a /b\n", " \n", "a\n"}) {
    output_ = std::string(bad);
    RackOf("10.0.0.1");
    EXPECT_TRUE(finder->AskScript());
    EXPECT_EQ(RackOf("10.0.0.1"), "/default-rack");
    clock_.Advance(absl::Minutes(1));
  }
}

TEST_F(RackScriptTest, AReloadAsksAgainForAllAndKeepsWhatItHasUntilThen) {
  const auto finder = Make();
  RackOf("10.0.0.1");
  EXPECT_TRUE(finder->AskScript());
  output_ = "/moved";
  ASSERT_OK(finder->Load());
  EXPECT_EQ(RackOf("10.0.0.1"), "/rack-of-10.0.0.1");
  EXPECT_TRUE(finder->AskScript());
  EXPECT_EQ(RackOf("10.0.0.1"), "/moved");
  fail_ = absl::UnavailableError("no");
  ASSERT_OK(finder->Load());
  EXPECT_TRUE(finder->AskScript());
  EXPECT_EQ(RackOf("10.0.0.1"), "/moved") << "an old answer is better than none";
}

TEST(RackThreadTest, TheScriptIsAskedWithoutAnybodyWaiting) {
  Mutex mu;
  std::shared_ptr<const RackTable> table;
  const auto latest = [&] {
    MutexLock lock(mu);
    return table;
  };
  RackFinder finder(
      {.script = "/etc/racks.sh"}, PosixFileSystem(), SystemClock(),
      [&](std::shared_ptr<const RackTable> made) {
        MutexLock lock(mu);
        table = std::move(made);
      },
      [](const ProgramCall&) { return "/r7\n"; });
  ASSERT_OK(finder.Load());
  finder.Start();
  EVENTUALLY(latest()->RackOf("10.0.0.1", "") == "/r7");
}

class RackFileTest : public ::testing::Test {
 protected:
  void Write(absl::string_view text) { std::ofstream(path_) << text; }

  TempDir temp_;
  const std::string path_ = temp_.Path("racks");
  FakeClock clock_;
  std::shared_ptr<const RackTable> table_;
  RackFinder finder_{{.table_file = path_},
                     PosixFileSystem(),
                     clock_,
                     [this](std::shared_ptr<const RackTable> table) { table_ = std::move(table); }};
};

TEST_F(RackFileTest, EveryLoadReadsTheFile) {
  EXPECT_THAT(finder_.Load(), StatusIs(StatusCode::kNotFound, HasSubstr(path_)));
  Write("10.0.0.1 /a\n");
  ASSERT_OK(finder_.Load());
  EXPECT_EQ(table_->RackOf("10.0.0.1", ""), "/a");
  Write("10.0.0.1 /b\n");
  ASSERT_OK(finder_.Load());
  EXPECT_EQ(table_->RackOf("10.0.0.1", ""), "/b");
}

TEST_F(RackFileTest, ABadFileChangesNothing) {
  Write("10.0.0.1 /a\n");
  ASSERT_OK(finder_.Load());
  Write("10.0.0.1 /b\nx\n");
  EXPECT_THAT(finder_.Load(), StatusIs(StatusCode::kInvalidArgument, HasSubstr(path_ + ":2:")));
  EXPECT_EQ(table_->RackOf("10.0.0.1", ""), "/a");
}

TEST(RackWishesTest, AreBoundedAndHandedOutOnce) {
  RackWishes wishes;
  for (size_t i = 0; i < RackWishes::kMost + 10; ++i) wishes.Note(absl::StrCat(i));
  EXPECT_EQ(wishes.Take(1'000'000).size(), RackWishes::kMost);
  EXPECT_THAT(wishes.Take(1), IsEmpty());
}

}  // namespace
}  // namespace cairn::namenode
