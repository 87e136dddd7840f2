// tools/ec/file_converter.h - what keeps files in another form, as those see it who decide which
// ones: a seam for tests. The real one is converter.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/types.h"

namespace cairn::tools {

struct ConvertOptions {
  std::string policy;  // empty: replicated
  int threads = 1;
  uint64_t bytes_per_second = 0;                  // of all files together; 0: no bound
  uint64_t min_bytes = 0;                         // smaller files are left
  absl::Duration min_age = absl::ZeroDuration();  // since they were changed
  // So many failures without a file that was converted between them, and no more are begun: each
  // has cost a copy, and the next one will fail as well. 0: never.
  uint64_t most_failures = 0;
};

struct ConvertTotals {
  uint64_t converted = 0, bytes = 0;
  uint64_t already = 0;  // in the form that is wanted
  uint64_t passed = 0;   // too new, too small, or small ones of that policy
  uint64_t written = 0;  // somebody writes them
  uint64_t changed = 0;  // while they were copied; they are as they were left
  uint64_t failed = 0;
};

class FileConverter {
 public:
  // Told of each file that failed; from any of the threads, one at a time. Calls nothing here.
  using OnFailure = std::function<void(const std::string& path, const absl::Status& why)>;

  virtual ~FileConverter() = default;

  // A file as it was listed just now; it is converted if it is still so when its turn comes. Waits
  // while many are waiting.
  virtual void AddFile(const client::FileStatus& file) = 0;
  // A copy that was met in a listing, of a converter that is gone maybe. Of other files: nothing.
  virtual void RemoveIfLeftOver(const client::FileStatus& found) = 0;
  // Begins no other file, and gives up those that are under way, which stay as they are. From any
  // thread.
  virtual void Cancel() = 0;
  // By itself: too many have failed.
  virtual bool has_given_up() const = 0;
  virtual ConvertTotals totals() const = 0;  // so far
  // Waits for all that was added.
  virtual ConvertTotals Finish() = 0;
};

}  // namespace cairn::tools
