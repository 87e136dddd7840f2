#include "common/buffer_pool.h"

#include <cstdlib>
#include <new>

#include "common/check.h"

namespace cairn {

BufferPool::BufferPool(size_t buffer_bytes, size_t max_buffers)
    : core_(std::make_shared<Core>(buffer_bytes, max_buffers)) {
  CHECK(buffer_bytes > 0 && buffer_bytes % kAlignment == 0) << buffer_bytes;
}

std::optional<BufferPool::Buffer> BufferPool::TryTake() {
  std::byte* const memory = core_->Take();
  if (memory == nullptr) return std::nullopt;
  return Buffer(core_, memory);
}

size_t BufferPool::max_buffers() const { return core_->max_buffers; }
size_t BufferPool::buffer_bytes() const { return core_->buffer_bytes; }

size_t BufferPool::taken() const {
  MutexLock lock(core_->mu);
  return core_->taken;
}

BufferPool::Core::~Core() {
  for (std::byte* const memory : free) std::free(memory);
}

std::byte* BufferPool::Core::Take() {
  MutexLock lock(mu);
  if (taken == max_buffers) return nullptr;
  std::byte* memory = nullptr;
  if (!free.empty()) {
    memory = free.back();  // the one used last is the likeliest to be in the CPU's cache
    free.pop_back();
  } else {
    try {
      free.reserve(taken + 1);  // GiveBack has to find room: it is called by a destructor
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    memory = static_cast<std::byte*>(std::aligned_alloc(kAlignment, buffer_bytes));
    if (memory == nullptr) return nullptr;
  }
  ++taken;
  return memory;
}

void BufferPool::Core::GiveBack(std::byte* memory) {
  MutexLock lock(mu);
  free.push_back(memory);
  --taken;
}

}  // namespace cairn
