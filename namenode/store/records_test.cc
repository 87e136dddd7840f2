#include "namenode/store/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/ids.h"
#include "common/testing/status_matchers.h"
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

// docs/formats/store.md shows these bytes; data on disk depends on them.
TEST(RecordsTest, TheGoldenRecordsAreReadAndWrittenAsBefore) {
  const char* const source = std::getenv("CAIRN_SOURCE");
  std::ifstream file(
      absl::StrCat(source != nullptr ? source : ".", "/tests/golden/store/records.txt"));
  ASSERT_TRUE(file) << "run by ctest, or from the root of the repository";
  std::string line;
  int records = 0;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    const std::vector<std::string> parts = absl::StrSplit(line, '|');
    ASSERT_EQ(parts.size(), 3u) << line;
    const std::string key = absl::HexStringToBytes(parts[1]);
    const std::string value = absl::HexStringToBytes(parts[2]);
    EXPECT_EQ(keys::Readable(key), parts[0]);
    ++records;
    switch (key[0]) {
      case keys::kNamespace: {
        const auto got = ParseNamespace(key, value);
        ASSERT_OK(got);
        EXPECT_EQ(got->SerializeAsString(), value);
        EXPECT_EQ(key, keys::Namespace());
        break;
      }
      case keys::kEntry: {
        const auto got = ParseInode(key, value);
        ASSERT_OK(got);
        EXPECT_EQ(got->SerializeAsString(), value);
        EXPECT_EQ(value, File().SerializeAsString());
        EXPECT_EQ(key, keys::Entry(kRootInode, "f"));
        break;
      }
      case keys::kLocation: {
        const auto got = ParseLocation(key, value);
        ASSERT_OK(got);
        EXPECT_EQ(got->SerializeAsString(), value);
        EXPECT_EQ(key, keys::Location(InodeId{16387}));
        break;
      }
      case keys::kReplicas: {
        const auto got = ParseReplicas(key, value);
        ASSERT_OK(got);
        EXPECT_EQ(got->SerializeAsString(), value);
        EXPECT_EQ(got->storages_size(), 3);
        break;
      }
      case keys::kStorageBlock:
        EXPECT_EQ(value, "");
        EXPECT_EQ(key, keys::StorageBlock(2, BlockId{1073741825}));
        break;
      case keys::kApplied:
        EXPECT_EQ(value, std::string("\0\0\0\0\0\0\0\x07", 8));
        break;
      default:
        FAIL() << line;
    }
  }
  EXPECT_EQ(records, 6);
}

}  // namespace
}  // namespace cairn::namenode
