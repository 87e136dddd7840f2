#include "tools/fsck/judge.h"

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

using client::BlockReport;
using client::FileReport;
using client::Standing;

constexpr FsckCluster kThreeRacks{
    .min_replication = 1, .default_replication = 3, .live_nodes = 6, .racks = 3};

// A block of 10 bytes that wants three replicas and has these, each in a rack of its own.
BlockReport Block(std::vector<Standing> standings) {
  BlockReport block;
  block.id = 1;
  block.length = 10;
  block.wanted = 3;
  int rack = 0;
  for (const Standing standing : standings) {
    client::ReplicaReport replica;
    replica.standing = standing;
    replica.rack = "/r" + std::to_string(rack++);
    block.replicas.push_back(replica);
  }
  return block;
}

FileReport File(std::vector<BlockReport> blocks) {
  FileReport file;
  file.path = "/f";
  file.replication = 3;
  for (const BlockReport& block : blocks) file.length += block.length;
  file.blocks = std::move(blocks);
  return file;
}

constexpr uint64_t kGroupId = uint64_t{1} << 63;

// A full RS-3-2 group of 30 bytes whose units have these replicas, each unit in a rack of its own.
BlockReport Group(std::vector<std::vector<Standing>> units) {
  BlockReport group;
  group.id = kGroupId;
  group.length = 30;
  group.wanted = 5;
  group.units_needed = 3;
  for (const std::vector<Standing>& standings : units) {
    BlockReport unit = Block(standings);
    unit.id = kGroupId + group.units.size();
    unit.wanted = 1;
    for (client::ReplicaReport& replica : unit.replicas) {
      replica.rack = "/r" + std::to_string(group.units.size());
    }
    group.units.push_back(unit);
  }
  return group;
}

FileReport CodedFile(std::vector<BlockReport> groups) {
  FileReport file = File(std::move(groups));
  file.replication = 1;
  file.erasure_policy = "RS-3-2-1024k";
  return file;
}

BlockVerdict JudgeOne(const BlockReport& block) {
  return Judge(File({block}), kThreeRacks).blocks[0];
}

TEST(FsckJudgeTest, AsManyReplicasAsWantedAreHealthy) {
  const FileVerdict verdict =
      Judge(File({Block({Standing::kLive, Standing::kLive, Standing::kStale})}), kThreeRacks);
  EXPECT_TRUE(verdict.ok());
  EXPECT_EQ(verdict.blocks[0].live, 3u);
}

TEST(FsckJudgeTest, FewerAreUnderReplicatedButNotLost) {
  const FileVerdict verdict = Judge(File({Block({Standing::kLive, Standing::kDead})}), kThreeRacks);
  EXPECT_EQ(verdict.under_replicated, 1u);
  EXPECT_FALSE(verdict.lost());
}

TEST(FsckJudgeTest, ABlockThatIsNowhereIsMissing) {
  const FileVerdict verdict =
      Judge(File({Block({Standing::kDead, Standing::kDead}), Block({})}), kThreeRacks);
  EXPECT_EQ(verdict.missing, 2u);
  EXPECT_EQ(verdict.missing_bytes, 20u);
  EXPECT_EQ(verdict.corrupt, 0u);
}

TEST(FsckJudgeTest, ABlockOfWhichOnlyBadReplicasAreLeftIsCorruptAndNotMissing) {
  BlockReport block = Block({Standing::kCorrupt, Standing::kDead});
  block.corrupt = true;
  const FileVerdict verdict = Judge(File({block}), kThreeRacks);
  EXPECT_EQ(verdict.corrupt, 1u);
  EXPECT_EQ(verdict.missing, 0u);
}

TEST(FsckJudgeTest, ReplicasOnLeavingNodesCountAsReplicasOfTheBlock) {
  const BlockVerdict v =
      JudgeOne(Block({Standing::kLive, Standing::kDecommissioning, Standing::kMaintenance}));
  EXPECT_EQ(v.total(), 3u);
  EXPECT_FALSE(v.under_replicated);
}

TEST(FsckJudgeTest, LiveReplicasBeyondTheWantedOnesAreSurplusUnlessOrderedAway) {
  EXPECT_EQ(
      JudgeOne(Block({Standing::kLive, Standing::kLive, Standing::kLive, Standing::kLive})).surplus,
      1u);
  EXPECT_EQ(JudgeOne(Block({Standing::kLive, Standing::kLive, Standing::kLive, Standing::kExcess}))
                .surplus,
            0u);
}

// The others were lost before it was deleted: readers still get its bytes.
TEST(FsckJudgeTest, ABlockWithOnlyAnExcessReplicaIsUnderReplicatedAndNotMissing) {
  FsckTotals totals;
  for (const Standing lost : {Standing::kDead, Standing::kCorrupt}) {
    const FileReport file = File({Block({Standing::kExcess, lost})});
    const FileVerdict verdict = Judge(file, kThreeRacks);
    EXPECT_FALSE(verdict.lost());
    EXPECT_EQ(verdict.under_replicated, 1u);
    totals.Add(file, verdict);
  }
  EXPECT_TRUE(totals.healthy());
  EXPECT_EQ(totals.replicated.missing_replicas, 6u);
}

