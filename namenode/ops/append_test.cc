// append, truncate and concat.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class AppendTest : public ::testing::Test {
 protected:
  Outcome<AppendResult> Append(absl::string_view path, absl::string_view client = "appender",
                               bool new_block = false, const Caller& caller = kSuper) {
    return nn_->Append(caller, path, client, new_block);
  }
  std::vector<BlockVersion> BlocksOf(absl::string_view path) {
    std::vector<BlockVersion> blocks;
    const auto located = nn_->GetBlockLocations(kSuper, path, 0, UINT64_MAX);
    EXPECT_OK(located.value);
    for (const LocatedBlock& block : located.value->blocks) blocks.push_back(block.block);
    return blocks;
  }
  bool IsClosed(absl::string_view path) { return *nn_->IsFileClosed(kSuper, path).value; }
  Outcome<Nothing> Concat(absl::string_view target, const std::vector<std::string>& sources,
                          const Caller& caller = kSuper) {
    return nn_->Concat(caller, target, sources);
  }

  TestNamenode nn_;
};

TEST_F(AppendTest, APartialLastBlockIsGoneOnWith) {
  nn_.WriteFile("/f", {kBlockBytes, 30});
  const auto result = Append("/f");
  ASSERT_OK(result.value);
  EXPECT_NE(result.value->status.id, kNoInode);
  EXPECT_EQ(result.value->status.length, kBlockBytes + 30);
  ASSERT_TRUE(result.value->block.has_value());
  BlockVersion block = result.value->block->block;
  EXPECT_EQ(block.length, 30u);
  EXPECT_EQ(result.value->block->offset, kBlockBytes);
  EXPECT_THAT(result.value->block->storages, SizeIs(1)) << "where it is";
  EXPECT_FALSE(IsClosed("/f"));

  block.length = 70;
  nn_.ReportFinalized(block);
  EXPECT_THAT(nn_->Complete(kSuper, "/f", kNoInode, "appender", block, nullptr).value,
              IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/f")->length, kBlockBytes + 70);
}

TEST_F(AppendTest, AnAppendThatWritesNothingCanBeCompleted) {
  nn_.WriteFile("/f", {30});
  const BlockVersion block = Append("/f").value->block->block;
  EXPECT_THAT(nn_->Complete(kSuper, "/f", kNoInode, "appender", block, nullptr).value,
              IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/f")->length, 30u);
}

TEST_F(AppendTest, AFullLastBlockIsFollowedByANewOne) {
  nn_.WriteFile("/f", {kBlockBytes});
  const auto result = Append("/f");
  ASSERT_OK(result.value);
  EXPECT_FALSE(result.value->block.has_value());
  const LocatedBlock next = nn_.AddBlock("/f", std::nullopt, "appender");
  EXPECT_EQ(next.offset, kBlockBytes);
  BlockVersion last = next.block;
  last.length = 5;
  nn_.ReportFinalized(last);
  EXPECT_THAT(nn_->Complete(kSuper, "/f", kNoInode, "appender", last, nullptr).value,
              IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/f")->length, kBlockBytes + 5);
}

TEST_F(AppendTest, ARepeatedCallAfterAFullLastBlockGetsTheSameBlock) {
  nn_.WriteFile("/f", {kBlockBytes});
  ASSERT_OK(Append("/f").value);
  const LocatedBlock next = nn_.AddBlock("/f", std::nullopt, "appender");
  const LocatedBlock again = nn_.AddBlock("/f", std::nullopt, "appender");
  EXPECT_EQ(again.block.id, next.block.id);
  EXPECT_EQ(again.offset, kBlockBytes);
  EXPECT_EQ(again.storages, next.storages);
}

// An append would have told its writer of a last block that is not full.
TEST_F(AppendTest, WhoHasWrittenABlockHasToNameItForTheNext) {
  nn_.WriteFile("/f", {30});
  ASSERT_OK(Append("/f", "appender", /*new_block=*/true).value);
  nn_.AddBlock("/f", BlocksOf("/f")[0], "appender");
  AddBlockRequest request;
  request.path = "/f";
  request.client_name = "appender";
  EXPECT_THAT(nn_->AddBlock(kSuper, request, nullptr).value, IsFsError(FsError::kIo));
}

TEST_F(AppendTest, AFullLastBlockIsStillFinishedAfterARestart) {
  nn_.WriteFile("/f", {kBlockBytes});
  ASSERT_OK(Append("/f").value);
  nn_.Flush();
  nn_.Restart();
  EXPECT_EQ(nn_.AddBlock("/f", std::nullopt, "appender").offset, kBlockBytes);
}

TEST_F(AppendTest, ANewBlockCanBeAskedFor) {
  nn_.WriteFile("/f", {30});
  const auto result = Append("/f", "appender", /*new_block=*/true);
  ASSERT_OK(result.value);
  ASSERT_OK(nn_.AddBlock("/f", BlocksOf("/f")[0], "appender").storages.empty()
                ? absl::InternalError("no storages")
                : absl::OkStatus());
  EXPECT_EQ(nn_.Stat("/f")->length, 30u);
}

TEST_F(AppendTest, AnEmptyFileHasNoBlockToGoOnWith) {
  nn_.WriteFile("/f");
  const auto result = Append("/f");
  ASSERT_OK(result.value);
  EXPECT_FALSE(result.value->block.has_value());
  EXPECT_NE(result.value->status.block_bytes, 0u);
  EXPECT_EQ(nn_.AddBlock("/f", std::nullopt, "appender").offset, 0u);
}

TEST_F(AppendTest, WhatCannotBeAppendedTo) {
  nn_.Mkdir("/d");
  nn_.Create("/open", kSuper, "writer");
  EXPECT_THAT(Append("/missing").value, IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(Append("/d").value, IsFsError(FsError::kFileAlreadyExists));
  EXPECT_THAT(Append("/open").value, IsFsError(FsError::kAlreadyBeingCreated));
  EXPECT_THAT(Append("/open", "writer").value, IsFsError(FsError::kAlreadyBeingCreated));
  EXPECT_THAT(Append("/open/x").value, IsFsError(FsError::kAccessControl));
  EXPECT_THAT(Append("/d", "").value, Not(IsOk()));
}

TEST_F(AppendTest, AppendNeedsAClientNameThatCanHoldALease) {
  nn_.WriteFile("/f", {30});
  for (const std::string& name : {std::string(), std::string("CAIRN_Namenode"), std::string("\xff"),
                                  std::string(100'000, 'x')}) {
    EXPECT_THAT(Append("/f", name).value, IsFsError(FsError::kIllegalArgument)) << name.size();
    EXPECT_THAT(nn_->Truncate(kSuper, "/f", 10, name).value, IsFsError(FsError::kIllegalArgument));
  }
  EXPECT_TRUE(IsClosed("/f"));
}

TEST_F(AppendTest, AppendNeedsWritePermission) {
  nn_.WriteFile("/f", {30});
  EXPECT_THAT(Append("/f", "appender", false, kAlice).value, IsFsError(FsError::kAccessControl));
}

TEST_F(AppendTest, ALastBlockWithoutReplicasMustBeWaitedFor) {
  nn_.WriteFile("/f", {30});
  ASSERT_OK(nn_.Report(0, BlocksOf("/f")[0], ReplicaState::kDeleted));
  const auto status = Append("/f").value.status();
  EXPECT_THAT(status, IsFsError(FsError::kRetriable));
  EXPECT_THAT(std::string(status.message()), HasSubstr("not sufficiently replicated yet"));
}

TEST_F(AppendTest, ASilentWritersEmptyFileIsTakenOver) {
  nn_.Create("/f", kSuper, "gone");
  nn_.clock().Advance(absl::Seconds(60));
  ASSERT_OK(Append("/f").value);
  EXPECT_THAT(nn_->Complete(kSuper, "/f", kNoInode, "appender", std::nullopt, nullptr).value,
              IsOkAndHolds(true));
}

TEST_F(AppendTest, ASilentWritersFileIsRecoveredFirst) {
  nn_.Create("/f", kSuper, "gone");
  const BlockVersion block = nn_.AddBlock("/f", {}, "gone").block;
  ASSERT_OK(nn_.Report(1, block, ReplicaState::kBeingWritten));
  nn_.clock().Advance(absl::Seconds(59));
  EXPECT_THAT(Append("/f").value, IsFsError(FsError::kAlreadyBeingCreated));
  nn_.clock().Advance(absl::Seconds(1));
  EXPECT_THAT(Append("/f").value, IsFsError(FsError::kRecoveryInProgress));
  EXPECT_THAT(Append("/f").value, IsFsError(FsError::kRecoveryInProgress));
}

// ---- truncate

TEST_F(AppendTest, TruncateToTheSameLengthIsDone) {
  nn_.WriteFile("/f", {kBlockBytes, 30});
  const uint64_t before = ToInt(nn_.journal().last_appended());
  EXPECT_THAT(nn_->Truncate(kSuper, "/f", kBlockBytes + 30, "c").value, IsOkAndHolds(true));
  EXPECT_EQ(ToInt(nn_.journal().last_appended()), before);
}

TEST_F(AppendTest, TruncateNeverMakesAFileLonger) {
  nn_.WriteFile("/f", {30});
  EXPECT_THAT(nn_->Truncate(kSuper, "/f", 31, "c").value, IsFsError(FsError::kIllegalArgument));
}

TEST_F(AppendTest, TruncateAtABlocksEndIsDoneAtOnce) {
  nn_.WriteFile("/f", {kBlockBytes, kBlockBytes, 30});
  EXPECT_THAT(nn_->Truncate(kSuper, "/f", kBlockBytes, "c").value, IsOkAndHolds(true));
  EXPECT_TRUE(IsClosed("/f"));
  EXPECT_EQ(nn_.Stat("/f")->length, kBlockBytes);
  EXPECT_THAT(nn_->Truncate(kSuper, "/f", 0, "c").value, IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/f")->length, 0u);
  nn_.ExpectConsistent();
}

TEST_F(AppendTest, TruncateInsideABlockEndsWhenTheReplicasAreCut) {
  nn_.WriteFile("/f", {kBlockBytes, 30});
  const BlockVersion block = BlocksOf("/f")[1];
  EXPECT_THAT(nn_->Truncate(kSuper, "/f", kBlockBytes + 10, "c").value, IsOkAndHolds(false));
  EXPECT_FALSE(IsClosed("/f"));
  EXPECT_THAT(Append("/f").value, IsFsError(FsError::kAlreadyBeingCreated));
  nn_->RunMaintenance();
  const auto commands = nn_.Heartbeat(0);
  ASSERT_THAT(commands, SizeIs(1));
  const auto* const cut = std::get_if<TruncateCommand>(&commands[0]);
  ASSERT_NE(cut, nullptr);
  EXPECT_EQ(cut->block.id, block.id);
  EXPECT_EQ(cut->new_length, 10u);
  EXPECT_GT(cut->new_stamp, block.stamp);
  nn_.ReportFinalized({block.id, cut->new_stamp, 10});
  EXPECT_TRUE(IsClosed("/f"));
  EXPECT_EQ(nn_.Stat("/f")->length, kBlockBytes + 10);
  EXPECT_THAT(nn_->GetBlockLocations(kSuper, "/f", kBlockBytes, 1).value->blocks.at(0).storages,
              ElementsAre(0));
}

// Else a restart would cut another block, the one that is last by then.
TEST_F(AppendTest, NobodyWritesAFileThatIsBeingTruncated) {
  nn_.WriteFile("/f", {30});
  const BlockVersion block = BlocksOf("/f")[0];
  ASSERT_THAT(nn_->Truncate(kSuper, "/f", 10, "c").value, IsOkAndHolds(false));
  const auto last = nn_->GetBlockLocations(kSuper, "/f", 0, 1).value->last;
  ASSERT_TRUE(last.has_value());
  const BlockVersion cut{block.id, last->block.stamp, 10};
  AddBlockRequest request;
  request.path = "/f";
  request.client_name = "c";
  request.previous = cut;
  const auto refused = IsFsError(FsError::kLeaseExpired);
  EXPECT_THAT(nn_->AddBlock(kSuper, request, nullptr).value, refused);
  EXPECT_THAT(nn_->Complete(kSuper, "/f", kNoInode, "c", cut, nullptr).value, refused);
  EXPECT_THAT(nn_->Fsync(kSuper, "/f", kNoInode, "c", 20).value, refused);
  EXPECT_THAT(nn_->AbandonBlock(kSuper, "/f", kNoInode, "c", cut).value, refused);
  EXPECT_THAT(nn_->UpdateBlockForPipeline(kSuper, cut, "c").value, refused);

  nn_.Restart();
  nn_.ReportFinalized(block);
  nn_->RunMaintenance();
  const auto commands = nn_.Heartbeat(0);
  ASSERT_THAT(commands, SizeIs(1));
  const auto& order = std::get<TruncateCommand>(commands[0]);
  EXPECT_EQ(order.block.id, block.id);
  nn_.ReportFinalized({block.id, order.new_stamp, 10});
  EXPECT_TRUE(IsClosed("/f"));
  EXPECT_EQ(nn_.Stat("/f")->length, 10u);
}

TEST_F(AppendTest, ATruncationIsOrderedAgainAfterARestart) {
  nn_.WriteFile("/f", {30});
  const BlockVersion block = BlocksOf("/f")[0];
  ASSERT_THAT(nn_->Truncate(kSuper, "/f", 10, "c").value, IsOkAndHolds(false));
  for (const bool flush : {false, true}) {
    if (flush) nn_.Flush();
    nn_.Restart();
    nn_.ReportFinalized(block);  // as its first report has it: still uncut
    nn_->RunMaintenance();
    const auto commands = nn_.Heartbeat(0);
    ASSERT_THAT(commands, SizeIs(1)) << flush;
    EXPECT_NE(std::get_if<TruncateCommand>(&commands[0]), nullptr);
    EXPECT_FALSE(IsClosed("/f"));
  }
  nn_.clock().Advance(absl::Seconds(10));
  nn_->RunMaintenance();
  const auto commands = nn_.Heartbeat(0);
  ASSERT_THAT(commands, SizeIs(1));
  nn_.ReportFinalized({block.id, std::get<TruncateCommand>(commands[0]).new_stamp, 10});
  EXPECT_TRUE(IsClosed("/f"));
}

// All but one would be deleted, and that one may be lost before there are copies.
TEST_F(AppendTest, AfterARestartATruncationCutsAllReplicas) {
  nn_.WriteFile("/f", {30});
  const BlockVersion block = BlocksOf("/f")[0];
  nn_.ReportFinalized(block, 3);
  ASSERT_THAT(nn_->Truncate(kSuper, "/f", 10, "c").value, IsOkAndHolds(false));
  nn_.Restart();  // where the replicas are has not reached the store
  nn_.SendFullReports();
  nn_->RunMaintenance();
  std::vector<TruncateCommand> cuts;
  for (int node = 0; node < 3; ++node) {
    const auto commands = nn_.Heartbeat(node);
    ASSERT_THAT(commands, SizeIs(1));
    cuts.push_back(std::get<TruncateCommand>(commands[0]));
  }
  nn_.ReportFinalized({block.id, cuts[0].new_stamp, 10});
  ASSERT_TRUE(IsClosed("/f"));
  for (const int node : {1, 2}) {
    EXPECT_THAT(nn_.Heartbeat(node), SizeIs(0));
    nn_.ReportFinalized({block.id, cuts[node].new_stamp, 10}, 1, node);
  }
  EXPECT_THAT(nn_->GetBlockLocations(kSuper, "/f", 0, 1).value->blocks.at(0).storages, SizeIs(3));
}

// What has an older stamp than the replicas that are to be cut is of other bytes.
TEST_F(AppendTest, AfterARestartATruncationLeavesOlderReplicasAlone) {
  nn_.WriteFile("/f", {30});
  BlockVersion stale = BlocksOf("/f")[0];
  ASSERT_THAT(nn_->Truncate(kSuper, "/f", 20, "c").value, IsOkAndHolds(false));
  nn_->RunMaintenance();
  const auto commands = nn_.Heartbeat(0);
  ASSERT_THAT(commands, SizeIs(1));
  nn_.ReportFinalized({stale.id, std::get<TruncateCommand>(commands[0]).new_stamp, 20});
  ASSERT_TRUE(IsClosed("/f"));
  const BlockVersion block = BlocksOf("/f")[0];
  ASSERT_THAT(nn_->Truncate(kSuper, "/f", 10, "c").value, IsOkAndHolds(false));
  for (const bool flush : {false, true}) {
    if (flush) nn_.Flush();
    nn_.Restart();
    nn_.ReportFinalized(block);
    nn_.ReportFinalized(stale, 1, /*first_node=*/1);
    nn_->RunMaintenance();
    const auto cut = nn_.Heartbeat(0);
    ASSERT_THAT(cut, SizeIs(1));
    EXPECT_EQ(std::get<TruncateCommand>(cut[0]).block.stamp, block.stamp);
    for (const DatanodeCommand& command : nn_.Heartbeat(1)) {
      EXPECT_EQ(std::get_if<TruncateCommand>(&command), nullptr);
    }
  }
}

// A pipeline of one is left, and its report is still to come: the others may be all that there is.
TEST_F(AppendTest, ACommitDeletesNoOldReplicaBeforeThereIsANewOne) {
  nn_.WriteFile("/f", {30});
  const BlockVersion old = BlocksOf("/f")[0];
  nn_.ReportFinalized(old, 3);
  ASSERT_OK(nn_->Append(kSuper, "/f", "c", false).value);
  const auto located = nn_->UpdateBlockForPipeline(kSuper, old, "c").value;
  ASSERT_OK(located);
  BlockVersion block = located->block;
  block.length = 30;
  ASSERT_OK(nn_->UpdatePipeline(kSuper, "c", old, block, {}, {TestNamenode::StorageUuid(0)}).value);
  block.length = 40;
  ASSERT_OK(nn_->Complete(kSuper, "/f", kNoInode, "c", block, nullptr).value);
  for (const int node : {1, 2}) EXPECT_THAT(nn_.Heartbeat(node), ::testing::IsEmpty());
  nn_.ReportFinalized(block);
  EXPECT_THAT(nn_->Complete(kSuper, "/f", kNoInode, "c", block, nullptr).value, IsOkAndHolds(true));
  EXPECT_EQ(BlocksOf("/f")[0].length, 40u);
}

// The datanode says it once: it must neither change the namespace in safe mode nor be forgotten.
TEST_F(AppendTest, ATruncationThatEndsInSafeModeIsWrittenDownAfterIt) {
  nn_.WriteFile("/f", {30});
  const BlockVersion block = BlocksOf("/f")[0];
  ASSERT_THAT(nn_->Truncate(kSuper, "/f", 10, "c").value, IsOkAndHolds(false));
  nn_->RunMaintenance();
  const auto commands = nn_.Heartbeat(0);
  ASSERT_THAT(commands, SizeIs(1));
  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kEnter).value);
  const TxId before = nn_.journal().last_appended();
  nn_.ReportFinalized({block.id, std::get<TruncateCommand>(commands[0]).new_stamp, 10});
  nn_->RunMaintenance();
  EXPECT_FALSE(IsClosed("/f"));
  EXPECT_EQ(nn_.journal().last_appended(), before);

  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kLeave).value);
  nn_.journal().SetReady(absl::ResourceExhaustedError("disk full"));
  nn_->RunMaintenance();
  EXPECT_FALSE(IsClosed("/f"));
  nn_.journal().SetReady(absl::OkStatus());
  nn_->RunMaintenance();
  EXPECT_TRUE(IsClosed("/f"));
  EXPECT_EQ(nn_.Stat("/f")->length, 10u);
}

TEST_F(AppendTest, NoTruncationIsOrderedInSafeMode) {
  nn_.WriteFile("/f", {30});
  ASSERT_THAT(nn_->Truncate(kSuper, "/f", 10, "c").value, IsOkAndHolds(false));
  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kEnter).value);
  nn_->RunMaintenance();
  EXPECT_THAT(nn_.Heartbeat(0), SizeIs(0));
  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kLeave).value);
  nn_->RunMaintenance();
  EXPECT_THAT(nn_.Heartbeat(0), SizeIs(1));
}

