// wire/rpc/service.h - what a daemon implements to answer Hadoop RPC calls (IPC version 9).
//
// The server (server.h) owns sockets, framing, authentication and limits; an RpcService sees one
// call at a time: who asks, the method's name, the bytes of its request. It runs on the I/O thread
// that read the call and must not block. It answers through RpcReply, in one of three ways:
//
//   at once            reply.Send(message)            most reads
//   when durable       reply.SendAt(ticket, message)  the answer leaves once ReplyGate::Passed()
//   has
//                                                     reached `ticket`; later calls of the same
//                                                     connection are not held up
//   later              auto later = reply.Defer()     finish from any thread (complete() waiting
//   for
//                                                     a replica, recoverLease, ...)
//
// Errors are statuses (common/fs_error.h) and become RemoteExceptions; they take a ticket too,
// since "already exists" may show a state that a crash could still take back. Source: the Hadoop
// IPC protocol, version 9, as Apache Hadoop 3 clients speak it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"

namespace cairn::rpc {

// Who asks, as authentication established it; never taken from the request itself.
struct Principal {
  std::string user;       // short name of the effective user; never empty
  std::string real_user;  // set when `user` is impersonated
};

using ClientId = std::array<uint8_t, 16>;

// Facts about one call. References and views are valid until Handle returns.
struct CallInfo {
  const Principal& principal;
  absl::string_view remote_ip;  // numeric
  bool has_client_id =
      false;  // false: the client sent none; such a call is never retried as the same
  ClientId client_id{};
  int32_t call_id = 0;       // >= 0
  int32_t retry_count = -1;  // informational; -1 when absent
  absl::string_view caller_context;
};

// A number that only grows; answers wait for it to pass their ticket. For a namenode: the last
// durable transaction id.
class ReplyGate {
 public:
  virtual ~ReplyGate() = default;
  virtual uint64_t Passed() const = 0;  // any thread, no lock
  // `listener` is called from any thread, after each growth of Passed(); it must be quick and is
  // called until the returned handle is destroyed, which waits for a running call to end.
  virtual std::shared_ptr<void> Listen(std::function<void()> listener) = 0;
};

class DeferredReply;

// One call's answer, to be given exactly once before it is destroyed (CHECKed).
class RpcReply {
 public:
  virtual void Send(const google::protobuf::MessageLite& response) { SendAt(0, response); }
  virtual void SendAt(uint64_t ticket, const google::protobuf::MessageLite& response) = 0;
  // The same with the response already serialized (without its length prefix).
  virtual void SendBytesAt(uint64_t ticket, absl::string_view response) = 0;
  void Fail(const absl::Status& error) { FailAt(0, error); }
  virtual void FailAt(uint64_t ticket, const absl::Status& error) = 0;
  virtual DeferredReply Defer() = 0;

 protected:
  ~RpcReply() = default;
};

// Answers from any thread; destroyed without an answer it sends ERROR "the server dropped the
// call". Outlives the connection safely: an answer to a closed connection is dropped.
class DeferredReply {
 public:
  class Impl {
   public:
    virtual ~Impl() = default;
    virtual void SendBytesAt(uint64_t ticket, std::string response) = 0;
    virtual void FailAt(uint64_t ticket, absl::Status error) = 0;
    virtual bool ConnectionGone() const { return false; }
  };
  explicit DeferredReply(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

  void SendAt(uint64_t ticket, const google::protobuf::MessageLite& response) {
    SendBytesAt(ticket, response.SerializeAsString());
  }
  // The same with the response already serialized.
  void SendBytesAt(uint64_t ticket, std::string response) {
    std::exchange(impl_, nullptr)->SendBytesAt(ticket, std::move(response));
  }
  void FailAt(uint64_t ticket, const absl::Status& error) {
    std::exchange(impl_, nullptr)->FailAt(ticket, error);
  }

  // The connection was closed: nobody will get the answer. For whoever would do in vain what is
  // asked; false promises nothing, since it may close at any moment, or have closed unnoticed.
  bool ConnectionGone() const { return impl_->ConnectionGone(); }

 private:
  std::unique_ptr<Impl> impl_;  // null: answered, or moved from
};

// One protocol (a Java "declaring class") served on a port. Thread-safe: called from all I/O
// threads.
class RpcService {
 public:
  virtual ~RpcService() = default;
  // The declaring class, such as "org.apache.hadoop.hdfs.protocol.ClientProtocol".
  virtual absl::string_view protocol() const = 0;
  // `request` is the serialized request message, not yet parsed. An unknown `method` is answered
  // with FsError::kNoSuchMethod; a request that does not parse with kInvalidArgument. An exception
  // (std::bad_alloc) that it lets out ends the process.
  virtual void Handle(const CallInfo& call, absl::string_view method, absl::string_view request,
                      RpcReply& reply) = 0;
};

}  // namespace cairn::rpc
