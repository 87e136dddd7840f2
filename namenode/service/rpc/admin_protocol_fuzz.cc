// Any bytes as the request of any method of cairn.AdminProtocol. Input: one byte that chooses the
// method, then the request. Each call must be answered once.
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "absl/strings/string_view.h"
#include "common/check.h"
#include "common/testing/fake_clock.h"
#include "namenode/service/rpc/admin_protocol_service.h"
#include "namenode/service/rpc/testing/fake_namenode.h"
#include "namenode/service/rpc/testing/fake_reply.h"

namespace cairn::namenode {
namespace {

// New ones come last: the first byte of what has been found means the same for ever.
constexpr absl::string_view kMethods[] = {
    "describeFile",        "describeBlock",     "listLostBlocks", "describeCluster",
    "getOperations",       "balance",           "noSuchMethod",   "setConversionRule",
    "listConversionRules", "renewConversionRun"};

void FuzzOne(absl::string_view input) {
  const auto choice = static_cast<uint8_t>(input[0]);
  FakeNamenode namenode;
  namenode.superuser = (choice & 0x80) != 0;
  namenode.status.emplace();
  LocatedBlock block;
  block.storages = {1, 7};
  namenode.located.blocks = {block};
  namenode.in_need = {BlockId{7}};
  namenode.health.replicas.resize(2);
  namenode.health.queued = BlockHealth::Queued();
  namenode.health.copies = {{1, 7, absl::Seconds(1)}};
  const rpc::Principal principal{.user = "fuzz", .real_user = ""};
  namenode.balance.iterations.resize(1);
  namenode.conversion_rules.rules.resize(1);
  OperationCounters counters;
  FakeClock clock;
  AdminProtocolService service(namenode, counters, clock, {});
  FakeReply reply;
  service.Handle({.principal = principal, .remote_ip = "::1"},
                 kMethods[(choice & 0x7f) % std::size(kMethods)], input.substr(1), reply);
  CHECK(reply.answer().given);
}

}  // namespace
}  // namespace cairn::namenode

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) {
    cairn::namenode::FuzzOne({reinterpret_cast<const char*>(data), size});
  }
  return 0;
}
