#include "common/daemon.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/check.h"
#include "common/descriptors.h"
#include "common/io/file_system.h"
#include "common/logging.h"
#include "common/mutex.h"
#include "common/out_of_memory.h"
#include "common/protobuf_log.h"
#include "common/status_macros.h"
#include "common/thread.h"

namespace cairn {
namespace {

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Waits for the two signals on a thread of its own, so that the second one works whatever the main
// thread is doing. Never destroyed: the thread waits for ever.
class SignalWatch {
 public:
  SignalWatch() {
    const sigset_t signals = StopSignals();
    CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
    std::thread([this] { Watch(); }).detach();
  }

  int WaitForFirst() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    while (first_ == 0) changed_.Wait(mu_);
    return first_;
  }

 private:
  void Watch() ABSL_LOCKS_EXCLUDED(mu_) {
    SetThreadName("signals");
    const sigset_t signals = StopSignals();
    while (true) {
      int signal = 0;
      if (sigwait(&signals, &signal) != 0) continue;
      MutexLock lock(mu_);
      if (first_ != 0) ::_exit(1);  // somebody is tired of waiting for the drain
      first_ = signal;
      changed_.NotifyAll();
    }
  }

  Mutex mu_;
  CondVar changed_;
  int first_ ABSL_GUARDED_BY(mu_) = 0;
};

absl::Status WriteIfWanted(const std::string& path, const std::string& contents) {
  if (path.empty()) return absl::OkStatus();
  return PosixFileSystem().WriteDurably(path, contents);
}

void RemoveIfWanted(const std::string& path) {
  if (path.empty()) return;
  PosixFileSystem().Remove(path).IgnoreError();  // a stale one is overwritten by the next start
}

absl::Status AnnounceReady(const DaemonOptions& options, const DaemonFacts& facts) {
  std::string line = absl::StrCat("ready ", options.name);
  std::string lines;
  for (const auto& [key, value] : facts) {
    absl::StrAppend(&line, " ", key, "=", value);
    absl::StrAppend(&lines, key, "=", value, "\n");
  }
  RETURN_IF_ERROR(WriteIfWanted(options.port_file, lines));
  LOG_INFO("{}", line);
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);  // nobody may be reading any more: no reason to stop serving
  return absl::OkStatus();
}

absl::Status Live(const DaemonOptions& options, SignalWatch& watch,
                  const std::function<absl::StatusOr<DaemonFacts>()>& start,
                  const std::function<absl::Status()>& drain) {
  RemoveIfWanted(options.port_file);  // of an earlier life: it would announce the wrong ports
  RETURN_IF_ERROR(WriteIfWanted(options.pid_file, absl::StrCat(::getpid(), "\n")));
  ASSIGN_OR_RETURN(const DaemonFacts facts, start());
  const absl::Status announced = AnnounceReady(options, facts);
  if (announced.ok()) {
    const int signal = watch.WaitForFirst();
    LOG_INFO("{}: stopping on {}", options.name, signal == SIGTERM ? "SIGTERM" : "SIGINT");
  }
  const absl::Status drained = drain();
  return announced.ok() ? drained : announced;
}

}  // namespace

absl::Status InitDaemonLogging(const Config& config, const std::string& program) {
  LoggingOptions options;
  options.program = program;
  ASSIGN_OR_RETURN(const std::string level, config.GetString("cairn.log.level"));
  const absl::StatusOr<LogLevel> parsed = ParseLogLevel(level);
  if (!parsed.ok()) return config.Reject("cairn.log.level", parsed.status().message());
  options.level = *parsed;
  ASSIGN_OR_RETURN(options.file, config.GetString("cairn.log.file"));
  LogProtobufErrors();
  SayWhenOutOfMemory();
  const absl::Status opened = InitLogging(options);
  if (opened.ok()) return opened;
  return {opened.code(), config.Reject("cairn.log.file", opened.message()).message()};
}

int RunDaemon(const DaemonOptions& options,
              const std::function<absl::StatusOr<DaemonFacts>()>& start,
              const std::function<absl::Status()>& drain) {
  ::signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();
  // Debian's Abseil looks for deadlocks at every lock, and gRPC locks with it: a tenth of a
  // heartbeat's cost. Our own locks are not Abseil's.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  static SignalWatch* const watch = new SignalWatch;
  // The files go last: whoever sees them gone finds the reason in the log.
  const absl::Cleanup remove_files = [&options] {
    RemoveIfWanted(options.port_file);
    RemoveIfWanted(options.pid_file);
  };
  const absl::Status status = Live(options, *watch, start, drain);
  if (!status.ok()) {
    LOG_ERROR("{}: {}", options.name, status);
    if (LogGoesToFile()) {  // whoever started it looks here first
      std::fprintf(stderr, "%s: %s\n", options.name.c_str(), status.ToString().c_str());
    }
    return 1;
  }
  LOG_INFO("{}: stopped", options.name);
  return 0;
}

}  // namespace cairn
