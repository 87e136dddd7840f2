// Any bytes are rules or a clear error, and every datanode has a rule.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/check.h"
#include "namenode/cluster/host_rules.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using cairn::namenode::HostRules;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string host(text.substr(0, 8));
  for (const auto& rules : {HostRules::ParseJson(text, "fuzz"),
                            HostRules::ParseLists(text, "fuzz", text.substr(size / 2), "fuzz")}) {
    if (rules.ok()) {
      rules->For({host, host, 9866, 9867, 0});
    } else {
      CHECK(rules.status().message().substr(0, 5) == "fuzz:");
    }
  }
  return 0;
}
