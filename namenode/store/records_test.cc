#include "namenode/store/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "common/ids.h"
#include "common/testing/status_matchers.h"
#include "namenode/store/golden_records_testing.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

using ::testing::HasSubstr;

store::Inode File() {
  store::Inode inode;
  inode.set_id(16387);
  inode.set_txid(7);
  inode.set_mode(0644);
  inode.set_owner("alice");
  inode.set_group("staff");
  inode.set_mtime_ms(1600000000000);
  inode.set_atime_ms(1600000000000);
  inode.set_replication(3);
  inode.set_block_bytes(128 << 20);
  store::Block* const block = inode.add_blocks();
  block->set_id(1073741825);
  block->set_generation_stamp(1001);
  block->set_length(5);
  return inode;
}

TEST(RecordsTest, WhatWasWrittenIsRead) {
  const auto inode = ParseInode(keys::Entry(kRootInode, "f"), File().SerializeAsString());
  ASSERT_OK(inode);
  EXPECT_EQ(inode->id(), 16387u);
  EXPECT_EQ(inode->blocks(0).length(), 5u);
}

TEST(RecordsTest, EveryCutOfAnInodeIsRefusedOrStillMakesSense) {
  const std::string whole = File().SerializeAsString();
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto inode = ParseInode(keys::Entry(kRootInode, "f"), whole.substr(0, size));
    if (!inode.ok()) {
      EXPECT_THAT(inode, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("entry 16385/\"f\"")));
    } else {
      EXPECT_NE(inode->id(), 0u);
    }
  }
}

TEST(RecordsTest, AnInodeThatMakesNoSenseIsRefused) {
  const std::string key = keys::Entry(kRootInode, "f");
  const auto refuse = [&](auto change, absl::string_view why) {
    store::Inode inode = File();
    change(inode);
    EXPECT_THAT(ParseInode(key, inode.SerializeAsString()),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(std::string(why))));
  };
  refuse([](store::Inode& i) { i.set_id(0); }, "without an id");
  refuse([](store::Inode& i) { i.set_mode(02000); }, "mode");
  refuse([](store::Inode& i) { i.set_directory(true); }, "directory with blocks");
  refuse([](store::Inode& i) { i.set_block_bytes(0); }, "no size");
  refuse([](store::Inode& i) { i.mutable_blocks(0)->set_id(0); }, "block without an id");
  EXPECT_THAT(ParseInode(keys::Detached(InodeId{5}), File().SerializeAsString()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("holds inode 16387")));
  EXPECT_OK(ParseInode(keys::Detached(InodeId{16387}), File().SerializeAsString()));
}

TEST(RecordsTest, ATruncationInsideAGroupIsOfAnOpenCodedFileThatIsLonger) {
  const std::string key = keys::Entry(kRootInode, "f");
  store::Inode good = File();  // of 5 bytes, and the new group
  good.set_erasure_policy(1);
  good.set_lease_holder("cutter");
  good.set_truncate_to(4);
  *good.add_blocks() = good.blocks(0);
  EXPECT_OK(ParseInode(key, good.SerializeAsString()));
  const auto refuse = [&](auto change) {
    store::Inode inode = good;
    change(inode);
    EXPECT_THAT(ParseInode(key, inode.SerializeAsString()),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("being truncated")));
  };
  refuse([](store::Inode& i) { i.set_truncate_to(5); });
  refuse([](store::Inode& i) { i.clear_lease_holder(); });
  refuse([](store::Inode& i) { i.clear_erasure_policy(); });
  refuse([](store::Inode& i) { i.clear_blocks(); });
  refuse([](store::Inode& i) { i.mutable_blocks()->RemoveLast(); });
  good.mutable_blocks()->RemoveLast();
  good.set_last_committed(true);
  EXPECT_OK(ParseInode(key, good.SerializeAsString()));
}