TEST_F(AppendTest, TruncateOfAnOpenFileOrADirectory) {
  nn_.Create("/open", kSuper, "writer");
  nn_.Mkdir("/d");
  EXPECT_THAT(nn_->Truncate(kSuper, "/open", 0, "c").value,
              IsFsError(FsError::kAlreadyBeingCreated));
  EXPECT_THAT(nn_->Truncate(kSuper, "/d", 0, "c").value, IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(nn_->Truncate(kSuper, "/missing", 0, "c").value, IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(nn_->Truncate(kAlice, "/d", 0, "c").value, IsFsError(FsError::kFileNotFound));
}

// ---- concat

TEST_F(AppendTest, ConcatAppendsTheSourcesInOrder) {
  nn_.WriteFile("/t", {10});
  nn_.WriteFile("/a", {20, 30});
  nn_.WriteFile("/b", {40});
  ASSERT_OK(Concat("/t", {"/b", "/a"}).value);
  std::vector<uint64_t> lengths;
  for (const BlockVersion& block : BlocksOf("/t")) lengths.push_back(block.length);
  EXPECT_THAT(lengths, ElementsAre(10, 40, 20, 30));
  EXPECT_THAT(nn_.List("/"), ElementsAre("t"));
  nn_.ExpectConsistent();
}

TEST_F(AppendTest, ConcatRefusesWhatDoesNotFit) {
  nn_.WriteFile("/t", {10});
  nn_.WriteFile("/a", {10});
  nn_.WriteFile("/empty");
  nn_.WriteFile("/d/elsewhere", {10});
  nn_.Create("/open");
  nn_.WriteFile("/two", {10});
  ASSERT_OK(nn_->SetReplication(kSuper, "/two", 2).value);
  CreateOptions large = CreateFlags(true, false);
  large.block_bytes = 2 * kBlockBytes;
  ASSERT_OK(nn_->Create(kSuper, "/large", large).value);
  BlockVersion block = nn_.AddBlock("/large").block;
  block.length = 1;
  nn_.ReportFinalized(block);
  ASSERT_OK(nn_->Complete(kSuper, "/large", kNoInode, "client", block, nullptr).value);

  const auto expect_refused = [&](absl::string_view target, std::vector<std::string> sources) {
    EXPECT_THAT(Concat(target, sources).value, IsFsError(FsError::kIllegalArgument)) << target;
  };
  expect_refused("/t", {});
  expect_refused("/t", {"/t"});
  expect_refused("/t", {"/a", "/a"});
  expect_refused("/t", {"/empty"});
  expect_refused("/t", {"/open"});
  expect_refused("/t", {"/d"});
  expect_refused("/t", {"/d/elsewhere"});
  expect_refused("/t", {"/two"});
  expect_refused("/t", {"/large"});
  expect_refused("/d", {"/a"});
  expect_refused("/open", {"/a"});
  EXPECT_THAT(Concat("/t", {"/missing"}).value, IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(Concat("/missing", {"/a"}).value, IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(Concat("/", {"/a"}).value, IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(Concat("/t", {"/a"}, kAlice).value, IsFsError(FsError::kAccessControl));
  EXPECT_OK(Concat("/t", {"/a"}).value);
}

}  // namespace
}  // namespace cairn::namenode
