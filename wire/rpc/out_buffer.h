// wire/rpc/out_buffer.h - bytes on their way out: grown at the end, taken from the front.
//
// Unlike std::string it does not zero what is about to be overwritten, and it keeps its memory from
// batch to batch. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

#include "absl/strings/string_view.h"

namespace cairn::rpc {

class OutBuffer {
 public:
  // `n` uninitialized bytes at the end, valid until the next call that is not const.
  char* Extend(size_t n) {
    if (capacity_ - end_ < n) MakeRoom(n);
    char* const at = data_.get() + end_;
    end_ += n;
    return at;
  }
  void Append(absl::string_view bytes) {
    if (bytes.empty()) return;  // memcpy from a null view is undefined
    std::memcpy(Extend(bytes.size()), bytes.data(), bytes.size());
  }
  void RemovePrefix(size_t n) {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  void Clear() { begin_ = end_ = 0; }
  // Gives memory above `keep` bytes back. Only when empty; else nothing happens.
  void Shrink(size_t keep) {
    if (!empty() || capacity_ <= keep) return;
    data_.reset();
    capacity_ = 0;
  }

  absl::string_view view() const { return {data_.get() + begin_, size()}; }
  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  size_t capacity() const { return capacity_; }

 private:
  void MakeRoom(size_t n) {
    const size_t used = size();
    // Moving within the buffer is enough when at least half of it is free at the front.
    if (capacity_ - used >= n && used <= capacity_ / 2) {
      std::memmove(data_.get(), data_.get() + begin_, used);
    } else {
      const size_t capacity = std::max({used + n, 2 * capacity_, size_t{4096}});
      std::unique_ptr<char[]> grown(new char[capacity]);  // make_unique would zero it
      if (used > 0) std::memcpy(grown.get(), data_.get() + begin_, used);
      data_ = std::move(grown);
      capacity_ = capacity;
    }
    begin_ = 0;
    end_ = used;
  }

  std::unique_ptr<char[]> data_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace cairn::rpc
