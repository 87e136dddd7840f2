// namenode/store/tail.h - one tail of the store: the records that recent edits changed, in key
// order.
//
// Put is on the path of every namespace change, under the namespace lock, so it calls the allocator
// about once per 256 KiB: keys and values are copied into chunks, and the chunks come from a pool
// that the tails hand on, because first-touching fresh memory costs 4-10 us per page. A record that
// is written again (the sums of the root are, by every edit) keeps its place when the value fits.
//
// A tail's order is kept in a B-tree of 24-byte slots that hold the first 16 bytes of each key as
// two numbers: nearly every comparison is decided there, without touching the record.
//
// Threads: one writer at a time and no readers beside it, or any number of readers; the store's
// namespace lock sees to that. A frozen tail is only read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/strings/string_view.h"
#include "absl/types/compare.h"
#include "common/mutex.h"

namespace cairn::namenode {

// Memory handed from a flushed tail to the next one. Thread-safe.
class ChunkPool {
 public:
  static constexpr size_t kChunkBytes = 256 << 10;
  using Chunk = std::unique_ptr<char[]>;

  explicit ChunkPool(size_t keep_bytes) : keep_chunks_(keep_bytes / kChunkBytes) {}
  Chunk Take() ABSL_LOCKS_EXCLUDED(mu_);
  void Return(std::vector<Chunk> chunks) ABSL_LOCKS_EXCLUDED(mu_);  // frees beyond keep_bytes

 private:
  const size_t keep_chunks_;
  Mutex mu_;
  std::vector<Chunk> free_ ABSL_GUARDED_BY(mu_);
};

class Tail {
 public:
  // A key with its latest value, or with the fact that it was deleted.
  struct Record {
    char* value_data;
    uint32_t value_bytes;
    uint32_t value_capacity;
    uint32_t key_bytes;
    bool deleted;
    // The key follows.

    absl::string_view key() const {
      return absl::string_view(reinterpret_cast<const char*>(this + 1), key_bytes);
    }
    absl::string_view value() const { return absl::string_view(value_data, value_bytes); }
  };

 private:
  struct Probe {
    uint64_t head[2];  // the first 16 key bytes as big-endian numbers, zero-padded
    absl::string_view key;
  };
  struct Slot {
    uint64_t head[2];
    const Record* record;
  };
  struct Order {
    using is_transparent = void;
    absl::weak_ordering operator()(const Slot& a, const Slot& b) const {
      return Compare(a.head, a.record->key(), b.head, b.record->key());
    }
    absl::weak_ordering operator()(const Slot& a, const Probe& b) const {
      return Compare(a.head, a.record->key(), b.head, b.key);
    }
    absl::weak_ordering operator()(const Probe& a, const Slot& b) const {
      return Compare(a.head, a.key, b.head, b.record->key());
    }
    static absl::weak_ordering Compare(const uint64_t (&a)[2], absl::string_view a_key,
                                       const uint64_t (&b)[2], absl::string_view b_key) {
      if (a[0] != b[0]) {
        return a[0] < b[0] ? absl::weak_ordering::less : absl::weak_ordering::greater;
      }
      if (a[1] != b[1]) {
        return a[1] < b[1] ? absl::weak_ordering::less : absl::weak_ordering::greater;
      }
      const int order = a_key.compare(b_key);
      return order < 0   ? absl::weak_ordering::less
             : order > 0 ? absl::weak_ordering::greater
                         : absl::weak_ordering::equivalent;
    }
  };
  using Slots = absl::btree_set<Slot, Order>;

 public:
  explicit Tail(ChunkPool& pool) : pool_(pool) {}  // `pool` outlives this
  ~Tail();
  Tail(const Tail&) = delete;
  Tail& operator=(const Tail&) = delete;

  void Put(absl::string_view key, absl::string_view value) { Write(key, value, false); }
  void Delete(absl::string_view key) { Write(key, {}, true); }
  // nullptr: this tail does not know the key. Valid until the next Put or Delete.
  const Record* Find(absl::string_view key) const;

  // Records in key order, from the first whose key is >= `from`.
  class Cursor {
   public:
    Cursor(const Tail& tail, absl::string_view from)
        : at_(tail.slots_.lower_bound(MakeProbe(from))), end_(tail.slots_.end()) {}
    const Record* Get() const { return at_ == end_ ? nullptr : at_->record; }
    void Next() { ++at_; }

   private:
    Slots::const_iterator at_, end_;
  };

  uint64_t bytes() const { return bytes_; }  // memory held, near enough
  uint64_t records() const { return slots_.size(); }
  bool empty() const { return slots_.empty(); }

 private:
  static Probe MakeProbe(absl::string_view key);
  void Write(absl::string_view key, absl::string_view value, bool deleted);
  char* Allocate(size_t bytes);

  ChunkPool& pool_;
  Slots slots_;
  std::vector<ChunkPool::Chunk> chunks_;
  std::vector<std::unique_ptr<char[]>> large_;  // what does not fit a chunk well
  char* free_ = nullptr;                        // the rest of the last chunk
  size_t free_bytes_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace cairn::namenode
