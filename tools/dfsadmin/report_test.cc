#include "tools/dfsadmin/report.h"

#include <sstream>

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ClusterReport OneNode() {
  ClusterReport report;
  report.stats = {.capacity = 4096, .used = 1024, .remaining = 2048};
  report.replicated = client::BlockStats{.low_redundancy = 7};
  client::DatanodeReport node;
  node.ip = "10.0.0.1";
  node.host = "dn1";
  node.transfer_port = 9866;
  node.rack = "/r1";
  node.capacity = 4096;
  node.dfs_used = 1024;
  report.sections.push_back({"Live", "live", true, {node}});
  report.sections.push_back({"Dead", "dead", false, {}});
  return report;
}

TEST(PrintReportTest, NumbersStandInBytesAndForPeople) {
  std::ostringstream out;
  PrintReport(OneNode(), out);
  EXPECT_THAT(out.str(), HasSubstr("Configured Capacity: 4096 (4 KB)\n"
                                   "Present Capacity: 3072 (3 KB)\n"
                                   "DFS Remaining: 2048 (2 KB)\n"
                                   "DFS Used: 1024 (1 KB)\n"
                                   "DFS Used%: 33.33%\n"));
  EXPECT_THAT(out.str(), HasSubstr("\tUnder replicated blocks: 7\n"));
}

TEST(PrintReportTest, EachDatanodeIsDescribedUnderItsSection) {
  std::ostringstream out;
  PrintReport(OneNode(), out);
  EXPECT_THAT(out.str(), HasSubstr("Live datanodes (1):\n\nName: 10.0.0.1:9866 (dn1)\n"
                                   "Hostname: dn1\nRack: /r1\nDecommission Status : Normal\n"));
  EXPECT_THAT(out.str(), HasSubstr("DFS Used%: 25.00%\n"));
  EXPECT_THAT(out.str(), HasSubstr("Last Block Report: Never\n"));
  EXPECT_THAT(out.str(), Not(HasSubstr("Dead datanodes")));
}

TEST(PrintReportTest, OfANodeThatIsToLeaveItIsToldHowFarItHasCome) {
  ClusterReport report = OneNode();
  report.sections[0].nodes[0].uuid = "uuid-1";
  client::LeaveFacts& leaving = report.leaving["uuid-1"];
  leaving = {.since = absl::Seconds(90), .blocks_left = 3, .bytes_left = 2048};
  std::ostringstream unknown;
  PrintReport(report, unknown);
  EXPECT_THAT(unknown.str(), HasSubstr("Num of Blocks: 0\nLeaving For: 1m30s\nBlocks Left: 3\n"
                                       "Bytes Left: 2048 (2 KB)\n"
                                       "Expected End: not known yet\n\n\n"));
  leaving.ends_in = absl::Milliseconds(1500);
  leaving.bytes_per_second = 1024;
  leaving.looking = true;
  leaving.last_copies = 1;
  leaving.blocked_by = "blk_1: no datanode has room";
  std::ostringstream known;
  PrintReport(report, known);
  EXPECT_THAT(known.str(), HasSubstr("Blocks Left: 3 (still being looked through)\n"
                                     "Bytes Left: 2048 (2 KB)\nBlocks Nowhere Else: 1\n"
                                     "Expected End: in 2s, at 1024 (1 KB) per second\n"
                                     "In The Way: blk_1: no datanode has room\n"));
  std::ostringstream hostile;
  leaving.blocked_by = "/f\nName: 10.0.0.9:9866 is being written";
  PrintReport(report, hostile);
  EXPECT_THAT(hostile.str(), HasSubstr("In The Way: /f\\nName: 10.0.0.9:9866 is being written\n"));
  leaving.blocked_by = "blk_1: no datanode has room";
  std::ostringstream json;
  WriteReport(report, json);
  EXPECT_THAT(json.str(), HasSubstr("\"leaving\":{\"for_s\":90,\"blocks_left\":3,"
                                    "\"bytes_left\":2048,\"blocks_nowhere_else\":1,"
                                    "\"looking\":true,\"bytes_per_second\":1024,"
                                    "\"ends_in_s\":1.5,\"blocked_by\":\"blk_1: no "));
}

TEST(PrintReportTest, SafeModeComesFirst) {
  ClusterReport report = OneNode();
  report.safe_mode = true;
  std::ostringstream out;
  PrintReport(report, out);
  EXPECT_EQ(out.str().substr(0, 16), "Safe mode is ON\n");
}

TEST(PrintReportTest, ForProgramsTheSameIsJson) {
  ClusterReport report = OneNode();
  report.replicated->missing = ~uint64_t{0};
  std::ostringstream out;
  WriteReport(report, out);
  EXPECT_THAT(out.str(), HasSubstr("{\"safe_mode\":false,\"capacity\":4096,"));
  EXPECT_THAT(out.str(), HasSubstr("\"low_redundancy\":7,\"corrupt\":0,\"missing\":null"));
  EXPECT_THAT(out.str(), HasSubstr("\"dead\":[]"));
}

}  // namespace
}  // namespace cairn::tools
