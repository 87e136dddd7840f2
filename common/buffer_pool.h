// common/buffer_pool.h - reusable buffers of one size, aligned for O_DIRECT, never more than a
// fixed number: what a slow peer can make us hold is bounded by the pool.
//
// Buffers are allocated when first needed and kept for the next taker; their contents are whatever
// the last user left. Thread-safe. A Buffer may outlive its pool.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "common/mutex.h"

namespace cairn {

class BufferPool {
 public:
  static constexpr size_t kAlignment = 4096;

  // Owns its memory until destroyed, then gives it back. Move-only; empty after a move.
  class Buffer;

  // `buffer_bytes` is a positive multiple of kAlignment.
  BufferPool(size_t buffer_bytes, size_t max_buffers);

  // Nothing when max_buffers are taken, or the machine has no memory. Never blocks on I/O.
  std::optional<Buffer> TryTake();

  size_t buffer_bytes() const;
  size_t max_buffers() const;
  size_t taken() const;  // by now, for metrics

 private:
  struct Core {
    Core(size_t bytes, size_t count) : buffer_bytes(bytes), max_buffers(count) {}
    ~Core();
    std::byte* Take() ABSL_LOCKS_EXCLUDED(mu);
    void GiveBack(std::byte* memory) ABSL_LOCKS_EXCLUDED(mu);

    const size_t buffer_bytes;
    const size_t max_buffers;
    Mutex mu;
    std::vector<std::byte*> free ABSL_GUARDED_BY(mu);
    size_t taken ABSL_GUARDED_BY(mu) = 0;
  };

  const std::shared_ptr<Core> core_;
};

class BufferPool::Buffer {
 public:
  Buffer(Buffer&& other) noexcept
      : core_(std::move(other.core_)), memory_(std::exchange(other.memory_, nullptr)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(memory_, other.memory_);
    return *this;
  }
  ~Buffer() {
    if (memory_ != nullptr) core_->GiveBack(memory_);
  }

  std::byte* data() const { return memory_; }
  size_t size() const { return memory_ == nullptr ? 0 : core_->buffer_bytes; }
  std::span<std::byte> span() const { return {memory_, size()}; }

 private:
  friend class BufferPool;
  Buffer(std::shared_ptr<Core> core, std::byte* memory) : core_(std::move(core)), memory_(memory) {}

  std::shared_ptr<Core> core_;
  std::byte* memory_;
};

}  // namespace cairn
