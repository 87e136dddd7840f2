// wire/rpc/test_frames.h - frames as clients send them, for the tests of this folder.
#pragma once

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "wire/rpc/frame.h"
#include "wire/rpc/wire_reader.h"

namespace cairn::rpc {

inline constexpr absl::string_view kTestProtocol = "org.apache.hadoop.hdfs.protocol.ClientProtocol";
inline constexpr absl::string_view kSimplePreamble("hrpc\x09\x00\x00", 7);
inline constexpr absl::string_view kSaslPreamble("hrpc\x09\x00\xdf", 7);

// "00 1a ..." with blanks.
inline std::string Hex(absl::string_view digits) {
  return absl::HexStringToBytes(absl::StrReplaceAll(digits, {{" ", ""}}));
}

inline std::string TestClientId() { return Hex("000102030405060708090a0b0c0d0e0f"); }

// The worked bytes of the protocol's description: clients send exactly these.
inline std::string ContextFrame(absl::string_view user = "alice") {
  std::string info = "\x0a" + std::string(1, static_cast<char>(user.size())) + std::string(user);
  std::string context = "\x12" + std::string(1, static_cast<char>(info.size())) + info +
                        "\x1a\x2e" + std::string(kTestProtocol);
  std::string body = Hex("1a 08 02 10 00 18 05 22 10") + TestClientId() + Hex("28 01");
  body += std::string(1, static_cast<char>(context.size())) + context;
  return Hex("00 00 00") + std::string(1, static_cast<char>(body.size())) + body;
}

inline std::string CallFrame(int32_t call_id, absl::string_view method, absl::string_view request,
                             absl::string_view protocol = kTestProtocol, uint64_t version = 1,
                             int32_t retry_count = 0) {
  const std::string client_id = TestClientId();
  RequestHeader header;
  header.rpc_kind = kRpcKindProtobuf;
  header.rpc_op = kRpcOpFinalPacket;
  header.call_id = call_id;
  header.client_id = client_id;
  header.retry_count = retry_count;
  OutBuffer out;
  EncodeCall(header, {.method = method, .protocol = protocol, .version = version}, request, &out);
  return std::string(out.view());
}

inline std::string NotFoundCall() {
  return Hex("00 00 00 60 1a 08 02 10 00 18 00 22 10") + TestClientId() + Hex("28 00 3f 0a 0b") +
         "getFileInfo" + Hex("12 2e") + std::string(kTestProtocol) + Hex("18 01 04 0a 02 2f 78");
}

inline std::string PingFrame() {
  return Hex("00 00 00 1b 1a 08 02 10 00 18 07 22 10") + TestClientId() + Hex("28 01");
}

inline std::string NegotiateFrame() {
  return Hex("00 00 00 0e 0a 08 02 10 00 18 41 22 00 28 01 02 10 01");
}
inline std::string SaslSuccessAnswer() {
  return Hex("00 00 00 12 0e 08 df ff ff ff 0f 10 00 18 09 3a 00 40 01 02 10 00");
}

// A response taken apart; views into the frame.
struct TestResponse {
  ResponseHeader header;
  absl::string_view body;  // after the header: on success the delimited message
};
inline bool ParseResponse(absl::string_view frame_without_length, TestResponse* response) {
  absl::string_view header;
  if (!TakeDelimited(&frame_without_length, &header)) return false;
  response->body = frame_without_length;
  return ParseResponseHeader(header, &response->header);
}

}  // namespace cairn::rpc
