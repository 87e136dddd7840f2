#include "client/excluded_nodes.h"

namespace cairn::client {

ExcludedNodes::ExcludedNodes(absl::Duration expiry, Clock& clock)
    : expiry_(expiry), clock_(clock) {}

void ExcludedNodes::Add(const hdfs::DatanodeInfoProto& node, absl::Duration expiry) {
  std::erase_if(entries_, [&](const Entry& e) {
    return e.node.id().datanodeuuid() == node.id().datanodeuuid();
  });
  entries_.push_back({.node = node, .until = clock_.Monotonic() + expiry});
}

std::vector<hdfs::DatanodeInfoProto> ExcludedNodes::List() {
  const absl::Duration now = clock_.Monotonic();
  std::erase_if(entries_, [&](const Entry& e) { return now >= e.until; });
  std::vector<hdfs::DatanodeInfoProto> nodes;
  for (const Entry& e : entries_) nodes.push_back(e.node);
  return nodes;
}

}  // namespace cairn::client
