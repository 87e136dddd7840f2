// namenode/blocks/replica_digests.h - for each storage and bucket of block ids, the digest of the
// replicas that the records 'r' name: what a datanode's own digests are compared with.
//
//   start:  nothing known -- walk over the records 'r', page by page --> complete
//   always: BlockMap adds and subtracts what it changes in the records
//
// The walk reads each page from a snapshot, without a lock, while changes go on. A change of a
// block that the walk has passed is applied; of one before it, not: the page will have it. Changes
// during the reading of a page are kept, and sorted out at its end, when it is known how far it
// came. So at any moment the digests of the buckets behind the walk are those of the records at
// that moment.
//
// The buckets' width is chosen at a start, from the number of storages, so that a bucket has some
// hundred replicas of one storage: some 40 bytes for each of those in memory, and a difference
// costs a list of that many. Source of the idea: docs/decisions/0013-digest-reports.md.
//
// Threads: guarded by the namespace lock from outside, as the BlockMap that owns it. [R] needs it
// shared, [W] exclusively; a Page belongs to the thread that reads.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "common/ids.h"
#include "common/replica_digest.h"
#include "namenode/namespace/types.h"

namespace cairn::namenode {

class ReplicaDigests {
 public:
  static constexpr uint32_t kMinShift = 10;
  // For as many storages: a bucket of one of them has some 400 replicas, if each block has three.
  static uint32_t ShiftFor(size_t storages);

  explicit ReplicaDigests(uint32_t shift = kMinShift) : shift_(shift) {}

  // [R]
  uint32_t shift() const { return shift_; }
  bool complete() const { return complete_; }
  bool given_up() const { return given_up_; }

  // [W] The record of `version` names `storage` from now on; or no longer.
  void Add(uint32_t storage, const BlockVersion& version) { Change(storage, version, true); }
  void Remove(uint32_t storage, const BlockVersion& version) { Change(storage, version, false); }

  // What was read of the records from where the walk stood.
  class Page {
   public:
    explicit Page(uint32_t shift) : shift_(shift) {}
    void Add(uint32_t storage, const BlockVersion& version) {
      sums_[{storage, DigestBucket(version.id, shift_)}] +=
          ReplicaDigest::Of(version.id, version.stamp, version.length);
    }

   private:
    friend class ReplicaDigests;
    uint32_t shift_;
    absl::flat_hash_map<std::pair<uint32_t, uint64_t>, ReplicaDigest> sums_;
  };

  // [W] Forgets everything; the walk starts anew. `shift` is the buckets' width from now on.
  void Restart(uint32_t shift);
  // [R] The last block of the pages so far.
  BlockId walked() const { return walked_; }
  // [W] A snapshot of the records after walked() is being taken, under the same lock.
  Page BeginPage();
  // [W] The page has all records up to `reached`; `last`: all there are.
  void EndPage(const Page& page, BlockId reached, bool last);

  // [W] The records cannot be read: nothing is known, and the walk does not go on.
  void GiveUp();

  struct Bucket {
    uint64_t number;
    ReplicaDigest digest;
  };
  // [R] Appends the numbers of the buckets from `from` on in which `theirs` (ascending) differ from
  // these. Looks at `most` buckets; returns where to go on, nullopt: no more. Needs complete().
  std::optional<uint64_t> Compare(uint32_t storage, std::span<const Bucket> theirs, uint64_t from,
                                  size_t most, std::vector<uint64_t>* differing) const;
  // [R] Adds to *replicas how many replicas the records name on the storage, in buckets from `from`
  // on and below `end`. Looks at `most` buckets; returns where to go on, nullopt: no more. Needs
  // complete().
  std::optional<uint64_t> Count(uint32_t storage, uint64_t from, uint64_t end, size_t most,
                                uint64_t* replicas) const;
  // [R] Of one bucket, for tests.
  ReplicaDigest Find(uint32_t storage, uint64_t bucket) const;
  size_t buckets() const;

 private:
  struct Delta {
    uint32_t storage;
    BlockId block;
    ReplicaDigest digest;
    bool add;
  };
  void Change(uint32_t storage, const BlockVersion& version, bool add);
  void Apply(uint32_t storage, uint64_t bucket, const ReplicaDigest& digest, bool add);

  uint32_t shift_;
  bool complete_ = false;
  bool given_up_ = false;
  bool reading_ = false;
  BlockId walked_{};
  std::vector<Delta> meanwhile_;  // changes during the reading of a page, of blocks not walked yet
  std::vector<absl::btree_map<uint64_t, ReplicaDigest>> storages_;  // by number; none is empty
};

}  // namespace cairn::namenode
