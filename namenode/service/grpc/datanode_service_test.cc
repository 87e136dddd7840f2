#include "namenode/service/grpc/datanode_service.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "common/testing/eventually.h"
#include "common/testing/few_descriptors.h"
#include "common/testing/status_matchers.h"
#include "common/testing/tcp_client.h"
#include "namenode/blocks/order_bell.h"
#include "namenode/service/grpc/status.h"
#include "proto/cairn/datanode.grpc.pb.h"

namespace cairn::namenode {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

// Remembers what came and answers as it is told.
class FakeReports final : public DatanodeReports {
 public:
  absl::StatusOr<DatanodeWelcome> Register(const DatanodeRegistration& node) override {
    MutexLock lock(mu_);
    registered_ip_ = node.address.ip;
    if (!answer_.ok()) return answer_;
    return DatanodeWelcome{"CID-1", "BP-1", 42, absl::Milliseconds(500), true};
  }
  absl::StatusOr<std::vector<DatanodeCommand>> Heartbeat(const DatanodeHeartbeat&) override {
    MutexLock lock(mu_);
    ++running_;
    while (hold_) freed_.Wait(mu_);
    --running_;
    if (!answer_.ok()) return answer_;
    return std::vector<DatanodeCommand>{InvalidateCommand{{{BlockId{7}, GenerationStamp{1001}, 0}}},
                                        FullReportCommand{}};
  }
  void AwaitOrders(absl::string_view, uint64_t, std::shared_ptr<OrderWait> wait) override {
    MutexLock lock(mu_);
    waits_.push_back(std::move(wait));
  }
  void EndWaits() override {
    for (const auto& wait : waits()) wait->Answer(absl::UnavailableError("the namenode stops"));
  }
  absl::Status ReportChanges(const ChangesReport&) override {
    MutexLock lock(mu_);
    ++reports_;
    return answer_;
  }
  absl::StatusOr<DigestAnswer> ReportDigests(const DigestReport&) override {
    MutexLock lock(mu_);
    ++reports_;
    if (!answer_.ok()) return answer_;
    return DigestAnswer{DigestAnswer::Result::kCompared, {3, 5}};
  }
  absl::Status ReportReplicas(const ReplicasReport&) override {
    MutexLock lock(mu_);
    ++reports_;
    return answer_;
  }

  void Answer(absl::Status answer) {
    MutexLock lock(mu_);
    answer_ = std::move(answer);
  }
  void Hold(bool hold) {
    MutexLock lock(mu_);
    hold_ = hold;
    freed_.NotifyAll();
  }
  std::vector<std::shared_ptr<OrderWait>> waits() {
    MutexLock lock(mu_);
    return waits_;
  }
  int running() {
    MutexLock lock(mu_);
    return running_;
  }
  int reports() {
    MutexLock lock(mu_);
    return reports_;
  }
  std::string registered_ip() {
    MutexLock lock(mu_);
    return registered_ip_;
  }

 private:
  Mutex mu_;
  CondVar freed_;
  absl::Status answer_ ABSL_GUARDED_BY(mu_);
  bool hold_ ABSL_GUARDED_BY(mu_) = false;
  int running_ ABSL_GUARDED_BY(mu_) = 0;
  int reports_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::shared_ptr<OrderWait>> waits_ ABSL_GUARDED_BY(mu_);
  std::string registered_ip_ ABSL_GUARDED_BY(mu_);
};

class DatanodeServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({.address = "127.0.0.1:0"}); }

  void Start(const DatanodeServer::Options& options) {
    server_.reset();
    ASSERT_OK_AND_ASSIGN(server_, DatanodeServer::Start(options, reports_));
    stub_ = Connect();
  }
  // With a connection of its own.
  std::unique_ptr<internal::DatanodeService::Stub> Connect() {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return internal::DatanodeService::NewStub(
        grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", server_->port()),
                                  grpc::InsecureChannelCredentials(), arguments));
  }

  absl::Status Beat(internal::HeartbeatReply* reply) {
    grpc::ClientContext context;
    internal::HeartbeatRequest request;
    request.set_datanode_uuid("node-1");
    return FromGrpc(stub_->Heartbeat(&context, request, reply));
  }

  FakeReports reports_;
  std::unique_ptr<DatanodeServer> server_;
  std::unique_ptr<internal::DatanodeService::Stub> stub_;
};

TEST_F(DatanodeServiceTest, ARegistrationIsPassedOnWithThePeersAddress) {
  grpc::ClientContext context;
  internal::RegisterRequest request;
  request.set_datanode_uuid("node-1");
  request.mutable_address()->set_transfer_port(9866);
  internal::RegisterReply reply;
  ASSERT_OK(FromGrpc(stub_->Register(&context, request, &reply)));
  EXPECT_EQ(reports_.registered_ip(), "127.0.0.1");
  EXPECT_EQ(reply.session(), 42u);
  EXPECT_EQ(reply.cluster_id(), "CID-1");
  EXPECT_EQ(reply.heartbeat_interval_ms(), 500u);
  EXPECT_TRUE(reply.full_report());
}

