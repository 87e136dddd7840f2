// Report rounds by digests: what is listed, what follows from it, and what a late or repeated
// report may not do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "namenode/core/testing/test_namenode.h"
#include "namenode/core/testing/wrapped_store.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

using absl::StatusCode;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;
using Result = DigestAnswer::Result;

// Its records 'r' cannot be gone through while a test says so.
class DamagedStore final : public WrappedStore {
 public:
  DamagedStore(std::unique_ptr<Store> store, const bool& damaged)
      : WrappedStore(std::move(store)), damaged_(damaged) {}

  std::unique_ptr<Range> Scan(absl::string_view prefix, absl::string_view after,
                              size_t limit) const override {
    if (damaged_ && prefix[0] == keys::kReplicas) return std::make_unique<DamagedRange>();
    return WrappedStore::Scan(prefix, after, limit);
  }

 private:
  class DamagedRange final : public Range {
   public:
    bool Valid() override { return false; }
    void Next() override {}
    absl::string_view key() const override { return ""; }
    absl::string_view value() const override { return ""; }
    absl::Status status() const override { return absl::DataLossError("a damaged block"); }
    bool more() const override { return false; }
    absl::string_view resume_after() const override { return ""; }
  };
  const bool& damaged_;
};

class ReportDigestsTest : public ::testing::Test {
 protected:
  ReportDigestsTest() { nn_.FinishWalk(); }
  TestNamenode::Options OnDamagedStore() {
    TestNamenode::Options options;
    options.wrap_store = [this](std::unique_ptr<Store> store, const Store::WithLock&) {
      return std::make_unique<DamagedStore>(std::move(store), damaged_);
    };
    return options;
  }
  // The replicas of `file` that readers are told of.
  size_t Locations(absl::string_view file) {
    const auto located = nn_->GetBlockLocations(kSuper, file, 0, 1 << 30).value;
    EXPECT_OK(located);
    return located.ok() && !located->blocks.empty() ? located->blocks[0].storages.size() : 0;
  }
  BlockVersion BlockOf(absl::string_view file) {
    return nn_->GetBlockLocations(kSuper, file, 0, 1 << 30).value->blocks[0].block;
  }
  void Restart() {
    nn_.Restart();
    nn_.FinishWalk();
  }
  // As earlier versions left them: a record says that the file is on node 1, too, and its index
  // not.
  void NameWithoutIndex(absl::string_view file) {
    const BlockVersion block = BlockOf(file);
    nn_->WithLock([&] {
      store::Replicas record;
      record.set_generation_stamp(ToInt(block.stamp));
      record.set_length(block.length);
      for (const int node : {0, 1}) {
        record.add_storages(*nn_->cluster().NumberOf(TestNamenode::StorageUuid(node)));
      }
      nn_.store().PutUnjournalled(keys::Replicas(block.id), record.SerializeAsString());
    });
    nn_.Flush();
    Restart();
    ASSERT_EQ(Locations(file), 2u);
  }
  bool damaged_ = false;
  TestNamenode nn_{OnDamagedStore()};
};

TEST_F(ReportDigestsTest, NothingIsListedWhenNothingDiffers) {
  for (const char* const file : {"/a", "/b", "/c"}) nn_.WriteFile(file, {30, 40});
  EXPECT_THAT(nn_.SendRound(0), Optional(0u));
  EXPECT_THAT(nn_.SendRound(1), Optional(0u)) << "it has none";
}

TEST_F(ReportDigestsTest, NorAfterARestartOrANewSession) {
  nn_.WriteFile("/a", {30, 40});
  nn_.Flush();
  Restart();
  EXPECT_THAT(nn_.SendRound(0), Optional(0u));
  ASSERT_OK(nn_.RegisterDatanode(0));
  EXPECT_THAT(nn_.SendRound(0), Optional(0u));
}

TEST_F(ReportDigestsTest, WhatACrashForgotIsListedAndKnownAgain) {
  nn_.WriteFile("/a", {30});
  nn_.Flush();
  nn_.WriteFile("/b", {40});
  Restart();
  EXPECT_EQ(Locations("/b"), 0u);
  EXPECT_THAT(nn_.SendRound(0), Optional(2u));
  EXPECT_EQ(Locations("/b"), 1u);
  EXPECT_THAT(nn_.SendRound(0), Optional(0u));
}

TEST_F(ReportDigestsTest, UntilTheRecordsHaveBeenReadARoundIsPutOff) {
  nn_.WriteFile("/a", {30});
  nn_.Restart();
  EXPECT_EQ(nn_.SendRound(0), std::nullopt);
  nn_.FinishWalk();
  EXPECT_NE(nn_.SendRound(0), std::nullopt);
}

