// Apply: edits of names and attributes: what is made, renamed, deleted.
#include "namenode/namespace/testing/tree_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ApplyNamesTest : public TreeFixture {};

TEST_P(ApplyNamesTest, DirectoriesAreMadeEachBelowTheOneBefore) {
  MakeDirectories(kRoot, 20000, {"a", "b", "c"});
  EXPECT_EQ(Path(20002), "/a/b/c");
  EXPECT_EQ(Sums(kRoot), "4 dirs 0 files 0 bytes 0 space");
  EXPECT_EQ(Sums(20001), "2 dirs 0 files 0 bytes 0 space");
  EXPECT_EQ(At(20000)->directory->children, 1u);
  EXPECT_EQ(At(20002)->directory->children, 0u);
  EXPECT_EQ(*At(20002)->owner, "alice");
  EXPECT_EQ(*At(20002)->group, "staff");
  EXPECT_EQ(At(20002)->mode, 0750u);
  EXPECT_EQ(At(kRoot)->mtime_ms, 100u);
}

TEST_P(ApplyNamesTest, AFileIsMadeTogetherWithItsMissingParents) {
  edit::Edit edit = Edit();
  edit::CreateFile& create = *edit.mutable_create_file();
  create.set_parent(kRoot);
  create.mutable_missing_parents()->set_parent(kRoot);
  Fill(20000, "a", create.mutable_missing_parents()->add_directories());
  Fill(20001, "b", create.mutable_missing_parents()->add_directories());
  Fill(20002, "f", create.mutable_inode());
  create.set_replication(1);
  create.set_block_bytes(100);
  create.set_lease_holder("writer");
  Apply(edit);
  EXPECT_EQ(Path(20002), "/a/b/f");
  EXPECT_EQ(Sums(kRoot), "3 dirs 1 files 0 bytes 0 space");
}

TEST_P(ApplyNamesTest, AttributesChangeAndNothingElseDoes) {
  MakeFile(kRoot, 20000, "f", 1, 1, 30);
  edit::Edit edit = Edit();
  edit.mutable_set_permission()->set_inode(20000);
  edit.mutable_set_permission()->set_mode(07777);
  Apply(edit);
  EXPECT_EQ(At(20000)->mode, 01777u) << "setuid and setgid are dropped";

  edit.mutable_set_owner()->set_inode(20000);
  edit.mutable_set_owner()->set_owner("bob");
  Apply(edit);
  EXPECT_EQ(*At(20000)->owner, "bob");
  EXPECT_EQ(*At(20000)->group, "staff");

  edit.mutable_set_times()->set_inode(20000);
  edit.mutable_set_times()->set_atime_ms(7);
  Apply(edit);
  EXPECT_EQ(At(20000)->atime_ms, 7u);
  EXPECT_EQ(At(20000)->mtime_ms, 300u);

  edit.mutable_set_replication()->set_inode(20000);
  edit.mutable_set_replication()->set_replication(5);
  Apply(edit);
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 30 bytes 150 space");

  edit.mutable_set_storage_policy()->set_inode(20000);
  edit.mutable_set_storage_policy()->set_policy(12);
  Apply(edit);
  EXPECT_EQ(At(20000)->storage_policy, 12u);
}

TEST_P(ApplyNamesTest, ADeletedFileReleasesItsBlocksAndItsLease) {
  Create(kRoot, 20000, "f");
  AddBlock(20000, 1);
  AddBlock(20000, 2, 1, 100);
  Delete(20000);
  EXPECT_THAT(listener_.said,
              ElementsAre("removed 0 blk_1_1001 100", "removed 0 blk_2_1002 0", "closed 20000"));
  EXPECT_EQ(At(20000), nullptr);
  EXPECT_EQ(Sums(kRoot), "1 dirs 0 files 0 bytes 0 space");
  EXPECT_EQ(At(kRoot)->directory->children, 0u);
}

TEST_P(ApplyNamesTest, AnEmptyDirectoryIsDeletedAtOnce) {
  MakeDirectories(kRoot, 20000, {"a", "b"});
  Delete(20001);
  EXPECT_THAT(listener_.said, IsEmpty());
  EXPECT_EQ(At(20001), nullptr);
  EXPECT_EQ(At(20000)->mtime_ms, 400u);
  EXPECT_EQ(Sums(kRoot), "2 dirs 0 files 0 bytes 0 space");
}

