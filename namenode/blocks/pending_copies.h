// namenode/blocks/pending_copies.h - copies of replicas that datanodes were ordered to make.
//
// A copy is remembered from its order until the target reports the replica, its time is over, or
// one of its two nodes is lost. What runs on each node is counted in copies and bytes, so that
// planning loads no node beyond its limits.
//
// Threads: guarded from outside. Memory is bounded by the limits per node that planning keeps.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"

namespace cairn::namenode {

class PendingCopies {
 public:
  struct Copy {
    uint32_t source = 0, target = 0;       // storages
    std::string source_node, target_node;  // uuids
    uint64_t source_session = 0, target_session = 0;
    std::string source_address, target_address;  // for messages
    uint64_t bytes = 0;
    absl::Duration since, deadline;
  };
  using Copies = absl::InlinedVector<Copy, 1>;
  struct Taken {
    BlockId block;
    Copy copy;
  };
  // What a node sends and takes at the moment.
  struct Load {
    uint32_t copies_out = 0, copies_in = 0;
    uint64_t bytes_out = 0, bytes_in = 0;
  };

  void Add(BlockId block, Copy copy);
  // The block's replica on one of these storages (of one datanode) was reported, good or bad.
  // True: a copy to there was under way; its target's storage goes into *target.
  bool Settle(BlockId block, std::span<const uint32_t> storages, uint32_t* target);
  // One slice of a walk over all copies, in the order of their blocks: takes those that `which`
  // says. Asks it of `most` copies, and of no more than those of the last one's block. Begins
  // behind *position, which moves on. False: that was the end.
  bool TakeSome(size_t most, const std::function<bool(const Copy&)>& which, BlockId* position,
                std::vector<Taken>* out);
  // Those of one block that `which` says.
  std::vector<Copy> TakeOf(BlockId block, const std::function<bool(const Copy&)>& which);
  // All of a block that is no more.
  void Forget(BlockId block);

  // nullptr: none.
  const Copies* Find(BlockId block) const;
  const Load& LoadOf(absl::string_view node) const;
  size_t size() const { return size_; }

 private:
  void Count(const Copy& copy, int sign);
  // Of one block's: moves to `out`, and uncounts, those that `which` says.
  template <typename Out>
  void TakeFrom(Copies* copies, const std::function<bool(const Copy&)>& which, const Out& out);

  absl::btree_map<BlockId, Copies> copies_;  // ordered, so that a round is the same each time
  absl::flat_hash_map<std::string, Load> loads_;
  size_t size_ = 0;
};

}  // namespace cairn::namenode
