#include "namenode/offline/upgrade.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "common/crash_point.h"
#include "namenode/offline/testing/directory_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kOld = "layoutVersion=0\n";
constexpr const char* kNew = "layoutVersion=1\n";

class UpgradeTest : public DirectoryFixture {
 protected:
  UpgradeTest() { SetVersion(kOld); }

  void SetVersion(const std::string& text) {
    CHECK_OK(files_.WriteDurably(VersionFile(directory_), text));
  }
  std::string Version() { return files_.ReadAll(VersionFile(directory_), 100).value_or("none"); }
  // What a start with -upgrade does before it serves.
  absl::Status Keep(bool raises = true) {
    CHECK_OK(store_->Flush());
    return KeepPrevious(files_, clock_, directory_,
                        {.cluster_id = "CID-1",
                         .block_pool_id = "BP-1",
                         .layout_version = 1,
                         .copy = [this](const std::string& to) { return store_->CopyTo(to); }},
                        store_->applied(), Version(), raises);
  }
  void RollBack() {
    Stop();
    RestoreRequest request = Request();
    request.source = PreviousDirectory(directory_);
    request.version = kOld;
    const auto plan = PlanRestore(files_, request);
    CHECK_OK(plan.status());
    CHECK_OK(Restore(files_, clock_, request, *plan).status());
  }
  InodeId IdOf(const std::string& path) {
    return (*namenode_->GetFileInfo(kSuperuser, path).value)->id;
  }
  // As if its segments had been released.
  void DropJournalUpTo(TxId last) {
    std::filesystem::remove_all(JournalDirectory(directory_));
    JournalOptions options;
    options.directory = JournalDirectory(directory_);
    options.cluster_id = "CID-1";
    options.segment_bytes = kSegmentBytes;
    CHECK_OK(FormatFileJournal(files_, clock_, options, TxId{ToInt(last) + 1}));
  }
  bool HasPrevious() { return files_.Exists(PreviousDirectory(directory_)); }

  // Runs `body` in another process, which is killed at the nth time that it comes to `point`.
  template <typename Body>
  void KillAt(const std::string& point, int nth, const Body& body) {
    Stop();
    const pid_t child = ::fork();
    if (child == 0) {
      SetCrashPointHook([&](absl::string_view name) {
        if (name == point && --nth == 0) ::kill(::getpid(), SIGKILL);
      });
      body();
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "never came to " << point;
  }
};

TEST_F(UpgradeTest, WhatIsKeptIsGoneBackTo) {
  Start();
  Mkdir("/a");
  ASSERT_OK(Keep());
  SetVersion(kNew);
  Mkdir("/b");
  RollBack();
  EXPECT_EQ(Version(), kOld);
  EXPECT_FALSE(HasPrevious());
  Start();
  EXPECT_THAT(Names(), ElementsAre("a"));
}

TEST_F(UpgradeTest, OneThatWasCutOffGoesOnAsLongAsNothingHasChanged) {
  Start();
  Mkdir("/a");
  ASSERT_OK(Keep(/*raises=*/false));
  EXPECT_OK(Keep(/*raises=*/false));
  Mkdir("/b");
  EXPECT_THAT(Keep(/*raises=*/false),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("-finalize"), HasSubstr("-rollback"))));
}

// What was reserved since the upgrade stood in the store and in a segment that is not kept any
// more.
TEST_F(UpgradeTest, GoneBackFromAStoreThatCannotBeReadNoIdIsGivenOutTwice) {
  Start();
  Mkdir("/a");
  ASSERT_OK(Keep());
  Start();
  const TxId applied = Mkdir("/x");
  const InodeId given_out = IdOf("/x");
  MakeOne();
  Stop();
  DropJournalUpTo(applied);
  std::filesystem::remove(StoreDirectory(directory_) + "/CURRENT");
  RollBack();
  Start();
  EXPECT_THAT(Names(), ElementsAre("a"));
  EXPECT_GT(Mkdir("/y"), applied);
  EXPECT_GT(IdOf("/y"), given_out);
}

