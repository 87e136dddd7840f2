// Feeds one byte string to everything that reads bytes of an IPC peer: a whole server session, the
// client's response parser, and our header parsers compared with protobuf's.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proto/hdfs/ipc.pb.h"
#include "wire/rpc/frame.h"
#include "wire/rpc/session.h"

namespace {

using cairn::rpc::FrameScan;
using cairn::rpc::OutBuffer;
using cairn::rpc::Preamble;
using cairn::rpc::Session;

void Require(bool condition) {
  if (!condition) std::abort();
}

bool Parse(absl::string_view input, google::protobuf::MessageLite* message) {
  return message->ParsePartialFromArray(input.data(), static_cast<int>(input.size())) &&
         message->IsInitialized();
}

void RunSession(absl::string_view input) {
  const cairn::rpc::ProxyCheck no_proxies;
  Session session("127.0.0.1", no_proxies);
  OutBuffer out;
  while (!input.empty()) {
    Session::Next next;
    if (!session.preamble_done()) {
      if (cairn::rpc::ScanPreamble(input) == Preamble::kIncomplete) return;
      next = session.OnPreamble(input, &out);
      input.remove_prefix(std::min(input.size(), cairn::rpc::kPreambleBytes));
    } else {
      const FrameScan scan =
          cairn::rpc::ScanFrame(input, session.max_frame_bytes(cairn::rpc::kMaxRequestBytes));
      if (scan.result != FrameScan::kComplete) return;
      cairn::rpc::IncomingCall call;
      next = session.OnFrame(
          input.substr(cairn::rpc::kLengthBytes, scan.bytes - cairn::rpc::kLengthBytes), &call,
          &out);
      input.remove_prefix(scan.bytes);
      if (next == Session::Next::kCall) Require(!session.principal().user.empty());
    }
    if (next == Session::Next::kClose || next == Session::Next::kCloseAfterReply) return;
  }
}

void CompareRequestHeader(absl::string_view input) {
  cairn::hdfs::RpcRequestHeaderProto theirs;
  cairn::rpc::RequestHeader ours;
  const bool we = cairn::rpc::ParseRequestHeader(input, &ours);
  if (!Parse(input, &theirs)) return;
  Require(we);
  Require(ours.rpc_kind == (theirs.has_rpckind() ? theirs.rpckind() : -1));
  Require(ours.rpc_op == (theirs.has_rpcop() ? theirs.rpcop() : -1));
  Require(ours.call_id == theirs.callid() && ours.client_id == theirs.clientid());
  Require(ours.retry_count == theirs.retrycount());
  Require(ours.caller_context == theirs.callercontext().context());
}

void CompareMethodHeader(absl::string_view input) {
  cairn::hdfs::RequestHeaderProto theirs;
  cairn::rpc::MethodHeader ours;
  const bool we = cairn::rpc::ParseMethodHeader(input, &ours);
  if (!Parse(input, &theirs)) return;
  Require(we);
  Require(ours.method == theirs.methodname());
  Require(ours.protocol == theirs.declaringclassprotocolname());
  Require(ours.version == theirs.clientprotocolversion());
}

void CompareResponseHeader(absl::string_view input) {
  cairn::hdfs::RpcResponseHeaderProto theirs;
  cairn::rpc::ResponseHeader ours;
  const bool we = cairn::rpc::ParseResponseHeader(input, &ours);
  if (!Parse(input, &theirs)) return;
  Require(we);
  Require(static_cast<uint32_t>(ours.call_id) == theirs.callid());
  Require(static_cast<int>(ours.status) == theirs.status());
  Require(ours.exception_class == theirs.exceptionclassname());
  Require(ours.error_message == theirs.errormsg() && ours.client_id == theirs.clientid());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const google::protobuf::LogSilencer quiet;  // it reports text that is not UTF-8
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  RunSession(input);
  CompareRequestHeader(input);
  CompareMethodHeader(input);
  CompareResponseHeader(input);
  return 0;
}
