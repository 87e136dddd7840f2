// Opening for reading in the background. Hadoop's own HDFS client opens in the call that builds the
// future; here a thread does, so that a program can open many files at once.
#include <chrono>
#include <memory>
#include <new>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "common/thread.h"
#include "hdfs/hdfs.h"
#include "libhdfs/call.h"
#include "libhdfs/errno.h"
#include "libhdfs/open.h"
#include "libhdfs/open_file.h"

using namespace cairn::libhdfs;  // NOLINT: the names of C stand outside of it
using cairn::CondVar;
using cairn::Mutex;
using cairn::MutexLock;

namespace {

// What the thread that opens and the holder of the future share.
class Opening {
 public:
  void Finish(absl::StatusOr<hdfsFile> result) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (done_) {  // cancelled, or nobody waits any more
      if (result.ok()) Files().Remove(*result);
      return;
    }
    done_ = true;
    result_ = std::move(result);
    ended_.NotifyAll();
  }

  absl::StatusOr<hdfsFile> Get(absl::Duration patience) ABSL_LOCKS_EXCLUDED(mu_) {
    const absl::Time until = absl::Now() + patience;
    MutexLock lock(mu_);
    while (!done_) {
      // In slices, as a standard wait cannot take the longest times.
      const absl::Duration left = std::min(until - absl::Now(), absl::Hours(1));
      if (left <= absl::ZeroDuration()) return WithErrno(ETIMEDOUT, "the file is not open yet");
      ended_.WaitFor(mu_, absl::ToChronoNanoseconds(left));
    }
    taken_ = result_.ok();
    return result_;
  }

  bool Cancel() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (done_) return false;
    done_ = true;
    ended_.NotifyAll();
    return true;
  }

  // The holder is gone: what he did not take is closed.
  void Abandon() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (done_ && result_.ok() && !taken_) Files().Remove(*result_);
    done_ = true;
  }

 private:
  Mutex mu_;
  CondVar ended_;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  bool taken_ ABSL_GUARDED_BY(mu_) = false;
  absl::StatusOr<hdfsFile> result_ ABSL_GUARDED_BY(mu_) =
      absl::CancelledError("the opening was cancelled");
};

absl::Duration ToDuration(int64_t count, javaConcurrentTimeUnit unit) {
  switch (unit) {
    case jNanoseconds:
      return absl::Nanoseconds(count);
    case jMicroseconds:
      return absl::Microseconds(count);
    case jMilliseconds:
      return absl::Milliseconds(count);
    case jSeconds:
      return absl::Seconds(count);
    case jMinutes:
      return absl::Minutes(count);
    case jHours:
      return absl::Hours(count);
    case jDays:
      return count * absl::Hours(24);
  }
  return absl::ZeroDuration();
}

}  // namespace

struct hdfsOpenFileBuilder {
  hdfsFS fs = nullptr;
  std::string path;
  std::string unknown;  // an option that had to be known
};

struct hdfsOpenFileFuture {
  std::shared_ptr<Opening> opening;
};

hdfsOpenFileBuilder* hdfsOpenFileBuilderAlloc(hdfsFS fs, const char* path) {
  return Call("hdfsOpenFileBuilderAlloc", static_cast<hdfsOpenFileBuilder*>(nullptr),
              [&]() -> absl::StatusOr<hdfsOpenFileBuilder*> {
                if (path == nullptr) return absl::InvalidArgumentError("the path is NULL");
                return new hdfsOpenFileBuilder{.fs = fs, .path = path};
              });
}

void hdfsOpenFileBuilderFree(hdfsOpenFileBuilder* builder) { delete builder; }

hdfsOpenFileBuilder* hdfsOpenFileBuilderMust(hdfsOpenFileBuilder* builder, const char* key,
                                             const char* value) {
  return Call("hdfsOpenFileBuilderMust", static_cast<hdfsOpenFileBuilder*>(nullptr),
              [&]() -> absl::StatusOr<hdfsOpenFileBuilder*> {
                if (builder == nullptr || key == nullptr || value == nullptr) {
                  return absl::InvalidArgumentError("builder, key or value is NULL");
                }
                if (!absl::StartsWith(key, "fs.option.openfile.")) builder->unknown = key;
                return builder;
              });
}

hdfsOpenFileBuilder* hdfsOpenFileBuilderOpt(hdfsOpenFileBuilder* builder, const char* key,
                                            const char* value) {
  return Call("hdfsOpenFileBuilderOpt", static_cast<hdfsOpenFileBuilder*>(nullptr),
              [&]() -> absl::StatusOr<hdfsOpenFileBuilder*> {
                if (builder == nullptr || key == nullptr || value == nullptr) {
                  return absl::InvalidArgumentError("builder, key or value is NULL");
                }
                return builder;
              });
}

hdfsOpenFileFuture* hdfsOpenFileBuilderBuild(hdfsOpenFileBuilder* builder) {
  const std::unique_ptr<hdfsOpenFileBuilder> owned(builder);
  return Call("hdfsOpenFileBuilderBuild", static_cast<hdfsOpenFileFuture*>(nullptr),
              [&]() -> absl::StatusOr<hdfsOpenFileFuture*> {
                if (builder == nullptr) return absl::InvalidArgumentError("the builder is NULL");
                if (!builder->unknown.empty()) {
                  return absl::InvalidArgumentError(
                      absl::StrCat(builder->path, ": unknown option ", builder->unknown));
                }
                RETURN_IF_ERROR(Locate(builder->fs, builder->path.c_str()).status());
                std::unique_ptr<hdfsOpenFileFuture> future(
                    new hdfsOpenFileFuture{std::make_shared<Opening>()});
                std::thread([opening = future->opening, fs = builder->fs, path = builder->path] {
                  cairn::SetThreadName("hdfs-open");
                  try {
                    opening->Finish(OpenPath(fs, path.c_str(), {}));
                  } catch (const std::bad_alloc&) {
                    opening->Finish(WithErrno(ENOMEM, ""));
                  }
                }).detach();
                return future.release();
              });
}

hdfsFile hdfsOpenFileFutureGetWithTimeout(hdfsOpenFileFuture* future, int64_t timeout,
                                          javaConcurrentTimeUnit timeUnit) {
  return Call("hdfsOpenFileFutureGetWithTimeout", hdfsFile{}, [&]() -> absl::StatusOr<hdfsFile> {
    if (future == nullptr) return absl::InvalidArgumentError("the future is NULL");
    return future->opening->Get(ToDuration(timeout, timeUnit));
  });
}

hdfsFile hdfsOpenFileFutureGet(hdfsOpenFileFuture* future) {
  return Call("hdfsOpenFileFutureGet", hdfsFile{}, [&]() -> absl::StatusOr<hdfsFile> {
    if (future == nullptr) return absl::InvalidArgumentError("the future is NULL");
    return future->opening->Get(absl::InfiniteDuration());
  });
}

int hdfsOpenFileFutureCancel(hdfsOpenFileFuture* future, int /*mayInterruptIfRunning*/) {
  return Call("hdfsOpenFileFutureCancel", -1, [&]() -> absl::StatusOr<int> {
    if (future == nullptr) return absl::InvalidArgumentError("the future is NULL");
    if (!future->opening->Cancel()) return WithErrno(EBUSY, "the opening has ended already");
    return 0;
  });
}

void hdfsOpenFileFutureFree(hdfsOpenFileFuture* future) {
  if (future != nullptr) future->opening->Abandon();
  delete future;
}
