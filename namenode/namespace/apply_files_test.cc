// Apply: edits of a file, its blocks, its writer and its length.
#include "namenode/namespace/testing/tree_fixture.h"
#include "namenode/namespace/units.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ApplyFilesTest : public TreeFixture {
 protected:
  // Open, of XOR-2-1 groups.
  void CreateCoded(uint64_t parent, uint64_t id, absl::string_view name) {
    edit::Edit create = Edit(200);
    create.mutable_create_file()->set_parent(parent);
    Fill(id, name, create.mutable_create_file()->mutable_inode());
    create.mutable_create_file()->set_replication(1);
    create.mutable_create_file()->set_block_bytes(1 << 20);
    create.mutable_create_file()->set_lease_holder("writer");
    create.mutable_create_file()->set_erasure_policy(kXor);
    Apply(create);
  }
  // Open, replicated as long as it is small.
  void CreateSmall(uint64_t parent, uint64_t id, absl::string_view name) {
    edit::Edit create = Edit(200);
    create.mutable_create_file()->set_parent(parent);
    Fill(id, name, create.mutable_create_file()->mutable_inode());
    create.mutable_create_file()->set_replication(3);
    create.mutable_create_file()->set_block_bytes(1 << 20);
    create.mutable_create_file()->set_lease_holder("writer");
    create.mutable_create_file()->set_small_of(kXor);
    Apply(create);
  }
  edit::Edit CodeSmall(uint64_t file, uint64_t source = 0) {
    edit::Edit edit = Edit(900);
    edit.mutable_code_small_file()->set_inode(file);
    edit.mutable_code_small_file()->set_source(source);
    return edit;
  }
  // A truncation to `length` inside a group has begun.
  edit::Edit Rewrite(uint64_t file, uint64_t length) {
    edit::Edit edit = Edit(800);
    edit.mutable_truncate()->set_inode(file);
    edit.mutable_truncate()->set_new_length(length);
    edit.mutable_truncate()->set_lease_holder("cutter");
    edit.mutable_truncate()->set_rewrites_group(true);
    return edit;
  }
  // What stays has been written to the last group.
  edit::Edit CloseRewritten(uint64_t file, uint64_t group, uint64_t bytes, uint64_t length) {
    edit::Edit edit = Edit(900);
    edit.mutable_close_file()->set_inode(file);
    SetBlock(group, 1000 + group, bytes, edit.mutable_close_file()->mutable_commit_last());
    edit.mutable_close_file()->set_truncated_to(length);
    return edit;
  }

  const uint32_t kXor = erasure::FindSystemPolicy("XOR-2-1-1024k")->id;
};

TEST_P(ApplyFilesTest, ANewFileIsOpenInItsWritersName) {
  Create(kRoot, 20000, "f");
  EXPECT_THAT(listener_.said, ElementsAre("opened 20000 writer"));
  const Inode* const file = At(20000);
  EXPECT_TRUE(file->is_open());
  EXPECT_EQ(file->file->writer->machine, "10.0.0.1");
  EXPECT_EQ(file->mtime_ms, 200u);
  EXPECT_EQ(file->atime_ms, 200u);
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 0 bytes 0 space");
}

TEST_P(ApplyFilesTest, BlocksCountWithTheirCommittedLengths) {
  MakeDirectories(kRoot, 20000, {"d"});
  Create(20000, 20001, "f");
  AddBlock(20001, 1);
  EXPECT_THAT(listener_.said, ElementsAre("added 20001 blk_1_1001 0"));
  AddBlock(20001, 2, 1, 100);
  EXPECT_THAT(listener_.said,
              ElementsAre("committed 20001 blk_1_1001 100", "added 20001 blk_2_1002 0"));
  EXPECT_EQ(Sums(20000), "1 dirs 1 files 100 bytes 300 space");
  Close(20001, 2, 30);
  EXPECT_THAT(listener_.said, ElementsAre("committed 20001 blk_2_1002 30", "closed 20001"));
  EXPECT_EQ(Sums(kRoot), "2 dirs 1 files 130 bytes 390 space");
  EXPECT_FALSE(At(20001)->is_open());
  EXPECT_EQ(At(20001)->mtime_ms, 300u);
}

