// wire/rpc/session.h - what one connection has established so far, and what its next bytes mean.
//
//   preamble -- auth 00 ------------------------------> context -> calls
//            `- auth DF -> SASL NEGOTIATE -> SUCCESS --'
//
// Only SIMPLE authentication: the user is who the context names. Clients that hold tokens (Spark
// and MapReduce containers, every call to a datanode) open with SASL all the same; the answer
// SUCCESS to their NEGOTIATE sends them on to the context without a password.
//
// No sockets: bytes in, a decision and perhaps reply bytes out. One thread. Every byte is hostile;
// nothing a client sends makes this allocate more than the user's name. A header over
// kMaxHeaderBytes and a client id that is neither kClientIdBytes long nor empty end the connection,
// and a caller context is cut after kMaxCallerContextBytes: services may keep what is in an
// IncomingCall's header for as long as a call waits.
// Source: Apache Hadoop's IPC, version 9.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "wire/rpc/frame.h"
#include "wire/rpc/service.h"

namespace cairn::rpc {

// May `real_user`, coming from `remote_ip`, act as `effective_user`? Called on I/O threads.
using ProxyCheck = std::function<bool(absl::string_view real_user, absl::string_view effective_user,
                                      absl::string_view remote_ip)>;

// One request, as it lies in its frame. Views into the frame.
struct IncomingCall {
  RequestHeader header;
  MethodHeader method;
  absl::string_view request;
};

class Session {
 public:
  enum class Next : uint8_t {
    kContinue,         // go on reading (an answer may have been written)
    kCall,             // `call` is filled
    kCloseAfterReply,  // send what was written, then close
    kClose,            // close without a word
  };

  // An empty `proxy_check` refuses all impersonation. Both outlive this.
  Session(absl::string_view remote_ip, const ProxyCheck& proxy_check)
      : remote_ip_(remote_ip), proxy_check_(proxy_check) {}

  bool preamble_done() const { return stage_ != Stage::kPreamble; }
  // The context has been read: calls are served.
  bool established() const { return stage_ == Stage::kEstablished; }
  size_t max_frame_bytes(size_t limit) const {
    return established() ? limit : std::min(limit, kMaxPreAuthBytes);
  }
  const Principal& principal() const { return principal_; }  // once established

  // `preamble` is what ScanPreamble judged as anything but kIncomplete.
  Next OnPreamble(absl::string_view preamble, OutBuffer* out);
  // `frame` is without its length.
  Next OnFrame(absl::string_view frame, IncomingCall* call, OutBuffer* out);

 private:
  enum class Stage : uint8_t { kPreamble, kSasl, kContext, kEstablished };

  Next OnControl(const RequestHeader& header, absl::string_view rest, OutBuffer* out);
  Next OnContext(const RequestHeader& header, absl::string_view rest, OutBuffer* out);
  Next OnSasl(const RequestHeader& header, absl::string_view rest, OutBuffer* out);
  Next OnCall(absl::string_view rest, IncomingCall* call, OutBuffer* out);

  const std::string remote_ip_;
  const ProxyCheck& proxy_check_;
  Stage stage_ = Stage::kPreamble;
  bool offered_auths_ = false;
  Principal principal_;
};

// "alice" of "alice", "alice@REALM" and "alice/host@REALM"; empty for a name that is none: empty,
// over 256 bytes, not UTF-8, or with control characters, which would tear a line of the audit log.
absl::string_view ShortUserName(absl::string_view name);

}  // namespace cairn::rpc
