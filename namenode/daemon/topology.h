// namenode/daemon/topology.h - the files that say who may be a datanode and where each one stands:
// read at the start and again for `dfsadmin -refreshNodes`.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/config.h"
#include "namenode/cluster/cluster_state.h"
#include "namenode/cluster/rack_finder.h"

namespace cairn::namenode {

class Topology {
 public:
  // Reads the files into `cluster`, which outlives the result, and starts asking the rack script if
  // there is one. kInvalidArgument: a key's value cannot be used, a file cannot be read or does not
  // parse; names the key or the file and line.
  static absl::StatusOr<std::unique_ptr<Topology>> Start(const Config& config,
                                                         ClusterState& cluster);

  // Reads all files again. On an error, which names file and line, nothing has changed.
  // kUnavailable: another call is doing it. Any thread, under no lock: it reads files.
  absl::Status Refresh();

 private:
  struct HostFiles {
    bool json = false;
    std::string include, exclude;
  };
  Topology(ClusterState& cluster, HostFiles files, RackFinder::Options racks);
  static absl::StatusOr<HostFiles> ReadHostKeys(const Config& config);
  static absl::StatusOr<RackFinder::Options> ReadRackKeys(const Config& config);
  absl::StatusOr<HostRules> ReadHostRules() const;
  absl::Status Load();

  ClusterState& cluster_;
  const HostFiles files_;
  RackFinder racks_;
  std::atomic<bool> refreshing_ = false;
};

}  // namespace cairn::namenode