TEST_P(ApplyNamesTest, AFullDirectoryIsDetachedAndReclaimedInSlices) {
  MakeDirectories(kRoot, 20000, {"d", "e"});
  MakeFile(20000, 20002, "f", 1, 1, 30);
  MakeFile(20001, 20003, "g", 5, 2, 10);
  Delete(20000);
  EXPECT_THAT(listener_.said, ElementsAre("detached 20000"));
  EXPECT_EQ(Sums(kRoot), "1 dirs 0 files 0 bytes 0 space");
  EXPECT_EQ(Path(20003), "(deleted)/e/g");

  edit::Edit slice = Edit();
  slice.mutable_reclaim()->set_root(20000);
  const auto add = [&](uint64_t parent, const char* name, uint64_t inode) {
    auto* const entry = slice.mutable_reclaim()->add_removed();
    entry->set_parent(parent);
    entry->set_name(name);
    entry->set_inode(inode);
  };
  add(20001, "g", 20003);
  Apply(slice);
  EXPECT_THAT(listener_.said, ElementsAre("removed 0 blk_5_1005 100", "removed 0 blk_6_1006 10"));
  EXPECT_EQ(At(20003), nullptr);
  Restart();
  EXPECT_EQ(Path(20001), "(deleted)/e");

  slice.mutable_reclaim()->clear_removed();
  add(20000, "e", 20001);
  add(20000, "f", 20002);
  slice.mutable_reclaim()->set_root_removed(true);
  Apply(slice);
  EXPECT_EQ(At(20000), nullptr);
  EXPECT_EQ(At(20002), nullptr);
}

TEST_P(ApplyNamesTest, TheNameOfADetachedDirectoryIsFreeAtOnce) {
  MakeDirectories(kRoot, 20000, {"d", "e"});
  Delete(20000);
  MakeDirectories(kRoot, 20010, {"d", "x"});
  EXPECT_EQ(Path(20011), "/d/x");
  EXPECT_EQ(Path(20001), "(deleted)/e");
}

TEST_P(ApplyNamesTest, ARenamedDirectoryTakesItsSubtreeAlong) {
  MakeDirectories(kRoot, 20000, {"a", "b"});
  MakeDirectories(kRoot, 20010, {"c"});
  MakeFile(20001, 20002, "f", 1, 1, 30);
  Rename(20001, 20010, "moved");
  EXPECT_EQ(Path(20002), "/c/moved/f");
  EXPECT_EQ(Sums(20000), "1 dirs 0 files 0 bytes 0 space");
  EXPECT_EQ(Sums(20010), "2 dirs 1 files 30 bytes 90 space");
  EXPECT_EQ(Sums(kRoot), "4 dirs 1 files 30 bytes 90 space");
  EXPECT_EQ(At(20000)->mtime_ms, 500u);
  EXPECT_EQ(At(20010)->mtime_ms, 500u);
  Restart();
  EXPECT_EQ(Path(20002), "/c/moved/f");
  CheckRecords();
}

TEST_P(ApplyNamesTest, ARenameWithinADirectoryOnlyChangesTheName) {
  MakeDirectories(kRoot, 20000, {"a"});
  MakeFile(20000, 20001, "f", 1, 1, 30);
  Rename(20001, 20000, "g");
  EXPECT_EQ(Path(20001), "/a/g");
  EXPECT_EQ(At(20000)->directory->children, 1u);
  EXPECT_EQ(Sums(20000), "1 dirs 1 files 30 bytes 90 space");
  WriterLock lock(namespace_lock_);
  const Tree::Found old = tree_->FindChild(**tree_->Require(InodeId{20000}), "f");
  EXPECT_EQ(old.inode, nullptr);
}

TEST_P(ApplyNamesTest, ARenameReplacesWhatItOverwritesInOneStep) {
  MakeDirectories(kRoot, 20000, {"a"});
  MakeFile(20000, 20001, "f", 1, 1, 30);
  MakeFile(20000, 20002, "g", 2, 1, 40);
  Rename(20001, 20000, "g", 20002);
  EXPECT_THAT(listener_.said, ElementsAre("removed 0 blk_2_1002 40"));
  EXPECT_EQ(Path(20001), "/a/g");
  EXPECT_EQ(At(20002), nullptr);
  EXPECT_EQ(Sums(20000), "1 dirs 1 files 30 bytes 90 space");

  MakeFile(kRoot, 20003, "g", 3, 1, 50);
  Rename(20003, 20000, "g", 20001);
  EXPECT_EQ(Sums(kRoot), "2 dirs 1 files 50 bytes 150 space");
}

