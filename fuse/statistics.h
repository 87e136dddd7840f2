// fuse/statistics.h - what a mount has done: each operation's count and latency, and the errors.
//
// Thread-safe; an update is a few relaxed additions.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/metrics.h"

namespace cairn::fuse {

enum class Operation : uint8_t {
  kLookup,
  kMkdir,
  kMknod,
  kUnlink,
  kRmdir,
  kRename,
  kSymlink,
  kLink,
  kReadlink,
  kGetattr,
  kSetattr,
  kAccess,
  kStatfs,
  kCreate,
  kOpen,
  kRead,
  kWrite,
  kFlush,
  kFsync,
  kRelease,
  kFallocate,
  kOpendir,
  kReaddir,
  kReaddirplus,
  kFsyncdir,
  kReleasedir,
  kGetxattr,
  kListxattr,
  kSetxattr,
  kRemovexattr,
};
inline constexpr size_t kOperations = static_cast<size_t>(Operation::kRemovexattr) + 1;

const char* NameOf(Operation operation);  // "lookup"

class Statistics {
 public:
  Statistics();

  void Observe(Operation operation, absl::Duration took);
  // Of an answer that was an error.
  void NoteError(int error);

  const Histogram& latency(Operation operation) const;
  // Names ("ENOENT") and counts of those that there were, by number.
  std::vector<std::pair<std::string, uint64_t>> errors() const;

 private:
  static constexpr size_t kErrors = 134;  // EHWPOISON, the last, is 133

  std::deque<Histogram> latencies_;  // by operation; they cannot be moved
  std::array<std::atomic<uint64_t>, kErrors> errors_{};
};

}  // namespace cairn::fuse
