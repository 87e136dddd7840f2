// Any bytes as the request of any method of cairn.ClientProtocol. Input: one byte that chooses the
// method, then the request. Each call must be answered once.
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "absl/strings/string_view.h"
#include "common/check.h"
#include "namenode/service/rpc/cairn_protocol_service.h"
#include "namenode/service/rpc/testing/fake_namenode.h"
#include "namenode/service/rpc/testing/fake_reply.h"

namespace cairn::namenode {
namespace {

// Corpus files name them by their places.
constexpr absl::string_view kMethods[] = {"noSuchMethod", "replaceBlocks", "convertFile",
                                          "checkErasurePolicy", "codeSmallFile"};

void FuzzOne(absl::string_view input) {
  FakeNamenode namenode;
  OperationCounters counters;
  CairnProtocolService service(namenode, counters);
  const rpc::Principal principal{.user = "fuzz", .real_user = ""};
  FakeReply reply;
  service.Handle({.principal = principal, .remote_ip = "::1"},
                 kMethods[static_cast<uint8_t>(input[0]) % std::size(kMethods)], input.substr(1),
                 reply);
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
