// tools/dfs/inflate.h - unpacking gzip and zlib data while it streams by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cairn::tools {

enum class Packing : uint8_t { kGzip, kZlib };

// Pulls packed bytes from `read` (0 = the end) and hands the unpacked ones to `write`. Several gzip
// members one after the other are one stream. kDataLoss: damaged or cut short.
absl::Status Inflate(Packing packing,
                     const std::function<absl::StatusOr<size_t>(std::span<std::byte>)>& read,
                     const std::function<absl::Status(std::span<const std::byte>)>& write);

}  // namespace cairn::tools