TEST_P(ApplyNamesTest, ACreateReplacesWhatItOverwritesInOneStep) {
  MakeFile(kRoot, 20000, "f", 1, 1, 30);
  Create(kRoot, 20001, "f", 20000);
  EXPECT_THAT(listener_.said, ElementsAre("removed 0 blk_1_1001 30", "opened 20001 writer"));
  EXPECT_EQ(At(20000), nullptr);
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 0 bytes 0 space");
}

// Two inodes under one key would be one at the next start.
TEST_P(ApplyNamesTest, ATakenNameIsNeverGivenASecondTime) {
  MakeDirectories(kRoot, 20000, {"d"});
  MakeFile(20000, 20001, "f", 1, 1, 30);
  MakeFile(kRoot, 20002, "g", 2, 1, 30);
  const auto expect_damage = [&](const edit::Edit& edit) {
    EXPECT_THAT(TryApply(edit), StatusIs(absl::StatusCode::kDataLoss)) << edit.ShortDebugString();
  };
  edit::Edit edit = Edit();
  edit.mutable_create_file()->set_parent(20000);
  Fill(20010, "f", edit.mutable_create_file()->mutable_inode());
  expect_damage(edit);
  edit.mutable_make_directories()->set_parent(20000);
  Fill(20010, "f", edit.mutable_make_directories()->add_directories());
  expect_damage(edit);
  edit.mutable_rename()->set_inode(20002);
  edit.mutable_rename()->set_to_parent(20000);
  edit.mutable_rename()->set_to_name("f");
  expect_damage(edit);
  EXPECT_EQ(Path(20001), "/d/f");
  EXPECT_EQ(Path(20002), "/g");
}

// ---- conversion rules

TEST_P(ApplyNamesTest, AConversionRuleIsOfItsDirectoryUntilThatGoes) {
  MakeDirectories(kRoot, 20000, {"a", "b"});
  MakeFile(20001, 20002, "f", 1, 1, 30);
  const auto set = [&](uint64_t inode) {
    edit::Edit edit = Edit(600);
    edit::SetConversionRule& change = *edit.mutable_set_conversion_rule();
    change.set_inode(inode);
    change.set_erasure_policy(1);
    change.set_older_than_ms(5);
    return edit;
  };
  const auto rules = [&] {
    WriterLock lock(namespace_lock_);
    std::vector<uint64_t> of;
    for (const auto& [id, kept] : tree_->conversion_rules()) of.push_back(ToInt(id));
    return of;
  };
  Apply(set(20000));
  Apply(set(20001));
  EXPECT_THAT(rules(), ElementsAre(20000, 20001));
  Restart();
  EXPECT_THAT(rules(), ElementsAre(20000, 20001));
  EXPECT_EQ(tree_->conversion_rules().at(InodeId{20001}).set_ms, 600u);
  EXPECT_EQ(tree_->conversion_rules().at(InodeId{20001}).rule.policy->name, "RS-6-3-1024k");
  Rename(20000, kRoot, "c");
  EXPECT_THAT(rules(), ElementsAre(20000, 20001));
  Delete(20000);
  EXPECT_THAT(rules(), ElementsAre(20001)) << "those below are reclaimed later";
  edit::Edit reclaim = Edit();
  reclaim.mutable_reclaim()->set_root(20000);
  for (const auto& [parent, name, inode] :
       {std::tuple(20001, "f", 20002), std::tuple(20000, "b", 20001)}) {
    auto* const entry = reclaim.mutable_reclaim()->add_removed();
    entry->set_parent(parent);
    entry->set_name(name);
    entry->set_inode(inode);
  }
  reclaim.mutable_reclaim()->set_root_removed(true);
  Apply(reclaim);
  EXPECT_THAT(rules(), IsEmpty());
  Restart();
  EXPECT_THAT(rules(), IsEmpty());
}

TEST_P(ApplyNamesTest, AConversionRuleThatDoesNotFitIsRefused) {
  MakeFile(kRoot, 20000, "f", 1, 1, 30);
  edit::Edit edit = Edit();
  edit.mutable_set_conversion_rule()->set_inode(20000);
  EXPECT_THAT(TryApply(edit), StatusIs(absl::StatusCode::kDataLoss)) << "of a file";
  edit.mutable_set_conversion_rule()->set_inode(kRoot);
  edit.mutable_set_conversion_rule()->set_erasure_policy(99);
  EXPECT_THAT(TryApply(edit), StatusIs(absl::StatusCode::kDataLoss)) << "of no policy";
  EXPECT_TRUE(tree_->conversion_rules().empty());
}

INSTANTIATE_TREE_TEST(ApplyNamesTest);

}  // namespace
}  // namespace cairn::namenode
