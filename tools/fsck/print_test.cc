// The text is what scripts read: each line as `hdfs fsck` of Hadoop 3.4 has it.
#include "tools/fsck/print.h"

#include <sstream>

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

using client::BlockReport;
using client::FileReport;
using client::Standing;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr FsckCluster kCluster{
    .min_replication = 1, .default_replication = 2, .live_nodes = 2, .racks = 1};

FileReport SomeFile(std::vector<Standing> standings) {
  FileReport file;
  file.path = "/a/f";
  file.length = 10;
  file.replication = 2;
  file.block_pool = "BP-1-127.0.0.1-1";
  BlockReport block;
  block.id = 1073741825;
  block.stamp = 1001;
  block.length = 10;
  block.wanted = 2;
  for (size_t i = 0; i < standings.size(); ++i) {
    client::ReplicaReport replica;
    replica.ip = "127.0.0.1";
    replica.host = "dn";
    replica.transfer_port = static_cast<uint16_t>(9866 + i);
    replica.rack = "/default-rack";
    replica.storage_uuid = "DS-" + std::to_string(i);
    replica.standing = standings[i];
    block.replicas.push_back(replica);
  }
  file.blocks = {block};
  return file;
}

constexpr uint64_t kGroupId = 0x8000000000000010;

// A file of an RS-3-2 group of 7,000,000 bytes, with the units that stand so.
FileReport CodedFile(std::vector<Standing> units) {
  FileReport file = SomeFile(units);
  file.length = 7000000;
  file.replication = 1;
  file.erasure_policy = "RS-3-2-1024k";
  BlockReport group;
  group.id = kGroupId;
  group.stamp = 1001;
  group.length = 7000000;
  group.wanted = 5;
  group.units_needed = 3;
  for (const client::ReplicaReport& replica : file.blocks[0].replicas) {
    BlockReport unit;
    unit.id = kGroupId + group.units.size();
    unit.wanted = 1;
    unit.replicas = {replica};
    group.units.push_back(unit);
  }
  file.blocks = {group};
  return file;
}

constexpr Standing kThere = Standing::kLive, kGone = Standing::kDead;

std::string Printed(const FileReport& file, const FsckOptions& o) {
  std::ostringstream out;
  PrintFsckFile(file, Judge(file, kCluster), kCluster, o, out);
  return out.str();
}

TEST(FsckPrintTest, AWholeFileIsALineWithFilesAndNothingWithout) {
  const FileReport file = SomeFile({Standing::kLive, Standing::kLive});
  EXPECT_EQ(Printed(file, {}), "");
  EXPECT_EQ(Printed(file, {.files = true}),
            "/a/f 10 bytes, replicated: replication=2, 1 block(s):  OK\n");
}

TEST(FsckPrintTest, BlocksAreListedWithTheirReplicas) {
  const FileReport file = SomeFile({Standing::kLive, Standing::kStale});
  EXPECT_EQ(Printed(file, {.files = true, .blocks = true, .locations = true}),
            "/a/f 10 bytes, replicated: replication=2, 1 block(s):  OK\n"
            "0. BP-1-127.0.0.1-1:blk_1073741825_1001 len=10 Live_repl=2  "
            "[DatanodeInfoWithStorage[127.0.0.1:9866,DS-0,DISK], "
            "DatanodeInfoWithStorage[127.0.0.1:9867,DS-1,DISK]]\n\n");
  EXPECT_THAT(Printed(file, {.files = true, .blocks = true, .racks = true}),
              HasSubstr("[/default-rack/127.0.0.1:9866, /default-rack/127.0.0.1:9867]"));
  EXPECT_THAT(Printed(file, {.files = true, .blocks = true, .replica_details = true}),
              HasSubstr("DS-0,DISK](LIVE), DatanodeInfoWithStorage[127.0.0.1:9867,DS-1,DISK]"
                        "(STALE_NODE)]"));
}

