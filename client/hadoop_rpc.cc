#include "client/hadoop_rpc.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "common/net/io_threads.h"
#include "wire/rpc/client.h"

namespace cairn::client {
namespace {

class HadoopRpc final : public RpcChannel {
 public:
  HadoopRpc(rpc::RpcClientOptions options, absl::Duration timeout,
            std::shared_ptr<IoThreads> threads)
      : threads_(std::move(threads)), client_(std::move(options), *threads_) {
    // Every method that is not idempotent is one that the server's retry cache knows.
    call_options_.idempotency = rpc::Idempotency::kAtMostOnce;
    if (timeout > absl::ZeroDuration()) call_options_.timeout = timeout;
  }

  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite& response) override {
    return client_.Call(method, request, &response, call_options_);
  }

  void CallAsync(absl::string_view method, const google::protobuf::MessageLite& request,
                 google::protobuf::MessageLite& response,
                 std::function<void(absl::Status)> done) override {
    client_.CallAsync(method, request, &response, call_options_, std::move(done));
  }

 private:
  const std::shared_ptr<IoThreads> threads_;  // outlives the client
  rpc::RpcClient client_;
  rpc::CallOptions call_options_;
};

rpc::RpcClientOptions MakeOptions(const std::string& host, uint16_t port,
                                  const std::string& protocol, const std::string& user,
                                  const ClientOptions& options) {
  rpc::RpcClientOptions made;
  made.host = host;
  made.port = port;
  made.protocol = protocol;
  made.user = user;
  made.connect_timeout = options.connect_timeout;
  made.retry_time = options.rpc_retry_time;
  made.retries = options.rpc_retries;
  return made;
}

class HadoopDatanodeRpc final : public DatanodeRpc {
 public:
  HadoopDatanodeRpc(std::string user, const ClientOptions& options)
      : user_(std::move(user)), options_(options) {
    // A datanode that cannot be reached is passed over for the next one.
    options_.rpc_retry_time = absl::ZeroDuration();
  }

  absl::StatusOr<std::unique_ptr<RpcChannel>> Connect(const std::string& host, uint16_t port,
                                                      absl::Duration patience) override {
    ClientOptions options = options_;
    options.connect_timeout = std::min(options.connect_timeout, patience);
    // Zero: none.
    if (options.rpc_timeout <= absl::ZeroDuration() || options.rpc_timeout > patience) {
      options.rpc_timeout = patience == absl::InfiniteDuration() ? options.rpc_timeout : patience;
    }
    return NewHadoopRpc(host, port, kClientDatanodeProtocol, user_, options);
  }

 private:
  const std::string user_;
  ClientOptions options_;
};

}  // namespace

NamenodeRpc NewNamenodeRpc(const std::string& host, uint16_t port, const std::string& user,
                           const ClientOptions& options) {
  const auto threads = std::make_shared<IoThreads>(1, "cairn-rpc");
  const auto speak = [&](const char* protocol) {
    return std::make_unique<HadoopRpc>(MakeOptions(host, port, protocol, user, options),
                                       options.rpc_timeout, threads);
  };
  return {.hdfs = speak(kClientProtocol), .cairn = speak(kCairnClientProtocol)};
}

absl::StatusOr<std::unique_ptr<RpcChannel>> NewHadoopRpc(const std::string& host, uint16_t port,
                                                         const std::string& protocol,
                                                         const std::string& user,
                                                         const ClientOptions& options) {
  return std::make_unique<HadoopRpc>(MakeOptions(host, port, protocol, user, options),
                                     options.rpc_timeout,
                                     std::make_shared<IoThreads>(1, "cairn-rpc"));
}

std::unique_ptr<DatanodeRpc> NewDatanodeRpc(const std::string& user, const ClientOptions& options) {
  return std::make_unique<HadoopDatanodeRpc>(user, options);
}

}  // namespace cairn::client
