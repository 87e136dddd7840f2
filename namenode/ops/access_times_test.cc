// That files were read is recorded: seldom, and without the readers' waiting for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "namenode/core/accessed_files.h"
#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

using ::testing::SizeIs;

class AccessTimesTest : public ::testing::Test {
 protected:
  static constexpr absl::Duration kPrecision = absl::Hours(1);

  explicit AccessTimesTest(absl::Duration precision = kPrecision) : nn_(WithPrecision(precision)) {}

  static TestNamenode::Options WithPrecision(absl::Duration precision) {
    TestNamenode::Options options;
    options.namenode.access_time_precision = precision;
    options.namenode.leases.hard_limit = absl::Hours(24);  // writers of open files live on
    return options;
  }
  // As a client's call does it. True: the time is to move.
  bool Read(absl::string_view path) {
    const auto located = nn_->GetBlockLocations(kAlice, path, 0, 10).value;
    EXPECT_OK(located);
    if (located->access_due == kNoInode) return false;
    nn_->Accessed(located->access_due);
    return true;
  }
  uint64_t NowMs() { return static_cast<uint64_t>(absl::ToUnixMillis(nn_.clock().Now())); }
  int TimesRecorded() const {
    int count = 0;
    for (const auto& [txid, bytes] : nn_.AllEdits()) {
      edit::Edit edit;
      EXPECT_TRUE(edit.ParseFromString(bytes));
      count += edit.has_set_times();
    }
    return count;
  }

  TestNamenode nn_;
};

TEST_F(AccessTimesTest, ReadingMovesATimeThatIsOlderThanThePrecision) {
  const FileStatus made = nn_.WriteFile("/f", {10});
  nn_.clock().Advance(kPrecision);
  EXPECT_FALSE(Read("/f"));
  nn_.clock().Advance(absl::Milliseconds(1));
  EXPECT_TRUE(Read("/f"));
  EXPECT_EQ(nn_.Stat("/f")->atime_ms, made.atime_ms) << "the reader did not wait";
  nn_->RunMaintenance();
  EXPECT_EQ(nn_.Stat("/f")->atime_ms, NowMs());
  EXPECT_EQ(nn_.Stat("/f")->mtime_ms, made.mtime_ms);
  EXPECT_FALSE(Read("/f"));
  nn_.clock().Advance(kPrecision + absl::Milliseconds(1));
  EXPECT_TRUE(Read("/f"));
}

TEST_F(AccessTimesTest, ManyReadersAtOnceMakeOneEdit) {
  const InodeId file = nn_.WriteFile("/f", {10}).id;
  nn_.clock().Advance(2 * kPrecision);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Read("/f"));
  nn_->RunMaintenance();
  nn_->Accessed(file);  // one whose call comes late
  nn_->RunMaintenance();
  EXPECT_EQ(TimesRecorded(), 1);
}

TEST_F(AccessTimesTest, AnOpenFilesTimeMovesToo) {
  nn_.Create("/f");
  nn_.clock().Advance(2 * kPrecision);
  EXPECT_TRUE(Read("/f"));
  nn_->RunMaintenance();
  EXPECT_EQ(nn_.Stat("/f")->atime_ms, NowMs());
  EXPECT_TRUE(nn_.Stat("/f")->open);
}

TEST_F(AccessTimesTest, ARestartKeepsIt) {
  nn_.WriteFile("/f", {10});
  nn_.WriteFile("/g", {10});
  nn_.Flush();
  nn_.Restart();
  nn_.clock().Advance(2 * kPrecision);
  EXPECT_TRUE(Read("/f"));
  nn_->RunMaintenance();
  const uint64_t read_ms = NowMs();
  nn_.clock().Advance(absl::Minutes(1));
  nn_.Restart();
  EXPECT_EQ(nn_.Stat("/f")->atime_ms, read_ms);
  EXPECT_LT(nn_.Stat("/g")->atime_ms, read_ms);
  nn_.ExpectConsistent();
}

TEST_F(AccessTimesTest, InSafeModeNothingIsRecordedNorPutOff) {
  const FileStatus made = nn_.WriteFile("/f", {10});
  nn_.clock().Advance(2 * kPrecision);
  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kEnter).value);
  EXPECT_FALSE(Read("/f"));
  nn_->Accessed(made.id);  // read just before
  nn_->RunMaintenance();
  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kLeave).value);
  nn_->RunMaintenance();
  EXPECT_EQ(nn_.Stat("/f")->atime_ms, made.atime_ms);
  EXPECT_EQ(TimesRecorded(), 0);
}

TEST_F(AccessTimesTest, AFileThatIsGoneIsForgotten) {
  nn_.WriteFile("/f", {10});
  nn_.WriteFile("/d/g", {10});
  nn_.clock().Advance(2 * kPrecision);
  EXPECT_TRUE(Read("/f"));
  EXPECT_TRUE(Read("/d/g"));
  ASSERT_OK(nn_->Delete(kSuper, "/f", false).value);
  ASSERT_OK(nn_->Delete(kSuper, "/d", true).value);
  nn_->RunMaintenance();
  EXPECT_EQ(TimesRecorded(), 0);
}

class NoAccessTimesTest : public AccessTimesTest {
 protected:
  NoAccessTimesTest() : AccessTimesTest(absl::ZeroDuration()) {}
};

TEST_F(NoAccessTimesTest, ZeroMeansNever) {
  const FileStatus made = nn_.WriteFile("/f", {10});
  nn_.clock().Advance(absl::Hours(24 * 365));
  EXPECT_FALSE(Read("/f"));
  nn_->Accessed(made.id);
  nn_->RunMaintenance();
  EXPECT_EQ(TimesRecorded(), 0);
  ASSERT_OK(nn_->SetTimes(kSuper, "/f", std::nullopt, 7).value) << "by hand it can be set";
  EXPECT_EQ(nn_.Stat("/f")->atime_ms, 7u);
}

TEST(AccessedFilesTest, EachOnceAndNoMoreThanFit) {
  AccessedFiles files(2);
  for (const uint64_t id : {5, 5, 6, 7}) files.Add(InodeId{id});
  EXPECT_THAT(files.Take(), ::testing::UnorderedElementsAre(InodeId{5}, InodeId{6}));
  EXPECT_THAT(files.Take(), SizeIs(0));
  files.Add(InodeId{7});
  EXPECT_THAT(files.Take(), SizeIs(1));
}

}  // namespace
}  // namespace cairn::namenode