// Anybody may choose a name that looks like lines of a report.
TEST(FsckPrintTest, ANameForgesNoLine) {
  for (const std::vector<Standing>& standings :
       {std::vector<Standing>{Standing::kLive}, {Standing::kCorrupt}, {}}) {
    FileReport file = SomeFile(standings);
    file.path = "/x\nThe filesystem under path '/' is HEALTHY\n";
    file.blocks[0].corrupt = standings == std::vector{Standing::kCorrupt};
    for (const FsckOptions& o : {FsckOptions{}, FsckOptions{.files = true, .blocks = true}}) {
      EXPECT_THAT(Printed(file, o), HasSubstr("/x\\nThe filesystem under path '/' is HEALTHY\\n"));
      EXPECT_THAT(Printed(file, o), Not(HasSubstr("\nThe")));
    }
    std::ostringstream out;
    const client::OwnedBlock owned{.path = file.path, .block = file.blocks[0]};
    PrintFsckBlock("blk_1", &owned, {}, out);
    EXPECT_THAT(out.str(), Not(HasSubstr("\nThe")));
  }
}

TEST(FsckPrintTest, AMissingReplicaIsSaidOfItsBlock) {
  EXPECT_EQ(Printed(SomeFile({Standing::kLive}), {}),
            "\n/a/f:  Under replicated BP-1-127.0.0.1-1:blk_1073741825_1001. Target Replicas is 2 "
            "but found 1 live replica(s), 0 decommissioned replica(s), 0 decommissioning "
            "replica(s).\n");
}

TEST(FsckPrintTest, ALostBlockIsSaidOfItsFile) {
  EXPECT_EQ(Printed(SomeFile({}), {}), "\n/a/f: MISSING 1 blocks of total size 10 B.");
  EXPECT_THAT(Printed(SomeFile({}), {.files = true, .blocks = true}),
              HasSubstr(" MISSING 1 blocks of total size 10 B\n"
                        "0. BP-1-127.0.0.1-1:blk_1073741825_1001 len=10 MISSING!\n"));
  FileReport rotten = SomeFile({Standing::kCorrupt});
  rotten.blocks[0].corrupt = true;
  EXPECT_EQ(Printed(rotten, {}),
            "\n/a/f: CORRUPT blockpool BP-1-127.0.0.1-1 block blk_1073741825\n"
            "\n/a/f: CORRUPT 1 blocks of total size 10 B.");
}

TEST(FsckPrintTest, ACodedFileIsListedWithTheUnitsOfItsGroups) {
  const FileReport file = CodedFile({kThere, kThere, kThere, kThere, kThere});
  EXPECT_EQ(Printed(file, {}), "");
  EXPECT_EQ(Printed(file, {.files = true, .blocks = true, .locations = true}),
            "/a/f 7000000 bytes, erasure-coded: policy=RS-3-2-1024k, 1 block(s):  OK\n"
            "0. BP-1-127.0.0.1-1:blk_-9223372036854775792_1001 len=7000000 Live_repl=5  "
            "[blk_-9223372036854775792:DatanodeInfoWithStorage[127.0.0.1:9866,DS-0,DISK], "
            "blk_-9223372036854775791:DatanodeInfoWithStorage[127.0.0.1:9867,DS-1,DISK], "
            "blk_-9223372036854775790:DatanodeInfoWithStorage[127.0.0.1:9868,DS-2,DISK], "
            "blk_-9223372036854775789:DatanodeInfoWithStorage[127.0.0.1:9869,DS-3,DISK], "
            "blk_-9223372036854775788:DatanodeInfoWithStorage[127.0.0.1:9870,DS-4,DISK]]\n\n");
  EXPECT_THAT(Printed(file, {.files = true, .blocks = true, .racks = true}),
              HasSubstr("[blk_-9223372036854775792:/default-rack/127.0.0.1:9866, "));
}

