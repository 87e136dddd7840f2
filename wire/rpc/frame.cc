#include "wire/rpc/frame.h"

#include <algorithm>
#include <cstring>

#include "common/check.h"
#include "wire/rpc/wire_reader.h"

namespace cairn::rpc {
namespace {

constexpr absl::string_view kMagic("hrpc", 4);
constexpr absl::string_view kHttpGet("GET ", 4);

uint32_t LoadBigEndian32(const char* at) {
  const auto* p = reinterpret_cast<const uint8_t*>(at);
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}

char* PutBigEndian32(uint32_t value, char* at) {
  for (int shift = 24; shift >= 0; shift -= 8) *at++ = static_cast<char>(value >> shift);
  return at;
}

char* PutTag(uint32_t field, WireType type, char* at) {
  return PutVarint(field << 3 | type, at);  // one byte for fields up to 15
}

char* PutVarintField(uint32_t field, uint64_t value, char* at) {
  return PutVarint(value, PutTag(field, kVarint, at));
}

char* PutRaw(absl::string_view bytes, char* at) {
  if (bytes.empty()) return at;
  std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

char* PutDelimited(absl::string_view bytes, char* at) {
  return PutRaw(bytes, PutVarint(bytes.size(), at));
}

char* PutBytesField(uint32_t field, absl::string_view value, char* at) {
  return PutDelimited(value, PutTag(field, kLengthDelimited, at));
}

size_t DelimitedSize(size_t bytes) { return VarintSize(bytes) + bytes; }
size_t VarintFieldSize(uint64_t value) { return 1 + VarintSize(value); }
size_t BytesFieldSize(absl::string_view value) { return 1 + DelimitedSize(value.size()); }

// --- The three headers: a size, and a writer of exactly that many bytes. ---

size_t EncodedSize(const RequestHeader& header) {
  size_t size = VarintFieldSize(static_cast<uint32_t>(header.rpc_kind)) +
                VarintFieldSize(static_cast<uint32_t>(header.rpc_op)) +
                VarintFieldSize(ZigZagEncode32(header.call_id)) + BytesFieldSize(header.client_id) +
                VarintFieldSize(ZigZagEncode32(header.retry_count));
  if (!header.caller_context.empty()) {
    size += 1 + DelimitedSize(BytesFieldSize(header.caller_context));
  }
  return size;
}

char* Put(const RequestHeader& header, char* at) {
  at = PutVarintField(1, static_cast<uint32_t>(header.rpc_kind), at);
  at = PutVarintField(2, static_cast<uint32_t>(header.rpc_op), at);
  at = PutVarintField(3, ZigZagEncode32(header.call_id), at);
  at = PutBytesField(4, header.client_id, at);
  at = PutVarintField(5, ZigZagEncode32(header.retry_count), at);
  if (!header.caller_context.empty()) {
    at = PutVarint(BytesFieldSize(header.caller_context), PutTag(7, kLengthDelimited, at));
    at = PutBytesField(1, header.caller_context, at);
  }
  return at;
}

size_t EncodedSize(const MethodHeader& header) {
  return BytesFieldSize(header.method) + BytesFieldSize(header.protocol) +
         VarintFieldSize(header.version);
}

char* Put(const MethodHeader& header, char* at) {
  at = PutBytesField(1, header.method, at);
  at = PutBytesField(2, header.protocol, at);
  return PutVarintField(3, header.version, at);
}

// A negative id goes out as its 32-bit two's complement: -33 is FFFFFFDF, five bytes of varint.
size_t EncodedSize(const ResponseHeader& header) {
  size_t size = VarintFieldSize(static_cast<uint32_t>(header.call_id)) +
                VarintFieldSize(static_cast<uint8_t>(header.status)) +
                VarintFieldSize(kIpcVersion) + BytesFieldSize(header.client_id) +
                VarintFieldSize(ZigZagEncode32(header.retry_count));
  if (header.status != RpcStatus::kSuccess) {
    size += BytesFieldSize(header.exception_class) + BytesFieldSize(header.error_message);
    if (header.error_code != RpcErrorCode::kNone) {
      size += VarintFieldSize(static_cast<uint8_t>(header.error_code));
    }
  }
  return size;
}

char* Put(const ResponseHeader& header, char* at) {
  at = PutVarintField(1, static_cast<uint32_t>(header.call_id), at);
  at = PutVarintField(2, static_cast<uint8_t>(header.status), at);
  at = PutVarintField(3, kIpcVersion, at);
  if (header.status != RpcStatus::kSuccess) {
    at = PutBytesField(4, header.exception_class, at);
    at = PutBytesField(5, header.error_message, at);
    if (header.error_code != RpcErrorCode::kNone) {
      at = PutVarintField(6, static_cast<uint8_t>(header.error_code), at);
    }
  }
  at = PutBytesField(7, header.client_id, at);
  return PutVarintField(8, ZigZagEncode32(header.retry_count), at);
}

// Everything of a success response but the message's own bytes, whose place is returned.
// Null, and nothing written: too long.
char* BeginResponse(const ResponseHeader& header, size_t message_bytes, size_t max_bytes,
                    OutBuffer* out) {
  const size_t header_bytes = EncodedSize(header);
  const size_t frame_bytes = DelimitedSize(header_bytes) + DelimitedSize(message_bytes);
  if (frame_bytes > max_bytes) return nullptr;
  char* at = out->Extend(kLengthBytes + frame_bytes);
  at = PutBigEndian32(static_cast<uint32_t>(frame_bytes), at);
  at = Put(header, PutVarint(header_bytes, at));
  return PutVarint(message_bytes, at);
}

bool ParseCallerContext(absl::string_view bytes, RequestHeader* header) {
  WireReader in(bytes);
  while (!in.AtEnd()) {
    uint32_t field;
    WireType type;
    if (!in.ReadTag(&field, &type)) return false;
    if (field == 1 && type == kLengthDelimited) {
      if (!in.ReadBytes(&header->caller_context)) return false;
    } else if (!in.Skip(field, type)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Preamble ScanPreamble(absl::string_view input) {
  if (input.size() < kMagic.size()) return Preamble::kIncomplete;
  const absl::string_view magic = input.substr(0, kMagic.size());
  if (magic == kHttpGet) return Preamble::kHttpGet;
  if (magic != kMagic) return Preamble::kNotHadoop;
  if (input.size() < 5) return Preamble::kIncomplete;
  const auto version = static_cast<uint8_t>(input[4]);
  if (version < kIpcVersion) return Preamble::kOldVersion;
  if (version > kIpcVersion) return Preamble::kOtherVersion;
  return input.size() < kPreambleBytes ? Preamble::kIncomplete : Preamble::kOk;
}

FrameScan ScanFrame(absl::string_view input, size_t max_frame_bytes) {
  if (input.size() < kLengthBytes) return {FrameScan::kIncomplete, kLengthBytes};
  const size_t length = LoadBigEndian32(input.data());
  // A negative length is above any limit when read as unsigned.
  if (length > max_frame_bytes) return {FrameScan::kTooLong, length};
  const size_t bytes = kLengthBytes + length;
  return {input.size() < bytes ? FrameScan::kIncomplete : FrameScan::kComplete, bytes};
}

bool TakeDelimited(absl::string_view* input, absl::string_view* message) {
  WireReader in(*input);
  if (!in.ReadBytes(message)) return false;
  *input = in.Rest();
  return true;
}

bool ParseRequestHeader(absl::string_view bytes, RequestHeader* header) {
  *header = RequestHeader();
  WireReader in(bytes);
  bool has_call_id = false;
  bool has_client_id = false;
  while (!in.AtEnd()) {
    uint32_t field;
    WireType type;
    uint64_t value;
    if (!in.ReadTag(&field, &type)) return false;
    if (type == kVarint) {
      if (!in.ReadVarint(&value)) return false;
      const auto low = static_cast<uint32_t>(value);
      // proto2 keeps an enum value it does not know as an unknown field: it overwrites nothing.
      if (field == 1 && low <= 2) header->rpc_kind = static_cast<int>(low);
      if (field == 2 && low <= 2) header->rpc_op = static_cast<int>(low);
      if (field == 3) {
        header->call_id = ZigZagDecode32(low);
        has_call_id = true;
      }
      if (field == 5) header->retry_count = ZigZagDecode32(low);
    } else if (field == 4 && type == kLengthDelimited) {
      if (!in.ReadBytes(&header->client_id)) return false;
      has_client_id = true;
    } else if (field == 7 && type == kLengthDelimited) {
      absl::string_view context;
      if (!in.ReadBytes(&context) || !ParseCallerContext(context, header)) return false;
    } else if (!in.Skip(field, type)) {
      return false;
    }
  }
  return has_call_id && has_client_id;
}

bool ParseMethodHeader(absl::string_view bytes, MethodHeader* header) {
  *header = MethodHeader();
  WireReader in(bytes);
  bool has_method = false;
  bool has_protocol = false;
  bool has_version = false;
  while (!in.AtEnd()) {
    uint32_t field;
    WireType type;
    if (!in.ReadTag(&field, &type)) return false;
    if (field == 1 && type == kLengthDelimited) {
      if (!in.ReadBytes(&header->method)) return false;
      has_method = true;
    } else if (field == 2 && type == kLengthDelimited) {
      if (!in.ReadBytes(&header->protocol)) return false;
      has_protocol = true;
    } else if (field == 3 && type == kVarint) {
      if (!in.ReadVarint(&header->version)) return false;
      has_version = true;
    } else if (!in.Skip(field, type)) {
      return false;
    }
  }
  return has_method && has_protocol && has_version;
}

bool ParseResponseHeader(absl::string_view bytes, ResponseHeader* header) {
  *header = ResponseHeader();
  WireReader in(bytes);
  bool has_call_id = false;
  bool has_status = false;
  while (!in.AtEnd()) {
    uint32_t field;
    WireType type;
    uint64_t value;
    if (!in.ReadTag(&field, &type)) return false;
    if (type == kVarint) {
      if (!in.ReadVarint(&value)) return false;
      const auto low = static_cast<uint32_t>(value);
      if (field == 1) {
        header->call_id = static_cast<int32_t>(low);
        has_call_id = true;
      }
      if (field == 2 && low <= 2) {
        header->status = static_cast<RpcStatus>(low);
        has_status = true;
      }
      const bool known_code = (low >= 1 && low <= 6) || (low >= 10 && low <= 15);
      if (field == 6 && known_code) header->error_code = static_cast<RpcErrorCode>(low);
      if (field == 8) header->retry_count = ZigZagDecode32(low);
    } else if (type == kLengthDelimited) {
      absl::string_view text;
      if (!in.ReadBytes(&text)) return false;
      if (field == 4) header->exception_class = text;
      if (field == 5) header->error_message = text;
      if (field == 7) header->client_id = text;
    } else if (!in.Skip(field, type)) {
      return false;
    }
  }
  return has_call_id && has_status;
}

void EncodePreamble(AuthByte auth, OutBuffer* out) {
  out->Append(kMagic);
  char* const at = out->Extend(3);
  at[0] = static_cast<char>(kIpcVersion);
  at[1] = 0;  // service class
  at[2] = static_cast<char>(auth);
}

void EncodeControl(const RequestHeader& header, const google::protobuf::MessageLite* message,
                   OutBuffer* out) {
  const size_t header_bytes = EncodedSize(header);
  const size_t message_bytes = message == nullptr ? 0 : message->ByteSizeLong();
  const size_t frame_bytes =
      DelimitedSize(header_bytes) + (message == nullptr ? 0 : DelimitedSize(message_bytes));
  char* at = out->Extend(kLengthBytes + frame_bytes);
  at = PutBigEndian32(static_cast<uint32_t>(frame_bytes), at);
  at = Put(header, PutVarint(header_bytes, at));
  if (message == nullptr) return;
  at = PutVarint(message_bytes, at);
  message->SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(at));
}

bool EncodeCall(const RequestHeader& header, const MethodHeader& method, absl::string_view request,
                OutBuffer* out) {
  const size_t header_bytes = EncodedSize(header);
  const size_t method_bytes = EncodedSize(method);
  const size_t frame_bytes =
      DelimitedSize(header_bytes) + DelimitedSize(method_bytes) + DelimitedSize(request.size());
  if (frame_bytes > kMaxRequestBytes) return false;
  char* at = out->Extend(kLengthBytes + frame_bytes);
  at = PutBigEndian32(static_cast<uint32_t>(frame_bytes), at);
  at = Put(header, PutVarint(header_bytes, at));
  at = Put(method, PutVarint(method_bytes, at));
  PutDelimited(request, at);
  return true;
}

bool EncodeResponse(const ResponseHeader& header, const google::protobuf::MessageLite& message,
                    size_t max_bytes, OutBuffer* out) {
  const size_t message_bytes = message.ByteSizeLong();  // caches the sizes that the next call uses
  char* const at = BeginResponse(header, message_bytes, max_bytes, out);
  if (at == nullptr) return false;
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(at));
  return true;
}

bool EncodeResponseBytes(const ResponseHeader& header, absl::string_view message, size_t max_bytes,
                         OutBuffer* out) {
  char* const at = BeginResponse(header, message.size(), max_bytes, out);
  if (at == nullptr) return false;
  PutRaw(message, at);
  return true;
}

void EncodeErrorResponse(const ResponseHeader& header, OutBuffer* out) {
  CHECK(header.status != RpcStatus::kSuccess);
  const size_t header_bytes = EncodedSize(header);
  const size_t frame_bytes = DelimitedSize(header_bytes);
  char* at = out->Extend(kLengthBytes + frame_bytes);
  at = PutBigEndian32(static_cast<uint32_t>(frame_bytes), at);
  Put(header, PutVarint(header_bytes, at));
}

}  // namespace cairn::rpc