TEST(FsckJudgeTest, AllInOneRackIsBadlySpreadIfThereAreSeveral) {
  BlockReport block = Block({Standing::kLive, Standing::kLive, Standing::kLive});
  for (client::ReplicaReport& replica : block.replicas) replica.rack = "/one";
  EXPECT_EQ(JudgeOne(block).racks_short, 1u);
  FsckCluster one_rack = kThreeRacks;
  one_rack.racks = 1;
  EXPECT_EQ(Judge(File({block}), one_rack).mis_replicated, 0u);
}

TEST(FsckJudgeTest, TheBlockBeingWrittenIsNotJudged) {
  BlockReport block = Block({Standing::kBeingWritten});
  block.under_construction = true;
  EXPECT_TRUE(Judge(File({block}), kThreeRacks).ok());
}

TEST(FsckJudgeTest, TheBlockBeingWrittenIsMissingWhenNobodyCanReadIt) {
  BlockReport block = Block({Standing::kDead, Standing::kCorrupt});
  block.under_construction = true;
  const FileReport file = File({Block({Standing::kLive, Standing::kLive, Standing::kLive}), block});
  const FileVerdict verdict = Judge(file, kThreeRacks);
  EXPECT_TRUE(verdict.lost());
  EXPECT_EQ(verdict.missing_bytes, 10u);

  FsckTotals totals;
  totals.Add(file, verdict);
  EXPECT_FALSE(totals.healthy());
  EXPECT_EQ(totals.replicated.missing_blocks, 1u);
  EXPECT_EQ(totals.replicated.missing_bytes, 10u);
  EXPECT_EQ(totals.replicated.corrupt_files, 1u);
  EXPECT_EQ(totals.replicated.expected_replicas, 3u);  // of the other block alone
}

TEST(FsckJudgeTest, UnitsOfAGroupAreCountedOnceEach) {
  const BlockVerdict whole = JudgeOne(Group({{Standing::kLive, Standing::kLive},
                                             {Standing::kLive, Standing::kCorrupt},
                                             {Standing::kDead, Standing::kMaintenance},
                                             {Standing::kDecommissioning},
                                             {Standing::kStale}}));
  EXPECT_EQ(whole.live, 3u);
  EXPECT_EQ(whole.maintenance, 1u);
  EXPECT_EQ(whole.decommissioning, 1u);
  EXPECT_EQ(whole.surplus, 1u);
  EXPECT_FALSE(whole.under_replicated);
  EXPECT_FALSE(whole.missing);
}

TEST(FsckJudgeTest, AGroupIsLostWhenFewerUnitsAreLeftThanHoldItsBytes) {
  const std::vector<Standing> there = {Standing::kLive}, gone = {Standing::kDead};
  const FileVerdict degraded =
      Judge(CodedFile({Group({there, gone, there, gone, there})}), kThreeRacks);
  EXPECT_FALSE(degraded.lost());
  EXPECT_EQ(degraded.under_replicated, 1u);
  EXPECT_TRUE(degraded.blocks[0].enough);

  const FileReport file = CodedFile({Group({there, gone, gone, gone, there})});
  const FileVerdict lost = Judge(file, kThreeRacks);
  EXPECT_EQ(lost.missing, 1u);
  EXPECT_EQ(lost.missing_bytes, 30u);
  EXPECT_EQ(lost.under_replicated, 0u);
  EXPECT_FALSE(lost.blocks[0].enough);
  FsckTotals totals;
  totals.Add(file, lost);
  EXPECT_FALSE(totals.healthy());
  EXPECT_EQ(totals.coded.missing_blocks, 1u);
  EXPECT_EQ(totals.coded.under_min, 1u);
  EXPECT_EQ(totals.replicated.files, 0u);
}

// Readers still get its bytes.
TEST(FsckJudgeTest, AnExcessUnitCountsForReadersAlone) {
  const BlockVerdict v = JudgeOne(Group({{Standing::kLive},
                                         {Standing::kLive},
                                         {Standing::kExcess},
                                         {Standing::kDead},
                                         {Standing::kDead}}));
  EXPECT_FALSE(v.missing);
  EXPECT_TRUE(v.under_replicated);
  EXPECT_EQ(v.total(), 2u);
}

TEST(FsckJudgeTest, AGroupThatIsLostToABadUnitIsCorruptAndNotMissing) {
  BlockReport group = Group({{Standing::kLive},
                             {Standing::kLive},
                             {Standing::kCorrupt},
                             {Standing::kDead},
                             {Standing::kDead}});
  group.corrupt = true;
  const FileVerdict verdict = Judge(CodedFile({group}), kThreeRacks);
  EXPECT_EQ(verdict.corrupt, 1u);
  EXPECT_EQ(verdict.missing, 0u);
  EXPECT_EQ(verdict.under_replicated, 0u);
}