TEST_P(ApplyFilesTest, AnAbandonedBlockLeavesNoTrace) {
  Create(kRoot, 20000, "f");
  AddBlock(20000, 1);
  AddBlock(20000, 2, 1, 100);
  edit::Edit edit = Edit();
  edit.mutable_abandon_block()->set_inode(20000);
  edit.mutable_abandon_block()->set_block_id(2);
  Apply(edit);
  EXPECT_THAT(listener_.said, ElementsAre("removed 0 blk_2_1002 0"));
  EXPECT_EQ(At(20000)->file->blocks.size(), 1u);
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 100 bytes 300 space");
}

TEST_P(ApplyFilesTest, TheLastBlocksLengthAndStampCanChange) {
  Create(kRoot, 20000, "f");
  AddBlock(20000, 1);
  edit::Edit edit = Edit();
  edit.mutable_update_last_block()->set_inode(20000);
  SetBlock(1, 2000, 50, edit.mutable_update_last_block()->mutable_block());
  Apply(edit);
  EXPECT_THAT(listener_.said, ElementsAre("changed 20000 blk_1_2000 50"));
  EXPECT_EQ(At(20000)->file->length, 50u);
  edit.mutable_update_last_block()->set_committed(true);
  SetBlock(1, 2000, 60, edit.mutable_update_last_block()->mutable_block());
  Apply(edit);
  EXPECT_THAT(listener_.said, ElementsAre("committed 20000 blk_1_2000 60"));
  EXPECT_TRUE(At(20000)->is_open());
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 60 bytes 180 space");
}

TEST_P(ApplyFilesTest, ClosingMayDropALastBlockThatNobodyHas) {
  Create(kRoot, 20000, "f");
  AddBlock(20000, 1);
  AddBlock(20000, 2, 1, 100);
  edit::Edit edit = Edit();
  edit.mutable_close_file()->set_inode(20000);
  edit.mutable_close_file()->set_drop_last_block(true);
  Apply(edit);
  EXPECT_THAT(listener_.said, ElementsAre("removed 0 blk_2_1002 0", "closed 20000"));
  EXPECT_EQ(At(20000)->file->length, 100u);
}

TEST_P(ApplyFilesTest, AnAppendOpensTheFileAgain) {
  MakeFile(kRoot, 20000, "f", 1, 1, 30);
  edit::Edit edit = Edit(900);
  edit.mutable_reopen_file()->set_inode(20000);
  edit.mutable_reopen_file()->set_lease_holder("second");
  SetBlock(1, 1001, 30, edit.mutable_reopen_file()->mutable_last_block());
  Apply(edit);
  EXPECT_THAT(listener_.said, ElementsAre("changed 20000 blk_1_1001 30", "opened 20000 second"));
  EXPECT_EQ(At(20000)->mtime_ms, 300u) << "mtime moves when the file is closed";
  Restart();
  EXPECT_EQ(At(20000)->file->writer->holder, "second");
}

TEST_P(ApplyFilesTest, ALeaseGoesToAnotherHolder) {
  Create(kRoot, 20000, "f");
  edit::Edit edit = Edit();
  edit.mutable_reassign_lease()->set_inode(20000);
  edit.mutable_reassign_lease()->set_lease_holder("recovery");
  Apply(edit);
  EXPECT_THAT(listener_.said, ElementsAre("opened 20000 recovery"));
  EXPECT_EQ(At(20000)->file->writer->holder, "recovery");
}

TEST_P(ApplyFilesTest, ATruncateAtABlocksEndDropsTheBlocksBehindIt) {
  MakeFile(kRoot, 20000, "f", 1, 3, 30);
  edit::Edit edit = Edit(900);
  edit.mutable_truncate()->set_inode(20000);
  edit.mutable_truncate()->set_new_length(100);
  Apply(edit);
  EXPECT_THAT(listener_.said, ElementsAre("removed 0 blk_3_1003 30", "removed 0 blk_2_1002 100"));
  EXPECT_FALSE(At(20000)->is_open());
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 100 bytes 300 space");
  edit.mutable_truncate()->set_new_length(0);
  Apply(edit);
  EXPECT_THAT(At(20000)->file->blocks, IsEmpty());
}

