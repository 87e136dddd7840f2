#include "fuse/session.h"

#include <pthread.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/logging.h"
#include "fuse/ops/ops.h"

namespace cairn::fuse {
namespace {

constexpr char kType[] = "fuse.cairn";

sigset_t EndingSignals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  return set;
}

// Whether our kind of file system is mounted there.
bool IsOurMount(const std::string& mountpoint) {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string text; std::getline(mounts, text);) {
    const std::vector<std::string> fields = absl::StrSplit(text, ' ');
    if (fields.size() < 3 || fields[2] != kType) continue;
    const std::string place = absl::StrReplaceAll(
        fields[1], {{"\\040", " "}, {"\\011", "\t"}, {"\\012", "\n"}, {"\\134", "\\"}});
    if (place == mountpoint) return true;
  }
  return false;
}

// Who is not root needs fusermount3 for it.
void TakeAway(const std::string& mountpoint) {
  if (::umount2(mountpoint.c_str(), MNT_DETACH) == 0) return;
  std::string words[] = {"fusermount3", "-u", "-z", "-q", "--", mountpoint};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(),
                       words[4].data(), words[5].data(), nullptr};
  pid_t child = 0;
  if (::posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments, environ) != 0) return;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
}

void TakeAwayDeadMount(const std::string& mountpoint) {
  struct stat info {};
  if (::stat(mountpoint.c_str(), &info) == 0 || errno != ENOTCONN || !IsOurMount(mountpoint)) {
    return;
  }
  LOG_INFO("{}: taking away what a mount that was killed left there", mountpoint);
  TakeAway(mountpoint);
}

// Commas and backslashes of a value have a meaning to libfuse.
std::string Quoted(absl::string_view value) {
  return absl::StrReplaceAll(value, {{"\\", "\\\\"}, {",", "\\,"}});
}

struct Destroy {
  void operator()(fuse_session* session) const { fuse_session_destroy(session); }
};
using SessionPtr = std::unique_ptr<fuse_session, Destroy>;

SessionPtr NewSession(const CommandLine& line, Mount& mount) {
  std::string options =
      absl::StrCat("-ofsname=", Quoted(line.source), ",subtype=", kType + sizeof("fuse.") - 1);
  for (const std::string& option : line.kernel_options) absl::StrAppend(&options, ",", option);
  fuse_args arguments = FUSE_ARGS_INIT(0, nullptr);
  fuse_opt_add_arg(&arguments, "cairn-fuse");
  fuse_opt_add_arg(&arguments, options.c_str());
  if (line.debug) fuse_opt_add_arg(&arguments, "-d");
  const fuse_lowlevel_ops operations = OperationsOf(mount.settings());
  SessionPtr session(fuse_session_new(&arguments, &operations, sizeof(operations), &mount));
  fuse_opt_free_args(&arguments);
  return session;
}

int Loop(fuse_session* session, unsigned int max_threads) {
  fuse_loop_config* const config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_clone_fd(config, 0);
  fuse_loop_cfg_set_max_threads(config, max_threads);
  fuse_loop_cfg_set_idle_threads(config, max_threads);
  const sigset_t ending = EndingSignals();
  ::pthread_sigmask(SIG_UNBLOCK, &ending, nullptr);
  const int result = fuse_session_loop_mt(session, config);
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  fuse_loop_cfg_destroy(config);
  return result;
}

}  // namespace

void HoldEndingSignals() {
  const sigset_t ending = EndingSignals();
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);
}

absl::Status RunSession(const CommandLine& line, Mount& mount, const std::function<void()>& ready) {
  if (::access("/dev/fuse", F_OK) != 0) {
    return absl::UnavailableError("there is no /dev/fuse: the kernel's module fuse is not loaded");
  }
  TakeAwayDeadMount(line.mountpoint);
  const SessionPtr session = NewSession(line, mount);
  if (session == nullptr) return absl::FailedPreconditionError("not mounted");
  struct MountSession {  // ends before the session does
    ~MountSession() { mount.EndSession(); }
    Mount& mount;
  } in_session{mount};
  mount.BeginSession(session.get());
  if (fuse_set_signal_handlers(session.get()) != 0) {
    return absl::FailedPreconditionError("the signals cannot be handled");
  }
  if (fuse_session_mount(session.get(), line.mountpoint.c_str()) != 0) {
    fuse_remove_signal_handlers(session.get());
    return absl::FailedPreconditionError(absl::StrCat(line.mountpoint, ": not mounted"));
  }
  ready();
  const int result = Loop(session.get(), line.max_threads);
  // First the mount: who is still in a call gets ENOTCONN instead of waiting for the rest.
  fuse_session_unmount(session.get());
  absl::Status completed;
  if (const auto fs = mount.ClientOf(mount.settings().mounter); fs.ok()) {
    completed = mount.files().CloseAll(**fs);
  }
  fuse_remove_signal_handlers(session.get());
  LOG_INFO("{}: unmounted", line.mountpoint);
  if (result < 0) return absl::ErrnoToStatus(-result, absl::StrCat(line.mountpoint, ": FUSE"));
  return completed;
}

}  // namespace cairn::fuse
