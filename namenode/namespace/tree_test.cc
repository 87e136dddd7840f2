// What holds for all edits, and which inodes are in memory.
#include "namenode/namespace/testing/tree_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;

class TreeTest : public TreeFixture {};

// Listeners put replica lists beside the edit, and the tail may be full then: what is frozen would
// hold the new length of the block, but not yet the sums, under the txid of the edit before.
TEST_P(TreeTest, NoTailIsFrozenInTheMiddleOfAnEdit) {
  Create(kRoot, 20000, "f");
  AddBlock(20000, 1);
  ASSERT_OK(store_->Flush());
  edit::Edit edit = Edit();
  edit.mutable_set_permission()->set_inode(20000);
  Apply(edit);
  listener_.on_change = [&] {
    store_->PutUnjournalled(keys::Replicas(BlockId{1}), std::string(options_.tail_bytes, 'r'));
  };
  AddBlock(20000, 2, 1, 100);
  ASSERT_OK(store_->WaitFlushed());
  EXPECT_EQ(store_->applied(), TxId{txid_});
}

TEST_P(TreeTest, ReservedIdsAndStoragesOutliveARestart) {
  edit::Edit edit = Edit();
  edit.mutable_reserve_ids()->set_inode_id(30000);
  edit.mutable_reserve_ids()->set_block_id(5'000'000'000);
  edit.mutable_reserve_ids()->set_generation_stamp(4000);
  Apply(edit);
  edit.mutable_register_storage()->set_number(0);
  edit.mutable_register_storage()->set_storage_uuid("DS-1");
  edit.mutable_register_storage()->set_datanode_uuid("dn-1");
  Apply(edit);
  EXPECT_THAT(listener_.said, ElementsAre("storage 0"));
  Restart();
  EXPECT_EQ(tree_->reserved().inode_id, 30000u);
  EXPECT_EQ(tree_->reserved().block_id, 5'000'000'000u);
  EXPECT_EQ(tree_->reserved().generation_stamp, 4000u);
  EXPECT_EQ(tree_->identity().next_storage_number(), 1u);
  EXPECT_EQ(tree_->identity().cluster_id(), "CID-1");
}

TEST_P(TreeTest, AnEditThatDoesNotFitIsDamage) {
  MakeDirectories(kRoot, 20000, {"d"});
  MakeFile(kRoot, 20001, "f", 1, 1, 30);
  const auto expect_damage = [&](const edit::Edit& edit) {
    EXPECT_THAT(TryApply(edit), StatusIs(absl::StatusCode::kDataLoss)) << edit.ShortDebugString();
  };
  edit::Edit edit = Edit();
  expect_damage(edit);  // of no kind
  edit.mutable_delete_()->set_inode(99999);
  expect_damage(edit);
  edit.mutable_delete_()->set_inode(kRoot);
  expect_damage(edit);
  edit.mutable_set_replication()->set_inode(20000);
  expect_damage(edit);
  edit.mutable_add_block()->set_inode(20000);
  expect_damage(edit);
  edit.mutable_abandon_block()->set_inode(20001);
  edit.mutable_abandon_block()->set_block_id(7);
  expect_damage(edit);
  edit.mutable_reassign_lease()->set_inode(20001);
  expect_damage(edit);
  edit.mutable_rename()->set_inode(kRoot);
  edit.mutable_rename()->set_to_parent(20000);
  expect_damage(edit);
}

TEST_P(TreeTest, WhatIsInMemoryIsFoundByIdAndByName) {
  MakeDirectories(kRoot, 20000, {"a"});
  At(20000);
  WriterLock lock(namespace_lock_);
  Inode& root = tree_->root();
  const Tree::Found found = tree_->FindChild(root, "a");
  ASSERT_TRUE(found.known);
  EXPECT_EQ(found.inode, tree_->FindById(InodeId{20000}));
  tree_->EvictAll();
  EXPECT_EQ(tree_->resident(), 1u) << "the root stays";
  EXPECT_FALSE(tree_->FindChild(root, "a").known)
      << "after an eviction nothing is known to be absent";
  EXPECT_FALSE(tree_->FindChild(root, "b").known);
  EXPECT_OK(tree_->Insert(root, "b", nullptr, nullptr));
  EXPECT_TRUE(tree_->FindChild(root, "b").known) << "an absent name is remembered";
  EXPECT_EQ(tree_->FindChild(root, "b").inode, nullptr);
}

TEST_P(TreeTest, ANameRememberedAsAbsentCanBeMade) {
  MakeDirectories(kRoot, 20000, {"a"});
  {
    WriterLock lock(namespace_lock_);
    tree_->EvictAll();
    EXPECT_OK(tree_->Insert(tree_->root(), "b", nullptr, nullptr));
  }
  Rename(20000, kRoot, "b");
  EXPECT_EQ(Path(20000), "/b");
}

INSTANTIATE_TREE_TEST(TreeTest);

// The cache is bounded, open files and parents of residents stay, and everything comes back.
class TrimTest : public TreeFixture {};

TEST_P(TrimTest, EvictsWhatIsUnusedUntilTheBoundIsKept) {
  for (int i = 0; i < 300; ++i) {
    MakeDirectories(kRoot, 20000 + i, {absl::StrCat("d", i)});
    if (HasFatalFailure()) return;
  }
  Create(20000, 30000, "open");
  cache_bytes_ = 0;
  Restart();
  WriterLock lock(namespace_lock_);
  for (int i = 0; i < 300; ++i) ASSERT_OK(tree_->Require(InodeId{20000u + i}));
  ASSERT_OK(tree_->Require(InodeId{30000}));
  EXPECT_EQ(tree_->resident(), 302u);
  for (int i = 0; i < 100; ++i) tree_->Trim(1000);
  EXPECT_EQ(tree_->resident(), 3u) << "the root, the open file and its directory";
  EXPECT_GT(tree_->resident_bytes(), 0u);
}

// A few files of ten thousand blocks would else be a cache of many times its bound.
TEST_P(TrimTest, BlocksAndWritersCount) {
  Create(kRoot, 20000, "f");
  const uint64_t open = tree_->resident_bytes();
  constexpr int kBlocks = 400;
  for (int i = 1; i <= kBlocks; ++i) AddBlock(20000, i, i == 1 ? 0 : i - 1, 100);
  EXPECT_GE(tree_->resident_bytes(), open + kBlocks * sizeof(BlockVersion));
  EXPECT_LE(tree_->resident_bytes(), open + 3 * kBlocks * sizeof(BlockVersion));
  const uint64_t written = tree_->resident_bytes();
  Close(20000, kBlocks, 100);
  EXPECT_LT(tree_->resident_bytes(), written) << "its writer is gone";
  Restart();
  const uint64_t empty = tree_->resident_bytes();
  ASSERT_NE(At(20000), nullptr);
  EXPECT_GE(tree_->resident_bytes(), empty + kBlocks * sizeof(BlockVersion));
}

INSTANTIATE_TEST_SUITE_P(, TrimTest, ::testing::Values(Cache::kLarge),
                         [](const auto&) { return "Bounded"; });

}  // namespace
}  // namespace cairn::namenode