TEST_P(ApplyFilesTest, ATruncateInsideABlockOpensTheFileUntilTheReplicasAreCut) {
  MakeFile(kRoot, 20000, "f", 1, 3, 30);
  edit::Edit edit = Edit(900);
  edit.mutable_truncate()->set_inode(20000);
  edit.mutable_truncate()->set_new_length(150);
  SetBlock(2, 2000, 50, edit.mutable_truncate()->mutable_last_block());
  edit.mutable_truncate()->set_lease_holder("cutter");
  Apply(edit);
  EXPECT_THAT(listener_.said, ElementsAre("removed 0 blk_3_1003 30", "changed 20000 blk_2_2000 50",
                                          "opened 20000 cutter"));
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 150 bytes 450 space");
  Restart();
  EXPECT_TRUE(At(20000)->file->truncating);
  edit::Edit close = Edit();
  close.mutable_close_file()->set_inode(20000);
  SetBlock(2, 2000, 50, close.mutable_close_file()->mutable_commit_last());
  Apply(close);
  EXPECT_FALSE(At(20000)->file->truncating);
}

TEST_P(ApplyFilesTest, AConcatMovesTheBlocksAndTheSourcesVanish) {
  MakeFile(kRoot, 20000, "t", 1, 2, 30);
  MakeFile(kRoot, 20001, "a", 5, 2, 40);
  MakeFile(kRoot, 20002, "b", 7, 1, 50);
  edit::Edit edit = Edit(900);
  edit.mutable_concat()->set_target(20000);
  edit.mutable_concat()->add_sources(20002);
  edit.mutable_concat()->add_sources(20001);
  Apply(edit);
  std::vector<uint64_t> blocks;
  for (const BlockVersion& block : At(20000)->file->blocks) blocks.push_back(ToInt(block.id));
  EXPECT_THAT(blocks, ElementsAre(1, 2, 7, 5, 6));
  EXPECT_EQ(At(20001), nullptr);
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 320 bytes 960 space");
  EXPECT_EQ(At(kRoot)->directory->children, 1u);
}

std::vector<uint64_t> IdsOf(const Inode& file) {
  std::vector<uint64_t> ids;
  for (const BlockVersion& block : file.file->blocks) ids.push_back(ToInt(block.id));
  return ids;
}

TEST_P(ApplyFilesTest, ReplacedBlocksGoAndThoseOfTheSourceComeWhichVanishes) {
  MakeDirectories(kRoot, 20002, {"d"});
  MakeFile(kRoot, 20000, "t", 1, 3, 30);
  MakeFile(20002, 20001, "s", 5, 2, 40);
  edit::Edit edit = Edit(900);
  edit.mutable_replace_blocks()->set_target(20000);
  edit.mutable_replace_blocks()->set_source(20001);
  for (const uint64_t id : {1, 6, 3}) edit.mutable_replace_blocks()->add_blocks(id);
  listener_.said.clear();
  Apply(edit);
  EXPECT_THAT(IdsOf(*At(20000)), ElementsAre(1, 6, 3));
  EXPECT_THAT(listener_.said, ElementsAre(::testing::StartsWith("removed 0 blk_2_"),
                                          ::testing::StartsWith("removed 0 blk_5_")));
  EXPECT_EQ(At(20000)->mtime_ms, 900u);
  EXPECT_EQ(At(20001), nullptr);
  EXPECT_EQ(At(20002)->directory->children, 0u);
  EXPECT_EQ(Sums(20002), "1 dirs 0 files 0 bytes 0 space");
  const uint64_t length = At(20000)->file->length;
  EXPECT_EQ(Sums(kRoot), absl::StrCat("2 dirs 1 files ", length, " bytes ", 3 * length, " space"));
}

TEST_P(ApplyFilesTest, BlocksCanBeDroppedWithoutASource) {
  MakeFile(kRoot, 20000, "t", 1, 3, 30);
  edit::Edit edit = Edit(900);
  edit.mutable_replace_blocks()->set_target(20000);
  Apply(edit);
  EXPECT_THAT(IdsOf(*At(20000)), IsEmpty());
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 0 bytes 0 space");
}

