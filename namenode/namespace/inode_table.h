// namenode/namespace/inode_table.h - a hash table of resident inodes, linked through themselves.
//
// Not absl's: that one hashes all its elements again when it grows, and when erased ones have piled
// up, as they do under eviction; with a million inodes this is a cache miss each and holds the
// namespace lock for 100 ms and more. Here the number of buckets is fixed from the start (untouched
// ones cost no memory), an element costs one pointer, and nothing is ever moved.
// Guarded by the namespace lock.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#include "namenode/namespace/inode.h"

namespace cairn::namenode {

// `kNext` is the link and `kHash` the inode's full hash for this table.
template <Inode* Inode::*kNext, uint32_t Inode::*kHash>
class InodeTable {
 public:
  // Made for `expected` inodes; works with more, slower.
  explicit InodeTable(size_t expected)
      : mask_(std::bit_ceil(expected < kLeast ? kLeast : expected) - 1),
        // calloc: fresh pages are zero already, and come when they are first used.
        buckets_(static_cast<Inode**>(std::calloc(mask_ + 1, sizeof(Inode*)))) {
    if (buckets_ == nullptr) throw std::bad_alloc();
  }

  // The first inode of that hash for which `is` holds; null: none.
  template <typename Is>
  Inode* Find(uint32_t hash, const Is& is) const {
    for (Inode* at = buckets_[hash & mask_]; at != nullptr; at = at->*kNext) {
      if (at->*kHash == hash && is(*at)) return at;
    }
    return nullptr;
  }
  void Insert(Inode* inode, uint32_t hash) {
    Inode*& head = buckets_[hash & mask_];
    inode->*kHash = hash;
    inode->*kNext = head;
    head = inode;
    ++size_;
  }
  // It must be in the table.
  void Erase(Inode* inode) {
    Inode** at = &buckets_[inode->*kHash & mask_];
    while (*at != inode) at = &((*at)->*kNext);
    *at = inode->*kNext;
    --size_;
  }
  size_t size() const { return size_; }

 private:
  static constexpr size_t kLeast = 1024;
  struct Free {
    void operator()(Inode** memory) const { std::free(memory); }
  };
  const size_t mask_;
  const std::unique_ptr<Inode*[], Free> buckets_;
  size_t size_ = 0;
};

}  // namespace cairn::namenode
