// namenode/cluster/host_rules.h - who may be a datanode, and what the operator wants of each.
//
// Two ways to say it, both HDFS's:
//
//   lists   dfs.hosts and dfs.hosts.exclude each name a file of hosts, parted by white space; what
//           follows a '#' on its line means nothing. Who is in the second one is to be
//           decommissioned. An empty first one includes everybody.
//   JSON    one file (CombinedHostFileManager): an array of objects, or, as older files have it,
//           objects one after the other:
//             {"hostName": "dn7", "port": 9866, "adminState": "IN_MAINTENANCE",
//              "maintenanceExpireTimeInMS": 1700000000000, "upgradeDomain": "d1"}
//           Only hostName must be there. A file in which nobody is NORMAL includes everybody.
//
// An entry is a numeric address or the name that the datanode gives itself, and may end in ":port",
// its transfer port. Names are not looked up: a name server that fails must not change who belongs
// to the cluster. The entry with the port is the more particular one and comes first, then the one
// by address, then by name.
//
// HDFS skips an entry that it cannot make sense of, and a typing error in it then takes effect
// somewhere else; here such a file is refused as a whole, with file and line.
// Immutable once made: any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "namenode/cluster/datanode_info.h"

namespace cairn::namenode {

// What is wanted of a datanode.
struct HostRule {
  enum class Goal { kServe, kDecommission, kMaintenance };
  Goal goal = Goal::kServe;
  absl::Time maintenance_until = absl::InfiniteFuture();  // wall clock; then it serves again
  bool included = true;  // may register; false also for one that is wanted gone and still here
};

class HostRules {
 public:
  HostRules() = default;  // everybody is included and serves

  // Texts of the two lists and their names for messages. kInvalidArgument: an entry with a bad
  // port; names file and line.
  static absl::StatusOr<HostRules> ParseLists(absl::string_view include,
                                              absl::string_view include_source,
                                              absl::string_view exclude,
                                              absl::string_view exclude_source);
  // kInvalidArgument: no such JSON, an unknown field or state, a value of another kind, no
  // hostName, or two objects for one host that say different things; names file and line.
  static absl::StatusOr<HostRules> ParseJson(absl::string_view text, absl::string_view source);

  HostRule For(const DatanodeAddress& address) const;
  // Entries that name no datanode of `addresses`, for a hint that one is mistyped; in order.
  std::vector<std::string> Unmatched(const std::vector<DatanodeAddress>& addresses) const;

 private:
  // Both by "host" or "host:port".
  absl::flat_hash_map<std::string, HostRule> rules_;
  absl::flat_hash_set<std::string> included_;
  bool only_listed_ = false;  // who is not in included_ is not included
};

}  // namespace cairn::namenode
