// tools/dfsadmin/topology.h - what `cairn dfsadmin -printTopology` shows.
#pragma once

#include <ostream>
#include <vector>

#include "client/types.h"

namespace cairn::tools {

// The racks in order, and under each its datanodes, in HDFS's words.
void PrintTopology(const std::vector<client::DatanodeReport>& nodes, std::ostream& out);

}  // namespace cairn::tools
