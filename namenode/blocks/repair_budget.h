// namenode/blocks/repair_budget.h - how much repair each datanode, and the cluster, bears now.
//
// On each node two limits: copies of large blocks run at most `max_streams` at a time (HDFS's
// dfs.namenode.replication.max-streams; up to `hard_streams` for a block of which one copy is
// left). A small block is over before the next heartbeat: as long as all that a node sends is less
// than max_streams times `stream_bytes`, up to `most_small` run at a time. A node takes twice what
// it sends: it is chosen by load, and its disk is the limit.
// And bytes per second of orders, on each node (sent or taken) and in the cluster, as token
// buckets that hold one second's worth and go into debt for a block that is larger.
//
// Threads: guarded from outside.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "namenode/blocks/block_health.h"
#include "namenode/blocks/pending_copies.h"

namespace cairn::namenode {

class TokenBucket {
 public:
  // `rate`: tokens a second; 0: no limit.
  explicit TokenBucket(double rate, absl::Duration now) : rate_(rate), tokens_(rate), at_(now) {}
  bool HasAny(absl::Duration now) const { return rate_ == 0 || Tokens(now) > 0; }
  bool IsFull(absl::Duration now) const { return rate_ == 0 || Tokens(now) >= rate_; }
  void Take(double tokens, absl::Duration now) {
    if (rate_ == 0) return;
    tokens_ = Tokens(now) - tokens;
    at_ = now;
  }

 private:
  double Tokens(absl::Duration now) const {
    const double grown = tokens_ + rate_ * absl::ToDoubleSeconds(now - at_);
    return grown < rate_ ? grown : rate_;
  }
  double rate_, tokens_;
  absl::Duration at_;
};

class RepairBudget {
 public:
  struct Options {
    uint32_t max_streams = 2;          // dfs.namenode.replication.max-streams
    uint32_t hard_streams = 4;         // dfs.namenode.replication.max-streams-hard-limit
    uint64_t stream_bytes = 32 << 20;  // see above
    uint32_t most_small = 200;
    uint64_t node_bandwidth = 0;     // cairn.namenode.repair.node.bandwidth, bytes/s; 0: no limit
    uint64_t cluster_bandwidth = 0;  // cairn.namenode.repair.bandwidth
    size_t most_copies = 20'000;     // in the cluster at a time: bounds memory
  };

  // `copies` outlives this.
  RepairBudget(Options options, const PendingCopies& copies)
      : options_(options), copies_(copies), cluster_(options.cluster_bandwidth, {}) {}

  bool ClusterHasRoom(absl::Duration now) const {
    return copies_.size() < options_.most_copies && cluster_.HasAny(now);
  }
  bool CanSend(absl::string_view node, uint64_t bytes, Need need, absl::Duration now) const;
  bool CanTake(absl::string_view node, uint64_t bytes, Need need, absl::Duration now) const;
  const PendingCopies::Load& LoadOf(absl::string_view node) const { return copies_.LoadOf(node); }
  // A copy of so many bytes was ordered.
  void Spend(absl::string_view source, std::span<const std::string> targets, uint64_t bytes,
             absl::Duration now);

 private:
  bool HasRoom(uint32_t copies, uint64_t running, uint64_t bytes, uint32_t streams,
               uint32_t share) const;
  bool HasTokens(absl::string_view node, absl::Duration now) const;
  void SpendOf(const std::string& node, uint64_t bytes, absl::Duration now);

  const Options options_;
  const PendingCopies& copies_;
  TokenBucket cluster_;
  absl::flat_hash_map<std::string, TokenBucket> nodes_;  // that sent or took something
};

}  // namespace cairn::namenode