TEST(FsckPrintTest, UnitsThatAreGoneAreNotListed) {
  EXPECT_EQ(Printed(CodedFile({kThere, kGone, kThere, kGone, kThere}), {}),
            "\n/a/f:  Under replicated BP-1-127.0.0.1-1:blk_-9223372036854775792_1001. Target "
            "Replicas is 5 but found 3 live replica(s), 0 decommissioned replica(s), 0 "
            "decommissioning replica(s).\n");
  EXPECT_THAT(Printed(CodedFile({kThere, kGone, kGone, kGone, kThere}),
                      {.files = true, .blocks = true, .locations = true}),
              HasSubstr("1 block(s):  MISSING 1 blocks of total size 7000000 B\n"
                        "0. BP-1-127.0.0.1-1:blk_-9223372036854775792_1001 len=7000000 MISSING! "
                        "Live_repl=2  "
                        "[blk_-9223372036854775792:DatanodeInfoWithStorage[127.0.0.1:9866,DS-0,"
                        "DISK], blk_-9223372036854775788:DatanodeInfoWithStorage[127.0.0.1:9870,"
                        "DS-4,DISK]]\n"));
}

TEST(FsckPrintTest, BlockGroupsHaveASectionOfTheirOwn) {
  FsckTotals totals;
  for (const Standing second : {kThere, kGone}) {
    const FileReport file = CodedFile({kThere, second, kThere, kThere, kThere});
    totals.Add(file, Judge(file, kCluster));
  }
  std::ostringstream out;
  PrintFsckTotals(totals, kCluster, {}, out);
  EXPECT_THAT(out.str(), HasSubstr("\nStatus: HEALTHY\n"));
  EXPECT_THAT(out.str(), HasSubstr(" Total files:\t0\n Total blocks (validated):\t0\n"));
  EXPECT_THAT(out.str(), HasSubstr("\nErasure Coded Block Groups:\n"
                                   " Total size:\t14000000 B\n"
                                   " Total files:\t2\n"
                                   " Total block groups (validated):\t2 (avg. block group size "
                                   "7000000 B)\n"
                                   " Minimally erasure-coded block groups:\t2 (100.0 %)\n"
                                   " Over-erasure-coded block groups:\t0 (0.0 %)\n"
                                   " Under-erasure-coded block groups:\t1 (50.0 %)\n"
                                   " Unsatisfactory placement block groups:\t0 (0.0 %)\n"
                                   " Average block group size:\t4.5\n"
                                   " Missing block groups:\t\t0\n"
                                   " Corrupt block groups:\t\t0\n"
                                   " Missing internal blocks:\t1 (10.0 %)\n"
                                   " Blocks queued for replication:\t0\n"));
}

TEST(FsckPrintTest, ALostGroupStandsBetweenStars) {
  FsckTotals totals;
  const FileReport file = CodedFile({kThere, kGone, kGone, kGone, kThere});
  totals.Add(file, Judge(file, kCluster));
  std::ostringstream out;
  PrintFsckTotals(totals, kCluster, {}, out);
  EXPECT_THAT(out.str(), HasSubstr("\nStatus: CORRUPT\n"));
  EXPECT_THAT(out.str(), HasSubstr("\n  ********************************\n"
                                   "  UNRECOVERABLE BLOCK GROUPS:\t1 (100.0 %)\n"
                                   "  CORRUPT FILES:\t1\n"
                                   "  MISSING BLOCK GROUPS:\t1\n"
                                   "  MISSING SIZE:\t\t7000000 B\n"
                                   "  ********************************\n"
                                   " Minimally erasure-coded block groups:\t0 (0.0 %)\n"));
}

TEST(FsckPrintTest, JsonTellsOfGroupsAndTheirUnits) {
  const FileReport file = CodedFile({kThere, kGone});
  std::ostringstream out;
  JsonWriter json(out);
  WriteFsckFile(file, Judge(file, kCluster), json);
  EXPECT_THAT(out.str(), HasSubstr("\"erasure_policy\":\"RS-3-2-1024k\""));
  EXPECT_THAT(out.str(), Not(HasSubstr("\"replication\"")));
  EXPECT_THAT(out.str(), HasSubstr("\"units_needed\":3,\"units\":[{\"block\":\"blk_-92233720"
                                   "36854775792\""));
  EXPECT_THAT(out.str(), HasSubstr("\"unit\":1,\"copies\":[],\"replicas\":[{"));
}

