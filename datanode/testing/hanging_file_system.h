// datanode/testing/hanging_file_system.h - a disk whose calls do not return, and give no error.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/mutex.h"
#include "common/testing/wrapped_file_system.h"

namespace cairn::datanode::testing {

// What lies below one directory of the machine's file system hangs while it is told to: to open
// files, to list directories and to ask for space.
class HangingFileSystem final : public FileSystemWrapper {
 public:
  explicit HangingFileSystem(std::string directory) : directory_(std::move(directory)) {}

  void Hang(bool hangs) {
    MutexLock lock(mu_);
    hangs_ = hangs;
    released_.NotifyAll();
  }
  int waiting() const { return waiting_.load(); }

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                             const OpenOptions& options) override {
    Wait(path);
    return FileSystemWrapper::Open(path, options);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    Wait(directory);
    return FileSystemWrapper::List(directory);
  }
  absl::StatusOr<SpaceInfo> Space(const std::string& path) override {
    Wait(path);
    return FileSystemWrapper::Space(path);
  }

 private:
  void Wait(const std::string& path) {
    if (path.rfind(directory_, 0) != 0) return;
    MutexLock lock(mu_);
    ++waiting_;
    while (hangs_) released_.Wait(mu_);
    --waiting_;
  }

  const std::string directory_;
  std::atomic<int> waiting_{0};
  Mutex mu_;
  CondVar released_;
  bool hangs_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cairn::datanode::testing
