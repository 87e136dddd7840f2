// client/rpc_channel.h - one Hadoop RPC endpoint as the rest of libcairn sees it: a seam for tests.
//
// The real one (hadoop_rpc.h) is wire/rpc's client; tests give a function. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/message_lite.h"

namespace cairn::client {

class RpcChannel {
 public:
  virtual ~RpcChannel() = default;
  // Blocks until the answer is in `response`. The server's exceptions are statuses with an FsError
  // and its message; a dead connection is kUnavailable, no answer in time kDeadlineExceeded.
  virtual absl::Status Call(absl::string_view method, const google::protobuf::MessageLite& request,
                            google::protobuf::MessageLite& response) = 0;
  // The same without waiting, where the channel can: these here wait. `response` outlives the call.
  // `done` is called once, on this thread or another one, at the latest by the destructor, and must
  // not wait for anything.
  virtual void CallAsync(absl::string_view method, const google::protobuf::MessageLite& request,
                         google::protobuf::MessageLite& response,
                         std::function<void(absl::Status)> done) {
    done(Call(method, request, response));
  }
};

// Makes channels to datanodes' RPC ports.
class DatanodeRpc {
 public:
  virtual ~DatanodeRpc() = default;
  // `patience`: for the connection, and for each answer; at most what the options allow.
  virtual absl::StatusOr<std::unique_ptr<RpcChannel>> Connect(const std::string& host,
                                                              uint16_t port,
                                                              absl::Duration patience) = 0;
};

}  // namespace cairn::client
