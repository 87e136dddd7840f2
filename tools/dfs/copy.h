// tools/dfs/copy.h - copying files and trees between volumes, as -put, -get and -cp do.
//
// A file is written under NAME._COPYING_ and renamed when complete, so that nobody sees half of it
// under its name, and one that it replaces is there until then. Directories are made before what is
// in them. With several threads, each copies whole files; the tree is walked by the caller's
// thread. Errors of single files are reported to the shell and the copy goes on.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tools/dfs/progress.h"
#include "tools/dfs/shell.h"

namespace cairn::tools {

struct CopyOptions {
  bool overwrite = false;     // -f
  bool direct = false;        // -d: no temporary name
  bool lazy_persist = false;  // -l
  bool keep_times = false;    // -p
  bool keep_owner = false;
  bool keep_mode = false;
  bool keep_acl = false;  // of those that have one; with the mode
  bool keep_xattrs = false;
  bool delete_source = false;  // moveFromLocal: each file when it is copied, each directory last
  int threads = 1;
};

// The options of -f -p -d -l -t, already taken by `shell`. Usage status: a bad thread count.
absl::StatusOr<CopyOptions> ToCopyOptions(const Shell& shell);

// Takes the last argument as destination and checks it against the number of sources.
absl::StatusOr<PathItem> TakeDestination(Shell& shell, std::vector<std::string>& sources);
absl::Status CheckDestination(const PathItem& destination, size_t sources, bool overwrite);

class Copier {
 public:
  Copier(Shell& shell, CopyOptions options);
  ~Copier();  // waits

  // Copies `source` to `target` if that does not exist, or into it if it is a directory.
  absl::Status Copy(const PathItem& source, const PathItem& destination);
  // From a stream without a name, to exactly `target`.
  absl::Status CopyStream(Reader& reader, const PathItem& target);
  // Waits for the threads' files, and finishes the directories they are in.
  void Finish();

 private:
  absl::Status CopyItem(const PathItem& source, const PathItem& target);
  absl::Status CopyTree(const PathItem& source, PathItem target);
  // Once all that is in it has been copied.
  absl::Status FinishTree(const PathItem& source, const PathItem& target);
  absl::Status CopyFile(const PathItem& source, const PathItem& target);
  // Gives what was written as `written` the name of `target`.
  absl::Status Publish(const std::string& written, const PathItem& target);
  absl::Status KeepAttributes(const PathItem& source, const PathItem& target);
  absl::Status KeepAcl(const PathItem& source, const PathItem& target);
  absl::Status KeepXattrs(const PathItem& source, const PathItem& target);
  void Submit(std::function<absl::Status()> job) ABSL_LOCKS_EXCLUDED(mu_);
  void Work() ABSL_LOCKS_EXCLUDED(mu_);

  Shell& shell_;
  const CopyOptions options_;
  Progress progress_;
  Mutex mu_;
  CondVar changed_;
  bool finishing_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<std::function<absl::Status()>> jobs_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_;
  // With threads: directories that are finished at the end, what is in them first. Of who calls.
  std::vector<std::pair<PathItem, PathItem>> directories_;
};

}  // namespace cairn::tools
