// tools/why/judge.h - what is wrong with a file, a block or a datanode, in sentences. Pure: from
// what the namenode told to an explanation.
#pragma once

#include <string>
#include <vector>

#include "client/admin_types.h"

namespace cairn::tools {

// One thing that is wrong. An empty text: nothing is known of it.
struct Trouble {
  std::string subject;     // "blk_1073741825 of /a/f", "10.0.0.1:9866 (dn1)"
  std::string what;        // what is wrong
  std::string since;       // how long it has been known
  std::string doing;       // what is being done
  std::string blocked;     // what is in the way
  std::string expected;    // how and when it will end
  bool data_lost = false;  // some bytes cannot be read now
};

struct Explanation {
  std::string subject;
  std::vector<Trouble> troubles;  // the worst first
  std::string fine;               // said when there are none
};

// The cluster tells what is about to happen to silent nodes; null: it is not known.
Explanation ExplainBlock(const client::OwnedBlock& owned, const client::ClusterFacts* cluster);
// A unit of a block group, and its group, of which bytes may be lost though the unit is there.
Explanation ExplainUnit(const client::OwnedBlock& owned, const client::BlockReport& group,
                        const client::ClusterFacts* cluster);
Explanation ExplainFile(const client::FileReport& file, const client::ClusterFacts* cluster);
Explanation ExplainNode(const client::NodeFacts& node, const client::ClusterFacts& cluster);

// The datanode of that name: ip:port, host:port, host, ip or uuid. Null: none, or several.
const client::NodeFacts* FindNode(const client::ClusterFacts& cluster, const std::string& name);

}  // namespace cairn::tools
