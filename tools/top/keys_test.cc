#include "tools/top/keys.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "common/check.h"

namespace cairn::tools {
namespace {

class KeysTest : public testing::Test {
 protected:
  KeysTest() { CHECK_EQ(::openpty(&keyboard_, &terminal_, nullptr, nullptr, nullptr), 0); }
  ~KeysTest() override {
    HangUp();
    ::close(terminal_);
  }
  void HangUp() {
    if (keyboard_ >= 0) ::close(keyboard_);
    keyboard_ = -1;
  }
  void Press(char key) { CHECK_EQ(::write(keyboard_, &key, 1), 1); }
  bool Echoes() const {
    termios now{};
    CHECK_EQ(::tcgetattr(terminal_, &now), 0);
    return (now.c_lflag & ECHO) != 0 && (now.c_lflag & ICANON) != 0;
  }

  int keyboard_ = -1, terminal_ = -1;
};

TEST_F(KeysTest, OneKeyIsEnoughAndTheTerminalIsAsBeforeAfterwards) {
  EXPECT_TRUE(Echoes());
  {
    Keys keys(terminal_);
    EXPECT_FALSE(Echoes());
    Press('x');
    EXPECT_FALSE(keys.QuitWithin(absl::Milliseconds(1)));
    Press('q');
    EXPECT_TRUE(keys.QuitWithin(absl::Hours(1)));
  }
  EXPECT_TRUE(Echoes());
}

TEST_F(KeysTest, ASignalThatEndsTheProcessLeavesTheTerminalAsItWas) {
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) {
    const pid_t child = ::fork();
    if (child == 0) {
      const Keys keys(terminal_);
      if (!Echoes()) ::raise(signal);
      ::_exit(0);
    }
    int status = 0;
    CHECK_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << signal << ": " << status;
    EXPECT_TRUE(Echoes()) << signal;
  }
}

// Else the caller's loop would run without a pause.
TEST_F(KeysTest, WithoutATerminalTheTimePassesAllTheSame) {
  constexpr absl::Duration kTime = absl::Milliseconds(20);
  const auto passes = [&](Keys& keys) {
    const auto began = std::chrono::steady_clock::now();
    EXPECT_FALSE(keys.QuitWithin(kTime));
    return std::chrono::steady_clock::now() - began >= absl::ToChronoMilliseconds(kTime);
  };
  Keys keys(terminal_);
  HangUp();
  EXPECT_TRUE(passes(keys));
  EXPECT_TRUE(passes(keys));
}

TEST_F(KeysTest, WhatIsNoTerminalHasNoKeys) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "q", 1), 1);
  Keys keys(ends[0]);
  EXPECT_FALSE(keys.QuitWithin(absl::Milliseconds(1)));
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace cairn::tools
