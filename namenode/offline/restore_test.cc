#include "namenode/offline/restore.h"

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
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class RestoreTest : public DirectoryFixture {
 protected:
  // Plans and does it; returns where the old state is.
  std::string Do(const RestoreRequest& request) {
    Stop();
    const auto plan = PlanRestore(files_, request);
    CHECK_OK(plan.status());
    plan_ = *plan;
    const auto aside = Restore(files_, clock_, request, plan_);
    CHECK_OK(aside.status());
    return *aside;
  }
  RestoreRequest To(TxId txid) {
    RestoreRequest request = Request();
    request.to_txid = txid;
    return request;
  }

  RestorePlan plan_;
};

TEST_F(RestoreTest, BringsBackTheStateAfterATransaction) {
  Start();
  Mkdir("/a");
  MakeOne();
  const TxId wanted = Mkdir("/b");
  const TxId last = Mkdir("/c");
  const std::string aside = Do(To(wanted));
  EXPECT_EQ(plan_.target, wanted);
  EXPECT_EQ(plan_.dropped.count, 1u);
  EXPECT_THAT(DescribeRestore(plan_),
              AllOf(HasSubstr("1 make_directories"), HasSubstr("left alone")));
  Start();
  EXPECT_THAT(Names(), ElementsAre("a", "b"));
  EXPECT_GT(Mkdir("/d"), last) << "no transaction is numbered twice";
  EXPECT_TRUE(files_.Exists(aside + "/store/CURRENT"));
  Start();
  EXPECT_THAT(Names(), ElementsAre("a", "b", "d"));
}

// The datanodes have not kept them, unlike the new blocks.
TEST_F(RestoreTest, FilesThatWereConvertedSinceAreToldToLoseTheirBytes) {
  Start();
  const TxId wanted = Mkdir("/a");
  const auto append = [&](const edit::Edit& edit) {
    journal_->Append(TxId{ToInt(journal_->last_appended()) + 1}, edit.SerializeAsString());
  };
  const auto convert = [&](uint64_t target, uint64_t from) {
    edit::Edit edit;
    edit.mutable_convert_file()->set_target(target);
    edit.mutable_convert_file()->set_source(20000);
    edit.mutable_convert_file()->set_converted_from(from);
    append(edit);
  };
  convert(16400, 7);
  convert(16401, 8);
  convert(16400, 7);  // and back
  convert(16402, 0);  // it is empty
  const auto code_small = [&](uint64_t file, uint64_t from) {
    edit::Edit edit;
    edit.mutable_code_small_file()->set_inode(file);
    edit.mutable_code_small_file()->set_converted_from(from);
    append(edit);
  };
  code_small(16403, 10);
  code_small(16404, 0);  // it had no blocks yet
  edit::Edit created;
  created.mutable_create_file()->mutable_inode()->set_id(16500);
  append(created);
  convert(16500, 9);
  Stop();
  const auto plan = PlanRestore(files_, To(wanted));
  ASSERT_OK(plan);
  EXPECT_EQ(plan->dropped.converted, 3u);
  EXPECT_THAT(DescribeRestore(*plan), HasSubstr("converted:   3 files lose their bytes"));
  const auto later = PlanRestore(files_, To(TxId{ToInt(wanted) + 5}));
  ASSERT_OK(later);
  EXPECT_THAT(DescribeRestore(*later), Not(HasSubstr("converted:")));
}

TEST_F(RestoreTest, FilesThatWereCutInsideAGroupSinceAreToldToLoseIt) {
  Start();
  const TxId wanted = Mkdir("/a");
  const auto cut = [&](uint64_t file, uint64_t to) {
    edit::Edit edit;
    edit.mutable_close_file()->set_inode(file);
    edit.mutable_close_file()->set_truncated_to(to);
    journal_->Append(TxId{ToInt(journal_->last_appended()) + 1}, edit.SerializeAsString());
  };
  cut(16400, 7);
  cut(16400, 5);
  cut(16401, 0);  // it was just closed
  Stop();
  const auto plan = PlanRestore(files_, To(wanted));
  ASSERT_OK(plan);
  EXPECT_EQ(plan->dropped.truncated, 1u);
  EXPECT_THAT(DescribeRestore(*plan), HasSubstr("truncated:   1 files lose a block group"));
  const auto later = PlanRestore(files_, To(TxId{ToInt(wanted) + 2}));
  ASSERT_OK(later);
  EXPECT_THAT(DescribeRestore(*later), Not(HasSubstr("truncated:")));
}