TEST_P(ApplyFilesTest, AConvertedFileHasTheBlocksAndTheFormOfItsCopyWhichVanishes) {
  MakeDirectories(kRoot, 20002, {"d"});
  MakeFile(kRoot, 20000, "t", 1, 2, 30);
  CreateCoded(20002, 20001, "s");
  const uint64_t group = ToInt(MakeGroupId(9));
  AddBlock(20001, group);
  Close(20001, group, 130);

  edit::Edit edit = Edit(900);
  edit.mutable_convert_file()->set_target(20000);
  edit.mutable_convert_file()->set_source(20001);
  edit.mutable_convert_file()->set_converted_from(77);
  listener_.said.clear();
  Apply(edit);
  EXPECT_THAT(listener_.said,
              ElementsAre("superseded 0 blk_1_1001 100", "superseded 0 blk_2_1002 30"));
  EXPECT_THAT(IdsOf(*At(20000)), ElementsAre(group));
  EXPECT_EQ(At(20000)->erasure->id, kXor);
  EXPECT_EQ(At(20000)->file->block_bytes, uint64_t{1} << 20);
  EXPECT_EQ(At(20000)->file->converted_from, 77u);
  EXPECT_EQ(At(20000)->mtime_ms, 300u);
  EXPECT_EQ(At(20001), nullptr);
  EXPECT_EQ(At(20002)->directory->children, 0u);
  EXPECT_EQ(Sums(20002), "1 dirs 0 files 0 bytes 0 space");
  EXPECT_EQ(Sums(kRoot), "2 dirs 1 files 130 bytes 260 space");
  Restart();
  EXPECT_EQ(At(20000)->erasure->id, kXor);
  EXPECT_EQ(At(20000)->file->converted_from, 77u);
}

TEST_P(ApplyFilesTest, ATruncateInsideAGroupKeepsAllBlocksUntilWhatStaysIsInANewOne) {
  const uint64_t first = ToInt(MakeGroupId(9)), second = ToInt(MakeGroupId(10));
  const uint64_t third = ToInt(MakeGroupId(11)), rest = ToInt(MakeGroupId(12));
  CreateCoded(kRoot, 20000, "f");
  AddBlock(20000, first);
  AddBlock(20000, second, first, 100);
  AddBlock(20000, third, second, 100);
  Close(20000, third, 30);

  Apply(Rewrite(20000, 150));
  EXPECT_THAT(listener_.said, ElementsAre("opened 20000 cutter"));
  AddBlock(20000, rest);
  Restart();
  EXPECT_TRUE(At(20000)->is_open());
  EXPECT_TRUE(At(20000)->file->truncating);
  EXPECT_EQ(At(20000)->file->truncate_to, 150u);
  EXPECT_THAT(IdsOf(*At(20000)), ElementsAre(first, second, third, rest));
  EXPECT_EQ(BlocksToRead(*At(20000)).size(), 3u);
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 230 bytes 460 space");

  edit::Edit abandon = Edit();
  abandon.mutable_abandon_block()->set_inode(20000);
  abandon.mutable_abandon_block()->set_block_id(rest);
  Apply(abandon);
  EXPECT_EQ(BlocksToRead(*At(20000)).size(), 3u);
  AddBlock(20000, rest);
  Apply(CloseRewritten(20000, rest, 50, 150));
  Restart();
  EXPECT_FALSE(At(20000)->is_open());
  EXPECT_FALSE(At(20000)->file->truncating);
  EXPECT_EQ(At(20000)->file->truncate_to, 0u);
  EXPECT_EQ(At(20000)->mtime_ms, 900u);
  EXPECT_THAT(IdsOf(*At(20000)), ElementsAre(first, rest));
  EXPECT_EQ(BlocksToRead(*At(20000)).size(), 2u);
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 150 bytes 300 space");
}

