// libFuzzer target: bytes as a checkpoint's description. What is accepted leads nowhere outside of
// its directory, and means the same once it is written again.
#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"
#include "common/check.h"
#include "namenode/checkpoint/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cairn::namenode;  // NOLINT
  const auto checkpoint =
      ParseCheckpoint(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!checkpoint.ok()) return 0;
  for (const CheckpointFile& file : checkpoint->files) {
    CHECK(!file.name.empty() && !absl::StrContains(file.name, '/') && file.name[0] != '.');
  }
  const std::string text = EncodeCheckpoint(*checkpoint);
  const auto again = ParseCheckpoint(text);
  CHECK_OK(again.status());
  CHECK(EncodeCheckpoint(*again) == text);
  return 0;
}
