// wire/transfer/op.h - how an operation is asked for and answered on the data transfer port.
//
//   operation   u16 BE version 28 | u8 opcode | varint length | message
//   reply       varint length | message
//
// The Take functions look at bytes buffered so far and say nullopt while a whole frame is not there
// yet: read more and call again. Pure functions; the views they return point into the buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"

namespace cairn::transfer {

inline constexpr uint16_t kProtocolVersion = 28;
// Operations carry a block, tokens and a few datanodes, 63 at most, each of some 250 bytes; the
// longest known is a few kilobytes.
inline constexpr size_t kMaxOpBytes = size_t{64} << 10;
// Replies carry a status and, at most, a CRC for each stripe of a block.
inline constexpr size_t kMaxReplyBytes = size_t{1} << 20;

// Values are the wire's.
enum class Opcode : uint8_t {
  kWriteBlock = 80,
  kReadBlock = 81,
  kReadMetadata = 82,  // never used
  kReplaceBlock = 83,
  kCopyBlock = 84,
  kBlockChecksum = 85,
  kTransferBlock = 86,
  kRequestShortCircuitFds = 87,
  kReleaseShortCircuitFds = 88,
  kRequestShortCircuitShm = 89,
  kBlockGroupChecksum = 90,
  kCustom = 127,
};

// A whole operation, ready to send. `message` has all its required fields.
std::string EncodeOp(Opcode opcode, const google::protobuf::MessageLite& message);

// A length-delimited message: replies and ClientReadStatusProto. A reply must be 5 bytes or more
// with its length: set firstBadLink (to "") on success of a write, and a message with an error.
std::string EncodeDelimited(const google::protobuf::MessageLite& message);

struct Delimited {
  absl::string_view body;  // the message, not yet parsed
  size_t consumed = 0;     // bytes of the buffer it took, length included
};

// kInvalidArgument: not a varint of at most 5 bytes, or a length above `limit_bytes`.
absl::StatusOr<std::optional<Delimited>> TakeDelimited(std::span<const std::byte> buffered,
                                                       size_t limit_bytes);

struct Op {
  Opcode opcode{};  // may be a number that is not listed above
  absl::string_view body;
  size_t consumed = 0;
};

// kInvalidArgument: another version than 28, or as TakeDelimited with kMaxOpBytes. Noticed as soon
// as the bytes show it.
absl::StatusOr<std::optional<Op>> TakeOp(std::span<const std::byte> buffered);

}  // namespace cairn::transfer
