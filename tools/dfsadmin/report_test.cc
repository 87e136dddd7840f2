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
