// Any bytes as a file of erasure coding policies.
#include <cstddef>
#include <cstdint>

#include "tools/ec/policy_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  cairn::tools::ParsePolicyFile(text, "fuzz").status().IgnoreError();
  return 0;
}