// Who takes the restore back would find what was converted meanwhile without its former blocks.
TEST_F(RestoreTest, NothingIsConvertedUntilARestoreIsFinal) {
  Start();
  const TxId wanted = Mkdir("/a");
  const auto ask = [&] {
    return namenode_->ConvertFile(kSuperuser, ConvertFileRequest()).value.status();
  };
  EXPECT_THAT(ask(), IsFsError(FsError::kInvalidPath));
  edit::Edit written;
  written.mutable_add_block()->mutable_block()->set_id(5);
  journal_->Append(TxId{ToInt(wanted) + 1}, written.SerializeAsString());
  Do(To(wanted));
  Start();
  const absl::Status refused = ask();
  EXPECT_THAT(refused, IsFsError(FsError::kIo));
  EXPECT_THAT(refused.message(), HasSubstr("cairn namenode -finalize"));
  ASSERT_OK(namenode_->FinalizeRestore(kSuperuser).value);
  EXPECT_THAT(ask(), IsFsError(FsError::kInvalidPath));
}

TEST_F(RestoreTest, BringsBackTheStateOfATime) {
  Start();
  Mkdir("/a");
  clock_.Advance(absl::Minutes(1));
  const absl::Time before = clock_.Now();
  clock_.Advance(absl::Seconds(1));
  Mkdir("/b");
  RestoreRequest request = Request();
  request.to_time = before;
  Do(request);
  Start();
  EXPECT_THAT(Names(), ElementsAre("a"));
}

TEST_F(RestoreTest, ATimeBeforeEverythingThatIsKeptIsRefused) {
  Start();
  Mkdir("/a");
  const Checkpoint made = MakeOne();
  Stop();
  const auto list = ListCheckpoints(files_, CheckpointDirectory(directory_));
  for (const Checkpoint& old : list->whole) {
    if (old.txid == made.txid) continue;
    ASSERT_OK(RemoveCheckpoint(files_, old));
  }
  RestoreRequest request = Request();
  request.to_time = clock_.Now() - absl::Minutes(1);
  EXPECT_THAT(PlanRestore(files_, request),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("the oldest state")));
}

TEST_F(RestoreTest, WithoutATargetADamagedStoreIsRebuiltAndNothingIsLost) {
  Start();
  Mkdir("/a");
  MakeOne();
  Mkdir("/b");
  Stop();
  std::filesystem::remove(StoreDirectory(directory_) + "/CURRENT");
  Do(Request());
  EXPECT_FALSE(plan_.loses());
  EXPECT_THAT(DescribeRestore(plan_), HasSubstr("loses:       nothing"));
  Start();
  EXPECT_THAT(Names(), ElementsAre("a", "b"));
}

// Fault 9.
TEST_F(RestoreTest, ARottenCheckpointGivesWayToAnOlderOneAndALongerJournal) {
  Start();
  Mkdir("/a");
  const std::string first = directory_ + "/checkpoints/checkpoint-00000000000000000000";
  ASSERT_TRUE(files_.Exists(first));
  const Checkpoint rotten = MakeOne();
  Mkdir("/b");
  Stop();
  // Tables that both share are one file: its rot would be in both.
  std::string own;
  for (const auto& file : rotten.files) {
    if (!files_.Exists(absl::StrCat(first, "/store/", file.name))) own = file.name;
  }
  Flip(rotten.store() + "/" + own, 3);
  Do(Request());
  EXPECT_EQ(plan_.base_txid, kNoTx);
  EXPECT_THAT(DescribeRestore(plan_), AllOf(HasSubstr(rotten.directory), HasSubstr("checksum")));
  Start();
  EXPECT_THAT(Names(), ElementsAre("a", "b"));
}

TEST_F(RestoreTest, WhatCannotBeReachedIsRefusedWithWhatThereIs) {
  Start();
  const TxId last = Mkdir("/a");
  Stop();
  EXPECT_THAT(PlanRestore(files_, To(TxId{ToInt(last) + 1})),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("cannot be reached"), HasSubstr("checkpoint-"))));
  EXPECT_FALSE(files_.Exists(directory_ + "/RESTORE"));
}

TEST_F(RestoreTest, NoIdIsGivenOutTwice) {
  Start();
  const TxId wanted = Mkdir("/a");
  Mkdir("/b");
  const uint64_t inode = ToInt((*namenode_->GetFileInfo(kSuperuser, "/b").value)->id);
  const Tree::Counters before = namenode_->reserved();
  Do(To(wanted));
  Start();
  Mkdir("/c");
  EXPECT_GE(ToInt((*namenode_->GetFileInfo(kSuperuser, "/c").value)->id), before.inode_id);
  EXPECT_GT(before.inode_id, inode);
  EXPECT_GE(namenode_->reserved().block_id, before.block_id);
  EXPECT_GE(namenode_->reserved().generation_stamp, before.generation_stamp);
}

TEST_F(RestoreTest, ARestoreCanBeTakenBack) {
  Start();
  const TxId wanted = Mkdir("/a");
  Mkdir("/b");
  const std::string aside = Do(To(wanted));
  Start();
  EXPECT_THAT(Names(), ElementsAre("a"));
  const TxId last = Mkdir("/x");
  RestoreRequest back = Request();
  back.source = aside;
  Do(back);
  Start();
  EXPECT_THAT(Names(), ElementsAre("a", "b"));
  EXPECT_GT(Mkdir("/c"), last);
}