TEST(FsckPrintTest, TheSumsOfAHealthyFileSystem) {
  FsckTotals totals;
  totals.dirs = 2;
  const FileReport file = SomeFile({Standing::kLive, Standing::kLive});
  totals.Add(file, Judge(file, kCluster));
  std::ostringstream out;
  PrintFsckTotals(totals, kCluster, {}, out);
  EXPECT_THAT(out.str(), HasSubstr("\nStatus: HEALTHY\n"
                                   " Number of data-nodes:\t2\n"
                                   " Number of racks:\t\t1\n"
                                   " Total dirs:\t\t\t2\n"
                                   " Total symlinks:\t\t0\n"
                                   "\nReplicated Blocks:\n"
                                   " Total size:\t10 B\n"
                                   " Total files:\t1\n"
                                   " Total blocks (validated):\t1 (avg. block size 10 B)\n"
                                   " Minimally replicated blocks:\t1 (100.0 %)\n"
                                   " Over-replicated blocks:\t0 (0.0 %)\n"
                                   " Under-replicated blocks:\t0 (0.0 %)\n"
                                   " Mis-replicated blocks:\t\t0 (0.0 %)\n"
                                   " Default replication factor:\t2\n"
                                   " Average block replication:\t2.0\n"
                                   " Missing blocks:\t\t0\n"
                                   " Corrupt blocks:\t\t0\n"
                                   " Missing replicas:\t\t0 (0.0 %)\n"
                                   " Blocks queued for replication:\t0\n"
                                   "\nErasure Coded Block Groups:\n"));
  EXPECT_THAT(out.str(), Not(HasSubstr("****")));
}

TEST(FsckPrintTest, DamageStandsBetweenStars) {
  FsckTotals totals;
  const FileReport file = SomeFile({});
  totals.Add(file, Judge(file, kCluster));
  std::ostringstream out;
  PrintFsckTotals(totals, kCluster, {}, out);
  EXPECT_THAT(out.str(), HasSubstr("\n  ********************************\n"
                                   "  UNDER MIN REPL'D BLOCKS:\t1 (100.0 %)\n"
                                   "  MINIMAL BLOCK REPLICATION:\t1\n"
                                   "  CORRUPT FILES:\t1\n"
                                   "  MISSING BLOCKS:\t1\n"
                                   "  MISSING SIZE:\t\t10 B\n"
                                   "  ********************************\n"));
}

TEST(FsckPrintTest, OneBlockIsExplainedAndItsLastReplicaGivesTheExitCode) {
  client::OwnedBlock owned;
  owned.path = "/a/f";
  owned.block = SomeFile({Standing::kLive, Standing::kDecommissioning}).blocks[0];
  std::ostringstream out;
  PrintFsckBlock("blk_1073741825", &owned, {}, out);
  EXPECT_EQ(out.str(),
            "Block Id: blk_1073741825\n"
            "Block belongs to: /a/f\n"
            "No. of Expected Replica: 2\n"
            "No. of live Replica: 1\n"
            "No. of excess Replica: 0\n"
            "No. of stale Replica: 0\n"
            "No. of decommissioned Replica: 0\n"
            "No. of decommissioning Replica: 1\n"
            "No. of corrupted Replica: 0\n"
            "Block replica on datanode/rack: dn/default-rack is HEALTHY\n"
            "Block replica on datanode/rack: dn/default-rack is DECOMMISSIONING\n");
  EXPECT_EQ(FsckBlockExitCode(&owned, {}), 3);
  EXPECT_EQ(FsckBlockExitCode(nullptr, {}), 0);
}

}  // namespace
}  // namespace cairn::tools
