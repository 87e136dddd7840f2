// namenode/core/healing_options.h - what an administrator can set about repair.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "namenode/blocks/redundancy_queue.h"
#include "namenode/blocks/repair_budget.h"

namespace cairn::namenode {

struct BalanceOptions {
  // The namenode keeps balance by itself: cairn.namenode.balance.enabled, .threshold, .bandwidth
  // (bytes a second that one datanode sends or takes) and .interval (between looks at their fill).
  bool enabled = false;
  double threshold_percent = 10;
  uint64_t own_bandwidth = 10 << 20;
  absl::Duration interval = absl::Minutes(1);
  // For an operator's job.
  uint64_t job_bandwidth = 100 << 20;  // dfs.datanode.balance.bandwidthPerSec
  uint32_t moves_per_node = 100;       // dfs.datanode.balance.max.concurrent.moves
};

// How the units of block groups are compared with one another (group_scan.h).
struct GroupScanOptions {
  // Each group once in this time, as far as the limits let it:
  // cairn.namenode.erasure.verify.period. Zero: never.
  absl::Duration period = absl::Hours(30 * 24);
  // Of one group's units together, bytes a second; and groups at a time: .bandwidth, .parallel.
  uint64_t bandwidth = 16 << 20;
  size_t parallel = 4;
  // A unit that is found wrong is computed anew: .replace.
  bool replace = false;
};

struct HealingOptions {
  RedundancyQueue::Options queue;
  RepairBudget::Options budget;
  BalanceOptions balance;
  GroupScanOptions group_scan;
  uint32_t min_maintenance = 1;  // dfs.namenode.maintenance.replication.min
  // The longest that a copy may take: dfs.namenode.reconstruction.pending.timeout-sec.
  absl::Duration copy_timeout = absl::Minutes(5);
  // From the end of one look at all blocks to the next: cairn.namenode.redundancy.check.interval.
  absl::Duration check_interval = absl::Hours(6);
  double check_rate = 10'000;  // blocks a second that this look takes at the most
  // The reports of a block's replicas come in this time after the first one, or are missed.
  absl::Duration written_grace = absl::Seconds(5);
  // No replica is deleted by repair for so long after it has begun: a datanode may still be
  // carrying out what the process before this one ordered. Nor because of replicas on a datanode
  // that was given up, or that has told only after repair had begun, for so long after it is back
  // and has told: it may still find that some have rotted, its scanner begins with those that it
  // suspected before.
  // dfs.namenode.startup.delay.block.deletion.sec
  absl::Duration deletion_delay = absl::Minutes(1);
  // How long repair waits after a start for the full reports of the datanodes that are there.
  absl::Duration report_wait = absl::Minutes(2);
};

}  // namespace cairn::namenode
