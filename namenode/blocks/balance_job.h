// namenode/blocks/balance_job.h - what somebody asks of the balancer, and what it answers; as
// values.
//
// A job lives as long as its caller goes on asking for it: each call renews it, and one that is not
// renewed for kBalanceJobLease ends. So whoever dies in the middle leaves nothing behind but moves
// that were begun. There is one job at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace cairn::namenode {

inline constexpr absl::Duration kBalanceJobLease = absl::Seconds(15);

// Datanodes are named as HDFS's balancer takes them: host or address, perhaps with the transfer
// port.
struct BalanceRules {
  double threshold_percent = 10;
  std::vector<std::string> include;          // only these take part; empty: all do
  std::vector<std::string> exclude;          // these do not
  std::vector<std::string> sources;          // only these give; empty: all may
  uint64_t most_bytes = uint64_t{10} << 30;  // that one group gives or takes in one iteration
};

struct BalanceJob {
  uint64_t id = 0;     // drawn at random by the caller, not 0
  std::string holder;  // who it is, for others
  BalanceRules rules;
  // Smaller blocks are left alone as long as larger ones can be moved.
  uint64_t min_block_bytes = 10 << 20;
  uint32_t moves = 1000;  // in the cluster at a time
  uint32_t moves_per_node =
      100;  // that a node sends, or takes, at a time; the namenode has a limit too
  absl::Duration longest_iteration = absl::Minutes(20);  // after it no more moves are begun
};

// One comparison of all datanodes, and the moves that followed from it. It is told when these are
// over.
struct BalanceIteration {
  uint64_t number = 0;  // from 0 on
  absl::Time ended;
  uint64_t bytes_left = 0;          // beyond the threshold, before it
  uint64_t bytes_planned = 0;       // that it was to move
  uint64_t bytes_moved = 0;         // by it
  uint64_t bytes_moved_before = 0;  // by the job's earlier ones
};

struct BalanceProgress {
  std::string busy_with;  // not empty: the holder of another job that runs; all else means nothing
  bool begun = false;     // by this call: the job was not known, or had ended
  std::vector<BalanceIteration> iterations;  // that have ended, those asked for
  uint64_t iteration = 0;                    // the one that runs, or comes next
  uint64_t bytes_moved = 0, blocks_moved = 0, blocks_failed = 0;  // by the job so far
  uint64_t bytes_left = 0, bytes_planned = 0;                     // of the iteration that runs
  uint64_t moves = 0;                                             // copies under way
  std::string waiting_for;  // one sentence; empty: it is moving blocks
};

}  // namespace cairn::namenode
