// namenode/blocks/corrupt_marks.h - which replicas are bad, or of an old version of their block.
//
// In memory alone: after a restart the datanode, or the next reader, finds them again. Found by
// block and by storage, so that a lost storage's marks go in slices of bounded work.
//
// Threads: guarded from outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "common/ids.h"

namespace cairn::namenode {

class CorruptMarks {
 public:
  // `certain`: found bad by its bytes. Otherwise only its length, stamp or state was wrong, and a
  // good report takes the mark away. Once certain, a mark stays so.
  void Mark(BlockId block, uint32_t storage, bool certain);
  // What is known of it is a version older than the block's. It may be on its way to the block's.
  void MarkOlder(BlockId block, uint32_t storage);
  void Unmark(BlockId block, uint32_t storage);
  // All of a block that is no more. Returns the storages that had a mark.
  std::vector<uint32_t> Forget(BlockId block);
  // At most `most` marks of the storage. True: there are more.
  bool ForgetSome(uint32_t storage, size_t most);

  std::vector<uint32_t> Of(BlockId block) const;
  bool Has(BlockId block) const { return marks_.contains(block); }
  bool IsCertain(BlockId block, uint32_t storage) const;
  // The last that was said of it is that it is older.
  bool IsOlder(BlockId block, uint32_t storage) const;
  size_t blocks() const { return marks_.size(); }
  // Of these, units of block groups; and how many groups have such a unit.
  size_t units() const { return units_; }
  size_t groups() const { return groups_.size(); }

 private:
  struct MarkOf {
    uint32_t storage;
    bool certain, older;
  };
  void Put(BlockId block, MarkOf put);
  const MarkOf* Find(BlockId block, uint32_t storage) const;
  // As Unmark, but the storage's entry stays.
  void Drop(BlockId block, uint32_t storage);
  // The block has its first mark, or none any more.
  void CountUnit(BlockId block, int by);

  absl::flat_hash_map<BlockId, absl::InlinedVector<MarkOf, 2>> marks_;
  absl::btree_set<std::pair<uint32_t, BlockId>> by_storage_;  // the same
  absl::flat_hash_map<BlockId, uint32_t> groups_;             // their units with marks
  size_t units_ = 0;
};

}  // namespace cairn::namenode
