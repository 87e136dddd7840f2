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
    totals.Add(file, verdict, kThreeRacks);
  }
  EXPECT_TRUE(totals.healthy());
  EXPECT_EQ(totals.missing_replicas, 6u);
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
  totals.Add(file, verdict, kThreeRacks);
  EXPECT_FALSE(totals.healthy());
  EXPECT_EQ(totals.missing_blocks, 1u);
  EXPECT_EQ(totals.missing_bytes, 10u);
  EXPECT_EQ(totals.corrupt_files, 1u);
  EXPECT_EQ(totals.expected_replicas, 3u);  // of the other block alone
}

TEST(FsckTotalsTest, SumsAreOverTheFilesThatWereChecked) {
  FsckTotals totals;
  const FileReport whole = File({Block({Standing::kLive, Standing::kLive, Standing::kLive})});
  const FileReport lost = File({Block({}), Block({Standing::kLive})});
  totals.Add(whole, Judge(whole, kThreeRacks), kThreeRacks);
  EXPECT_TRUE(totals.healthy());
  totals.Add(lost, Judge(lost, kThreeRacks), kThreeRacks);
  totals.AddOpen(whole);
  EXPECT_FALSE(totals.healthy());
  EXPECT_EQ(totals.files, 2u);
  EXPECT_EQ(totals.open_files, 1u);
  EXPECT_EQ(totals.blocks, 3u);
  EXPECT_EQ(totals.replicas, 4u);
  EXPECT_EQ(totals.expected_replicas, 9u);
  EXPECT_EQ(totals.missing_replicas, 2u);
  EXPECT_EQ(totals.corrupt_files, 1u);
  EXPECT_EQ(totals.under_min, 1u);
}

TEST(FsckTotalsTest, BlocksAreCountedByStorageTypesAndPolicy) {
  FileReport file = File({Block({Standing::kLive, Standing::kLive})});
  file.blocks[0].replicas[1].storage_type = client::StorageType::kArchive;
  FsckTotals totals;
  totals.Add(file, Judge(file, kThreeRacks), kThreeRacks);
  ASSERT_EQ(totals.policies.size(), 1u);
  EXPECT_EQ(totals.policies.begin()->first.storages, "DISK:1,ARCHIVE:1");
  EXPECT_FALSE(totals.policies.begin()->first.matches);
}

}  // namespace
}  // namespace cairn::tools
