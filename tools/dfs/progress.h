// tools/dfs/progress.h - a line on the terminal that tells how far a long copy is.
//
// Silent unless standard error is a terminal and the copy takes more than two seconds. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "common/mutex.h"

namespace cairn::tools {

class Progress {
 public:
  Progress();
  ~Progress();  // wipes the line

  void SetFile(const std::string& name, uint64_t bytes) ABSL_LOCKS_EXCLUDED(mu_);
  void Add(uint64_t bytes) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Draw() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const bool terminal_;
  const absl::Time start_;
  std::atomic<uint64_t> done_bytes_ = 0;
  std::atomic<int64_t> next_draw_ms_;
  Mutex mu_;
  std::string name_ ABSL_GUARDED_BY(mu_);
  uint64_t expected_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // of all files so far
  bool drawn_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cairn::tools
