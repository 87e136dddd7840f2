#include "wire/rpc/wire_reader.h"

namespace cairn::rpc {
namespace {

constexpr int kMaxGroupDepth = 100;  // protobuf's own recursion limit

}  // namespace

bool WireReader::ReadLongVarint(uint64_t* value) {
  uint64_t result = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (at_ == end_) return false;
    const auto byte = static_cast<uint8_t>(*at_++);
    result |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = result;
      return true;
    }
  }
  return false;
}

bool WireReader::ReadTag(uint32_t* field, WireType* type) {
  const char* const start = at_;
  uint64_t wide;
  if (!ReadVarint(&wide) || at_ - start > 5) return false;
  // A fifth byte may carry bits above 32; protobuf drops them.
  const auto tag = static_cast<uint32_t>(wide);
  *field = tag >> 3;
  *type = static_cast<WireType>(tag & 7);
  return *field != 0 && (tag & 7) <= kFixed32;
}

bool WireReader::Skip(uint32_t field, WireType type) {
  uint64_t ignored;
  absl::string_view ignored_bytes;
  switch (type) {
    case kVarint:
      return ReadVarint(&ignored);
    case kFixed64:
      return SkipFixed(8);
    case kLengthDelimited:
      return ReadBytes(&ignored_bytes);
    case kStartGroup:
      return SkipGroup(field);
    case kFixed32:
      return SkipFixed(4);
    case kEndGroup:
      return false;  // ends a group that never began
  }
  return false;
}

// Without recursion: depth is the sender's choice, and so would be the stack.
bool WireReader::SkipGroup(uint32_t field) {
  uint32_t open[kMaxGroupDepth];
  int depth = 0;
  open[depth++] = field;
  while (depth > 0) {
    uint32_t inner;
    WireType type;
    if (!ReadTag(&inner, &type)) return false;
    if (type == kStartGroup) {
      if (depth == kMaxGroupDepth) return false;
      open[depth++] = inner;
    } else if (type == kEndGroup) {
      if (open[--depth] != inner) return false;
    } else if (!Skip(inner, type)) {
      return false;
    }
  }
  return true;
}

}  // namespace cairn::rpc