TEST_F(DatanodeServiceTest, AHeartbeatBringsOrders) {
  internal::HeartbeatReply reply;
  ASSERT_OK(Beat(&reply));
  ASSERT_EQ(reply.commands_size(), 2);
  EXPECT_EQ(reply.commands(0).invalidate().blocks(0).block_id(), 7u);
  EXPECT_TRUE(reply.commands(1).has_full_report());
}

// One AwaitOrders of the client, on gRPC's threads.
struct PendingWait {
  grpc::ClientContext context;
  internal::AwaitOrdersRequest request;
  internal::AwaitOrdersReply reply;
  std::atomic<bool> done{false};
  grpc::Status status;

  void Begin(internal::DatanodeService::Stub& stub) {
    request.set_datanode_uuid("node-1");
    stub.async()->AwaitOrders(&context, &request, &reply, [this](grpc::Status answer) {
      status = std::move(answer);
      done = true;
    });
  }
};

TEST_F(DatanodeServiceTest, AWaitForOrdersIsAnsweredWhenTheNamenodeSaysSo) {
  PendingWait wait;
  wait.Begin(*stub_);
  EVENTUALLY(reports_.waits().size() == 1);
  EXPECT_FALSE(wait.done);
  reports_.waits()[0]->Answer(true);
  reports_.waits()[0]->Answer(absl::AbortedError("an answer too many"));
  EVENTUALLY(wait.done);
  EXPECT_TRUE(wait.status.ok());
  EXPECT_TRUE(wait.reply.orders());
}

