// Apply, kind by kind. After every edit all records are audited and compared with what is resident;
// the same edits are applied with a cache that holds nothing, and must give the same records.
#include "namenode/namespace/tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "namenode/namespace/first_records.h"
#include "namenode/namespace/testing/audit.h"
#include "namenode/store/keys.h"
#include "namenode/store/store_testing.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kRoot = 16385;

class RecordingListener final : public TreeListener {
 public:
  void OnBlockAdded(const Inode& file, const BlockVersion& block) override {
    Say("added", ToInt(file.id), block);
  }
  void OnBlockChanged(const Inode& file, const BlockVersion& block, bool committed) override {
    Say(committed ? "committed" : "changed", ToInt(file.id), block);
    if (on_change) on_change();
  }
  void OnBlockRemoved(const BlockVersion& block) override { Say("removed", 0, block); }
  void OnOpened(const Inode& file) override {
    said.push_back(absl::StrCat("opened ", ToInt(file.id), " ", file.file->writer->holder));
  }
  void OnClosed(const Inode& file) override {
    said.push_back(absl::StrCat("closed ", ToInt(file.id)));
  }
  void OnDetached(InodeId directory) override {
    said.push_back(absl::StrCat("detached ", ToInt(directory)));
  }
  void OnStorageRegistered(const edit::RegisterStorage& storage) override {
    said.push_back(absl::StrCat("storage ", storage.number()));
  }

  std::vector<std::string> said;
  std::function<void()> on_change;

 private:
  void Say(absl::string_view what, uint64_t file, const BlockVersion& block) {
    said.push_back(absl::StrCat(what, " ", file, " blk_", ToInt(block.id), "_", ToInt(block.stamp),
                                " ", block.length));
  }
};

enum class Cache { kLarge, kNone };

class TreeTest : public StoreTestBase, public ::testing::WithParamInterface<Cache> {
 protected:
  void SetUp() override {
    options_.tail_bytes = 1 << 20;
    ASSERT_OK(Store::Format(options_, FirstRecords({"CID-1", "BP-1", 1, "root", "wheel", 5})));
    ASSERT_OK(StoreTestBase::Open());
    OpenTree();
  }
  void OpenTree() {
    Tree::Options options;
    options.cache_bytes = cache_bytes_;
    tree_ = std::make_unique<Tree>(options, *store_, listener_);
    WriterLock lock(namespace_lock_);
    ASSERT_OK(tree_->Open());
    empty_bytes_ = tree_->resident_bytes();
  }
  // Whatever was done: what is counted is what is there.
  void TearDown() override {
    WriterLock lock(namespace_lock_);
    if (tree_ == nullptr) return;
    tree_->EvictAll();
    EXPECT_EQ(tree_->resident_bytes(), empty_bytes_);
  }
  // The store has everything; a new process begins.
  void Restart() {
    ASSERT_OK(store_->Flush());
    tree_.reset();
    ASSERT_OK(StoreTestBase::Open());
    OpenTree();
  }

  edit::Edit Edit(uint64_t time_ms = 100) {
    edit::Edit edit;
    edit.set_time_ms(time_ms);
    return edit;
  }
  absl::Status TryApply(const edit::Edit& edit) {
    WriterLock lock(namespace_lock_);
    const absl::Status status = tree_->Apply(edit, TxId{++txid_});
    if (!status.ok()) return status;
    if (GetParam() == Cache::kNone) tree_->EvictAll();
    return status;
  }
  void Apply(const edit::Edit& edit) {
    listener_.said.clear();
    ASSERT_OK(TryApply(edit)) << edit.ShortDebugString();
    CheckRecords();
  }
  void CheckRecords() {
    WriterLock lock(namespace_lock_);
    store_->PutRest();
    const Dump dump = DumpRecords(*store_);
    ASSERT_EQ(Audit(dump), "");
    for (const auto& [key, value] : dump) {
      uint64_t id = 0;
      store::Inode record;
      if (key[0] == keys::kEntry || key[0] == keys::kDetached) {
        ASSERT_TRUE(record.ParseFromString(value));
        id = record.id();
      }
      const Inode* const inode = tree_->FindById(InodeId{id});
      if (inode == nullptr) continue;
      EXPECT_EQ(EncodeInode(*inode), value) << record.ShortDebugString();
      if (inode->directory == nullptr) continue;
      const auto sums = dump.find(keys::Sums(inode->id));
      ASSERT_NE(sums, dump.end());
      EXPECT_EQ(EncodeSums(inode->directory->sums), sums->second) << id;
    }
  }

