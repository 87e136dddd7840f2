// client/excluded_nodes.h - datanodes that failed a stream lately and get none of its new replicas.
//
// Forgiven after a while: what failed may have been the network, or a restart, and a stream that
// lives for days must not run out of nodes. Not thread-safe; the stream serializes.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "common/clock.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::client {

class ExcludedNodes {
 public:
  ExcludedNodes(absl::Duration expiry, Clock& clock);  // `clock` outlives this

  // A node that is there already is excluded anew from now on.
  void Add(const hdfs::DatanodeInfoProto& node) { Add(node, expiry_); }
  void Add(const hdfs::DatanodeInfoProto& node, absl::Duration expiry);
  // Those that have not expired.
  std::vector<hdfs::DatanodeInfoProto> List();

 private:
  struct Entry {
    hdfs::DatanodeInfoProto node;
    absl::Duration until;  // on the monotonic clock
  };

  const absl::Duration expiry_;
  Clock& clock_;
  std::vector<Entry> entries_;
};

}  // namespace cairn::client