TEST_F(ReportDigestsTest, AReplicaThatIsGoneIsDropped) {
  nn_.WriteFile("/a", {30});
  nn_.WriteFile("/b", {40});
  nn_.LoseReplica(0, BlockOf("/a").id);
  EXPECT_THAT(nn_.SendRound(0), Optional(1u));
  EXPECT_EQ(Locations("/a"), 0u);
  EXPECT_EQ(Locations("/b"), 1u);
  nn_.ExpectConsistent();
}

TEST_F(ReportDigestsTest, ARecordThatNamesAStorageWithoutItsIndexIsMended) {
  nn_.WriteFile("/a", {30});
  nn_.WriteFile("/b", {40});
  NameWithoutIndex("/a");
  EXPECT_THAT(nn_.SendRound(0), Optional(0u)) << "here it is right";
  EXPECT_THAT(nn_.SendRound(1), Optional(0u)) << "there is nothing to list";
  EXPECT_EQ(Locations("/a"), 1u);
  EXPECT_EQ(Locations("/b"), 1u);
  nn_.ExpectConsistent();
  const auto answer = nn_->ReportDigests(nn_.Digests(1));
  ASSERT_OK(answer);
  EXPECT_THAT(answer->differing, IsEmpty());
}

TEST_F(ReportDigestsTest, AListOfEverythingMendsItToo) {
  nn_.WriteFile("/a", {30});
  NameWithoutIndex("/a");
  nn_.SendFullReport(1);
  EXPECT_EQ(Locations("/a"), 1u);
  nn_.ExpectConsistent();
}

// It is in the list, and not in the records.
TEST_F(ReportDigestsTest, ACorruptReplicaHidesNoRecordWithoutIndex) {
  nn_.WriteFile("/a", {30});
  nn_.WriteFile("/b", {40});
  ASSERT_OK(nn_.Report(1, BlockOf("/b"), ReplicaState::kCorrupt));
  NameWithoutIndex("/a");
  EXPECT_THAT(nn_.SendRound(1), Optional(1u));
  EXPECT_EQ(Locations("/a"), 1u);
}

TEST_F(ReportDigestsTest, RecordsThatCannotBeReadKeepNoListFromBeingTaken) {
  nn_.WriteFile("/a", {30});
  nn_.WriteFile("/b", {40});
  NameWithoutIndex("/a");
  nn_.LoseReplica(0, BlockOf("/b").id);
  damaged_ = true;
  EXPECT_THAT(nn_.SendRound(0), Optional(1u));
  EXPECT_THAT(nn_.SendRound(1), Optional(0u));
  EXPECT_EQ(Locations("/b"), 0u) << "by the records 'n'";
  EXPECT_EQ(Locations("/a"), 2u);
  damaged_ = false;
  EXPECT_THAT(nn_.SendRound(1), Optional(0u));
  EXPECT_EQ(Locations("/a"), 1u);
}

TEST_F(ReportDigestsTest, AWipedDiskIsFoundOut) {
  nn_.WriteFile("/a", {30});
  nn_.LoseReplica(0, BlockOf("/a").id);
  EXPECT_THAT(nn_.SendRound(0), Optional(0u));
  EXPECT_EQ(Locations("/a"), 0u);
  EXPECT_THAT(nn_.SendRound(0), Optional(0u));
}

TEST_F(ReportDigestsTest, AReplicaOfNoFileIsDeleted) {
  nn_.WriteFile("/a", {30});
  const BlockVersion block = BlockOf("/a");
  ASSERT_OK(nn_->Delete(kSuper, "/a", false).value);
  nn_->RunMaintenance();
  ASSERT_OK(nn_.RegisterDatanode(0));
  EXPECT_THAT(nn_.SendRound(0), Optional(1u));
  const auto commands = nn_.Heartbeat(0);
  ASSERT_THAT(commands, SizeIs(1));
  // The deletion itself, and what the list showed.
  for (const BlockVersion& deleted : std::get<InvalidateCommand>(commands[0]).blocks) {
    EXPECT_EQ(deleted.id, block.id);
  }
  EXPECT_THAT(nn_.SendRound(0), Optional(0u));
}

// Of a block being written the records know nothing: its replicas are told one by one.
TEST_F(ReportDigestsTest, AReplicaBeingWrittenIsKnownAfterARestart) {
  nn_.Create("/open", kSuper, "writer");
  const BlockVersion block = nn_.AddBlock("/open", {}, "writer").block;
  ASSERT_OK(nn_.Report(1, block, ReplicaState::kBeingWritten));
  Restart();
  EXPECT_THAT(nn_.SendRound(1), Optional(0u));
  const auto located = nn_->GetBlockLocations(kSuper, "/open", 0, 1).value;
  ASSERT_OK(located);
  ASSERT_TRUE(located->last.has_value());
  EXPECT_THAT(located->last->storages, SizeIs(1));
}