  void MakeDirectories(uint64_t parent, uint64_t first_id, std::vector<std::string> names,
                       uint64_t time_ms = 100) {
    edit::Edit edit = Edit(time_ms);
    edit.mutable_make_directories()->set_parent(parent);
    for (const std::string& name : names) {
      Fill(first_id++, name, edit.mutable_make_directories()->add_directories());
    }
    Apply(edit);
  }
  static void Fill(uint64_t id, absl::string_view name, edit::NewInode* out) {
    out->set_id(id);
    out->set_name(std::string(name));
    out->set_mode(0750);
    out->set_owner("alice");
    out->set_group("staff");
  }
  void Create(uint64_t parent, uint64_t id, absl::string_view name, uint64_t overwritten = 0) {
    edit::Edit edit = Edit(200);
    edit::CreateFile& create = *edit.mutable_create_file();
    create.set_parent(parent);
    Fill(id, name, create.mutable_inode());
    create.set_replication(3);
    create.set_block_bytes(100);
    create.set_lease_holder("writer");
    create.set_client_machine("10.0.0.1");
    create.set_overwritten(overwritten);
    Apply(edit);
  }
  void AddBlock(uint64_t file, uint64_t block, uint64_t previous = 0, uint64_t previous_bytes = 0) {
    edit::Edit edit = Edit();
    edit.mutable_add_block()->set_inode(file);
    SetBlock(block, 1000 + block, 0, edit.mutable_add_block()->mutable_block());
    if (previous != 0) {
      SetBlock(previous, 1000 + previous, previous_bytes,
               edit.mutable_add_block()->mutable_commit_previous());
    }
    Apply(edit);
  }
  static void SetBlock(uint64_t id, uint64_t stamp, uint64_t length, edit::Block* out) {
    out->set_id(id);
    out->set_generation_stamp(stamp);
    out->set_length(length);
  }
  void Close(uint64_t file, uint64_t block = 0, uint64_t length = 0) {
    edit::Edit edit = Edit(300);
    edit.mutable_close_file()->set_inode(file);
    if (block != 0) {
      SetBlock(block, 1000 + block, length, edit.mutable_close_file()->mutable_commit_last());
    }
    Apply(edit);
  }
  // A closed file of blocks of 100 bytes and a last one of `last` bytes, ids from `block` on.
  void MakeFile(uint64_t parent, uint64_t id, absl::string_view name, uint64_t block, int blocks,
                uint64_t last) {
    Create(parent, id, name);
    for (int i = 0; i < blocks; ++i) {
      AddBlock(id, block + i, i == 0 ? 0 : block + i - 1, 100);
    }
    if (blocks == 0) {
      Close(id);
    } else {
      Close(id, block + blocks - 1, last);
    }
  }
  void Delete(uint64_t inode) {
    edit::Edit edit = Edit(400);
    edit.mutable_delete_()->set_inode(inode);
    Apply(edit);
  }
  void Rename(uint64_t inode, uint64_t to, absl::string_view name, uint64_t overwritten = 0) {
    edit::Edit edit = Edit(500);
    edit.mutable_rename()->set_inode(inode);
    edit.mutable_rename()->set_to_parent(to);
    edit.mutable_rename()->set_to_name(std::string(name));
    edit.mutable_rename()->set_overwritten(overwritten);
    Apply(edit);
  }

  // Null: there is none. Loads what is not resident.
  Inode* At(uint64_t id) {
    WriterLock lock(namespace_lock_);
    const absl::StatusOr<Inode*> inode = tree_->Require(InodeId{id});
    return inode.ok() ? *inode : nullptr;
  }
  std::string Path(uint64_t id) {
    const Inode* const inode = At(id);
    return inode == nullptr ? "gone" : PathOf(*inode);
  }
  std::string Sums(uint64_t id) {
    const SubtreeSums sums = At(id)->Contribution();
    return absl::StrCat(sums.directories, " dirs ", sums.files, " files ", sums.length, " bytes ",
                        sums.space, " space");
  }

  RecordingListener listener_;
  uint64_t cache_bytes_ = GetParam() == Cache::kNone ? 0 : 1 << 20;
  uint64_t empty_bytes_ = 0;  // with nothing but the root
  std::unique_ptr<Tree> tree_;
};

