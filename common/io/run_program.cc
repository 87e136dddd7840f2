#include "common/io/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/clock.h"
#include "common/io/read_some.h"
#include "common/status_macros.h"

namespace cairn {
namespace {

constexpr size_t kKeptErrorBytes = 512;  // the end of what it says on standard error

absl::Status Failed(absl::string_view what, int error) {
  const std::string message = absl::StrCat(what, ": ", std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(message);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(message);
  if (error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN) {
    return absl::ResourceExhaustedError(message);
  }
  return absl::InternalError(message);
}

// Both ends are closed on exec; the child gets copies.
struct Pipe {
  int read = -1, write = -1;
  ~Pipe() {
    CloseRead();
    CloseWrite();
  }
  bool Open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read = ends[0];
    write = ends[1];
    return true;
  }
  void CloseRead() {
    if (read >= 0) ::close(read);
    read = -1;
  }
  void CloseWrite() {
    if (write >= 0) ::close(write);
    write = -1;
  }
};

// 0, or an errno.
int Spawn(const ProgramCall& call, const Pipe& out, const Pipe& err, pid_t* child) {
  std::vector<char*> arguments;
  for (const std::string& argument : call.arguments) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&attributes);
  const absl::Cleanup destroy = [&] {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
  };
  ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, out.write, 1);
  ::posix_spawn_file_actions_adddup2(&files, err.write, 2);
  // Sockets, above all: a program that outlives us must not keep our ports.
  ::posix_spawn_file_actions_addclosefrom_np(&files, 3);
  // Our threads block the signals that end us; the program is to have none of that.
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  return ::posix_spawn(child, arguments[0], &files, &attributes, arguments.data(), environ);
}

// Reads what the program has printed there, if anything, and closes the pipe at its end.
absl::Status Take(const ProgramCall& call, const pollfd& polled, Pipe& pipe, std::string* to) {
  if (polled.revents == 0) return absl::OkStatus();
  const absl::StatusOr<bool> more = ReadSome(pipe.read, to);
  if (!more.ok()) {
    return absl::Status(more.status().code(),
                        absl::StrCat(call.arguments[0],
                                     ": what it prints cannot be read: ", more.status().message()));
  }
  if (!*more) pipe.CloseRead();
  return absl::OkStatus();
}

// Until both are closed, or a limit is reached. `deadline` is of SystemClock().Monotonic().
absl::Status Collect(const ProgramCall& call, absl::Duration deadline, Pipe& out, Pipe& err,
                     std::string* output, std::string* errors) {
  while (out.read >= 0 || err.read >= 0) {
    const absl::Duration left = deadline - SystemClock().Monotonic();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(absl::StrCat(call.arguments[0], ": not done within ",
                                                      absl::FormatDuration(call.time_limit)));
    }
    pollfd polled[2] = {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}};  // -1 is passed over
    const int64_t millis = std::min<int64_t>(absl::ToInt64Milliseconds(left) + 1, 1000);
    ::poll(polled, 2, static_cast<int>(millis));
    RETURN_IF_ERROR(Take(call, polled[0], out, output));
    RETURN_IF_ERROR(Take(call, polled[1], err, errors));
    if (output->size() > call.output_limit_bytes) {
      return absl::ResourceExhaustedError(absl::StrCat(call.arguments[0], ": it printed more than ",
                                                       call.output_limit_bytes, " bytes"));
    }
    if (errors->size() > 2 * kKeptErrorBytes) errors->erase(0, errors->size() - kKeptErrorBytes);
  }
  return absl::OkStatus();
}

// A program may close its output and go on.
absl::StatusOr<int> AwaitEnd(const ProgramCall& call, absl::Duration deadline, pid_t child) {
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) return Failed(call.arguments[0], errno);
    if (SystemClock().Monotonic() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(call.arguments[0], ": not done within ",
                                                      absl::FormatDuration(call.time_limit)));
    }
    absl::SleepFor(absl::Milliseconds(1));
  }
}

void KillAndReap(pid_t child) {
  ::kill(-child, SIGKILL);  // the whole group: a script's own children too
  ::kill(child, SIGKILL);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

absl::StatusOr<std::string> RunProgram(const ProgramCall& call) {
  if (call.arguments.empty()) return absl::InvalidArgumentError("no program is named");
  const absl::Duration deadline = SystemClock().Monotonic() + call.time_limit;
  Pipe out, err;
  if (!out.Open() || !err.Open()) return Failed(call.arguments[0], errno);
  pid_t child = 0;
  if (const int error = Spawn(call, out, err, &child); error != 0) {
    return Failed(call.arguments[0], error);
  }
  out.CloseWrite();
  err.CloseWrite();
  std::string output, errors;
  if (absl::Status status = Collect(call, deadline, out, err, &output, &errors); !status.ok()) {
    KillAndReap(child);
    return status;
  }
  const absl::StatusOr<int> ended = AwaitEnd(call, deadline, child);
  if (!ended.ok()) {
    KillAndReap(child);
    return ended.status();
  }
  if (WIFEXITED(*ended) && WEXITSTATUS(*ended) == 0) return output;
  const std::string how = WIFEXITED(*ended) ? absl::StrCat("exit status ", WEXITSTATUS(*ended))
                                            : absl::StrCat("killed by signal ", WTERMSIG(*ended));
  if (errors.size() > kKeptErrorBytes) errors.erase(0, errors.size() - kKeptErrorBytes);
  const absl::string_view said = absl::StripAsciiWhitespace(errors);
  return absl::FailedPreconditionError(
      absl::StrCat(call.arguments[0], ": ", how, said.empty() ? "" : ": ", said));
}

}  // namespace cairn
