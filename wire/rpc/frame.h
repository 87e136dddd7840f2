// wire/rpc/frame.h - the bytes of Hadoop IPC version 9: finding frames, reading and writing
// headers.
//
//   connection   preamble, then frames          preamble  "hrpc" 09 service-class auth
//   request      u32 BE length | RpcRequestHeaderProto | RequestHeaderProto | request message
//   control      u32 BE length | RpcRequestHeaderProto | context or SASL message, or nothing (ping)
//   response     u32 BE length | RpcResponseHeaderProto | response message, only on SUCCESS
//
// Inside a frame each message is preceded by its length as a varint. An empty message is one 00
// byte, and that byte must be there.
// Pure functions: no sockets, no allocation except in the output buffer. Views point into the
// input. Source: Apache Hadoop's IPC, version 9. Headers are coded by hand because they are most of
// the bytes of a call; frame_test.cc and frame_fuzz.cc compare with protobuf's own coder.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"
#include "wire/rpc/out_buffer.h"

namespace cairn::rpc {

inline constexpr size_t kPreambleBytes = 7;
inline constexpr size_t kLengthBytes = 4;
inline constexpr uint8_t kIpcVersion = 9;
inline constexpr size_t kMaxRequestBytes = size_t{64} << 20;    // ipc.maximum.data.length
inline constexpr size_t kMaxResponseBytes = size_t{128} << 20;  // ipc.maximum.response.length
inline constexpr size_t kMaxPreAuthBytes = size_t{64} << 10;    // until the context has been read
// Of a request. What a call keeps while it waits is out of its header, and the header is small, or
// thousands of calls that wait would keep thousands of frames.
inline constexpr size_t kMaxHeaderBytes = size_t{64} << 10;
inline constexpr size_t kClientIdBytes = 16;            // ClientId.BYTE_LENGTH; or there is none
inline constexpr size_t kMaxCallerContextBytes = 4096;  // is cut there; Hadoop logs 128 of it

enum class AuthByte : uint8_t { kNone = 0x00, kSasl = 0xdf };

// Values of callId that are not calls.
inline constexpr int32_t kCallIdAuthorizationFailed = -1;
inline constexpr int32_t kCallIdContext = -3;
inline constexpr int32_t kCallIdPing = -4;
inline constexpr int32_t kCallIdSasl = -33;

inline constexpr int32_t kNoRetryCount = -1;
inline constexpr int kRpcKindProtobuf = 2;
inline constexpr int kRpcOpFinalPacket = 0;

// As RpcStatusProto and RpcErrorCodeProto.
enum class RpcStatus : uint8_t { kSuccess = 0, kError = 1, kFatal = 2 };
enum class RpcErrorCode : uint8_t {
  kNone = 0,  // absent
  kApplication = 1,
  kNoSuchMethod = 2,
  kNoSuchProtocol = 3,
  kRpcServer = 4,
  kSerializingResponse = 5,
  kRpcVersionMismatch = 6,
  kFatalUnknown = 10,
  kFatalUnsupportedSerialization = 11,
  kFatalInvalidRpcHeader = 12,
  kFatalDeserializingRequest = 13,
  kFatalVersionMismatch = 14,
  kFatalUnauthorized = 15,
};

// --- Finding what a stream begins with. ---

enum class Preamble : uint8_t {
  kIncomplete,   // fewer bytes than it takes to tell
  kOk,           // "hrpc", our version; the authentication byte is input[6], not judged here
  kHttpGet,      // somebody points a browser here
  kNotHadoop,    // no "hrpc"
  kOldVersion,   // version 8 and less: those clients read another answer
  kOtherVersion  // version 10 and more
};
Preamble ScanPreamble(absl::string_view input);

struct FrameScan {
  enum Result : uint8_t { kIncomplete, kComplete, kTooLong } result;
  size_t bytes;  // of the whole frame with its length, as far as known: at least what is missing
};
// Judges the length (as signed, as Java does) before anything is allocated for it.
FrameScan ScanFrame(absl::string_view input, size_t max_frame_bytes);

// Takes one varint-delimited message off the front of `input`. False: damaged; `input` is
// unchanged.
bool TakeDelimited(absl::string_view* input, absl::string_view* message);

// --- Requests. ---

struct RequestHeader {
  int rpc_kind = -1;  // -1: absent, or a value no enum has
  int rpc_op = -1;
  int32_t call_id = 0;
  absl::string_view client_id;
  int32_t retry_count = kNoRetryCount;
  absl::string_view caller_context;  // the context string, without the signature
};
// False: damaged, or a required field is missing. Accepts all that protobuf accepts.
bool ParseRequestHeader(absl::string_view bytes, RequestHeader* header);

struct MethodHeader {
  absl::string_view method;
  absl::string_view protocol;
  uint64_t version = 0;
};
bool ParseMethodHeader(absl::string_view bytes, MethodHeader* header);

void EncodePreamble(AuthByte auth, OutBuffer* out);
// A control frame: context, SASL, or a ping when `message` is null.
void EncodeControl(const RequestHeader& header, const google::protobuf::MessageLite* message,
                   OutBuffer* out);
// False, and nothing written: the frame would exceed kMaxRequestBytes.
bool EncodeCall(const RequestHeader& header, const MethodHeader& method, absl::string_view request,
                OutBuffer* out);

// --- Responses. ---

struct ResponseHeader {
  int32_t call_id = 0;
  RpcStatus status = RpcStatus::kSuccess;
  absl::string_view exception_class;  // empty on success
  absl::string_view error_message;    // empty on success
  RpcErrorCode error_code = RpcErrorCode::kNone;
  absl::string_view client_id;  // always written, also when empty
  int32_t retry_count = kNoRetryCount;
};
bool ParseResponseHeader(absl::string_view bytes, ResponseHeader* header);

// With status kSuccess, the header and `message`. False, and nothing written: over `max_bytes`.
bool EncodeResponse(const ResponseHeader& header, const google::protobuf::MessageLite& message,
                    size_t max_bytes, OutBuffer* out);
bool EncodeResponseBytes(const ResponseHeader& header, absl::string_view message, size_t max_bytes,
                         OutBuffer* out);
// With status kError or kFatal: the header and nothing more, or Java clients drop the connection.
void EncodeErrorResponse(const ResponseHeader& header, OutBuffer* out);

}  // namespace cairn::rpc