TEST_P(TreeTest, DirectoriesAreMadeEachBelowTheOneBefore) {
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

TEST_P(TreeTest, ANewFileIsOpenInItsWritersName) {
  Create(kRoot, 20000, "f");
  EXPECT_THAT(listener_.said, ElementsAre("opened 20000 writer"));
  const Inode* const file = At(20000);
  EXPECT_TRUE(file->is_open());
  EXPECT_EQ(file->file->writer->machine, "10.0.0.1");
  EXPECT_EQ(file->mtime_ms, 200u);
  EXPECT_EQ(file->atime_ms, 200u);
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 0 bytes 0 space");
}

TEST_P(TreeTest, AFileIsMadeTogetherWithItsMissingParents) {
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

TEST_P(TreeTest, BlocksCountWithTheirCommittedLengths) {
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

TEST_P(TreeTest, AnAbandonedBlockLeavesNoTrace) {
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

TEST_P(TreeTest, TheLastBlocksLengthAndStampCanChange) {
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

TEST_P(TreeTest, ClosingMayDropALastBlockThatNobodyHas) {
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

TEST_P(TreeTest, AnAppendOpensTheFileAgain) {
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

TEST_P(TreeTest, ALeaseGoesToAnotherHolder) {
  Create(kRoot, 20000, "f");
  edit::Edit edit = Edit();
  edit.mutable_reassign_lease()->set_inode(20000);
  edit.mutable_reassign_lease()->set_lease_holder("recovery");
  Apply(edit);
  EXPECT_THAT(listener_.said, ElementsAre("opened 20000 recovery"));
  EXPECT_EQ(At(20000)->file->writer->holder, "recovery");
}

TEST_P(TreeTest, AttributesChangeAndNothingElseDoes) {
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

TEST_P(TreeTest, ADeletedFileReleasesItsBlocksAndItsLease) {
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

TEST_P(TreeTest, AnEmptyDirectoryIsDeletedAtOnce) {
  MakeDirectories(kRoot, 20000, {"a", "b"});
  Delete(20001);
  EXPECT_THAT(listener_.said, IsEmpty());
  EXPECT_EQ(At(20001), nullptr);
  EXPECT_EQ(At(20000)->mtime_ms, 400u);
  EXPECT_EQ(Sums(kRoot), "2 dirs 0 files 0 bytes 0 space");
}

TEST_P(TreeTest, AFullDirectoryIsDetachedAndReclaimedInSlices) {
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

TEST_P(TreeTest, TheNameOfADetachedDirectoryIsFreeAtOnce) {
  MakeDirectories(kRoot, 20000, {"d", "e"});
  Delete(20000);
  MakeDirectories(kRoot, 20010, {"d", "x"});
  EXPECT_EQ(Path(20011), "/d/x");
  EXPECT_EQ(Path(20001), "(deleted)/e");
}

TEST_P(TreeTest, ARenamedDirectoryTakesItsSubtreeAlong) {
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

TEST_P(TreeTest, ARenameWithinADirectoryOnlyChangesTheName) {
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

TEST_P(TreeTest, ARenameReplacesWhatItOverwritesInOneStep) {
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

TEST_P(TreeTest, ACreateReplacesWhatItOverwritesInOneStep) {
  MakeFile(kRoot, 20000, "f", 1, 1, 30);
  Create(kRoot, 20001, "f", 20000);
  EXPECT_THAT(listener_.said, ElementsAre("removed 0 blk_1_1001 30", "opened 20001 writer"));
  EXPECT_EQ(At(20000), nullptr);
  EXPECT_EQ(Sums(kRoot), "1 dirs 1 files 0 bytes 0 space");
}

TEST_P(TreeTest, ATruncateAtABlocksEndDropsTheBlocksBehindIt) {
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

TEST_P(TreeTest, ATruncateInsideABlockOpensTheFileUntilTheReplicasAreCut) {
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

TEST_P(TreeTest, AConcatMovesTheBlocksAndTheSourcesVanish) {
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

// Two inodes under one key would be one at the next start.
TEST_P(TreeTest, ATakenNameIsNeverGivenASecondTime) {
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
  tree_->Insert(root, "b", nullptr, nullptr);
  EXPECT_TRUE(tree_->FindChild(root, "b").known) << "an absent name is remembered";
  EXPECT_EQ(tree_->FindChild(root, "b").inode, nullptr);
}

TEST_P(TreeTest, ANameRememberedAsAbsentCanBeMade) {
  MakeDirectories(kRoot, 20000, {"a"});
  {
    WriterLock lock(namespace_lock_);
    tree_->EvictAll();
    tree_->Insert(tree_->root(), "b", nullptr, nullptr);
  }
  Rename(20000, kRoot, "b");
  EXPECT_EQ(Path(20000), "/b");
}

INSTANTIATE_TEST_SUITE_P(, TreeTest, ::testing::Values(Cache::kLarge, Cache::kNone),
                         [](const auto& info) {
                           return info.param == Cache::kLarge ? "AllResident" : "NothingResident";
                         });

// The cache is bounded, open files and parents of residents stay, and everything comes back.
class TrimTest : public TreeTest {};

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
