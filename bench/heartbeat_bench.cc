// What many datanodes cost that have nothing to say: each a connection of its own, a heartbeat
// every few seconds, and always a call that waits for orders, as datanode/heartbeat makes them.
//
//   heartbeat_bench [-datanodes N] [-seconds S] [-interval MS] [-dir DIR]
//
// The namenode, with its gRPC server, is another process, forked before any thread is made; what is
// printed is its CPU time as a share of one core. The datanodes are one thread and gRPC's own. The
// limit, beside it, is the same gRPC server with nothing behind it: it answers at once.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/create_channel.h>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "bench/local_namenode.h"
#include "bench/measure.h"
#include "common/check.h"
#include "common/mutex.h"
#include "namenode/service/grpc/datanode_service.h"
#include "proto/cairn/datanode.grpc.pb.h"

namespace cairn::bench {
namespace {

using Stub = internal::DatanodeService::Stub;

// One call on gRPC's threads; deletes itself.
template <typename Request, typename Reply>
struct Call {
  grpc::ClientContext context;
  Request request;
  Reply reply;
};

class Datanode {
 public:
  Datanode(int number, const std::string& address) : uuid_(absl::StrCat("bench-node-", number)) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = internal::DatanodeService::NewStub(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
    grpc::ClientContext context;
    internal::RegisterRequest request;
    request.set_layout_version(namenode::kDatanodeLayoutVersion);
    request.set_datanode_uuid(uuid_);
    request.mutable_address()->set_ip("127.0.0.1");
    request.mutable_address()->set_transfer_port(static_cast<uint32_t>(10'000 + number));
    FillStorage(request.add_storages());
    internal::RegisterReply reply;
    const grpc::Status status = stub_->Register(&context, request, &reply);
    CHECK(status.ok()) << status.error_message();
    session_ = reply.session();
    Wait();
  }

  void Beat() {
    auto* const call = new Call<internal::HeartbeatRequest, internal::HeartbeatReply>;
    call->request.set_datanode_uuid(uuid_);
    call->request.set_session(session_);
    FillStorage(call->request.add_storages());
    stub_->async()->Heartbeat(&call->context, &call->request, &call->reply,
                              [this, call](const grpc::Status& status) {
                                ++(status.ok() ? beats_ : failures_);
                                delete call;
                              });
  }
  void Wait() {
    auto* const call = new Call<internal::AwaitOrdersRequest, internal::AwaitOrdersReply>;
    call->request.set_datanode_uuid(uuid_);
    call->request.set_session(session_);
    stub_->async()->AwaitOrders(&call->context, &call->request, &call->reply,
                                [this, call](const grpc::Status& status) {
                                  delete call;
                                  if (status.ok()) Wait();
                                });
  }
  static uint64_t beats() { return beats_; }
  static uint64_t failures() { return failures_; }

 private:
  void FillStorage(internal::StorageState* storage) const {
    storage->set_storage_uuid(absl::StrCat("DS-", uuid_));
    storage->set_type(1);
    storage->set_capacity_bytes(uint64_t{1} << 44);
    storage->set_remaining_bytes(uint64_t{1} << 43);
  }

  static inline std::atomic<uint64_t> beats_{0}, failures_{0};
  const std::string uuid_;
  std::unique_ptr<Stub> stub_;
  uint64_t session_ = 0;
};

// Nothing behind the gRPC server: no datanode is known and nothing is kept but who waits.
class NobodyBehind final : public namenode::DatanodeReports {
 public:
  absl::StatusOr<namenode::DatanodeWelcome> Register(
      const namenode::DatanodeRegistration&) override {
    return namenode::DatanodeWelcome{.session = 1, .heartbeat_interval = absl::Seconds(3)};
  }
  absl::StatusOr<std::vector<namenode::DatanodeCommand>> Heartbeat(
      const namenode::DatanodeHeartbeat&) override {
    return std::vector<namenode::DatanodeCommand>();
  }
  void AwaitOrders(absl::string_view, uint64_t,
                   std::shared_ptr<namenode::OrderWait> wait) override {
    MutexLock lock(mu_);
    waits_.push_back(std::move(wait));
  }
  void EndWaits() override {}
  absl::Status ReportChanges(const namenode::ChangesReport&) override { return absl::OkStatus(); }
  absl::StatusOr<namenode::DigestAnswer> ReportDigests(const namenode::DigestReport&) override {
    return namenode::DigestAnswer();
  }
  absl::Status ReportReplicas(const namenode::ReplicasReport&) override { return absl::OkStatus(); }

 private:
  Mutex mu_;
  std::vector<std::shared_ptr<namenode::OrderWait>> waits_ ABSL_GUARDED_BY(mu_);
};

// In the child: serves until the parent has gone. Tells its port through `to_parent`.
void Serve(namenode::DatanodeReports& reports, int to_parent, int from_parent) {
  auto server = namenode::DatanodeServer::Start({.address = "127.0.0.1:0"}, reports);
  CHECK_OK(server.status());
  const uint16_t port = (*server)->port();
  CHECK_EQ(::write(to_parent, &port, sizeof(port)), static_cast<ssize_t>(sizeof(port)));
  char byte;
  while (::read(from_parent, &byte, 1) > 0) continue;
  std::_Exit(0);
}

[[noreturn]] void ServeNobody(int to_parent, int from_parent) {
  NobodyBehind nobody;
  Serve(nobody, to_parent, from_parent);
  std::_Exit(0);
}

[[noreturn]] void ServeNamenode(const std::string& directory, int to_parent, int from_parent) {
  CHECK_OK(PosixFileSystem().MakeDirectories(directory));
  const std::string name_dir = directory + "/name";
  CHECK_OK(LocalNamenode::Format(name_dir));
  auto local = LocalNamenode::Open({.directory = name_dir});
  CHECK_OK(local.status());
  std::thread bell([&] { (*local)->namenode().RunOrderBell(); });
  Serve((*local)->namenode(), to_parent, from_parent);
  std::_Exit(0);
}

// A server in a process of its own, and the datanodes that beat at it.
class Round {
 public:
  explicit Round(const std::function<void(int to_parent, int from_parent)>& serve) {
    int to_parent[2], to_child[2];
    CHECK_EQ(::pipe(to_parent), 0);
    CHECK_EQ(::pipe(to_child), 0);
    child_ = ::fork();
    CHECK_GE(child_, 0);
    if (child_ == 0) {
      ::close(to_child[1]);  // or its end of the pipe would keep it alive
      serve(to_parent[1], to_child[0]);
    }
    CHECK_EQ(::read(to_parent[0], &port_, sizeof(port_)), static_cast<ssize_t>(sizeof(port_)));
    ::close(to_parent[1]);
    ::close(to_child[0]);  // the other end closes with this process, and ends the child
  }

  void Connect(uint64_t datanodes) {
    const std::string address = absl::StrCat("127.0.0.1:", port_);
    for (uint64_t n = 0; n < datanodes; ++n) {
      nodes_.push_back(std::make_unique<Datanode>(static_cast<int>(n), address));
    }
  }

  // Share of a core that the server uses while each datanode beats once in `interval` seconds.
  struct Cost {
    double share, rate;
    double each() const { return share / rate; }  // seconds
  };
  Cost Measure(double interval, double seconds) {
    Beat(interval, 3);  // connections, allocators
    const uint64_t beats = Datanode::beats();
    const double cpu = CpuSecondsOf(child_), begin = Now();
    Beat(interval, seconds);
    const double used = CpuSecondsOf(child_) - cpu, took = Now() - begin;
    return {used / took, static_cast<double>(Datanode::beats() - beats) / took};
  }

  // The server's process ends. The datanodes, whose calls then fail, stay until this one does.
  void End() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

 private:
  void Beat(double interval, double length) {
    const double pause = interval / static_cast<double>(nodes_.size()), begin = Now();
    for (uint64_t beat = 0; Now() - begin < length; ++beat) {
      nodes_[beat % nodes_.size()]->Beat();
      const double next = begin + static_cast<double>(beat + 1) * pause;
      if (next > Now()) std::this_thread::sleep_for(std::chrono::duration<double>(next - Now()));
    }
  }

  pid_t child_ = -1;
  uint16_t port_ = 0;
  std::vector<std::unique_ptr<Datanode>> nodes_;
};

int Main(int argc, char** argv) {
  std::string directory = "/tmp/cairn-heartbeat-bench";
  uint64_t datanodes = 1000, seconds = 30, interval_ms = 3000;
  if (!ParseFlagPairs(
          argc, argv, {{"-dir", &directory}},
          {{"-datanodes", &datanodes}, {"-seconds", &seconds}, {"-interval", &interval_ms}})) {
    std::fprintf(stderr, "heartbeat_bench [-datanodes N] [-seconds S] [-interval MS] [-dir DIR]\n");
    return 2;
  }
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as common/daemon.cc
  // Both servers are forked before gRPC makes a thread here.
  Round limit(ServeNobody);
  Round namenode(
      [&](int to_parent, int from_parent) { ServeNamenode(directory, to_parent, from_parent); });
  const double interval = static_cast<double>(interval_ms) * 1e-3;
  limit.Connect(datanodes);
  const Round::Cost bare = limit.Measure(interval, static_cast<double>(seconds));
  limit.End();
  namenode.Connect(datanodes);
  const Round::Cost full = namenode.Measure(interval, static_cast<double>(seconds));
  const uint64_t failures = Datanode::failures();
  std::printf(
      "%llu datanodes, each waiting for orders: %.0f heartbeats/s, %.1f %% of a core, %.0f us of "
      "CPU for each; gRPC alone %.1f %%, %.0f us: %.2f of it is gRPC's; %llu failed\n",
      static_cast<unsigned long long>(datanodes), full.rate, full.share * 100, full.each() * 1e6,
      bare.share * 100, bare.each() * 1e6, bare.each() / full.each(),
      static_cast<unsigned long long>(failures));
  std::fflush(stdout);
  namenode.End();
  std::_Exit(failures == 0 ? 0 : 1);
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) { return cairn::bench::Main(argc, argv); }
