// datanode/volume/watched_file_system.h - another file system, and which of its calls have not
// returned yet: a disk that hangs gives no error, its calls never end.
//
// Passes everything on. Reads that go by a File's descriptor (sendfile, RWF_NOWAIT) are not seen;
// they are of bytes that are in the page cache. Thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/clock.h"
#include "common/io/file_system.h"
#include "common/mutex.h"

namespace cairn::datanode {

// The calls that are under way, oldest first. A Call lives on the stack of whoever makes it, so
// that keeping the list costs no memory.
class CallWatch {
 public:
  explicit CallWatch(Clock& clock) : clock_(clock) {}
  CallWatch(const CallWatch&) = delete;
  CallWatch& operator=(const CallWatch&) = delete;

  class Call {
   public:
    Call(CallWatch& watch, const char* name);  // `name` is a literal
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

   private:
    friend class CallWatch;
    CallWatch& watch_;
    const char* const name_;
    absl::Duration began_;
    Call* before_ = nullptr;
    Call* after_ = nullptr;
  };

  struct Waiting {
    const char* name;
    absl::Duration since;  // how long it has been under way
  };
  // The call that has been under way for longest; nullopt: none is.
  std::optional<Waiting> Oldest() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  Clock& clock_;
  mutable Mutex mu_;  // a leaf
  Call* oldest_ ABSL_GUARDED_BY(mu_) = nullptr;
  Call* newest_ ABSL_GUARDED_BY(mu_) = nullptr;
};

class WatchedFileSystem final : public FileSystem {
 public:
  // Both outlive this and its files.
  explicit WatchedFileSystem(FileSystem& files, Clock& clock = SystemClock())
      : files_(files), calls_(std::make_shared<CallWatch>(clock)) {}

  std::optional<CallWatch::Waiting> OldestCall() const { return calls_->Oldest(); }

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                             const OpenOptions& options) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Link(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status MakeDirectory(const std::string& path) override;
  absl::Status RemoveDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override;
  bool Exists(const std::string& path) override;
  bool IsDirectory(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& directory) override;
  absl::StatusOr<SpaceInfo> Space(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<File>> Lock(const std::string& path) override;

 private:
  FileSystem& files_;
  const std::shared_ptr<CallWatch> calls_;  // shared with the files
};

}  // namespace cairn::datanode
