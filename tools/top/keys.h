// tools/top/keys.h - single keys from a terminal, while something is shown on it.
//
// The terminal is switched to a mode in which one key is enough and none is shown. It is as it was
// before once this is gone, and also when SIGHUP, SIGINT, SIGQUIT or SIGTERM ends the process: a
// shell without echo would be left otherwise.
//
// Threads: one. At most one at a time in a process: signals find it in a global variable.
#pragma once

#include <signal.h>
#include <termios.h>

#include <array>

#include "absl/time/time.h"

namespace cairn::tools {

class Keys {
 public:
  // `fd` is a terminal, or not: then there are no keys.
  explicit Keys(int fd);
  ~Keys();
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;

  // True: q was pressed within that time. False: after that time, not before; also when the
  // terminal has gone.
  bool QuitWithin(absl::Duration time);

 private:
  static constexpr std::array kDeadly = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

  const int fd_;
  bool works_;  // it can be read
  const bool switched_;
  std::array<struct sigaction, kDeadly.size()> old_actions_{};
};

}  // namespace cairn::tools
