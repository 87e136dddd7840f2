#include "datanode/heartbeat/namenode_link.h"

#include <grpcpp/create_channel.h>

#include "absl/time/clock.h"
#include "common/mutex.h"
#include "proto/cairn/datanode.grpc.pb.h"

namespace cairn::datanode {
namespace {

// A full report's part, and orders for many blocks.
constexpr int kMaxMessageBytes = 64 << 20;

// The namenode answers a wait after 30 s at the latest; what is beyond that is lost.
constexpr absl::Duration kLongestWait = absl::Seconds(30);

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

class GrpcNamenodeLink final : public NamenodeLink {
 public:
  GrpcNamenodeLink(const std::string& address, absl::Duration call_limit)
      : address_(address), call_limit_(call_limit), stub_(Connect()) {}

  absl::StatusOr<internal::RegisterReply> Register(
      const internal::RegisterRequest& request) override {
    return Call<internal::RegisterReply>(&internal::DatanodeService::Stub::Register, request);
  }
  absl::StatusOr<internal::HeartbeatReply> Heartbeat(
      const internal::HeartbeatRequest& request) override {
    return Call<internal::HeartbeatReply>(&internal::DatanodeService::Stub::Heartbeat, request);
  }
  absl::StatusOr<internal::AwaitOrdersReply> AwaitOrders(
      const internal::AwaitOrdersRequest& request, std::stop_token stop) override {
    grpc::ClientContext context;
    const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
    return Call<internal::AwaitOrdersReply>(&internal::DatanodeService::Stub::AwaitOrders, request,
                                            context, kLongestWait + call_limit_);
  }
  absl::Status ReportChanges(const internal::ReportChangesRequest& request) override {
    return Call<internal::ReportChangesReply>(&internal::DatanodeService::Stub::ReportChanges,
                                              request)
        .status();
  }
  absl::StatusOr<internal::ReportDigestsReply> ReportDigests(
      const internal::ReportDigestsRequest& request) override {
    return Call<internal::ReportDigestsReply>(&internal::DatanodeService::Stub::ReportDigests,
                                              request);
  }
  absl::Status ReportReplicas(const internal::ReportReplicasRequest& request) override {
    return Call<internal::ReportReplicasReply>(&internal::DatanodeService::Stub::ReportReplicas,
                                               request)
        .status();
  }

 private:
  template <typename Reply, typename Method, typename Request>
  absl::StatusOr<Reply> Call(Method method, const Request& request) {
    grpc::ClientContext context;
    return Call<Reply>(method, request, context, call_limit_);
  }

  template <typename Reply, typename Method, typename Request>
  absl::StatusOr<Reply> Call(Method method, const Request& request, grpc::ClientContext& context,
                             absl::Duration limit) {
    context.set_deadline(absl::ToChronoTime(absl::Now() + limit));
    std::shared_ptr<internal::DatanodeService::Stub> stub;
    {
      MutexLock lock(mu_);
      stub = stub_;
    }
    Reply reply;
    const grpc::Status status = ((*stub).*method)(&context, request, &reply);
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
      // A channel whose connection was refused tries again only after seconds, whatever its
      // back-off options say. A new one tries with the next call; the session paces those.
      MutexLock lock(mu_);
      if (stub_ == stub) stub_ = Connect();  // unless the other thread has done so already
    }
    if (!status.ok()) return FromGrpc(status);
    return reply;
  }

  std::shared_ptr<internal::DatanodeService::Stub> Connect() const {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
    // Several datanodes in one process must not share a connection that one of them breaks.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return internal::DatanodeService::NewStub(
        grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments));
  }

  const std::string address_;
  const absl::Duration call_limit_;
  Mutex mu_;
  std::shared_ptr<internal::DatanodeService::Stub> stub_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::unique_ptr<NamenodeLink> NewGrpcNamenodeLink(const std::string& address,
                                                  absl::Duration call_limit) {
  return std::make_unique<GrpcNamenodeLink>(address, call_limit);
}

}  // namespace cairn::datanode
