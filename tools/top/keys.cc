#include "tools/top/keys.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "absl/time/clock.h"

namespace cairn::tools {
namespace {

// What the handler restores. Written while it cannot run.
int terminal = -1;
termios before;

// Only what a signal handler may call. The signal is given to its default action afterwards, so
// that whoever waits for the process sees what ended it.
void RestoreAndDie(int signal) {
  const int fd = terminal;
  if (fd >= 0) ::tcsetattr(fd, TCSANOW, &before);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

Keys::Keys(int fd) : fd_(fd), works_(::tcgetattr(fd, &before) == 0), switched_(works_) {
  if (!switched_) return;
  terminal = fd;
  struct sigaction action {};
  action.sa_handler = &RestoreAndDie;
  for (size_t i = 0; i < kDeadly.size(); ++i) {
    ::sigaction(kDeadly[i], nullptr, &old_actions_[i]);
    // What is ignored (nohup) stays so.
    if (old_actions_[i].sa_handler != SIG_IGN) ::sigaction(kDeadly[i], &action, nullptr);
  }
  termios raw = before;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  ::tcsetattr(fd, TCSANOW, &raw);
}

Keys::~Keys() {
  if (!switched_) return;
  ::tcsetattr(fd_, TCSANOW, &before);
  for (size_t i = 0; i < kDeadly.size(); ++i) {
    ::sigaction(kDeadly[i], &old_actions_[i], nullptr);
  }
  terminal = -1;
}

bool Keys::QuitWithin(absl::Duration time) {
  const absl::Time until = absl::Now() + time;
  while (works_) {
    const auto left =
        absl::ToInt64Milliseconds(absl::Ceil(until - absl::Now(), absl::Milliseconds(1)));
    if (left <= 0) return false;
    pollfd input{.fd = fd_, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&input, 1, static_cast<int>(left));
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    char key = 0;
    // It does not end any more: without this the caller would be back at once, again and again.
    if (ready < 0 || ::read(fd_, &key, 1) <= 0) works_ = false;
    if (key == 'q' || key == 'Q') return true;
  }
  absl::SleepFor(until - absl::Now());
  return false;
}

}  // namespace cairn::tools
