#include "wire/rpc/session.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/utf8.h"
#include "proto/hdfs/ipc.pb.h"
#include "wire/parse_message.h"
#include "wire/rpc/remote_exception.h"

namespace cairn::rpc {
namespace {

using Next = Session::Next;

constexpr size_t kMaxUserBytes = 256;

constexpr absl::string_view kHttpAnswer =
    "HTTP/1.1 404 Not Found\r\n"
    "Content-type: text/plain\r\n"
    "Connection: close\r\n"
    "\r\n"
    "This is a Hadoop IPC port, and it speaks no HTTP. The web interface has a port of its "
    "own.\r\n";

Next Fatal(const RequestHeader& header, RpcErrorCode code, absl::string_view class_name,
           absl::string_view text, OutBuffer* out) {
  const std::string line = absl::StrCat(text, "\n");
  ResponseHeader response;
  response.call_id = header.call_id;
  response.status = RpcStatus::kFatal;
  response.exception_class = class_name;
  response.error_message = line;
  response.error_code = code;
  response.client_id = header.client_id;
  response.retry_count = header.retry_count;
  EncodeErrorResponse(response, out);
  return Next::kCloseAfterReply;
}

Next BadHeader(const RequestHeader& header, absl::string_view text, OutBuffer* out) {
  return Fatal(header, RpcErrorCode::kFatalInvalidRpcHeader, kRpcServerException, text, out);
}

Next Undecodable(const RequestHeader& header, absl::string_view text, OutBuffer* out) {
  return Fatal(header, RpcErrorCode::kFatalDeserializingRequest, kRpcServerException, text, out);
}

Next Unauthorized(const RequestHeader& header, absl::string_view class_name, absl::string_view text,
                  OutBuffer* out) {
  return Fatal(header, RpcErrorCode::kFatalUnauthorized, class_name, text, out);
}

// Errors before any header was read.
RequestHeader NoHeader() {
  RequestHeader header;
  header.call_id = kCallIdAuthorizationFailed;
  return header;
}

// Hadoop takes any length and cuts it for its log. Not within a character, if it is made of them.
void CutCallerContext(RequestHeader* header) {
  absl::string_view& text = header->caller_context;
  if (text.size() <= kMaxCallerContextBytes) return;
  size_t end = kMaxCallerContextBytes;
  const auto continues = [&] { return (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80; };
  while (continues() && end > kMaxCallerContextBytes - 3) --end;
  text = text.substr(0, end);
}

// What a call may keep of its header while it waits is short then, or it is said why not. An odd
// client id is taken out, so as not to be echoed; a long caller context is cut.
std::string ShortenOrRefuse(RequestHeader* header) {
  CutCallerContext(header);
  const size_t id_bytes = header->client_id.size();
  if (id_bytes != 0 && id_bytes != kClientIdBytes) {
    header->client_id = {};
    return absl::StrCat("A client id has ", kClientIdBytes, " bytes; this one has ", id_bytes);
  }
  return {};
}

void SendSasl(const RequestHeader& header, const hdfs::RpcSaslProto& message, OutBuffer* out) {
  ResponseHeader response;
  response.call_id = kCallIdSasl;
  response.client_id = header.client_id;
  response.retry_count = header.retry_count;
  EncodeResponse(response, message, kMaxResponseBytes, out);
}

bool IsSimple(const hdfs::RpcSaslProto::SaslAuth& auth) {
  return auth.method() == "SIMPLE" && auth.mechanism().empty();
}

}  // namespace

absl::string_view ShortUserName(absl::string_view name) {
  if (name.size() > kMaxUserBytes || !IsUtf8(name)) return {};
  const bool printable = std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  return printable ? name.substr(0, name.find_first_of("/@")) : absl::string_view();
}

Next Session::OnPreamble(absl::string_view preamble, OutBuffer* out) {
  switch (ScanPreamble(preamble)) {
    case Preamble::kIncomplete:
      return Next::kContinue;
    case Preamble::kHttpGet:
      out->Append(kHttpAnswer);
      return Next::kCloseAfterReply;
    case Preamble::kOldVersion:
      return Next::kClose;
    case Preamble::kNotHadoop:
      return Fatal(NoHeader(), RpcErrorCode::kFatalVersionMismatch, kVersionMismatch,
                   "This is a Hadoop IPC port; the connection did not begin with \"hrpc\"", out);
    case Preamble::kOtherVersion:
      return Fatal(NoHeader(), RpcErrorCode::kFatalVersionMismatch, kVersionMismatch,
                   absl::StrCat("Server IPC version ", int{kIpcVersion},
                                " cannot communicate with client version ",
                                int{static_cast<uint8_t>(preamble[4])}),
                   out);
    case Preamble::kOk:
      break;
  }
  switch (static_cast<AuthByte>(preamble[6])) {
    case AuthByte::kNone:
      stage_ = Stage::kContext;
      return Next::kContinue;
    case AuthByte::kSasl:
      stage_ = Stage::kSasl;
      return Next::kContinue;
  }
  return Unauthorized(
      NoHeader(), kIpcException,
      absl::StrCat("Unknown authentication protocol ", int{static_cast<uint8_t>(preamble[6])}),
      out);
}

Next Session::OnFrame(absl::string_view frame, IncomingCall* call, OutBuffer* out) {
  absl::string_view header_bytes;
  const bool found = TakeDelimited(&frame, &header_bytes);
  if (found && header_bytes.size() > kMaxHeaderBytes) {
    return BadHeader(NoHeader(),
                     absl::StrCat("The request header is ", header_bytes.size(),
                                  " bytes long; the limit is ", kMaxHeaderBytes),
                     out);
  }
  if (!found || !ParseRequestHeader(header_bytes, &call->header)) {
    return Undecodable(NoHeader(), "IPC server could not decode the request header", out);
  }
  const std::string too_long = ShortenOrRefuse(&call->header);
  const RequestHeader& header = call->header;
  if (!too_long.empty()) return BadHeader(header, too_long, out);
  if (header.rpc_op < 0) {
    return BadHeader(header, "IPC Server: No rpc op in rpcRequestHeader", out);
  }
  if (header.rpc_op != kRpcOpFinalPacket) {
    return BadHeader(
        header, absl::StrCat("IPC Server does not implement rpc header operation ", header.rpc_op),
        out);
  }
  if (header.rpc_kind < 0) {
    return BadHeader(header, "IPC Server: No rpc kind in rpcRequestHeader", out);
  }
  if (header.call_id < 0) return OnControl(header, frame, out);
  if (header.rpc_kind != kRpcKindProtobuf) {
    return BadHeader(header, absl::StrCat("Unknown rpc kind in rpc header: ", header.rpc_kind),
                     out);
  }
  if (!established()) {
    return BadHeader(header, "Connection context not established", out);
  }
  return OnCall(frame, call, out);
}

Next Session::OnControl(const RequestHeader& header, absl::string_view rest, OutBuffer* out) {
  switch (header.call_id) {
    case kCallIdContext:
      return OnContext(header, rest, out);
    case kCallIdSasl:
      return OnSasl(header, rest, out);
    case kCallIdPing:
      return Next::kContinue;  // has no answer
    default:
      return BadHeader(header, absl::StrCat("Unknown out of band call #", header.call_id), out);
  }
}

Next Session::OnContext(const RequestHeader& header, absl::string_view rest, OutBuffer* out) {
  if (established()) return BadHeader(header, "Connection context already processed", out);
  if (stage_ == Stage::kSasl) {
    return BadHeader(header, "Connection header sent during SASL negotiation", out);
  }
  absl::string_view bytes;
  hdfs::IpcConnectionContextProto context;
  if (!TakeDelimited(&rest, &bytes) || !ParseMessage(bytes, &context)) {
    return Undecodable(header, "IPC server could not decode the connection context", out);
  }
  const absl::string_view user = ShortUserName(context.userinfo().effectiveuser());
  if (user.empty()) {
    return Unauthorized(header, kAccessControlException,
                        "The connection context names no valid user", out);
  }
  const absl::string_view real = ShortUserName(context.userinfo().realuser());
  if (!context.userinfo().realuser().empty() && real != user) {
    if (real.empty() || !proxy_check_ || !proxy_check_(real, user, remote_ip_)) {
      return Unauthorized(header, kAuthorizationException,
                          absl::StrCat("User: ", real, " is not allowed to impersonate ", user),
                          out);
    }
    principal_.real_user.assign(real.data(), real.size());
  }
  principal_.user.assign(user.data(), user.size());
  stage_ = Stage::kEstablished;
  return Next::kContinue;
}

Next Session::OnSasl(const RequestHeader& header, absl::string_view rest, OutBuffer* out) {
  if (stage_ != Stage::kSasl) {
    return BadHeader(header, "SASL message where none is expected", out);
  }
  absl::string_view bytes;
  hdfs::RpcSaslProto message;
  if (!TakeDelimited(&rest, &bytes) || !ParseMessage(bytes, &message)) {
    return Undecodable(header, "IPC server could not decode the SASL message", out);
  }
  hdfs::RpcSaslProto answer;
  switch (message.state()) {
    case hdfs::RpcSaslProto::NEGOTIATE:
      if (offered_auths_) {
        return Unauthorized(header, kAccessControlException, "Client already attempted negotiation",
                            out);
      }
      answer.set_state(hdfs::RpcSaslProto::SUCCESS);
      SendSasl(header, answer, out);
      stage_ = Stage::kContext;
      return Next::kContinue;
    case hdfs::RpcSaslProto::INITIATE:
      break;
    default:
      return Unauthorized(header, kSaslException,
                          "SASL state is not NEGOTIATE or INITIATE; only SIMPLE is served", out);
  }
  if (message.auths_size() != 1) {
    return Unauthorized(header, kSaslException, "Client mechanism is malformed", out);
  }
  if (IsSimple(message.auths(0))) {  // the client does not wait for an answer
    stage_ = Stage::kContext;
    return Next::kContinue;
  }
  if (offered_auths_) {
    return Unauthorized(header, kAccessControlException,
                        "Client chose an authentication that was not offered; offered: SIMPLE",
                        out);
  }
  answer.set_state(hdfs::RpcSaslProto::NEGOTIATE);
  answer.add_auths()->set_method("SIMPLE");
  answer.mutable_auths(0)->set_mechanism("");
  SendSasl(header, answer, out);
  offered_auths_ = true;
  return Next::kContinue;
}

Next Session::OnCall(absl::string_view rest, IncomingCall* call, OutBuffer* out) {
  absl::string_view method_bytes;
  if (!TakeDelimited(&rest, &method_bytes) || !ParseMethodHeader(method_bytes, &call->method) ||
      !TakeDelimited(&rest, &call->request)) {
    return Undecodable(call->header, "IPC server unable to read call parameters", out);
  }
  return Next::kCall;
}

}  // namespace cairn::rpc
