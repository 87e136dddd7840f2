// Files of block groups: written, located, completed, replaced, deleted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "namenode/core/testing/cold_files.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class ErasureFilesTest : public ::testing::Test {
 protected:
  ErasureFilesTest() {
    MakeCold(nn_);
    nn_.Create("/cold/f");
  }

  Outcome<LocatedBlock> AddBlock(std::optional<BlockVersion> previous = {},
                                 std::function<void()> on_replica = nullptr) {
    AddBlockRequest request;
    request.path = "/cold/f";
    request.client_name = "client";
    request.previous = previous;
    return nn_->AddBlock(kSuper, request, std::move(on_replica));
  }
  Outcome<bool> Complete(const BlockVersion& last, absl::string_view path = "/cold/f") {
    return nn_->Complete(kSuper, path, kNoInode, "client", last, nullptr);
  }
  static BlockVersion WithLength(BlockVersion block, uint64_t length) {
    block.length = length;
    return block;
  }
  // Datanode `node` has the unit, finalized, as long as a group of `bytes` has it.
  void ReportUnit(const BlockVersion& group, uint64_t bytes, uint32_t unit, int node) {
    EXPECT_OK(nn_.Report(node, UnitOfCold(group, bytes, unit), ReplicaState::kFinalized));
  }
  // Each unit that holds bytes is on the datanode where it was to be written.
  void ReportUnits(const LocatedBlock& located, uint64_t bytes, std::set<uint32_t> lost = {}) {
    for (size_t i = 0; i < located.units.size(); ++i) {
      const uint32_t unit = located.units[i];
      if (lost.contains(unit) || UnitOfCold(located.block, bytes, unit).length == 0) continue;
      ReportUnit(located.block, bytes, unit, static_cast<int>(located.storages[i]));
    }
  }
  LocatedBlocks Locate() {
    auto located = nn_->GetBlockLocations(kSuper, "/cold/f", 0, UINT64_MAX);
    EXPECT_OK(located.value);
    return *std::move(located.value);
  }

  // The ids of what the datanodes are told to delete.
  std::set<uint64_t> Deletions() {
    for (int i = 0; i < 10; ++i) nn_->RunMaintenance();
    std::set<uint64_t> ordered;
    for (int node = 0; node < 6; ++node) {
      for (const DatanodeCommand& command : nn_.Heartbeat(node)) {
        const auto* const invalidate = std::get_if<InvalidateCommand>(&command);
        if (invalidate == nullptr) continue;
        for (const BlockVersion& block : invalidate->blocks) ordered.insert(ToInt(block.id));
      }
    }
    return ordered;
  }
  static std::set<uint64_t> UnitIds(const BlockVersion& group, const std::set<uint32_t>& units) {
    std::set<uint64_t> ids;
    for (const uint32_t unit : units) ids.insert(ToInt(UnitOf(group.id, unit)));
    return ids;
  }
  // A closed file of one replicated block of 5 bytes.
  void WriteReplicated(absl::string_view path) {
    CreateOptions replicated = CreateFlags(true, false);
    replicated.should_replicate = true;
    replicated.replication = 1;
    ASSERT_OK(nn_->Create(kSuper, path, replicated).value);
    const BlockVersion block = WithLength(nn_.AddBlock(path).block, 5);
    nn_.ReportFinalized(block);
    ASSERT_THAT(Complete(block, path).value, IsOkAndHolds(true));
  }
  // /cold/f, of which all is known, gets these blocks, some of them from `source`.
  absl::Status Replace(absl::string_view source, std::vector<BlockId> blocks) {
    ReplaceBlocksRequest request{.target = "/cold/f", .source = source, .client_name = "changer"};
    request.target_id = nn_.Stat("/cold/f")->id;
    for (const LocatedBlock& block : Locate().blocks) request.expected.push_back(block.block);
    request.blocks = std::move(blocks);
    return nn_->ReplaceBlocks(kSuper, request).value.status();
  }

  TestNamenode nn_{WithErasureCoding(/*datanodes=*/6)};
};

