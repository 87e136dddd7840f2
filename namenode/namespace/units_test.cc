#include "namenode/namespace/units.h"

#include <gtest/gtest.h>

#include <vector>

#include "erasure/policy.h"

namespace cairn::namenode {
namespace {

constexpr uint64_t kMiB = 1 << 20;
const BlockId kGroup = MakeGroupId(1073741825);

void Fill(Inode& file, const erasure::Policy* policy, std::vector<BlockVersion> blocks) {
  file.erasure = policy;
  file.file = std::make_unique<FileData>();
  file.file->blocks = std::move(blocks);
  for (const BlockVersion& block : file.file->blocks) file.file->length += block.length;
  file.file->replication = policy == nullptr ? 3 : 1;
}

void Open(Inode& file, bool last_committed) {
  file.file->writer = std::make_unique<Writer>(Writer{"client", "10.0.0.1"});
  file.file->last_committed = last_committed;
}

TEST(UnitsTest, IdsOfGroupsAndTheirUnits) {
  EXPECT_TRUE(IsGrouped(kGroup));
  EXPECT_FALSE(IsGrouped(BlockId{1073741825}));
  EXPECT_EQ(ToInt(kGroup) & 15, 0u);
  EXPECT_LT(static_cast<int64_t>(ToInt(kGroup)), 0);  // as HDFS's clients tell a group
  const BlockId unit = UnitOf(kGroup, 8);
  EXPECT_EQ(GroupOf(unit), kGroup);
  EXPECT_EQ(UnitNumber(unit), 8u);
  EXPECT_EQ(CounterOf(unit), 1073741825u);
  EXPECT_EQ(CounterOf(BlockId{1073741825}), 1073741825u);
  EXPECT_EQ(OwnedId(unit), kGroup);
  EXPECT_EQ(OwnedId(BlockId{7}), BlockId{7});
}

TEST(UnitsTest, AReplicatedBlockIsItsOwnOnlyUnit) {
  const BlockVersion block{BlockId{7}, GenerationStamp{1001}, 5};
  Inode file;
  Fill(file, nullptr, {block});
  EXPECT_EQ(UnitCount(file), 1u);
  EXPECT_EQ(UnitsNeeded(file, block), 1u);
  ASSERT_TRUE(FindUnit(file, BlockId{7}).has_value());
  EXPECT_EQ(FindUnit(file, BlockId{7})->length, 5u);
  EXPECT_FALSE(FindUnit(file, BlockId{8}).has_value());
  EXPECT_EQ(file.Space(), 15u);
}

TEST(UnitsTest, AClosedGroupHasTheUnitsThatHoldBytes) {
  const erasure::Policy& policy = *erasure::FindSystemPolicy("RS-6-3-1024k");
  const BlockVersion group{kGroup, GenerationStamp{1001}, kMiB + 1};  // two data units
  Inode file;
  Fill(file, &policy, {group});
  EXPECT_EQ(UnitCount(file), 9u);
  EXPECT_EQ(UnitsNeeded(file, group), 2u);
  std::vector<uint64_t> lengths;
  ForEachUnit(file, group, IsFinal(file, group), [&](uint32_t unit, const BlockVersion& version) {
    EXPECT_EQ(version.id, UnitOf(kGroup, unit));
    EXPECT_EQ(version.stamp, GenerationStamp{1001});
    lengths.push_back(version.length);
  });
  EXPECT_EQ(lengths, (std::vector<uint64_t>{kMiB, 1, kMiB, kMiB, kMiB}));
  EXPECT_EQ(FindUnit(file, UnitOf(kGroup, 1))->length, 1u);
  EXPECT_FALSE(FindUnit(file, UnitOf(kGroup, 2)).has_value());
  EXPECT_EQ(FindUnit(file, UnitOf(kGroup, 8))->length, kMiB);
  EXPECT_FALSE(FindUnit(file, UnitOf(kGroup, 9)).has_value());
  EXPECT_EQ(file.Space(), kMiB + 1 + 3 * kMiB);
}

TEST(UnitsTest, AChangeOfTheLastBlockIsTheSameWithoutThoseBefore) {
  const BlockVersion first{kGroup, GenerationStamp{1001}, 3 * kMiB};
  const BlockVersion short_last{MakeGroupId(1073741826), GenerationStamp{1001}, 10};
  const BlockVersion last{short_last.id, GenerationStamp{1001}, kMiB + 5};
  for (const char* const name : {"RS-6-3-1024k", ""}) {
    const erasure::Policy* const policy = erasure::FindSystemPolicy(name);
    Inode before, after;
    Fill(before, policy, {first, short_last});
    Fill(after, policy, {first, last});
    for (const size_t from : {0, 1}) {
      SubtreeSums change = after.Contribution(from);
      change.Add(before.Contribution(from), -1);
      EXPECT_EQ(change.files, 0u);
      EXPECT_EQ(change.length, kMiB - 5);
      EXPECT_EQ(change.space, policy == nullptr ? 3 * (kMiB - 5) : kMiB - 5 + 3 * (kMiB - 10));
    }
    EXPECT_EQ(after.Contribution(1).length, kMiB + 5);
    EXPECT_EQ(after.Contribution(2).space, 0u);
    EXPECT_EQ(after.Contribution(9).length, 0u);
  }
}

TEST(UnitsTest, OfAGroupThatIsBeingWrittenEveryUnitMayBeThere) {
  const erasure::Policy& policy = *erasure::FindSystemPolicy("RS-3-2-1024k");
  Inode file;
  Fill(file, &policy, {{kGroup, GenerationStamp{1001}, 0}});
  Open(file, /*last_committed=*/false);
  EXPECT_FALSE(IsFinal(file, file.file->blocks.back()));
  EXPECT_TRUE(FindUnit(file, UnitOf(kGroup, 4)).has_value());
  EXPECT_FALSE(FindUnit(file, UnitOf(kGroup, 5)).has_value());
  file.file->last_committed = true;
  EXPECT_TRUE(IsFinal(file, file.file->blocks.back()));
  EXPECT_FALSE(FindUnit(file, UnitOf(kGroup, 4)).has_value());
  EXPECT_EQ(UnitsNeeded(file, file.file->blocks.back()), 0u);
}

TEST(UnitsTest, BlocksBeforeTheLastAreFinal) {
  const erasure::Policy& policy = *erasure::FindSystemPolicy("XOR-2-1-1024k");
  Inode file;
  Fill(file, &policy,
       {{kGroup, GenerationStamp{1001}, 4 * kMiB},
        {MakeGroupId(1073741826), GenerationStamp{1002}, 0}});
  Open(file, /*last_committed=*/false);
  EXPECT_TRUE(IsFinal(file, file.file->blocks[0]));
  EXPECT_EQ(UnitsNeeded(file, file.file->blocks[0]), 2u);
}

}  // namespace
}  // namespace cairn::namenode
