// namenode/namespace/testing/tree_fixture.h - a tree over a real store, to which a test applies
// edits.
//
// After every edit all records are audited and compared with what is resident. Instantiate a suite
// with INSTANTIATE_TREE_TEST: the same edits are applied with a cache that holds nothing, and must
// give the same records.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "namenode/namespace/first_records.h"
#include "namenode/namespace/testing/audit.h"
#include "namenode/namespace/tree.h"
#include "namenode/store/keys.h"
#include "namenode/store/store_testing.h"

namespace cairn::namenode {

inline constexpr uint64_t kRoot = 16385;

class RecordingListener final : public TreeListener {
 public:
  void OnBlockAdded(const Inode& file, const BlockVersion& block) override {
    Say("added", ToInt(file.id), block);
  }
  void OnBlockChanged(const Inode& file, const BlockVersion& block, bool committed) override {
    Say(committed ? "committed" : "changed", ToInt(file.id), block);
    if (on_change) on_change();
  }
  void OnBlockRemoved(const Inode&, const BlockVersion& block) override {
    Say("removed", 0, block);
  }
  void OnBlockSuperseded(const Inode&, const BlockVersion& block) override {
    Say("superseded", 0, block);
  }
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
    said.push_back(absl::StrCat(what, " ", file, " blk_", ToSigned(block.id), "_",
                                ToInt(block.stamp), " ", block.length));
  }
};

enum class Cache { kLarge, kNone };

class TreeFixture : public StoreTestBase, public ::testing::WithParamInterface<Cache> {
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

#define INSTANTIATE_TREE_TEST(suite)                                                  \
  INSTANTIATE_TEST_SUITE_P(                                                           \
      , suite, ::testing::Values(Cache::kLarge, Cache::kNone), [](const auto& info) { \
        return info.param == Cache::kLarge ? "AllResident" : "NothingResident";       \
      })

}  // namespace cairn::namenode
