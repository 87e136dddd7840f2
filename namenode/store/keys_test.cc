#include "namenode/store/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kIds[] = {0, 1, 255, 256, 16385, 1ull << 31, 1ull << 63, ~0ull};

TEST(KeysTest, ByteOrderIsNumericOrder) {
  for (size_t i = 1; i < std::size(kIds); ++i) {
    EXPECT_LT(keys::Location(InodeId{kIds[i - 1]}), keys::Location(InodeId{kIds[i]}));
    EXPECT_LT(keys::BlockOwner(BlockId{kIds[i - 1]}), keys::BlockOwner(BlockId{kIds[i]}));
    EXPECT_LT(keys::StorageBlock(7, BlockId{kIds[i - 1]}), keys::StorageBlock(7, BlockId{kIds[i]}));
    // Whatever the names are: the directory decides first.
    EXPECT_LT(keys::Entry(InodeId{kIds[i - 1]}, "\xff\xff"), keys::Entry(InodeId{kIds[i]}, "a"));
  }
  EXPECT_LT(keys::StorageBlock(255, BlockId{~0ull}), keys::StorageBlock(256, BlockId{0}));
  EXPECT_LT(keys::Storage(9), keys::Storage(10));
}

TEST(KeysTest, EntriesOfADirectorySortByTheBytesOfTheirNames) {
  std::vector<std::string> names = {"b", "a", "\xc3\xa4", "a\x01", "aa", "A"};
  std::sort(names.begin(), names.end(), [](const std::string& x, const std::string& y) {
    return keys::Entry(kRootInode, x) < keys::Entry(kRootInode, y);
  });
  EXPECT_THAT(names, ElementsAre("A", "a", "a\x01", "aa", "b", "\xc3\xa4"));
}

TEST(KeysTest, WhatWentInComesOut) {
  for (const uint64_t id : kIds) {
    uint64_t got = 1;
    for (const std::string& key :
         {keys::Location(InodeId{id}), keys::Sums(InodeId{id}), keys::Detached(InodeId{id}),
          keys::BlockOwner(BlockId{id}), keys::Replicas(BlockId{id}), keys::OpenFile(InodeId{id}),
          keys::StorageBlock(3, BlockId{id}), keys::RemovedBlock(BlockId{id}),
          keys::ConversionRule(InodeId{id})}) {
      ASSERT_TRUE(keys::ParseTrailingId(key, &got));
      EXPECT_EQ(got, id);
    }
    InodeId parent;
    absl::string_view name;
    const std::string entry = keys::Entry(InodeId{id}, absl::string_view("x\0y", 3));
    ASSERT_TRUE(keys::ParseEntry(entry, &parent, &name));
    EXPECT_EQ(ToInt(parent), id);
    EXPECT_EQ(name, absl::string_view("x\0y", 3));
  }
  uint32_t storage = 0;
  ASSERT_TRUE(keys::ParseStorageNumber(keys::Storage(0xfffffffe), &storage));
  EXPECT_EQ(storage, 0xfffffffe);
  ASSERT_TRUE(keys::ParseStorageNumber(keys::StorageBlock(12, BlockId{5}), &storage));
  EXPECT_EQ(storage, 12u);
}

TEST(KeysTest, DamagedKeysAreRefused) {
  InodeId parent;
  absl::string_view name;
  uint64_t id;
  uint32_t storage;
  EXPECT_FALSE(keys::ParseEntry(keys::EntryPrefix(kRootInode), &parent, &name)) << "no name";
  EXPECT_FALSE(keys::ParseEntry(keys::Location(kRootInode) + "x", &parent, &name)) << "other kind";
  EXPECT_FALSE(keys::ParseEntryName("", &name));
  EXPECT_FALSE(keys::ParseTrailingId(keys::Location(kRootInode).substr(0, 8), &id)) << "short";
  EXPECT_FALSE(keys::ParseTrailingId(keys::Location(kRootInode) + "x", &id)) << "long";
  EXPECT_FALSE(keys::ParseTrailingId(keys::Entry(kRootInode, "x"), &id)) << "has no trailing id";
  EXPECT_FALSE(keys::ParseTrailingId("", &id));
  EXPECT_FALSE(keys::ParseStorageNumber("S", &storage));
  EXPECT_FALSE(keys::ParseStorageNumber("", &storage));
}

TEST(KeysTest, APrefixHoldsItsOwnKeysOnly) {
  const std::string directory = keys::EntryPrefix(InodeId{16385});
  EXPECT_TRUE(absl::StartsWith(keys::Entry(InodeId{16385}, "a"), directory));
  EXPECT_FALSE(absl::StartsWith(keys::Entry(InodeId{16386}, "a"), directory));
  EXPECT_FALSE(absl::StartsWith(keys::Location(InodeId{16385}), directory));
  EXPECT_TRUE(absl::StartsWith(keys::StorageBlock(1, BlockId{2}), keys::StorageBlockPrefix(1)));
  EXPECT_FALSE(absl::StartsWith(keys::StorageBlock(256, BlockId{2}), keys::StorageBlockPrefix(1)));
  EXPECT_FALSE(absl::StartsWith(keys::Storage(1), keys::StorageBlockPrefix(1)));
}

TEST(KeysTest, KindsDoNotShareAPrefix) {
  std::string kinds{keys::kNamespace,    keys::kApplied,  keys::kEntry,      keys::kLocation,
                    keys::kSums,         keys::kDetached, keys::kBlockOwner, keys::kReplicas,
                    keys::kStorageBlock, keys::kStorage,  keys::kOpenFile,   keys::kRemovedBlock};
  kinds += {keys::kErasurePolicy, keys::kConversionRule};
  kinds += "vhayqg";  // reserved
  std::sort(kinds.begin(), kinds.end());
  EXPECT_EQ(std::adjacent_find(kinds.begin(), kinds.end()), kinds.end());
}

TEST(KeysTest, MessagesNameTheRecord) {
  EXPECT_EQ(keys::Readable(keys::Entry(kRootInode, "a\n")), "entry 16385/\"a\\n\"");
  EXPECT_EQ(keys::Readable(keys::Location(kRootInode)), "location of inode 16385");
  EXPECT_EQ(keys::Readable(keys::StorageBlock(3, BlockId{8})), "block 8 of storage 3");
  EXPECT_EQ(keys::Readable(keys::Storage(3)), "storage 3");
  EXPECT_EQ(keys::Readable(keys::RemovedBlock(BlockId{8})), "removed block 8");
  EXPECT_EQ(keys::Readable(keys::ErasurePolicy(64)), "erasure coding policy 64");
  EXPECT_EQ(keys::Readable(keys::ConversionRule(InodeId{16390})), "conversion rule of inode 16390");
  EXPECT_EQ(keys::Readable("i\x01"), "key \"i\\x01\"");
}

}  // namespace
}  // namespace cairn::namenode
