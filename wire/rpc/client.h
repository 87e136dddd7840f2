// wire/rpc/client.h - calls to one protocol of one server over Hadoop IPC version 9.
//
//   RpcClient namenode({.host = "nn1", .port = 8020, .protocol = kClientProtocol, .user = "alice"},
//                      threads);
//   GetFileInfoResponseProto info;
//   RETURN_IF_ERROR(namenode.Call("getFileInfo", request, &info));
//
// One connection, made when the first call needs it, shared by all threads and calls. When it
// breaks it is made again with back-off, and the calls under way are sent again under the same
// client id and call id, so that the server's retry cache can answer an at-most-once call as it did
// the first time. A call is sent by the thread that makes it; answers are taken by one of the I/O
// threads.
//
// Thread-safe. The I/O threads outlive the client, or have been stopped before it is destroyed.
// Works with servers that use SIMPLE authentication.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/message_lite.h"
#include "wire/rpc/frame.h"
#include "wire/rpc/service.h"

namespace cairn {
class IoThreads;
}

namespace cairn::rpc {

struct RpcClientOptions {
  std::string host;  // name or address, IPv4 or IPv6; all addresses of a name are tried
  uint16_t port = 0;
  std::string protocol;        // the declaring class
  std::string user;            // on whose behalf
  std::string real_user;       // who acts for `user`; empty: `user` itself
  std::string caller_context;  // for the server's audit log

  absl::Duration connect_timeout = absl::Seconds(20);  // per address
  // How long a call goes on being tried after its first trouble: no connection, a broken one, or a
  // busy server.
  absl::Duration retry_time = absl::Seconds(60);
  absl::Duration backoff_min = absl::Milliseconds(50);  // doubles, with jitter, up to backoff_max
  absl::Duration backoff_max = absl::Seconds(2);
  // StandbyException and RetriableException: ask again, with back-off. False: they are results.
  bool retry_busy = true;
  std::shared_ptr<std::atomic<uint64_t>> retries;    // counts what is sent again; null: nobody does
  absl::Duration ping_interval = absl::Seconds(60);  // while answers are awaited
  size_t max_response_bytes = kMaxResponseBytes;
};

// What a call may be when its connection breaks after it was sent.
enum class Idempotency : uint8_t {
  kIdempotent,  // sent again: doing it twice is as doing it once
  kAtMostOnce,  // sent again: the server recognizes it by its ids
  kNone,        // not sent again: fails with kDeadlineExceeded, the outcome is unknown
};

struct CallOptions {
  absl::Duration timeout = absl::InfiniteDuration();  // checked every tenth of a second
  Idempotency idempotency = Idempotency::kAtMostOnce;
};

class RpcClient {
 public:
  RpcClient(RpcClientOptions options, IoThreads& threads);
  // Fails the calls under way with kCancelled; no callback runs afterwards. Not on an I/O thread.
  ~RpcClient();
  RpcClient(const RpcClient&) = delete;
  RpcClient& operator=(const RpcClient&) = delete;

  // Waits for the answer. Not on an I/O thread. On an error `response` is unspecified.
  // A server's exception: its FsError (remote_exception.h). kUnavailable: no connection for
  // retry_time, with address and last reason. kDeadlineExceeded: the time ran out, or a call of
  // kind kNone lost its connection; it may or may not have been carried out. kInvalidArgument: the
  // request is over 64 MiB. kInternal: the answer does not parse.
  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite* response, const CallOptions& options = {});

  // The same without waiting. `response` outlives the call. `done` is called once, on an I/O thread
  // or, when the call fails at once, on this one; it must not block.
  void CallAsync(absl::string_view method, const google::protobuf::MessageLite& request,
                 google::protobuf::MessageLite* response, const CallOptions& options,
                 std::function<void(absl::Status)> done);

  const ClientId& client_id() const;
  std::string address() const;  // host:port, for messages

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace cairn::rpc