TEST(FsckJudgeTest, TheUnitsThatAreThereWantAnEvenShareOfTheRacks) {
  const std::vector<Standing> there = {Standing::kLive}, gone = {Standing::kDead};
  BlockReport group = Group({there, there, there, there, there});
  const auto in_racks = [&](std::vector<const char*> racks) {
    for (size_t i = 0; i < racks.size(); ++i) group.units[i].replicas[0].rack = racks[i];
    return JudgeOne(group).racks_short;
  };
  EXPECT_EQ(in_racks({"/a", "/a", "/b", "/b", "/c"}), 0u);
  EXPECT_EQ(in_racks({"/a", "/a", "/b", "/b", "/b"}), 1u);
  EXPECT_EQ(in_racks({"/a", "/a", "/a", "/a", "/a"}), 2u);
  group = Group({there, there, there, gone, gone});
  EXPECT_EQ(in_racks({"/a", "/a", "/b"}), 0u) << "where the others were is not told of";
}

TEST(FsckJudgeTest, AGroupThatIsBeingWrittenIsMissingWhenTooFewUnitsCanBeAsked) {
  BlockReport group = Group({{Standing::kBeingWritten},
                             {Standing::kBeingWritten},
                             {Standing::kDead},
                             {Standing::kDead},
                             {Standing::kAwaited}});
  group.under_construction = true;
  for (BlockReport& unit : group.units) unit.under_construction = true;
  EXPECT_TRUE(JudgeOne(group).missing);
  EXPECT_EQ(JudgeOne(group).live, 5u) << "as many as it is written to";
  group.units[2].replicas[0].standing = Standing::kBeingWritten;
  EXPECT_FALSE(JudgeOne(group).missing);
}

TEST(FsckTotalsTest, GroupsAndBlocksAreSummedUpApart) {
  const std::vector<Standing> there = {Standing::kLive}, gone = {Standing::kDead};
  FsckTotals totals;
  FileReport coded = CodedFile(
      {Group({there, there, there, there, there}), Group({there, gone, there, there, there})});
  coded.blocks[1].units[1].repair = BlockReport::Repair{};
  totals.Add(coded, Judge(coded, kThreeRacks));
  const FileReport plain = File({Block({Standing::kLive, Standing::kLive, Standing::kLive})});
  totals.Add(plain, Judge(plain, kThreeRacks));
  totals.AddOpen(coded);
  EXPECT_TRUE(totals.healthy());
  EXPECT_EQ(totals.replicated.blocks, 1u);
  EXPECT_EQ(totals.replicated.expected_replicas, 3u);
  EXPECT_EQ(totals.coded.files, 1u);
  EXPECT_EQ(totals.coded.blocks, 2u);
  EXPECT_EQ(totals.coded.bytes, 60u);
  EXPECT_EQ(totals.coded.replicas, 9u);
  EXPECT_EQ(totals.coded.expected_replicas, 10u);
  EXPECT_EQ(totals.coded.missing_replicas, 1u);
  EXPECT_EQ(totals.coded.min_replicated, 2u);
  EXPECT_EQ(totals.coded.under, 1u);
  EXPECT_EQ(totals.coded.queued, 1u);
  EXPECT_EQ(totals.coded.open_files, 1u);
}

TEST(FsckTotalsTest, SumsAreOverTheFilesThatWereChecked) {
  FsckTotals totals;
  const FileReport whole = File({Block({Standing::kLive, Standing::kLive, Standing::kLive})});
  const FileReport lost = File({Block({}), Block({Standing::kLive})});
  totals.Add(whole, Judge(whole, kThreeRacks));
  EXPECT_TRUE(totals.healthy());
  totals.Add(lost, Judge(lost, kThreeRacks));
  totals.AddOpen(whole);
  EXPECT_FALSE(totals.healthy());
  EXPECT_EQ(totals.replicated.files, 2u);
  EXPECT_EQ(totals.replicated.open_files, 1u);
  EXPECT_EQ(totals.replicated.blocks, 3u);
  EXPECT_EQ(totals.replicated.replicas, 4u);
  EXPECT_EQ(totals.replicated.expected_replicas, 9u);
  EXPECT_EQ(totals.replicated.missing_replicas, 2u);
  EXPECT_EQ(totals.replicated.corrupt_files, 1u);
  EXPECT_EQ(totals.replicated.under_min, 1u);
}

TEST(FsckTotalsTest, BlocksAreCountedByStorageTypesAndPolicy) {
  FileReport file = File({Block({Standing::kLive, Standing::kLive})});
  file.blocks[0].replicas[1].storage_type = client::StorageType::kArchive;
  FsckTotals totals;
  totals.Add(file, Judge(file, kThreeRacks));
  ASSERT_EQ(totals.policies.size(), 1u);
  EXPECT_EQ(totals.policies.begin()->first.storages, "DISK:1,ARCHIVE:1");
  EXPECT_FALSE(totals.policies.begin()->first.matches);
}

}  // namespace
}  // namespace cairn::tools