TEST_F(ErasureFilesTest, ABlockIsAGroupWithADatanodeForEachUnit) {
  const auto added = AddBlock();
  ASSERT_OK(added.value);
  EXPECT_TRUE(IsGrouped(added.value->block.id));
  EXPECT_EQ(UnitNumber(added.value->block.id), 0u);
  EXPECT_EQ(added.value->erasure->name, "RS-3-2-1024k");
  EXPECT_THAT(added.value->units, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(std::set<uint32_t>(added.value->storages.begin(), added.value->storages.end()).size(),
            5u);
  const auto again = AddBlock();
  EXPECT_EQ(again.value->block.id, added.value->block.id);
  EXPECT_EQ(again.value->storages, added.value->storages);
}

TEST_F(ErasureFilesTest, AFileIsCompleteWhenItsBytesAreAllThere) {
  const LocatedBlock group = *AddBlock().value;
  const uint64_t bytes = 2 * kCell + 5;  // three data units
  EXPECT_THAT(Complete(WithLength(group.block, bytes)).value, IsOkAndHolds(false));
  ReportUnits(group, bytes, /*lost=*/{0, 1, 4});
  EXPECT_THAT(Complete(WithLength(group.block, bytes)).value, IsOkAndHolds(false));
  ReportUnit(group.block, bytes, 4, static_cast<int>(group.storages[4]));
  EXPECT_THAT(Complete(WithLength(group.block, bytes)).value, IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/cold/f")->length, bytes);
  const LocatedBlocks located = Locate();
  ASSERT_THAT(located.blocks, SizeIs(1));
  EXPECT_THAT(located.blocks[0].units, ElementsAre(2, 3, 4));
  EXPECT_EQ(located.blocks[0].block.length, bytes);
  EXPECT_FALSE(located.blocks[0].corrupt);
  nn_.ExpectConsistent();
}

TEST_F(ErasureFilesTest, WhoWaitsForAThirdGroupIsWokenByEachUnitOfTheFirst) {
  const uint64_t bytes = 3 * kCell;
  const LocatedBlock first = *AddBlock().value;
  const LocatedBlock second = *AddBlock(WithLength(first.block, bytes)).value;
  int woken = 0;
  const auto add_third = [&] {
    return AddBlock(WithLength(second.block, bytes), [&] { ++woken; }).value;
  };
  const auto report = [&](uint32_t unit) {
    ReportUnit(first.block, bytes, unit, static_cast<int>(first.storages[unit]));
  };
  EXPECT_THAT(add_third(), IsFsError(FsError::kNotReplicatedYet));
  report(0);
  EXPECT_EQ(woken, 1);
  EXPECT_THAT(add_third(), IsFsError(FsError::kNotReplicatedYet));
  report(4);
  EXPECT_EQ(woken, 2);
  EXPECT_THAT(add_third(), IsFsError(FsError::kNotReplicatedYet));
  report(2);
  EXPECT_EQ(woken, 3);
  EXPECT_OK(add_third());
}

TEST_F(ErasureFilesTest, AShortGroupNeedsAsManyUnitsAsHoldBytes) {
  const LocatedBlock group = *AddBlock().value;
  ReportUnit(group.block, 7, 3, static_cast<int>(group.storages[3]));  // parity of one cell
  EXPECT_THAT(Complete(WithLength(group.block, 7)).value, IsOkAndHolds(true));
}

TEST_F(ErasureFilesTest, SpaceIsThatOfTheUnits) {
  const LocatedBlock first = *AddBlock().value;
  ReportUnits(first, 3 * kBlockBytes);
  const auto second = AddBlock(WithLength(first.block, 3 * kBlockBytes));
  ASSERT_OK(second.value);
  EXPECT_EQ(second.value->offset, 3 * kBlockBytes);
  ReportUnits(*second.value, 10);
  ASSERT_THAT(Complete(WithLength(second.value->block, 10)).value, IsOkAndHolds(true));
  const auto summary = nn_->GetContentSummary(kSuper, "/cold");
  EXPECT_EQ(summary.value->length, 3 * kBlockBytes + 10);
  EXPECT_EQ(summary.value->space, 5 * kBlockBytes + 30);
  nn_.ExpectConsistent();
  nn_.Flush();
  nn_.Restart();
  EXPECT_EQ(nn_->GetContentSummary(kSuper, "/cold").value->space, 5 * kBlockBytes + 30);
  nn_.ExpectConsistent();
}

TEST_F(ErasureFilesTest, AGroupHoldsABlockInEachDataUnitAndNoMore) {
  const LocatedBlock group = *AddBlock().value;
  EXPECT_THAT(Complete(WithLength(group.block, 3 * kBlockBytes + 1)).value,
              IsFsError(FsError::kIo));
}

TEST_F(ErasureFilesTest, AfterARestartUnitsAreKnownWithoutAnyReport) {
  const LocatedBlock group = *AddBlock().value;
  ReportUnits(group, 3 * kCell - 7, /*lost=*/{1});
  ASSERT_THAT(Complete(WithLength(group.block, 3 * kCell - 7)).value, IsOkAndHolds(true));
  nn_.Flush();
  nn_.Restart();
  const LocatedBlocks located = Locate();
  ASSERT_THAT(located.blocks, SizeIs(1));
  EXPECT_THAT(located.blocks[0].units, ElementsAre(0, 2, 3, 4));
  nn_.SendFullReports();
  EXPECT_THAT(Locate().blocks[0].units, ElementsAre(0, 2, 3, 4));
}

TEST_F(ErasureFilesTest, AWriterGoesOnAfterARestart) {
  const LocatedBlock group = *AddBlock().value;
  nn_.Flush();
  nn_.Restart();
  ReportUnits(group, 3 * kCell - 7);
  EXPECT_THAT(Complete(WithLength(group.block, 3 * kCell - 7)).value, IsOkAndHolds(true));
  EXPECT_THAT(Locate().blocks[0].units, SizeIs(5));
}

TEST_F(ErasureFilesTest, UnitsOfADeletedFileAreDeletedFromTheirDatanodes) {
  const LocatedBlock group = *AddBlock().value;
  ReportUnits(group, 3 * kCell);
  ASSERT_THAT(Complete(WithLength(group.block, 3 * kCell)).value, IsOkAndHolds(true));
  ASSERT_THAT(nn_->Delete(kSuper, "/cold/f", false).value, IsOkAndHolds(true));
  EXPECT_EQ(Deletions(), UnitIds(group.block, {0, 1, 2, 3, 4}));
  nn_.ExpectConsistent();
}

TEST_F(ErasureFilesTest, AGroupIsReplacedByThatOfAnotherFileAndItsUnitsAreDeleted) {
  const LocatedBlock kept = *AddBlock().value;
  ReportUnits(kept, 3 * kCell);
  const LocatedBlock old = *AddBlock(WithLength(kept.block, 3 * kCell)).value;
  ReportUnits(old, 7);
  ASSERT_THAT(Complete(WithLength(old.block, 7)).value, IsOkAndHolds(true));
  nn_.Create("/cold/s");
  const LocatedBlock added = nn_.AddBlock("/cold/s");
  ReportUnits(added, 9);
  ASSERT_THAT(Complete(WithLength(added.block, 9), "/cold/s").value, IsOkAndHolds(true));

  ASSERT_OK(Replace("/cold/s", {kept.block.id, added.block.id}));
  const LocatedBlocks located = Locate();
  ASSERT_THAT(located.blocks, SizeIs(2));
  EXPECT_EQ(located.blocks[0].block.id, kept.block.id);
  EXPECT_THAT(located.blocks[0].units, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(located.blocks[1].block.id, added.block.id);
  EXPECT_THAT(located.blocks[1].units, ElementsAre(0, 3, 4));
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 3 * kCell + 9);
  EXPECT_FALSE(nn_.Exists("/cold/s"));
  std::set<uint64_t> gone = UnitIds(old.block, {0, 1, 2, 3, 4});
  gone.merge(UnitIds(added.block, {1, 2}));  // they hold nothing
  EXPECT_EQ(Deletions(), gone);
  nn_.ExpectConsistent();
}

TEST_F(ErasureFilesTest, NoGroupIsReplacedByAReplicatedBlock) {
  const LocatedBlock group = *AddBlock().value;
  ReportUnits(group, 7);
  ASSERT_THAT(Complete(WithLength(group.block, 7)).value, IsOkAndHolds(true));
  WriteReplicated("/cold/g");
  EXPECT_THAT(Replace("/cold/g", {}), IsFsError(FsError::kIllegalArgument));
  EXPECT_TRUE(nn_.Exists("/cold/g"));
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 7u);
}

TEST_F(ErasureFilesTest, AUnitThatHoldsNothingIsDeleted) {
  const LocatedBlock group = *AddBlock().value;
  ReportUnits(group, 7);
  ASSERT_THAT(Complete(WithLength(group.block, 7)).value, IsOkAndHolds(true));
  const int node = static_cast<int>(group.storages[1]);
  ASSERT_OK(nn_.Report(node, {UnitOf(group.block.id, 1), group.block.stamp, 0},
                       ReplicaState::kFinalized));
  bool ordered = false;
  for (const DatanodeCommand& command : nn_.Heartbeat(node)) {
    const auto* const invalidate = std::get_if<InvalidateCommand>(&command);
    if (invalidate == nullptr) continue;
    for (const BlockVersion& block : invalidate->blocks) {
      ordered |= block.id == UnitOf(group.block.id, 1);
    }
  }
  EXPECT_TRUE(ordered);
  EXPECT_THAT(Locate().blocks[0].units, ElementsAre(0, 3, 4));
}

TEST_F(ErasureFilesTest, AWriterGoesOnWithoutAUnitUnderANewStamp) {
  const LocatedBlock group = *AddBlock().value;
  const auto promised = nn_->UpdateBlockForPipeline(kSuper, group.block, "client");
  ASSERT_OK(promised.value);
  EXPECT_THAT(promised.value->units, SizeIs(5));
  std::vector<std::string> nodes, storages;
  for (size_t i = 0; i < 5; ++i) {
    const int node = static_cast<int>(group.storages[i]);
    nodes.push_back(i == 1 ? "null" : TestNamenode::DatanodeUuid(node));
    storages.push_back(i == 1 ? "" : TestNamenode::StorageUuid(node));
  }
  const BlockVersion after{group.block.id, promised.value->block.stamp, 0};
  ASSERT_OK(nn_->UpdatePipeline(kSuper, "client", group.block, after, nodes, storages).value);
  LocatedBlock written = group;
  written.block = after;
  ReportUnits(written, 3 * kCell, /*lost=*/{1});
  // What the failed one had is of the old stamp, and counts for nothing.
  ReportUnit(group.block, 3 * kCell, 1, static_cast<int>(group.storages[1]));
  ASSERT_THAT(Complete(WithLength(after, 3 * kCell)).value, IsOkAndHolds(true));
  EXPECT_THAT(Locate().blocks[0].units, ElementsAre(0, 2, 3, 4));
}

TEST_F(ErasureFilesTest, BadUnitsAreNotToldAsLongAsThereAreOthers) {
  const LocatedBlock group = *AddBlock().value;
  ReportUnits(group, 3 * kCell);
  const BlockVersion whole = WithLength(group.block, 3 * kCell);
  ASSERT_THAT(Complete(whole).value, IsOkAndHolds(true));
  for (const uint32_t unit : {0u, 3u}) {
    ASSERT_OK(nn_.Report(static_cast<int>(group.storages[unit]),
                         {UnitOf(group.block.id, unit), group.block.stamp, kCell},
                         ReplicaState::kCorrupt));
  }
  EXPECT_FALSE(Locate().blocks[0].corrupt);
  ASSERT_OK(nn_.Report(static_cast<int>(group.storages[4]),
                       {UnitOf(group.block.id, 4), group.block.stamp, kCell},
                       ReplicaState::kCorrupt));
  EXPECT_TRUE(Locate().blocks[0].corrupt);
}

TEST_F(ErasureFilesTest, AppendBeginsANewGroupWhetherItAsksForOneOrNot) {
  const LocatedBlock group = *AddBlock().value;
  ReportUnits(group, 7);
  ASSERT_THAT(Complete(WithLength(group.block, 7)).value, IsOkAndHolds(true));
  const auto opened = nn_->Append(kSuper, "/cold/f", "client", /*new_block=*/false);
  ASSERT_OK(opened.value);
  EXPECT_FALSE(opened.value->block.has_value());
  const auto next = AddBlock();
  ASSERT_OK(next.value);
  EXPECT_EQ(next.value->offset, 7u);
  ReportUnits(*next.value, 9);
  ASSERT_THAT(Complete(WithLength(next.value->block, 9)).value, IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 16u);
  EXPECT_THAT(nn_->Truncate(kSuper, "/cold/f", 7, "client").value, IsOkAndHolds(true));
  nn_.ExpectConsistent();
}

// The writer was told of no group by the append, and has none to name.
TEST_F(ErasureFilesTest, ARepeatedCallAfterAnAppendGetsTheSameGroup) {
  const LocatedBlock group = *AddBlock().value;
  ReportUnits(group, 7);
  ASSERT_THAT(Complete(WithLength(group.block, 7)).value, IsOkAndHolds(true));
  ASSERT_OK(nn_->Append(kSuper, "/cold/f", "client", /*new_block=*/false).value);
  const LocatedBlock next = *AddBlock().value;
  for (const bool restart : {false, true}) {
    SCOPED_TRACE(restart);
    if (restart) {
      nn_.Restart();
      ReportUnits(group, 7);
    }
    const auto again = AddBlock();
    ASSERT_OK(again.value);
    EXPECT_EQ(again.value->block.id, next.block.id);
    EXPECT_EQ(again.value->block.stamp, next.block.stamp);
    EXPECT_EQ(again.value->offset, 7u);
    EXPECT_THAT(again.value->units, ElementsAre(0, 1, 2, 3, 4));
    if (!restart) {
      EXPECT_EQ(again.value->storages, next.storages);
    }
  }
  const LocatedBlock last = *AddBlock().value;
  ReportUnits(last, 9);
  ASSERT_THAT(Complete(WithLength(last.block, 9)).value, IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 16u);
  EXPECT_THAT(Locate().blocks, SizeIs(2));
  nn_.ExpectConsistent();
}

TEST_F(ErasureFilesTest, AnAbandonedGroupIsNotTheAnswerToTheNextCall) {
  const LocatedBlock group = *AddBlock().value;
  ReportUnits(group, 7);
  ASSERT_THAT(Complete(WithLength(group.block, 7)).value, IsOkAndHolds(true));
  ASSERT_OK(nn_->Append(kSuper, "/cold/f", "client", /*new_block=*/false).value);
  const BlockVersion abandoned = AddBlock().value->block;
  ASSERT_OK(nn_->AbandonBlock(kSuper, "/cold/f", kNoInode, "client", abandoned).value);
  const auto next = AddBlock();
  ASSERT_OK(next.value);
  EXPECT_NE(next.value->block.id, abandoned.id);
  EXPECT_EQ(next.value->offset, 7u);
  nn_.ExpectConsistent();
}

// As of a block whose bytes the namenode was told: the writer has begun to write.
TEST_F(ErasureFilesTest, AGroupThatHasBytesIsNotTheAnswerToARepeatedCall) {
  const LocatedBlock group = *AddBlock().value;
  ReportUnits(group, 7);
  ASSERT_THAT(Complete(WithLength(group.block, 7)).value, IsOkAndHolds(true));
  ASSERT_OK(nn_->Append(kSuper, "/cold/f", "client", /*new_block=*/false).value);
  ASSERT_OK(AddBlock().value);
  ASSERT_OK(nn_->Fsync(kSuper, "/cold/f", kNoInode, "client", 5).value);
  EXPECT_THAT(AddBlock().value, IsFsError(FsError::kIo));
}

TEST_F(ErasureFilesTest, FilesOfDifferentKindsAreNotJoined) {
  const LocatedBlock group = *AddBlock().value;
  ReportUnits(group, 7);
  ASSERT_THAT(Complete(WithLength(group.block, 7)).value, IsOkAndHolds(true));
  WriteReplicated("/cold/g");
  const auto joined = nn_->Concat(kSuper, "/cold/f", {"/cold/g"});
  EXPECT_THAT(joined.value, IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(std::string(joined.value.status().message()), HasSubstr("RS-3-2-1024k"));
}

TEST(ErasurePlacementTest, WithTooFewDatanodesForTheDataNothingIsWritten) {
  TestNamenode nn(WithErasureCoding(/*datanodes=*/5));
  MakeCold(nn, "RS-6-3-1024k");
  nn.Create("/cold/f");
  AddBlockRequest request;
  request.path = "/cold/f";
  request.client_name = "client";
  const auto added = nn->AddBlock(kSuper, request, nullptr);
  EXPECT_THAT(added.value, IsFsError(FsError::kIo));
  EXPECT_THAT(std::string(added.value.status().message()),
              HasSubstr("could only be written to 5 of the 6 required nodes for RS-6-3-1024k"));
}

TEST(ErasurePlacementTest, FewerDatanodesThanUnitsAreEnoughForTheData) {
  TestNamenode nn(WithErasureCoding(/*datanodes=*/7));
  MakeCold(nn, "RS-6-3-1024k");
  nn.Create("/cold/f");
  AddBlockRequest request;
  request.path = "/cold/f";
  request.client_name = "client";
  const auto added = nn->AddBlock(kSuper, request, nullptr);
  ASSERT_OK(added.value);
  EXPECT_THAT(added.value->units, ElementsAre(0, 1, 2, 3, 4, 5, 6));
}

}  // namespace
}  // namespace cairn::namenode