// Opened for append: the record still has the old version, and so has the datanode.
TEST_F(ReportDigestsTest, ABlockThatIsAppendedToIsFollowedThroughItsVersions) {
  nn_.WriteFile("/a", {30});
  ASSERT_OK(nn_->Append(kSuper, "/a", "c", false).value);
  EXPECT_THAT(nn_.SendRound(0), Optional(0u));
  const BlockVersion open = nn_->GetBlockLocations(kSuper, "/a", 0, 1).value->last->block;
  const BlockVersion longer{open.id, open.stamp, 50};
  nn_.ReportFinalized(longer);
  const FileStatus status = *nn_.Stat("/a");
  ASSERT_THAT(nn_->Complete(kSuper, "/a", status.id, "c", longer, nullptr).value,
              IsOkAndHolds(true));
  EXPECT_THAT(nn_.SendRound(0), Optional(0u));
  nn_.ExpectConsistent();
}

// It is in no digest, on either side, but told by itself.
TEST_F(ReportDigestsTest, ACorruptReplicaMakesNoDifferenceAndCountsNoMoreThanBefore) {
  nn_.WriteFile("/a", {30});
  ASSERT_OK(nn_.Report(0, BlockOf("/a"), ReplicaState::kCorrupt));
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(nn_.SendRound(0), Optional(0u));
    EXPECT_TRUE(nn_->GetBlockLocations(kSuper, "/a", 0, 1).value->blocks.at(0).corrupt);
  }
  nn_.ExpectConsistent();
}

// ---- late, repeated, from a former session (fault 33)

TEST_F(ReportDigestsTest, DigestsOfAFormerSessionAreRefused) {
  const DigestReport old = nn_.Digests(0);
  ASSERT_OK(nn_.RegisterDatanode(0));
  EXPECT_THAT(nn_->ReportDigests(old), StatusIs(StatusCode::kAborted));
}

TEST_F(ReportDigestsTest, ARepeatedReportIsRefusedAndDoesNothing) {
  nn_.Create("/open", kSuper, "writer");
  const BlockVersion block = nn_.AddBlock("/open", {}, "writer").block;
  ASSERT_OK(nn_.Report(1, block, ReplicaState::kBeingWritten));
  const DigestReport report = nn_.Digests(1);
  ASSERT_THAT(report.others, SizeIs(1));
  ASSERT_OK(nn_->ReportDigests(report));
  ASSERT_OK(nn_.Report(1, block, ReplicaState::kDeleted));
  const size_t before = nn_->GetBlockLocations(kSuper, "/open", 0, 1).value->last->storages.size();
  EXPECT_THAT(nn_->ReportDigests(report), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(nn_->GetBlockLocations(kSuper, "/open", 0, 1).value->last->storages, SizeIs(before));
}

TEST_F(ReportDigestsTest, ADigestWithoutTheReportsBeforeItIsRefused) {
  DigestReport report = nn_.Digests(0);
  ++report.sequence;
  EXPECT_THAT(nn_->ReportDigests(report), StatusIs(StatusCode::kAborted));
}

TEST_F(ReportDigestsTest, WhatChangedWhileTheListTravelsIsNotJudgedByIt) {
  nn_.WriteFile("/a", {30});
  const BlockVersion block = BlockOf("/a");
  nn_.LoseReplica(0, block.id);
  ASSERT_OK_AND_ASSIGN(const DigestAnswer answer, nn_->ReportDigests(nn_.Digests(0)));
  ASSERT_THAT(answer.differing, SizeIs(1));
  const auto range = [&](uint64_t first, uint64_t last, uint32_t part, bool is_last) {
    ReplicasReport report = nn_.ListWithoutReplicas(0, part, is_last);
    report.ranges = {{BlockId{first}, BlockId{last}}};
    return nn_->ReportReplicas(report);
  };
  // Part 0 is of smaller ids. Then the block arrives anew, and the list, made before, lacks it.
  ASSERT_OK(range(1, ToInt(block.id) - 1, 0, false));
  ASSERT_OK(nn_.Report(0, block, ReplicaState::kFinalized));
  ASSERT_OK(range(ToInt(block.id), ToInt(block.id) + 1000, 1, true));
  EXPECT_EQ(Locations("/a"), 1u);
}

TEST_F(ReportDigestsTest, RangesThatGoBackAreRefused) {
  const auto part = [&](uint64_t first, uint32_t number) {
    ReplicasReport report = nn_.ListWithoutReplicas(0, number, false);
    report.ranges = {{BlockId{first}, BlockId{first + 9}}};
    return nn_->ReportReplicas(report);
  };
  ASSERT_OK(part(100, 0));
  EXPECT_THAT(part(109, 1), StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(ReportDigestsTest, BucketsOfAnotherWidthAreAnsweredByAListOfAll) {
  DigestReport report = nn_.Digests(0);
  ++report.shift;
  ASSERT_OK_AND_ASSIGN(const DigestAnswer answer, nn_->ReportDigests(report));
  EXPECT_EQ(answer.result, Result::kList);
  EXPECT_THAT(answer.differing, IsEmpty());
}

}  // namespace
}  // namespace cairn::namenode
