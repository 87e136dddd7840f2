// Any bytes as the request of any method. Input: one byte that chooses the method, then the
// request. Each call must be answered once, with a message whose required fields are there
// (FakeReply checks both), whatever the namenode says.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/check.h"
#include "namenode/service/rpc/client_protocol_methods.h"
#include "namenode/service/rpc/testing/fake_namenode.h"
#include "namenode/service/rpc/testing/fake_reply.h"

namespace cairn::namenode {
namespace {

std::vector<absl::string_view> MethodNames() {
  std::vector<absl::string_view> names = {"noSuchMethod"};
  for (const auto table : {client_protocol::ReadMethods(), client_protocol::NamespaceMethods(),
                           client_protocol::WriteMethods(), client_protocol::AdminMethods(),
                           client_protocol::UpkeepMethods(), client_protocol::ErasureMethods()}) {
    for (const client_protocol::Method& method : table) names.push_back(method.name);
  }
  return names;
}

void FuzzOne(absl::string_view input) {
  static const auto* const names = new std::vector<absl::string_view>(MethodNames());
  const auto choice = static_cast<uint8_t>(input[0]);
  FakeNamenode namenode;
  namenode.result = (choice & 0x80) != 0;
  LocatedBlock block;
  block.storages = {1, 7};
  LocatedBlock group = block;
  group.block.id = MakeGroupId(1);
  group.units = {0, 8};
  group.erasure = &erasure::SystemPolicies()[0];
  namenode.block = group;
  namenode.located.blocks = {block, group};
  namenode.located.erasure = group.erasure;
  namenode.erasure_policies = {{group.erasure, ErasurePolicyState::kEnabled}};
  namenode.erasure_policy = group.erasure;
  namenode.listing.emplace();
  namenode.listing->entries.push_back({.name = "f", .located = namenode.located});
  namenode.status.emplace();
  namenode.status->erasure = group.erasure;
  std::vector<std::function<void()>> scheduled;
  const rpc::Principal principal{.user = "fuzz", .real_user = ""};
  ClientProtocolService service(
      namenode, [&](absl::Duration, std::function<void()> run) { scheduled.push_back(run); });
  FakeReply reply;
  service.Handle({.principal = principal, .remote_ip = "::1"},
                 (*names)[(choice & 0x7f) % names->size()], input.substr(1), reply);
  for (size_t i = 0; i < scheduled.size(); ++i) {
    const auto run = scheduled[i];  // it may schedule more
    run();
  }
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
