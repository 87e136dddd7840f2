// namenode/blocks/leave_progress.h - how far a datanode has come on its way out of the cluster, and
// when it will be done.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "namenode/cluster/datanode_info.h"

namespace cairn::namenode {

// Of a datanode that is being decommissioned, or enters maintenance, at one moment.
struct LeaveProgress {
  std::string uuid;
  DatanodeAddress address;
  AdminState state = AdminState::kDecommissioning;
  Liveness liveness = Liveness::kLive;
  absl::Duration since;  // how long it has been leaving, as far as this namenode knows
  uint64_t blocks = 0;   // that it holds, by its last heartbeat
  // Not safe without it yet; those that have not been looked at count as well.
  uint64_t blocks_left = 0, bytes_left = 0;
  uint64_t last_copies = 0;  // of these: no other good copy can be read
  bool looking = false;      // its blocks are being looked through: the numbers above may fall
  double bytes_per_second = 0;
  std::optional<absl::Duration> ends_in;  // nullopt: not known, or nothing moves
  std::string blocked_by;                 // one sentence; empty: nothing is in the way
};

// Foretells an end from what was done lately. Not thread-safe; times are of the monotonic clock.
class LeaveEstimate {
 public:
  // How far it looks back: short enough to follow a change of pace, long enough for blocks that
  // come in one by one.
  static constexpr absl::Duration kWindow = absl::Minutes(2);
  static constexpr absl::Duration kSampleEvery = absl::Seconds(1);

  // So many bytes have been made safe altogether; never less than before.
  void Sample(absl::Duration now, uint64_t done_bytes);
  double bytes_per_second() const;
  // nullopt: nothing has been done within the window, or it is too short to tell.
  std::optional<absl::Duration> EndsIn(uint64_t bytes_left) const;

 private:
  struct Point {
    absl::Duration at;
    uint64_t bytes;
  };
  std::deque<Point> points_;
};

}  // namespace cairn::namenode
