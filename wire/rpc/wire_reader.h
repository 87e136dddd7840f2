// wire/rpc/wire_reader.h - the protobuf encoding read by hand, for the headers of every call.
//
// A generated message would copy each string of a header; this leaves views into the frame. What it
// accepts is what protobuf's own parser accepts (varints of up to ten bytes, unknown fields and
// groups skipped); it does not look inside nested messages that nobody asks for.
// All input is hostile: every read is checked against the end.
// Source: https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace cairn::rpc {

enum WireType : uint32_t {
  kVarint = 0,
  kFixed64 = 1,
  kLengthDelimited = 2,
  kStartGroup = 3,
  kEndGroup = 4,
  kFixed32 = 5,
};

class WireReader {
 public:
  explicit WireReader(absl::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool AtEnd() const { return at_ == end_; }
  absl::string_view Rest() const { return {at_, static_cast<size_t>(end_ - at_)}; }

  // Each returns false when the bytes end too early or are not that thing; the reader is then
  // spent.
  bool ReadVarint(uint64_t* value) {
    if (at_ < end_ && static_cast<uint8_t>(*at_) < 0x80) {
      *value = static_cast<uint8_t>(*at_++);
      return true;
    }
    return ReadLongVarint(value);
  }
  bool ReadTag(uint32_t* field, WireType* type);
  bool ReadBytes(absl::string_view* value) {
    uint64_t size;
    if (!ReadVarint(&size) || size > static_cast<uint64_t>(end_ - at_)) return false;
    *value = {at_, static_cast<size_t>(size)};
    at_ += size;
    return true;
  }
  // Skips the value of a field whose tag was just read.
  bool Skip(uint32_t field, WireType type);

 private:
  bool ReadLongVarint(uint64_t* value);
  bool SkipGroup(uint32_t field);
  bool SkipFixed(size_t n) {
    if (static_cast<size_t>(end_ - at_) < n) return false;
    at_ += n;
    return true;
  }

  const char* at_;
  const char* end_;
};

inline int32_t ZigZagDecode32(uint32_t n) {
  return static_cast<int32_t>((n >> 1) ^ (~(n & 1) + 1));
}
inline uint32_t ZigZagEncode32(int32_t n) {
  return (static_cast<uint32_t>(n) << 1) ^ static_cast<uint32_t>(n >> 31);
}

inline size_t VarintSize(uint64_t value) {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

// Writes VarintSize(value) bytes and returns the place behind them.
inline char* PutVarint(uint64_t value, char* at) {
  while (value >= 0x80) {
    *at++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<char>(value);
  return at;
}

}  // namespace cairn::rpc
