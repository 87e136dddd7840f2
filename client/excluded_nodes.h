// client/excluded_nodes.h - datanodes that failed a stream lately and get none of its new replicas.
//
// Forgiven after a while: what failed may have been the network, or a restart, and a stream that
// lives for days must not run out of nodes. Sooner where there is no other: TakeDue tells whom to
// try again, at once when it has failed the first time, then after a second, and after twice as
// long whenever that was in vain or the node has failed again. For who asks TakeDue, and only for
// them, one that keeps failing is excluded for as long at least. Not thread-safe; the stream
// serializes.
#pragma once

#include <algorithm>
#include <vector>

#include "absl/time/time.h"
#include "common/clock.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::client {

class ExcludedNodes {
 public:
  // Whether exclusions get longer for a node that keeps failing: for who tries again, by TakeDue.
  enum class Failing { kAsBefore, kLonger };

  ExcludedNodes(absl::Duration expiry, Failing again, Clock& clock);  // `clock` outlives this

  // A node that is there already is excluded anew from now on.
  void Add(const hdfs::DatanodeInfoProto& node) { Add(node, expiry_); }
  void Add(const hdfs::DatanodeInfoProto& node, absl::Duration expiry);
  // Those that have not expired.
  std::vector<hdfs::DatanodeInfoProto> List();
  // Those of them that may be tried again although they are excluded.
  std::vector<hdfs::DatanodeInfoProto> TakeDue();
  // Excluded no longer, if it was.
  void Readmit(const hdfs::DatanodeInfoProto& node);

 private:
  static constexpr absl::Duration kFirstPause = absl::Seconds(1);

  struct Entry {
    hdfs::DatanodeInfoProto node;
    absl::Duration pause;      // from its last failure, or try
    absl::Duration until;      // it is excluded; on the monotonic clock, like the others
    absl::Duration try_at;     // see TakeDue
    absl::Duration forget_at;  // what has failed again by then, has failed repeatedly
  };

  absl::Duration Longer(absl::Duration pause) const {
    return std::min(std::max(pause * 2, kFirstPause), expiry_);
  }
  Entry* Find(const hdfs::DatanodeInfoProto& node);
  void Forget();

  const absl::Duration expiry_;
  const Failing again_;
  Clock& clock_;
  std::vector<Entry> entries_;
};

}  // namespace cairn::client
