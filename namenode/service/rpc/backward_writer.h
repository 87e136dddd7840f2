// namenode/service/rpc/backward_writer.h - protobuf messages written from their last byte to their
// first.
//
// A nested message is preceded by its length, so a writer that goes forward must know every size
// before it writes (protobuf walks each message twice). Going backward the length is known when its
// place comes: one pass, no tree of message objects, no allocation once the buffer has grown.
//
//   BackwardWriter w;                    // message { 1: "a", 2: message { 1: 7, 2: 9 } }
//   const size_t mark = w.size();
//   w.Varint(2, 9);                      // fields in descending order gives the bytes that the
//   w.Varint(1, 7);                      // generated code gives
//   w.CloseMessage(2, mark);
//   w.Bytes(1, "a");
//   send(w.view());
//
// Not thread-safe. Source: https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "absl/strings/string_view.h"
#include "wire/rpc/wire_reader.h"

namespace cairn::namenode {

class BackwardWriter {
 public:
  // Bytes written so far; a mark for CloseMessage.
  size_t size() const { return capacity_ - at_; }
  // The message; valid until the next call that is not const.
  absl::string_view view() const { return {data_.get() + at_, size()}; }

  void Varint(uint32_t field, uint64_t value) {
    PutRawVarint(value);
    PutRawVarint(field << 3 | rpc::kVarint);
  }
  void Bytes(uint32_t field, absl::string_view bytes) {
    const size_t mark = size();
    Raw(bytes);
    CloseMessage(field, mark);
  }
  // `count` values false or 0 of a packed field. Nothing when there are none, as protobuf does.
  void PackedZeros(uint32_t field, size_t count) {
    if (count == 0) return;
    const size_t mark = size();
    std::memset(Extend(count), 0, count);
    CloseMessage(field, mark);
  }
  // What was written since size() was `mark` becomes the message (or string) in `field`.
  void CloseMessage(uint32_t field, size_t mark) {
    PutRawVarint(size() - mark);
    PutRawVarint(field << 3 | rpc::kLengthDelimited);
  }
  // Bytes that are encoded already.
  void Raw(absl::string_view bytes) {
    if (bytes.empty()) return;  // memcpy from a null view is undefined
    std::memcpy(Extend(bytes.size()), bytes.data(), bytes.size());
  }

  // Begins a new message. Memory above `keep` bytes is given back.
  void Clear(size_t keep) {
    if (capacity_ > keep) {
      data_.reset();
      capacity_ = 0;
    }
    at_ = capacity_;
  }

 private:
  void PutRawVarint(uint64_t value) { rpc::PutVarint(value, Extend(rpc::VarintSize(value))); }
  // `n` uninitialized bytes in front of what was written.
  char* Extend(size_t n) {
    if (at_ < n) Grow(n);
    at_ -= n;
    return data_.get() + at_;
  }
  void Grow(size_t n) {
    const size_t used = size();
    const size_t capacity = std::max({used + n, 2 * capacity_, size_t{1024}});
    std::unique_ptr<char[]> grown(new char[capacity]);  // make_unique would zero it
    if (used > 0) std::memcpy(grown.get() + capacity - used, data_.get() + at_, used);
    data_ = std::move(grown);
    capacity_ = capacity;
    at_ = capacity - used;
  }

  std::unique_ptr<char[]> data_;
  size_t capacity_ = 0;
  size_t at_ = 0;  // place of the first byte written
};

}  // namespace cairn::namenode
