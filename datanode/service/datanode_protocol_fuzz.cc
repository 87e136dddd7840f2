// Any bytes as the request of any method on the datanode's RPC port. Input: one byte that chooses
// the method (its top bit: a superuser asks), then the request. Each call must be answered once.
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/logging.h"
#include "datanode/service/admin_service.h"
#include "datanode/service/client_datanode.h"
#include "datanode/service/inter_datanode.h"
#include "datanode/testing/test_store.h"

namespace cairn::datanode {
namespace {

// Counts the answers; one that is deferred comes from the pool's thread.
class CountedReply final : public rpc::RpcReply {
 public:
  void SendAt(uint64_t /*ticket*/, const google::protobuf::MessageLite& response) override {
    CHECK(response.IsInitialized()) << response.InitializationErrorString();
    ++*answers_;
  }
  void SendBytesAt(uint64_t /*ticket*/, absl::string_view /*response*/) override { ++*answers_; }
  void FailAt(uint64_t /*ticket*/, const absl::Status& error) override {
    CHECK(!error.ok());
    ++*answers_;
  }
  rpc::DeferredReply Defer() override {
    return rpc::DeferredReply(std::make_unique<Deferred>(answers_));
  }

  int answers() const { return *answers_; }

 private:
  class Deferred final : public rpc::DeferredReply::Impl {
   public:
    explicit Deferred(std::shared_ptr<int> answers) : answers_(std::move(answers)) {}
    void SendBytesAt(uint64_t /*ticket*/, std::string /*response*/) override { ++*answers_; }
    void FailAt(uint64_t /*ticket*/, absl::Status error) override {
      CHECK(!error.ok());
      ++*answers_;
    }

   private:
    const std::shared_ptr<int> answers_;
  };

  const std::shared_ptr<int> answers_ = std::make_shared<int>(0);
};

enum class Protocol : uint8_t { kInter, kClient, kAdmin };
struct Method {
  Protocol protocol;
  absl::string_view name;
};
constexpr Method kMethods[] = {
    {Protocol::kInter, "initReplicaRecovery"},   {Protocol::kInter, "updateReplicaUnderRecovery"},
    {Protocol::kInter, "noSuchMethod"},          {Protocol::kClient, "getReplicaVisibleLength"},
    {Protocol::kClient, "triggerBlockReport"},   {Protocol::kClient, "shutdownDatanode"},
    {Protocol::kClient, "getDatanodeInfo"},      {Protocol::kClient, "getVolumeReport"},
    {Protocol::kClient, "getBalancerBandwidth"}, {Protocol::kClient, "evictWriters"},
    {Protocol::kClient, "refreshNamenodes"},     {Protocol::kClient, "getBlockLocalPathInfo"},
    {Protocol::kClient, "startReconfiguration"}, {Protocol::kAdmin, "describeDatanode"}};

void FuzzOne(absl::string_view input) {
  static DiskPool& pool = *new DiskPool(1);
  const auto choice = static_cast<uint8_t>(input[0]);
  testing::TestStore store({"/v1"});
  CHECK_OK(store.WriteFinalized(BlockId{1}, GenerationStamp{1001}, 0, 1000));
  ClientDatanodeService client(*store, {.superuser = "root",
                                        .software_version = "fuzz",
                                        .started = absl::UnixEpoch(),
                                        .trigger_report = [](bool) {},
                                        .shut_down = [](bool) {},
                                        .balance_bandwidth = [] { return uint64_t{1}; }});
  InterDatanodeService inter(*store, pool);
  AdminService admin(SystemClock(), "fuzz", "root");
  rpc::RpcService* const services[] = {&inter, &client, &admin};

  const Method& method = kMethods[(choice & 0x7f) % std::size(kMethods)];
  const rpc::Principal principal{.user = (choice & 0x80) != 0 ? "root" : "fuzz", .real_user = ""};
  CountedReply reply;
  services[static_cast<size_t>(method.protocol)]->Handle(
      {.principal = principal, .remote_ip = "::1"}, method.name, input.substr(1), reply);
  absl::Notification done;  // the pool's only thread has come to the end of the call
  pool.Run([&done] { done.Notify(); });
  done.WaitForNotification();
  CHECK_EQ(reply.answers(), 1);
}

}  // namespace
}  // namespace cairn::datanode

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const google::protobuf::LogSilencer quiet;  // it reports text that is not UTF-8
  cairn::SetLogLevel(cairn::LogLevel::kError);
  if (size > 0) {
    cairn::datanode::FuzzOne({reinterpret_cast<const char*>(data), size});
  }
  return 0;
}
