// namenode/journal/aligned_buffer.h - memory that O_DIRECT takes: starts at a multiple of 4096.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>

#include "common/check.h"

namespace cairn::namenode {

class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 4096;

  AlignedBuffer() = default;
  // `bytes` is a multiple of kAlignment. The contents are undefined.
  explicit AlignedBuffer(size_t bytes)
      : data_(static_cast<std::byte*>(std::aligned_alloc(kAlignment, bytes))), size_(bytes) {
    CHECK(bytes % kAlignment == 0 && data_ != nullptr) << bytes;
  }

  std::byte* data() const { return data_.get(); }
  size_t size() const { return size_; }
  std::span<std::byte> span() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* data) const { std::free(data); }
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t size_ = 0;
};

}  // namespace cairn::namenode