// The journal in the name directory was dropped after an error, the other copy went on, and the
// store is lost: a new journal that ends before that copy would be taken for a part of it.
TEST_F(RestoreTest, ARestoreFromElsewhereGoesBehindEveryCopyOfTheJournal) {
  Start();
  const TxId wanted = Mkdir("/a");
  Mkdir("/b");
  const std::string aside = Do(To(wanted));
  const std::string journal = JournalDirectory(directory_), mirror = temp_.path() + "/mirror";
  const std::string dropped = temp_.path() + "/dropped";
  std::filesystem::copy(journal, dropped, std::filesystem::copy_options::recursive);
  Start();
  const TxId last = Mkdir("/x");
  Stop();
  std::filesystem::rename(journal, mirror);
  std::filesystem::rename(dropped, journal);
  std::filesystem::remove_all(StoreDirectory(directory_));
  RestoreRequest back = Request();
  back.source = aside;
  back.journals = {journal, mirror};
  Do(back);
  EXPECT_GE(plan_.last_txid, last);
}

TEST_F(RestoreTest, RecoveryGoesAsFarAsTheJournalReadsAndTellsWhatIsLost) {
  Start();
  const TxId kept = Mkdir("/a");
  Mkdir("/b");
  Mkdir("/c");
  Stop();
  // One batch each: /b's lies two blocks before the end.
  const auto extent =
      ReadJournalDirectory(files_, JournalDirectory(directory_), TxId{ToInt(kept) + 1},
                           {.on_edit =
                                [&](const JournalEdit& edit) {
                                  if (ToInt(edit.txid) == ToInt(kept) + 1)
                                    Flip(edit.file, edit.offset + 30);
                                  return absl::OkStatus();
                                },
                            .on_damage = [](const JournalDamage&) { return absl::OkStatus(); }});
  ASSERT_OK(extent);
  RestoreRequest request = Request();
  request.from_store = true;
  Do(request);
  EXPECT_EQ(plan_.target, kept);
  ASSERT_THAT(plan_.damage, SizeIs(1));
  EXPECT_EQ(plan_.damage[0].from, TxId{ToInt(kept) + 1});
  EXPECT_EQ(plan_.damage[0].to, TxId{ToInt(kept) + 1});
  EXPECT_EQ(plan_.dropped.count, 1u);
  EXPECT_THAT(DescribeRestore(plan_), AllOf(HasSubstr("damaged at offset"), HasSubstr("1 edits")));
  Start();
  EXPECT_THAT(Names(), ElementsAre("a"));
  EXPECT_GT(namenode_->reserved().block_id, uint64_t{1} << 40) << "far behind what cannot be read";
}

TEST_F(RestoreTest, DamageThatTheStoreIsPastCostsNothing) {
  Start();
  Mkdir("/a");
  MakeOne();
  Mkdir("/b");
  Stop();
  Flip(Segment(), 4096 + 30);  // the first edit
  RestoreRequest request = Request();
  request.from_store = true;
  Do(request);
  EXPECT_FALSE(plan_.loses());
  EXPECT_FALSE(plan_.sound);
  Start();
  EXPECT_THAT(Names(), ElementsAre("a", "b"));
}

TEST_F(RestoreTest, ASoundDirectoryNeedsNoRecovery) {
  Start();
  Mkdir("/a");
  Stop();
  RestoreRequest request = Request();
  request.from_store = true;
  const auto plan = PlanRestore(files_, request);
  ASSERT_OK(plan);
  EXPECT_TRUE(plan->sound);
}

constexpr const char* kPoints[] = {
    "restore_store_copied", "restore_replayed",     "restore_before_decision", "restore_decided",
    "restore_old_aside",    "restore_new_in_place", "restore_exchanged"};

class RestoreCrashTest : public RestoreTest, public ::testing::WithParamInterface<const char*> {};

// Before the decision the old state is there, after it the new one; nothing in between is.
TEST_P(RestoreCrashTest, KilledAnywhereItHappensWholeOrNotAtAll) {
  Start();
  const TxId wanted = Mkdir("/a");
  Mkdir("/b");
  Stop();
  const pid_t child = ::fork();
  if (child == 0) {
    SetCrashPointHook([](absl::string_view name) {
      if (name == GetParam()) ::kill(::getpid(), SIGKILL);
    });
    Do(To(wanted));
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "never came to " << GetParam();

  const bool decided = files_.Exists(directory_ + "/RESTORE");
  EXPECT_THAT(FinishRestore(files_, directory_), IsOkAndHolds(decided));
  EXPECT_FALSE(files_.Exists(directory_ + "/restore.tmp"));
  EXPECT_FALSE(files_.Exists(directory_ + "/RESTORE"));
  Start();
  if (decided) {
    EXPECT_THAT(Names(), ElementsAre("a"));
  } else {
    EXPECT_THAT(Names(), ElementsAre("a", "b"));
  }
}

INSTANTIATE_TEST_SUITE_P(EveryPoint, RestoreCrashTest, ::testing::ValuesIn(kPoints),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace cairn::namenode