TEST_F(DatanodeServiceTest, WaitsHoldNoThreadAndAStopEndsThemAll) {
  Start({.address = "127.0.0.1:0", .calls_per_connection = 2000});
  std::vector<std::unique_ptr<PendingWait>> waits;
  for (int i = 0; i < 1000; ++i) {  // far more than there are threads
    waits.push_back(std::make_unique<PendingWait>());
    waits.back()->Begin(*stub_);
  }
  EVENTUALLY(reports_.waits().size() == waits.size());
  internal::HeartbeatReply reply;
  EXPECT_OK(Beat(&reply));
  server_->Stop(absl::Minutes(5));
  for (const auto& wait : waits) EVENTUALLY(wait->done);
  EXPECT_EQ(waits[0]->status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(DatanodeServiceTest, ADatanodeThatHangsUpNoLongerWaits) {
  PendingWait wait;
  wait.Begin(*stub_);
  EVENTUALLY(reports_.waits().size() == 1);
  EXPECT_FALSE(reports_.waits()[0]->abandoned());
  wait.context.TryCancel();
  EVENTUALLY(reports_.waits()[0]->abandoned());
  reports_.waits()[0]->Answer(true);  // too late
  EVENTUALLY(wait.done);
}

TEST_F(DatanodeServiceTest, ErrorsKeepTheirCodeAndText) {
  reports_.Answer(absl::AbortedError("register again"));
  internal::HeartbeatReply reply;
  EXPECT_THAT(Beat(&reply), StatusIs(StatusCode::kAborted, HasSubstr("register again")));
}

TEST_F(DatanodeServiceTest, ABadMessageNeverReachesTheNamenode) {
  grpc::ClientContext context;
  internal::ReportChangesRequest request;
  request.set_datanode_uuid("node-1");
  internal::ReportChangesReply reply;
  EXPECT_THAT(FromGrpc(stub_->ReportChanges(&context, request, &reply)),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("sequence")));
  EXPECT_EQ(reports_.reports(), 0);
}

TEST_F(DatanodeServiceTest, AMessageBeyondTheLimitIsRefused) {
  internal::ReportReplicasRequest request;
  request.set_datanode_uuid("node-1");
  request.set_sequence(1);
  request.set_storage_uuid("DS-1");
  for (uint64_t id = 1; id <= 100'000; ++id) {
    auto& block = *request.add_replicas()->mutable_block();
    block.set_block_id((uint64_t{1} << 30) + id);
    block.set_generation_stamp(1001);
  }
  internal::ReportReplicasReply reply;
  {
    grpc::ClientContext context;
    EXPECT_OK(FromGrpc(stub_->ReportReplicas(&context, request, &reply)));
  }
  while (request.ByteSizeLong() <= size_t{kMaxMessageBytes}) {
    request.MergeFrom(internal::ReportReplicasRequest(request));
  }
  grpc::ClientContext context;
  EXPECT_THAT(FromGrpc(stub_->ReportReplicas(&context, request, &reply)),
              StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(reports_.reports(), 1);
}

TEST_F(DatanodeServiceTest, StoppingLetsRunningCallsFinishAndTakesNoMore) {
  reports_.Hold(true);
  absl::Status answer = absl::UnknownError("not yet");
  std::thread caller([&] {
    internal::HeartbeatReply reply;
    answer = Beat(&reply);
  });
  EVENTUALLY(reports_.running() == 1);
  std::thread stopper([&] { server_->Stop(absl::Minutes(5)); });
  // A new call is refused as soon as the stop has begun.
  const bool refused = Eventually([&] {
    grpc::ClientContext context;
    internal::ReportChangesRequest request;
    request.set_datanode_uuid("node-1");
    request.set_sequence(1);
    internal::ReportChangesReply reply;
    return absl::IsUnavailable(FromGrpc(stub_->ReportChanges(&context, request, &reply)));
  });
  EXPECT_TRUE(refused);
  reports_.Hold(false);
  stopper.join();
  caller.join();
  EXPECT_OK(answer);
  server_->Stop(absl::ZeroDuration());
}

// A connection that has begun: HTTP/2's preface and an empty SETTINGS frame.
constexpr absl::string_view kBeginning("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);

TEST_F(DatanodeServiceTest, WhoComesWhileThereAreNoDescriptorsIsServedWhenThereAre) {
  internal::HeartbeatReply reply;
  ASSERT_OK(Beat(&reply));
  // Room for the client's own socket, none for the server's end of it.
  std::optional<FewDescriptors> few(1);
  TcpClient late(server_->port());
  EVENTUALLY(server_->accept_errors() > 0);
  EXPECT_OK(Beat(&reply));
  few.reset();
  late.Send(kBeginning);
  EXPECT_TRUE(late.GetsAByte());
  stub_ = Connect();
  EXPECT_OK(Beat(&reply));
}

TEST_F(DatanodeServiceTest, ABeginningThatDoesNotEndIsCutOff) {
  Start({.address = "127.0.0.1:0", .handshake_timeout = absl::Milliseconds(500)});
  internal::HeartbeatReply reply;
  ASSERT_OK(Beat(&reply));
  for (const size_t bytes : {size_t{0}, size_t{10}, size_t{24}, kBeginning.size() - 1}) {
    TcpClient slow(server_->port());
    slow.Send(kBeginning.substr(0, bytes));
    EXPECT_TRUE(slow.IsClosedByServer()) << bytes;
  }
  EXPECT_OK(Beat(&reply)) << "of the connection that has long begun";
}

TEST_F(DatanodeServiceTest, OneConnectionTooManyIsClosedUntilAnotherGoes) {
  Start({.address = "127.0.0.1:0", .max_connections = 2});
  internal::HeartbeatReply reply;
  ASSERT_OK(Beat(&reply));
  {
    TcpClient second(server_->port());
    second.Send(kBeginning);
    EXPECT_TRUE(second.GetsAByte());
    EXPECT_FALSE(TcpClient(server_->port()).GetsAByte());
    EXPECT_OK(Beat(&reply));
  }
  EVENTUALLY(TcpClient(server_->port()).GetsAByte());
}

TEST_F(DatanodeServiceTest, CallsBeyondWhatAConnectionMayHaveWait) {
  Start({.address = "127.0.0.1:0", .calls_per_connection = 2});
  PendingWait waits[2];
  for (PendingWait& wait : waits) wait.Begin(*stub_);
  EVENTUALLY(reports_.waits().size() == 2);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  internal::HeartbeatRequest request;
  request.set_datanode_uuid("node-1");
  internal::HeartbeatReply reply;
  EXPECT_THAT(FromGrpc(stub_->Heartbeat(&context, request, &reply)),
              StatusIs(StatusCode::kDeadlineExceeded));
  reports_.waits()[0]->Answer(true);
  EXPECT_OK(Beat(&reply));
  reports_.waits()[1]->Answer(true);
  for (PendingWait& wait : waits) EVENTUALLY(wait.done);
}

TEST_F(DatanodeServiceTest, MuchMetadataIsRefused) {
  grpc::ClientContext context;
  context.AddMetadata("x", std::string(6 << 10, 'x'));
  internal::HeartbeatRequest request;
  request.set_datanode_uuid("node-1");
  internal::HeartbeatReply reply;
  EXPECT_THAT(FromGrpc(stub_->Heartbeat(&context, request, &reply)),
              StatusIs(StatusCode::kResourceExhausted));
  EXPECT_OK(Beat(&reply));
}

TEST_F(DatanodeServiceTest, ATakenPortIsAnErrorThatNamesIt) {
  const std::string address = absl::StrCat("127.0.0.1:", server_->port());
  EXPECT_THAT(DatanodeServer::Start({.address = address}, reports_),
              StatusIs(StatusCode::kUnavailable, HasSubstr(address)));
}

}  // namespace
}  // namespace cairn::namenode
