// Feeds arbitrary bytes to the log scanner, and each record that it finds to the MANIFEST parser.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "namenode/store/leveldb_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cairn::namenode;  // NOLINT: a fuzz target is one function
  Manifest manifest;
  // The bytes as they are: the checksums stop nearly everything, so this is for the framing ...
  const auto end = ScanLevelDbLog(
      [&](uint64_t offset, std::span<std::byte> out) -> absl::StatusOr<size_t> {
        if (offset >= size) return 0;
        const size_t n = std::min<size_t>(out.size(), size - offset);
        std::memcpy(out.data(), data + offset, n);
        return n;
      },
      1 << 20,
      [&](uint64_t, absl::string_view record) {
        manifest.Apply(record).IgnoreError();  // any verdict will do
        return absl::OkStatus();
      });
  if (!end.ok() || end->whole_bytes > size || end->bad_offset > size) __builtin_trap();
  // ... and this for the records.
  manifest.Apply(absl::string_view(reinterpret_cast<const char*>(data), size)).IgnoreError();
  return 0;
}