TEST(RecordsTest, ALocationNeedsParentAndNameExceptTheRoots) {
  store::Location location;
  EXPECT_OK(ParseLocation(keys::Location(kRootInode), location.SerializeAsString()));
  const std::string key = keys::Location(InodeId{16386});
  EXPECT_THAT(ParseLocation(key, location.SerializeAsString()),
              StatusIs(absl::StatusCode::kDataLoss));
  location.set_parent(16385);
  location.set_name("a");
  EXPECT_OK(ParseLocation(key, location.SerializeAsString()));
  location.set_name("a/b");
  EXPECT_THAT(ParseLocation(key, location.SerializeAsString()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'/'")));
}

TEST(RecordsTest, ARecordThatRepeatsItsKeyAgreesWithIt) {
  store::Storage storage;
  storage.set_number(3);
  storage.set_storage_uuid("DS-1");
  EXPECT_OK(ParseStorage(keys::Storage(3), storage.SerializeAsString()));
  EXPECT_THAT(ParseStorage(keys::Storage(4), storage.SerializeAsString()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("storage 4: holds storage 3")));
}

TEST(RecordsTest, AnErasurePolicyIsThatOfItsKey) {
  store::ErasurePolicy policy;
  policy.set_id(64);
  EXPECT_OK(ParseErasurePolicy(keys::ErasurePolicy(64), policy.SerializeAsString()));
  EXPECT_THAT(ParseErasurePolicy(keys::ErasurePolicy(65), policy.SerializeAsString()),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ParseErasurePolicy(keys::Storage(64), policy.SerializeAsString()),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(RecordsTest, AConversionRuleIsThatOfItsKey) {
  store::ConversionRule rule;
  rule.set_inode(16390);
  EXPECT_OK(ParseConversionRule(keys::ConversionRule(InodeId{16390}), rule.SerializeAsString()));
  EXPECT_THAT(ParseConversionRule(keys::ConversionRule(InodeId{16391}), rule.SerializeAsString()),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("conversion rule of inode 16391: holds the rule of inode 16390")));
  EXPECT_THAT(ParseConversionRule(keys::Sums(InodeId{16390}), rule.SerializeAsString()),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(RecordsTest, ARemovedBlockIsThatOfItsKey) {
  store::Block block;
  block.set_id(7);
  block.set_generation_stamp(1001);
  EXPECT_OK(ParseRemovedBlock(keys::RemovedBlock(BlockId{7}), block.SerializeAsString()));
  EXPECT_THAT(ParseRemovedBlock(keys::RemovedBlock(BlockId{8}), block.SerializeAsString()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("removed block 8: holds block 7")));
}

TEST(RecordsTest, EmptyValuesAreNoOwnersAndNoNamespace) {
  EXPECT_THAT(ParseBlockOwner(keys::BlockOwner(BlockId{1}), ""),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ParseNamespace(keys::Namespace(), ""), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_OK(ParseSums(keys::Sums(kRootInode), ""));
  EXPECT_OK(ParseReplicas(keys::Replicas(BlockId{1}), ""));
}

TEST(RecordsTest, UnknownFieldsOfANewerProgramAreKept) {
  const std::string newer = File().SerializeAsString() + "\xf8\x07\x2a";  // field 127 = 42
  const auto inode = ParseInode(keys::Entry(kRootInode, "f"), newer);
  ASSERT_OK(inode);
  EXPECT_EQ(inode->SerializeAsString(), newer);
}

// Compares golden records, one after the other, with keys and values as they are made now.
class GoldenRecordsTest : public ::testing::Test {
 protected:
  explicit GoldenRecordsTest(absl::string_view file) : records_(ReadGoldenRecords(file)) {}

  // The next record has that key, holds `message`, and `parse` reads it.
  template <typename Message>
  void ExpectNext(const std::string& key, const Message& message,
                  absl::StatusOr<Message> (*parse)(absl::string_view, absl::string_view)) {
    ExpectNext(key, message.SerializeAsString());
    if (HasFatalFailure()) return;
    ASSERT_OK_AND_ASSIGN(const Message read, parse(key, records_[next_ - 1].value));
    EXPECT_EQ(read.SerializeAsString(), message.SerializeAsString());
  }
  void ExpectNext(const std::string& key, const std::string& value) {
    ASSERT_LT(next_, records_.size());
    const GoldenRecord& record = records_[next_++];
    EXPECT_EQ(keys::Readable(key), record.what);
    EXPECT_EQ(absl::BytesToHexString(key), absl::BytesToHexString(record.key));
    EXPECT_EQ(absl::BytesToHexString(value), absl::BytesToHexString(record.value)) << record.what;
  }
  void ExpectNoMore() const { EXPECT_EQ(next_, records_.size()); }

 private:
  const std::vector<GoldenRecord> records_;
  size_t next_ = 0;
};

// docs/formats/store.md shows these bytes; data on disk depends on them.
class GoldenStoreTest : public GoldenRecordsTest {
 protected:
  GoldenStoreTest() : GoldenRecordsTest("records.txt") {}
};

TEST_F(GoldenStoreTest, ItsRecordsAreReadAndWrittenAsBefore) {
  store::Namespace space;
  space.set_cluster_id("CID-1");
  space.set_block_pool_id("BP-1-127.0.0.1-1");
  space.set_layout_version(1);
  space.set_created_ms(1600000000000);
  space.set_next_inode_id(16388);
  space.set_next_block_id(1073741826);
  space.set_next_generation_stamp(1002);
  space.set_next_storage_number(4);
  ExpectNext(keys::Namespace(), space, ParseNamespace);
  ExpectNext(keys::Applied(), std::string("\0\0\0\0\0\0\0\x07", 8));
  ExpectNext(keys::Entry(kRootInode, "f"), File(), ParseInode);
  store::Location location;
  location.set_parent(ToInt(kRootInode));
  location.set_name("f");
  ExpectNext(keys::Location(InodeId{16387}), location, ParseLocation);
  store::Replicas replicas;
  replicas.set_generation_stamp(1001);
  replicas.set_length(5);
  for (const uint32_t storage : {1u, 2u, 3u}) replicas.add_storages(storage);
  ExpectNext(keys::Replicas(BlockId{1073741825}), replicas, ParseReplicas);
  ExpectNext(keys::StorageBlock(2, BlockId{1073741825}), "");
  ExpectNoMore();
}

// The kinds that the golden store has none of, and the fields of inodes that its file does not
// have.
class OtherGoldenRecordsTest : public GoldenRecordsTest {
 protected:
  OtherGoldenRecordsTest() : GoldenRecordsTest("other_records.txt") {}
};

store::Inode CodedFile() {
  store::Inode coded = File();
  coded.set_id(16388);
  coded.set_txid(8);
  coded.set_replication(1);
  coded.mutable_blocks(0)->set_id(ToInt(MakeGroupId(1)));
  coded.mutable_blocks(0)->set_generation_stamp(1002);
  coded.mutable_blocks(0)->set_length(3 << 20);
  coded.set_erasure_policy(1);
  coded.set_converted_from(0x0123456789abcdef);
  return coded;
}

store::Inode OpenFile() {
  store::Inode open = File();
  open.set_id(16389);
  open.set_txid(9);
  open.set_mode(0600);
  open.set_owner("bob");
  open.mutable_blocks(0)->set_id(1073741826);
  open.mutable_blocks(0)->set_generation_stamp(1004);
  open.mutable_blocks(0)->set_length(300);
  open.set_lease_holder("writer-1");
  open.set_client_machine("10.0.0.7");
  open.set_truncating(true);
  open.set_last_committed(true);
  open.set_cut_from(1003);
  return open;
}

store::Inode DetachedDirectory() {
  store::Inode directory;
  directory.set_id(16390);
  directory.set_txid(10);
  directory.set_directory(true);
  directory.set_mode(01777);
  directory.set_owner("alice");
  directory.set_group("staff");
  directory.set_mtime_ms(1600000000000);
  directory.set_storage_policy(7);
  directory.set_should_replicate(true);
  directory.set_children(2);
  return directory;
}

store::Sums RootsSums() {
  store::Sums sums;
  sums.set_directories(1);
  sums.set_files(3);
  sums.set_length(3146033);
  sums.set_space(4720527);
  return sums;
}

store::Storage StorageGivenUp() {
  store::Storage storage;
  storage.set_number(3);
  storage.set_storage_uuid("DS-3");
  storage.set_datanode_uuid("dn-1");
  storage.set_storage_type(1);
  storage.set_given_up(true);
  storage.set_lost_from_block(1073741826);
  return storage;
}

store::ErasurePolicy AddedPolicy() {
  store::ErasurePolicy policy;
  policy.set_id(64);
  policy.set_name("RS-4-2-64k");
  policy.set_codec("rs");
  policy.set_data_units(4);
  policy.set_parity_units(2);
  policy.set_cell_bytes(64 << 10);
  policy.set_state(2);
  return policy;
}

store::ConversionRule RuleOfColdFiles() {
  store::ConversionRule rule;
  rule.set_inode(16390);
  rule.set_txid(11);
  rule.set_set_ms(1600000000000);
  rule.set_erasure_policy(1);
  rule.set_older_than_ms(2592000000);
  rule.set_unread_for_ms(86400000);
  rule.set_larger_than_bytes(128 << 20);
  return rule;
}

TEST_F(OtherGoldenRecordsTest, AreReadAndWrittenAsBefore) {
  ExpectNext(keys::Entry(kRootInode, "coded"), CodedFile(), ParseInode);
  ExpectNext(keys::Entry(kRootInode, "open"), OpenFile(), ParseInode);
  ExpectNext(keys::Sums(kRootInode), RootsSums(), ParseSums);
  ExpectNext(keys::Detached(InodeId{16390}), DetachedDirectory(), ParseInode);
  store::BlockOwner owner;
  owner.set_inode(16387);
  ExpectNext(keys::BlockOwner(BlockId{1073741825}), owner, ParseBlockOwner);
  ExpectNext(keys::Storage(3), StorageGivenUp(), ParseStorage);
  ExpectNext(keys::ErasurePolicy(64), AddedPolicy(), ParseErasurePolicy);
  ExpectNext(keys::OpenFile(InodeId{16389}), "");
  store::Block removed;
  removed.set_id(1073741830);
  removed.set_generation_stamp(1005);
  removed.set_length(7);
  ExpectNext(keys::RemovedBlock(BlockId{1073741830}), removed, ParseRemovedBlock);
  ExpectNext(keys::ConversionRule(InodeId{16390}), RuleOfColdFiles(), ParseConversionRule);
  ExpectNoMore();
}

}  // namespace
}  // namespace cairn::namenode
