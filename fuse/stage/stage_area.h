// fuse/stage/stage_area.h - the directory on the client's disk where changed bytes wait.
//
//   DIR/                  mode 0700, of the user who mounts
//     session.PID.NUMBER  one for each mount that uses it, locked (flock) as long as that runs:
//                         which temporary files it is making in a cluster, a line each. Written
//                         anew (session.PID.NUMBER.new) when most lines are of files that are gone
//
// The bytes themselves are in files without a name: they go with the process, however it ends. What
// a mount that was killed leaves is a temporary file in the cluster, whose name the next mount
// that uses the directory finds in the session file that nobody locks any more.
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"

namespace cairn::fuse {

// A file that is being made in a cluster, and is to be removed if its maker is killed. No part has
// a tab or a line feed in it. The path ends with a StagedName: an id alone may be another file's,
// once the namespace at that address is another one.
struct TemporaryName {
  std::string authority;  // host:port of the namenode
  std::string user;
  std::string path;
};

class StageArea {
 public:
  struct Options {
    std::string directory;
    uint64_t bytes = 0;  // of all staged files together
  };
  // Makes the directory if it is missing. kFailedPrecondition: it is another user's, others may
  // look into it, or it is no directory.
  static absl::StatusOr<std::unique_ptr<StageArea>> Open(Options options);
  ~StageArea();
  StageArea(const StageArea&) = delete;
  StageArea& operator=(const StageArea&) = delete;

  // A file without a name, for reading and writing; the caller closes it.
  absl::StatusOr<int> NewFile();

  // kResourceExhausted: so much more would be too much.
  absl::Status Reserve(uint64_t bytes) ABSL_LOCKS_EXCLUDED(mu_);
  void Release(uint64_t bytes) ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t used() const ABSL_LOCKS_EXCLUDED(mu_);
  const Options& options() const { return options_; }

  // Before a temporary file is made; and when it is gone, or never was.
  absl::Status Note(const TemporaryName& name) ABSL_LOCKS_EXCLUDED(mu_);
  void Forget(const TemporaryName& name) ABSL_LOCKS_EXCLUDED(mu_);
  // Calls `remove` for what mounts that were killed have left in that cluster; false: it may still
  // be there, and is tried again by the next mount. What an earlier version has noted by ids is
  // left alone.
  void RemoveLeftovers(absl::string_view authority,
                       const std::function<bool(const TemporaryName&)>& remove);

 private:
  StageArea(Options options, std::string session, int lock);
  // The session file without its dead lines.
  absl::Status Rewrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  const std::string session_;  // the path of our own file
  mutable Mutex mu_;
  int lock_ ABSL_GUARDED_BY(mu_);  // that file, open and locked
  uint64_t used_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_set<std::string> noted_ ABSL_GUARDED_BY(mu_);  // lines
  size_t dead_lines_ ABSL_GUARDED_BY(mu_) = 0;  // of the file: what they name is gone
};

}  // namespace cairn::fuse
