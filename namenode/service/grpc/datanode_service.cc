#include "namenode/service/grpc/datanode_service.h"

#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "common/net/acceptor.h"
#include "namenode/blocks/order_bell.h"
#include "namenode/service/grpc/convert.h"
#include "namenode/service/grpc/status.h"
#include "proto/cairn/datanode.grpc.pb.h"

namespace cairn::namenode {
namespace {

// A caller that is not one of our datanodes may not ping faster than this.
constexpr absl::Duration kFastestPing = absl::Seconds(5);

// One call of AwaitOrders. gRPC keeps the reactor until it is finished; what answers it may hold on
// to the wait for longer, and may come after the datanode has hung up.
class WaitingCall final : public grpc::ServerUnaryReactor {
 public:
  explicit WaitingCall(internal::AwaitOrdersReply* reply)
      : wait_(std::make_shared<Wait>(this, reply)) {}

  std::shared_ptr<OrderWait> wait() const { return wait_; }

  void OnCancel() override { wait_->Answer(absl::CancelledError("the datanode has hung up")); }
  void OnDone() override { delete this; }

 private:
  class Wait final : public OrderWait {
   public:
    Wait(WaitingCall* call, internal::AwaitOrdersReply* reply) : call_(call), reply_(reply) {}

    void Answer(absl::StatusOr<bool> orders) override {
      WaitingCall* call;
      {
        MutexLock lock(mu_);
        call = std::exchange(call_, nullptr);
        abandoned_ = true;
      }
      if (call == nullptr) return;
      // The reactor and the reply live until Finish.
      if (orders.ok()) reply_->set_orders(*orders);
      call->Finish(ToGrpc(orders.status()));
    }
    bool abandoned() const override { return abandoned_; }

   private:
    Mutex mu_;
    WaitingCall* call_ ABSL_GUARDED_BY(mu_);  // null: answered
    internal::AwaitOrdersReply* const reply_;
    std::atomic<bool> abandoned_{false};
  };
  const std::shared_ptr<Wait> wait_;
};

using Methods =
    internal::DatanodeService::WithCallbackMethod_AwaitOrders<internal::DatanodeService::Service>;

// noexcept: what throws, for want of memory, may have carried out half of a report. gRPC would
// catch that and go on (common/out_of_memory.h).
class Service final : public Methods {
 public:
  explicit Service(DatanodeReports& reports) : reports_(reports) {}

  grpc::Status Register(grpc::ServerContext* context, const internal::RegisterRequest* request,
                        internal::RegisterReply* reply) noexcept override {
    const auto node = FromProto(*request, IpOfPeer(context->peer()));
    if (!node.ok()) return ToGrpc(node.status());
    const auto welcome = reports_.Register(*node);
    if (!welcome.ok()) return ToGrpc(welcome.status());
    *reply = ToProto(*welcome);
    return grpc::Status::OK;
  }

  grpc::Status Heartbeat(grpc::ServerContext*, const internal::HeartbeatRequest* request,
                         internal::HeartbeatReply* reply) noexcept override {
    const auto heartbeat = FromProto(*request);
    if (!heartbeat.ok()) return ToGrpc(heartbeat.status());
    const auto commands = reports_.Heartbeat(*heartbeat);
    if (!commands.ok()) return ToGrpc(commands.status());
    for (const DatanodeCommand& command : *commands) *reply->add_commands() = ToProto(command);
    return grpc::Status::OK;
  }

  grpc::ServerUnaryReactor* AwaitOrders(grpc::CallbackServerContext* context,
                                        const internal::AwaitOrdersRequest* request,
                                        internal::AwaitOrdersReply* reply) noexcept override {
    if (const absl::Status status = Check(*request); !status.ok()) {
      grpc::ServerUnaryReactor* const refusal = context->DefaultReactor();
      refusal->Finish(ToGrpc(status));
      return refusal;
    }
    auto* const call = new WaitingCall(reply);  // deletes itself in OnDone
    reports_.AwaitOrders(request->datanode_uuid(), request->session(), call->wait());
    return call;
  }

