#include "namenode/store/tail.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "common/check.h"

namespace cairn::namenode {
namespace {

constexpr size_t kAlign = alignof(Tail::Record);
// A slot, with the B-tree's nodes about 3/4 full.
constexpr uint64_t kSlotBytes = 32;
constexpr size_t kLargeBytes = ChunkPool::kChunkBytes / 8;

size_t RoundUp(size_t bytes) { return (bytes + kAlign - 1) & ~(kAlign - 1); }

uint64_t BigEndianPrefix(const char* bytes, size_t size) {
  uint64_t value = 0;
  std::memcpy(&value, bytes, std::min<size_t>(size, sizeof(value)));
  return __builtin_bswap64(value);
}

}  // namespace

static_assert(std::endian::native == std::endian::little);

ChunkPool::Chunk ChunkPool::Take() {
  {
    MutexLock lock(mu_);
    if (!free_.empty()) {
      Chunk chunk = std::move(free_.back());
      free_.pop_back();
      return chunk;
    }
  }
  return std::make_unique_for_overwrite<char[]>(kChunkBytes);
}

void ChunkPool::Return(std::vector<Chunk> chunks) {
  MutexLock lock(mu_);
  while (!chunks.empty() && free_.size() < keep_chunks_) {
    free_.push_back(std::move(chunks.back()));
    chunks.pop_back();
  }
}

Tail::~Tail() {
  slots_.clear();
  pool_.Return(std::move(chunks_));
}

Tail::Probe Tail::MakeProbe(absl::string_view key) {
  Probe probe{{BigEndianPrefix(key.data(), key.size()), 0}, key};
  if (key.size() > 8) probe.head[1] = BigEndianPrefix(key.data() + 8, key.size() - 8);
  return probe;
}

char* Tail::Allocate(size_t bytes) {
  bytes = RoundUp(bytes);
  bytes_ += bytes;
  if (bytes > kLargeBytes) {
    large_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    return large_.back().get();
  }
  if (bytes > free_bytes_) {
    bytes_ += free_bytes_;  // the rest stays unused
    chunks_.push_back(pool_.Take());
    free_ = chunks_.back().get();
    free_bytes_ = ChunkPool::kChunkBytes;
  }
  char* const start = free_;
  free_ += bytes;
  free_bytes_ -= bytes;
  return start;
}

void Tail::Write(absl::string_view key, absl::string_view value, bool deleted) {
  CHECK(key.size() <= std::numeric_limits<uint32_t>::max() &&
        value.size() <= std::numeric_limits<uint32_t>::max() / 2);
  const Probe probe = MakeProbe(key);
  const auto at = slots_.lower_bound(probe);
  Record* record;
  // The heads first: most often the place is another key's, whose record is not in the cache.
  if (at != slots_.end() && at->head[0] == probe.head[0] && at->head[1] == probe.head[1] &&
      at->record->key() == key) {
    record = const_cast<Record*>(at->record);  // the order depends on the key alone
    if (value.size() > record->value_capacity) {
      // Room to grow: a file's block list gets longer again and again, and what it leaves behind
      // then adds up to a few times its last size, not to its square.
      record->value_capacity = static_cast<uint32_t>(RoundUp(value.size() + value.size() / 4));
      record->value_data = Allocate(record->value_capacity);
    }
  } else {
    // Key and value in one piece; what the last alignment leaves belongs to the value.
    const size_t fixed = sizeof(Record) + key.size();
    const size_t total = RoundUp(fixed + value.size());
    char* const memory = Allocate(total);
    record = new (memory) Record{.value_data = memory + fixed,
                                 .value_bytes = 0,
                                 .value_capacity = static_cast<uint32_t>(total - fixed),
                                 .key_bytes = static_cast<uint32_t>(key.size()),
                                 .deleted = false};
    if (!key.empty()) std::memcpy(memory + sizeof(Record), key.data(), key.size());
    slots_.insert(at, Slot{{probe.head[0], probe.head[1]}, record});
    bytes_ += kSlotBytes;
  }
  // memmove: a caller may write back what Find gave it.
  if (!value.empty()) std::memmove(record->value_data, value.data(), value.size());
  record->value_bytes = static_cast<uint32_t>(value.size());
  record->deleted = deleted;
}

const Tail::Record* Tail::Find(absl::string_view key) const {
  const auto at = slots_.find(MakeProbe(key));
  return at == slots_.end() ? nullptr : at->record;
}

}  // namespace cairn::namenode