// The store is lost altogether, and so is the only checkpoint that knew.
TEST_F(UpgradeTest, GoneBackWithNothingThatKnowsNumbersLeapFar) {
  Start();
  Mkdir("/a");
  ASSERT_OK(Keep());
  Start();
  const TxId applied = Mkdir("/x");
  Stop();
  DropJournalUpTo(applied);
  std::filesystem::remove_all(StoreDirectory(directory_));
  std::filesystem::remove_all(CheckpointDirectory(directory_));
  RollBack();
  Start();
  EXPECT_GT(namenode_->reserved().inode_id, uint64_t{1} << 40);
  EXPECT_GT(namenode_->reserved().generation_stamp, uint64_t{1} << 40);
}

// The state that was kept then would be gone back to, and what the older program did is lost.
TEST_F(UpgradeTest, OneThatWasCutOffBeginsAnewIfTheOlderProgramHasGoneOn) {
  Start();
  Mkdir("/a");
  ASSERT_OK(Keep());
  Mkdir("/b");
  ASSERT_OK(Keep());
  Mkdir("/c");
  RollBack();
  Start();
  EXPECT_THAT(Names(), ElementsAre("a", "b"));
}

TEST_F(UpgradeTest, KilledAtAnyStepItIsCompletedByTheNextTry) {
  Start();
  Mkdir("/a");
  for (const char* const point : {"upgrade_previous_begun", "upgrade_store_copied",
                                  "upgrade_previous_copied", "upgrade_previous_kept"}) {
    KillAt(point, 1, [&] {
      Start();
      CHECK_OK(Keep());
    });
    EXPECT_EQ(HasPrevious(), point == std::string("upgrade_previous_kept"));
    EXPECT_EQ(Version(), kOld);
    ASSERT_OK(RemoveHalfPrevious(files_, directory_));  // as every start does
    Start();
    EXPECT_THAT(Names(), ElementsAre("a")) << point;
    ASSERT_OK(Keep()) << point;
    EXPECT_TRUE(HasPrevious());
    EXPECT_FALSE(files_.Exists(PreviousDirectory(directory_) + ".tmp"));
    RollBack();
    Start();
    EXPECT_THAT(Names(), ElementsAre("a")) << point;
  }
}

struct RollbackPoint {
  const char* name;
  int nth;
  bool decided;
};

class RollbackCrashTest : public UpgradeTest,
                          public ::testing::WithParamInterface<RollbackPoint> {};

TEST_P(RollbackCrashTest, KilledAtAnyStepItHappensWholeOrNotAtAll) {
  Start();
  Mkdir("/a");
  ASSERT_OK(Keep());
  SetVersion(kNew);
  Mkdir("/x");
  KillAt(GetParam().name, GetParam().nth, [&] { RollBack(); });
  EXPECT_EQ(IsRestoreDecided(files_, directory_), GetParam().decided);
  EXPECT_THAT(FinishRestore(files_, directory_), IsOkAndHolds(GetParam().decided));
  if (!GetParam().decided) {
    EXPECT_EQ(Version(), kNew);
    ASSERT_TRUE(HasPrevious());
    RollBack();
  }
  EXPECT_EQ(Version(), kOld);
  EXPECT_FALSE(HasPrevious());
  Start();
  EXPECT_THAT(Names(), ElementsAre("a"));
}

INSTANTIATE_TEST_SUITE_P(EveryPoint, RollbackCrashTest,
                         ::testing::Values(RollbackPoint{"restore_before_decision", 1, false},
                                           RollbackPoint{"restore_decided", 1, true},
                                           RollbackPoint{"restore_old_aside", 1, true},
                                           RollbackPoint{"restore_old_aside", 4, true},  // VERSION
                                           RollbackPoint{"restore_new_in_place", 4, true},
                                           RollbackPoint{"restore_exchanged", 1, true}),
                         [](const auto& info) {
                           return std::string(info.param.name) + std::to_string(info.param.nth);
                         });

TEST_F(UpgradeTest, WhatIsFinalIsRemovedWhereverAKillLeftIt) {
  Start();
  Mkdir("/a");
  ASSERT_OK(Keep());
  KillAt("upgrade_previous_dropped", 1, [&] { CHECK_OK(RemovePrevious(files_, directory_)); });
  EXPECT_FALSE(HasPrevious());
  EXPECT_TRUE(files_.Exists(PreviousDirectory(directory_) + ".tmp"));
  ASSERT_OK(RemoveHalfPrevious(files_, directory_));
  EXPECT_FALSE(files_.Exists(PreviousDirectory(directory_) + ".tmp"));
  Start();
  EXPECT_OK(Keep()) << "another upgrade";
}

}  // namespace
}  // namespace cairn::namenode
