#include "fuse/statistics.h"

#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace cairn::fuse {

const char* NameOf(Operation operation) {
  static constexpr const char* kNames[] = {
      "lookup",   "mkdir",      "mknod",     "unlink",    "rmdir",    "rename",
      "symlink",  "link",       "readlink",  "getattr",   "setattr",  "access",
      "statfs",   "create",     "open",      "read",      "write",    "flush",
      "fsync",    "release",    "fallocate", "opendir",   "readdir",  "readdirplus",
      "fsyncdir", "releasedir", "getxattr",  "listxattr", "setxattr", "removexattr"};
  static_assert(std::size(kNames) == kOperations);
  return kNames[static_cast<size_t>(operation)];
}

Statistics::Statistics() {
  for (size_t i = 0; i < kOperations; ++i) latencies_.emplace_back(LatencyBuckets());
}

void Statistics::Observe(Operation operation, absl::Duration took) {
  latencies_[static_cast<size_t>(operation)].Observe(took);
}

void Statistics::NoteError(int error) {
  const auto number = static_cast<size_t>(error);
  errors_[number < kErrors ? number : 0].fetch_add(1, std::memory_order_relaxed);
}

const Histogram& Statistics::latency(Operation operation) const {
  return latencies_[static_cast<size_t>(operation)];
}

std::vector<std::pair<std::string, uint64_t>> Statistics::errors() const {
  std::vector<std::pair<std::string, uint64_t>> out;
  for (size_t error = 0; error < kErrors; ++error) {
    const uint64_t count = errors_[error].load(std::memory_order_relaxed);
    if (count == 0) continue;
    const char* const name = ::strerrorname_np(static_cast<int>(error));
    out.emplace_back(name != nullptr ? std::string(name) : absl::StrCat(error), count);
  }
  return out;
}

}  // namespace cairn::fuse