// In a deleted directory, where files of many blocks go piece by piece.
TEST_P(ApplyFilesTest, WhatIsReclaimedOfAFileEndsItsTruncation) {
  const uint64_t first = ToInt(MakeGroupId(9)), second = ToInt(MakeGroupId(10));
  const uint64_t rest = ToInt(MakeGroupId(11));
  CreateCoded(kRoot, 20000, "f");
  AddBlock(20000, first);
  AddBlock(20000, second, first, 100);
  Close(20000, second, 100);
  Apply(Rewrite(20000, 150));
  AddBlock(20000, rest);
  edit::Edit cut = Edit(900);
  cut.mutable_truncate()->set_inode(20000);
  cut.mutable_truncate()->set_new_length(100);
  Apply(cut);
  Restart();
  EXPECT_THAT(IdsOf(*At(20000)), ElementsAre(first));
  EXPECT_EQ(At(20000)->file->truncate_to, 0u);
  EXPECT_FALSE(At(20000)->file->truncating);
  EXPECT_EQ(BlocksToRead(*At(20000)).size(), 1u);
}

TEST_P(ApplyFilesTest, ATruncateInsideAGroupThatDoesNotFitIsNoEdit) {
  const uint64_t group = ToInt(MakeGroupId(9)), rest = ToInt(MakeGroupId(10));
  MakeFile(kRoot, 20001, "replicated", 1, 1, 30);
  EXPECT_THAT(TryApply(Rewrite(20001, 10)), StatusIs(absl::StatusCode::kDataLoss));
  CreateCoded(kRoot, 20000, "f");
  AddBlock(20000, group);
  EXPECT_THAT(TryApply(Rewrite(20000, 10)), StatusIs(absl::StatusCode::kDataLoss)) << "it is open";
  Close(20000, group, 100);
  EXPECT_THAT(TryApply(Rewrite(20000, 100)), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(TryApply(Rewrite(20000, 0)), StatusIs(absl::StatusCode::kDataLoss));
  Apply(Rewrite(20000, 10));
  AddBlock(20000, rest);
  EXPECT_THAT(TryApply(CloseRewritten(20000, rest, 11, 10)), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_P(ApplyFilesTest, AConversionThatDoesNotFitIsNoEdit) {
  MakeFile(kRoot, 20000, "t", 1, 2, 30);
  MakeFile(kRoot, 20001, "shorter", 5, 2, 29);
  edit::Edit edit = Edit(900);
  edit.mutable_convert_file()->set_target(20000);
  edit.mutable_convert_file()->set_source(20001);
  EXPECT_THAT(TryApply(edit), StatusIs(absl::StatusCode::kDataLoss));
  edit.mutable_convert_file()->set_source(20000);
  EXPECT_THAT(TryApply(edit), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_P(ApplyFilesTest, ASmallFileWithoutBlocksIsCodedAndStaysOpen) {
  CreateSmall(kRoot, 20000, "f");
  Restart();
  ASSERT_NE(At(20000)->file->small_of, nullptr);
  EXPECT_EQ(At(20000)->file->small_of->id, kXor);
  EXPECT_EQ(At(20000)->erasure, nullptr);
  Apply(CodeSmall(20000));
  EXPECT_THAT(listener_.said, IsEmpty());
  Restart();
  EXPECT_TRUE(At(20000)->is_open());
  ASSERT_NE(At(20000)->erasure, nullptr);
  EXPECT_EQ(At(20000)->erasure->id, kXor);
  EXPECT_EQ(At(20000)->file->small_of, nullptr);
  EXPECT_EQ(At(20000)->file->replication, 1u);
  const uint64_t group = ToInt(MakeGroupId(9));
  AddBlock(20000, group);
  Close(20000, group, 130);
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 130 bytes 260 space");
}

TEST_P(ApplyFilesTest, ASmallFileWithABlockTakesTheGroupsOfItsCopyAndStaysOpen) {
  MakeDirectories(kRoot, 20002, {"d"});
  CreateSmall(kRoot, 20000, "f");
  AddBlock(20000, 1);
  CreateCoded(20002, 20001, "copy");
  const uint64_t group = ToInt(MakeGroupId(9)), next = ToInt(MakeGroupId(10));
  AddBlock(20001, group);
  Close(20001, group, 70);

  edit::Edit edit = CodeSmall(20000, 20001);
  SetBlock(1, 1001, 70, edit.mutable_code_small_file()->mutable_commit_last());
  edit.mutable_code_small_file()->set_converted_from(77);
  Apply(edit);
  EXPECT_THAT(listener_.said,
              ElementsAre("committed 20000 blk_1_1001 70", "superseded 0 blk_1_1001 70"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(IdsOf(*At(20000)), ElementsAre(group));
    EXPECT_TRUE(At(20000)->is_open());
    EXPECT_TRUE(At(20000)->file->last_committed);
    EXPECT_EQ(At(20000)->erasure->id, kXor);
    EXPECT_EQ(At(20000)->file->small_of, nullptr);
    EXPECT_EQ(At(20000)->file->length, 70u);
    EXPECT_EQ(At(20000)->file->converted_from, 77u);
    EXPECT_EQ(At(20001), nullptr);
    EXPECT_EQ(Sums(20002), "1 dirs 0 files 0 bytes 0 space");
    EXPECT_EQ(Sums(kRoot), "2 dirs 1 files 70 bytes 140 space");
    Restart();
  }
  AddBlock(20000, next);
  Close(20000, next, 130);
  EXPECT_EQ(At(20000)->file->converted_from, 77u) << "of those who read the old block";
  EXPECT_EQ(Sums(kRoot), "2 dirs 1 files 200 bytes 400 space");
}

TEST_P(ApplyFilesTest, WhatIsNotToBeCodedIsNoEdit) {
  const uint64_t group = ToInt(MakeGroupId(9));
  CreateCoded(kRoot, 20001, "copy");
  AddBlock(20001, group);
  Close(20001, group, 70);
  Create(kRoot, 20000, "replicated");
  EXPECT_THAT(TryApply(CodeSmall(20000)), StatusIs(absl::StatusCode::kDataLoss));
  CreateSmall(kRoot, 20002, "small");
  EXPECT_THAT(TryApply(CodeSmall(20002, 20001)), StatusIs(absl::StatusCode::kDataLoss))
      << "a copy of nothing";
  AddBlock(20002, 1);
  EXPECT_THAT(TryApply(CodeSmall(20002)), StatusIs(absl::StatusCode::kDataLoss)) << "no copy";
  EXPECT_THAT(TryApply(CodeSmall(20002, 20001)), StatusIs(absl::StatusCode::kDataLoss))
      << "nobody knows how long the block is";
  edit::Edit shorter = CodeSmall(20002, 20001);
  SetBlock(1, 1001, 69, shorter.mutable_code_small_file()->mutable_commit_last());
  EXPECT_THAT(TryApply(shorter), StatusIs(absl::StatusCode::kDataLoss));
}

// Whoever began to read it before is led to its groups by that.
TEST_P(ApplyFilesTest, ASmallFileThatOnlyGrowsIsKnownByWhatItWasFirst) {
  CreateSmall(kRoot, 20000, "f");
  AddBlock(20000, 1);
  const uint64_t first = ContentsOf(*At(20000));
  EXPECT_EQ(At(20000)->file->converted_from, 0u);
  edit::Edit update = Edit();
  update.mutable_update_last_block()->set_inode(20000);
  SetBlock(1, 2000, 50, update.mutable_update_last_block()->mutable_block());
  update.mutable_update_last_block()->set_committed(true);
  Apply(update);
  EXPECT_NE(ContentsOf(*At(20000)), first);
  EXPECT_EQ(At(20000)->file->converted_from, first);
  Close(20000);
  edit::Edit reopen = Edit();
  reopen.mutable_reopen_file()->set_inode(20000);
  reopen.mutable_reopen_file()->set_lease_holder("writer");
  SetBlock(1, 2000, 50, reopen.mutable_reopen_file()->mutable_last_block());
  Apply(reopen);
  SetBlock(1, 2001, 60, update.mutable_update_last_block()->mutable_block());
  Apply(update);
  AddBlock(20000, 2);
  EXPECT_EQ(At(20000)->file->converted_from, first);
  Close(20000, 2, 10);
  edit::Edit cut = Edit(900);
  cut.mutable_truncate()->set_inode(20000);
  cut.mutable_truncate()->set_new_length(60);
  Apply(cut);
  EXPECT_EQ(At(20000)->file->converted_from, 0u) << "other bytes may follow";
}

INSTANTIATE_TREE_TEST(ApplyFilesTest);

}  // namespace
}  // namespace cairn::namenode
