// tests/load/board.h - what readers may rely on while writers go on: the files that were closed, or
// synced by hsync, and up to where.
//
// A path on the board names one content for as long as it is there, and at least so much of it:
// writers never use a name twice, and what they overwrite, cut or join with others is taken down
// first and comes back under another name only. So whatever happens, a reader that finds the path
// must find these bytes, and at least so many; that it does not find it is right only once the
// path was taken down.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string>

#include "common/mutex.h"
#include "tests/load/content.h"

namespace cairn::load {

class Board {
 public:
  struct Posted {
    std::string path;
    FileContent content;
    uint64_t least_bytes = 0;  // acknowledged
  };

  // Of the same path again: more is acknowledged.
  void Post(const Posted& file) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    files_[file.path] = file;
  }
  // Before the file is renamed, deleted or rewritten, and never put back: nobody can tell from
  // then on.
  void TakeDown(const std::string& path) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    files_.erase(path);
  }
  // The file itself, or what is below a directory.
  void TakeDownTree(const std::string& path) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    files_.erase(path);
    const std::string below = path + "/";
    auto at = files_.lower_bound(below);
    while (at != files_.end() && at->first.compare(0, below.size(), below) == 0) {
      at = files_.erase(at);
    }
  }

  std::optional<Posted> Find(const std::string& path) const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    const auto found = files_.find(path);
    if (found == files_.end()) return std::nullopt;
    return found->second;
  }
  // One of them, as `draw` says; nullopt: there is none.
  std::optional<Posted> Pick(uint64_t draw) const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (files_.empty()) return std::nullopt;
    return std::next(files_.begin(), static_cast<std::ptrdiff_t>(draw % files_.size()))->second;
  }

 private:
  mutable Mutex mu_;
  std::map<std::string, Posted> files_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::load
