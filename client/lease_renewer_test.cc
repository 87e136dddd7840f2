#include "client/lease_renewer.h"

#include <atomic>
#include <thread>

#include "client/context.h"
#include "client/file_system.h"
#include "client/testing/fake_namenode.h"
#include "common/testing/status_matchers.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

// Answers create; a renewal goes on until nobody but the renewer's thread could hold the context.
class SlowNamenode final : public RpcChannel {
 public:
  void Watch(const std::shared_ptr<ClientContext>& context) {
    context_ = context;
    watching_ = true;
  }
  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite&,
                    google::protobuf::MessageLite& response) override {
    if (method == "create") {
      auto& status = *static_cast<hdfs::CreateResponseProto&>(response).mutable_fs();
      status = FakeStatus();
      status.set_blocksize(128 << 20);
    }
    if (method == "renewLease" && watching_) {
      renewing_ = true;
      while (context_.use_count() > 1) std::this_thread::yield();
    }
    return absl::OkStatus();
  }
  bool renewing() const { return renewing_; }

 private:
  std::weak_ptr<ClientContext> context_;
  std::atomic<bool> watching_ = false;
  std::atomic<bool> renewing_ = false;
};

class NoDatanodes final : public DatanodeRpc {
  absl::StatusOr<std::unique_ptr<RpcChannel>> Connect(const std::string&, uint16_t,
                                                      absl::Duration) override {
    return absl::UnavailableError("none");
  }
};

// The renewer's thread must not be the one that destroys what it belongs to.
TEST(LeaseRenewerTest, StreamAndFileSystemMayBeDroppedDuringARenewal) {
  ClientOptions options;
  options.lease_renewal = absl::Milliseconds(1);
  auto channel = std::make_unique<SlowNamenode>();
  SlowNamenode& namenode = *channel;
  auto context = std::make_shared<ClientContext>(options, "u", "fake:8020", std::move(channel),
                                                 std::make_unique<NoDatanodes>(), SystemClock());
  namenode.Watch(context);
  auto fs = FileSystem::Over(std::move(context));
  ASSERT_OK_AND_ASSIGN(auto out, fs->Create("/f"));
  while (!namenode.renewing()) std::this_thread::yield();
  out.reset();
  fs.reset();
}

class Holder final : public LeaseHolder {
 public:
  void Abort(absl::Status) override { ++aborted; }
  std::atomic<int> aborted = 0;
};

class Channel final : public RpcChannel {
 public:
  absl::Status Call(absl::string_view, const google::protobuf::MessageLite&,
                    google::protobuf::MessageLite&) override {
    return failing ? absl::UnavailableError("away") : absl::OkStatus();
  }
  std::atomic<bool> failing = false;
};

TEST(LeaseRenewerTest, ARemovedHolderIsNotAborted) {
  Channel channel;
  channel.failing = true;
  LeaseRenewer renewer(absl::Milliseconds(1), absl::Milliseconds(5), channel, "client",
                       SystemClock());
  Holder gone;
  Holder stays;
  renewer.Add(gone);
  renewer.Add(stays);
  renewer.Remove(gone);
  renewer.Remove(gone);
  const int calls = gone.aborted;
  while (stays.aborted < 3) std::this_thread::yield();
  EXPECT_EQ(gone.aborted, calls);
  renewer.Remove(stays);
}

TEST(LeaseRenewerTest, AHolderIsAbortedWhenNoRenewalSucceededForTheHardLimit) {
  Channel channel;
  channel.failing = true;
  LeaseRenewer renewer(absl::Milliseconds(1), absl::Milliseconds(5), channel, "client",
                       SystemClock());
  Holder holder;
  renewer.Add(holder);
  while (holder.aborted == 0) std::this_thread::yield();
  renewer.Remove(holder);
}

}  // namespace
}  // namespace cairn::client