  grpc::Status ReportChanges(grpc::ServerContext*, const internal::ReportChangesRequest* request,
                             internal::ReportChangesReply*) noexcept override {
    const auto report = FromProto(*request);
    return ToGrpc(report.ok() ? reports_.ReportChanges(*report) : report.status());
  }

  grpc::Status ReportReplicas(grpc::ServerContext*, const internal::ReportReplicasRequest* request,
                              internal::ReportReplicasReply*) noexcept override {
    const auto report = FromProto(*request);
    return ToGrpc(report.ok() ? reports_.ReportReplicas(*report) : report.status());
  }

  grpc::Status ReportDigests(grpc::ServerContext*, const internal::ReportDigestsRequest* request,
                             internal::ReportDigestsReply* reply) noexcept override {
    const auto report = FromProto(*request);
    if (!report.ok()) return ToGrpc(report.status());
    const auto answer = reports_.ReportDigests(*report);
    if (!answer.ok()) return ToGrpc(answer.status());
    *reply = ToProto(*answer);
    return grpc::Status::OK;
  }

 private:
  DatanodeReports& reports_;
};

int Millis(absl::Duration duration) {
  return static_cast<int>(
      std::clamp<int64_t>(absl::ToInt64Milliseconds(duration), 1, 24 * 3600 * 1000));
}

class ServerImpl final : public DatanodeServer {
 public:
  explicit ServerImpl(DatanodeReports& reports) : reports_(reports), service_(reports) {}
  ~ServerImpl() override { Stop(absl::ZeroDuration()); }

  absl::Status Listen(const Options& options) {
    grpc::ServerBuilder builder;
    grpc::ResourceQuota quota("datanodes");
    quota.SetMaxThreads(std::max(options.threads, 2));  // one of them waits for calls
    builder.SetResourceQuota(quota);
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
    // As many as there may be: a thread beyond this number ends after its call, and making another
    // costs more than a call.
    builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, std::max(options.threads, 2));
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    builder.SetMaxSendMessageSize(kMaxMessageBytes);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(options.keepalive));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(options.keepalive_timeout));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                               Millis(kFastestPing));
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                               Millis(options.handshake_timeout));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.calls_per_connection);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
    builder.RegisterService(&service_);
    // gRPC's own listener is deaf for good once it has found no descriptor for a connection.
    connections_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        grpc::InsecureServerCredentials());
    // While a write to a node that has vanished is stuck, gRPC does not probe the connection.
    auto acceptor =
        Acceptor::Listen(options.address, options.max_connections, options.keepalive_timeout);
    if (!acceptor.ok()) {
      return absl::Status(
          acceptor.status().code(),
          absl::StrCat("cannot listen for datanodes on ", options.address,
                       " (cairn.namenode.internal.address): ", acceptor.status().message()));
    }
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::UnavailableError("gRPC's server for datanodes: no start");
    acceptor_ = *std::move(acceptor);
    acceptor_->Start("dn-accept", [this](int fd) {
      grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
      connection.fd = fd;
      connections_->HandleNewConnection(&connection);
    });
    return absl::OkStatus();
  }

  uint16_t port() const override { return acceptor_->port(); }
  uint64_t accept_errors() const override { return acceptor_->accept_errors(); }

  void Stop(absl::Duration grace) override {
    if (server_ == nullptr) return;
    if (acceptor_ != nullptr) acceptor_->Stop();  // a server that is shut down closes none it gets
    reports_.EndWaits();
    server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
    server_->Wait();
  }

 private:
  DatanodeReports& reports_;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
  // The server's door.
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DatanodeServer>> DatanodeServer::Start(const Options& options,
                                                                      DatanodeReports& reports) {
  auto server = std::make_unique<ServerImpl>(reports);
  if (absl::Status status = server->Listen(options); !status.ok()) return status;
  return server;
}

}  // namespace cairn::namenode
