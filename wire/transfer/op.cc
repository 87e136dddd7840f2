#include "wire/transfer/op.h"

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status_macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "wire/transfer/big_endian.h"

namespace cairn::transfer {
namespace {

constexpr size_t kOpPrefixBytes = 3;  // version and opcode
constexpr size_t kMaxVarintBytes = 5;

void AppendDelimited(const google::protobuf::MessageLite& message, std::string& out) {
  const size_t length = message.ByteSizeLong();
  uint8_t varint[kMaxVarintBytes];
  const uint8_t* const end = google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(
      static_cast<uint32_t>(length), varint);
  out.append(reinterpret_cast<const char*>(varint), static_cast<size_t>(end - varint));
  CHECK(message.AppendToString(&out)) << "a required field is missing";
}

}  // namespace

std::string EncodeOp(Opcode opcode, const google::protobuf::MessageLite& message) {
  std::string out = {'\0', static_cast<char>(kProtocolVersion), static_cast<char>(opcode)};
  AppendDelimited(message, out);
  return out;
}

std::string EncodeDelimited(const google::protobuf::MessageLite& message) {
  std::string out;
  AppendDelimited(message, out);
  return out;
}

absl::StatusOr<std::optional<Delimited>> TakeDelimited(std::span<const std::byte> buffered,
                                                       size_t limit_bytes) {
  uint64_t length = 0;
  size_t used = 0;
  while (true) {
    if (used == kMaxVarintBytes) {
      return absl::InvalidArgumentError("message length: a varint of more than 5 bytes");
    }
    if (used == buffered.size()) return std::nullopt;
    const auto next = std::to_integer<uint64_t>(buffered[used]);
    length |= (next & 0x7f) << (7 * used);
    ++used;
    if ((next & 0x80) == 0) break;
  }
  if (length > limit_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("message length ", length, " is above the limit of ", limit_bytes));
  }
  if (buffered.size() - used < length) return std::nullopt;
  return Delimited{.body = absl::string_view(reinterpret_cast<const char*>(buffered.data()) + used,
                                             static_cast<size_t>(length)),
                   .consumed = used + static_cast<size_t>(length)};
}

absl::StatusOr<std::optional<Op>> TakeOp(std::span<const std::byte> buffered) {
  if (buffered.size() >= 2 && LoadBig16(buffered.data()) != kProtocolVersion) {
    return absl::InvalidArgumentError(absl::StrCat(
        "data transfer version ", LoadBig16(buffered.data()), ", expected ", kProtocolVersion));
  }
  if (buffered.size() <= kOpPrefixBytes) return std::nullopt;
  ASSIGN_OR_RETURN(const std::optional<Delimited> message,
                   TakeDelimited(buffered.subspan(kOpPrefixBytes), kMaxOpBytes));
  if (!message.has_value()) return std::nullopt;
  return Op{.opcode = static_cast<Opcode>(buffered[2]),
            .body = message->body,
            .consumed = kOpPrefixBytes + message->consumed};
}

}  // namespace cairn::transfer
