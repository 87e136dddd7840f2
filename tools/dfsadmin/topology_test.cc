#include "tools/dfsadmin/topology.h"

#include <sstream>

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

client::DatanodeReport Node(const char* ip, const char* rack) {
  client::DatanodeReport node;
  node.ip = ip;
  node.host = std::string("host-") + ip;
  node.transfer_port = 9866;
  node.rack = rack;
  return node;
}

TEST(PrintTopologyTest, EachRackHasItsDatanodesUnderItInOrder) {
  std::vector<client::DatanodeReport> nodes = {Node("10.0.0.3", "/b"), Node("10.0.0.2", "/a"),
                                               Node("10.0.0.1", "/b")};
  nodes[2].admin_state = client::DatanodeAdminState::kDecommissioning;
  std::ostringstream out;
  PrintTopology(nodes, out);
  EXPECT_EQ(out.str(),
            "Rack: /a\n"
            "   10.0.0.2:9866 (host-10.0.0.2) In Service\n"
            "\n"
            "Rack: /b\n"
            "   10.0.0.1:9866 (host-10.0.0.1) Decommission In Progress\n"
            "   10.0.0.3:9866 (host-10.0.0.3) In Service\n"
            "\n");
}

}  // namespace
}  // namespace cairn::tools
