#include "common/daemon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/descriptors.h"
#include "common/io/file_system.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn {
namespace {

using Start = std::function<absl::StatusOr<DaemonFacts>()>;
using Drain = std::function<absl::Status()>;

// RunDaemon in a process of its own. This program has one thread, so it may fork.
class DaemonTest : public testing::Test {
 protected:
  DaemonTest() { CHECK(pipe(output_) == 0); }
  ~DaemonTest() override {
    close(output_[0]);
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
  }

  void Run(const Start& start, const Drain& drain) {
    child_ = fork();
    ASSERT_GE(child_, 0);
    if (child_ == 0) {
      dup2(output_[1], STDOUT_FILENO);
      _exit(RunDaemon(
          {.name = "tester", .pid_file = dir_.Path("pid"), .port_file = dir_.Path("port")}, start,
          drain));
    }
    close(output_[1]);
  }
  std::string ReadLine() {
    std::string line;
    char c = 0;
    while (read(output_[0], &c, 1) == 1 && c != '\n') line.push_back(c);
    return line;
  }
  // The exit code; 1000 + the signal when one ended it.
  int Wait() {
    int status = 0;
    CHECK(waitpid(child_, &status, 0) == child_);
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }
  std::string Get(absl::string_view name) {
    return PosixFileSystem().ReadAll(dir_.Path(name), 1000).value_or("(none)");
  }
  // For the child, to tell us how far it got.
  void Touch(absl::string_view name) {
    CHECK_OK(PosixFileSystem().WriteDurably(dir_.Path(name), ""));
  }
  bool Touched(absl::string_view name) { return PosixFileSystem().Exists(dir_.Path(name)); }

  TempDir dir_;
  int output_[2];
  pid_t child_ = -1;
};

DaemonFacts Facts() { return {{"rpc", "8020"}, {"http", "9870"}}; }

TEST_F(DaemonTest, TellsWhenItServesAndExitsZeroAfterItsDrain) {
  Run([] { return Facts(); }, [this] { return Touch("drained"), absl::OkStatus(); });
  EXPECT_EQ(ReadLine(), "ready tester rpc=8020 http=9870");
  EXPECT_EQ(Get("port"), "rpc=8020\nhttp=9870\n");
  EXPECT_EQ(Get("pid"), absl::StrCat(child_, "\n"));
  EXPECT_FALSE(Touched("drained"));
  kill(child_, SIGTERM);
  EXPECT_EQ(Wait(), 0);
  EXPECT_TRUE(Touched("drained"));
  EXPECT_EQ(Get("pid"), "(none)");
  EXPECT_EQ(Get("port"), "(none)");
}

TEST_F(DaemonTest, SecondSignalEndsItAtOnce) {
  Run([] { return Facts(); },
      [this]() -> absl::Status {
        Touch("draining");
        while (true) pause();
      });
  ReadLine();
  kill(child_, SIGINT);
  EVENTUALLY(Touched("draining"));
  kill(child_, SIGTERM);
  EXPECT_EQ(Wait(), 1);
}

TEST_F(DaemonTest, FailedStartExitsOneAndSaysNothingOfReady) {
  Run([]() -> absl::StatusOr<DaemonFacts> { return absl::FailedPreconditionError("locked"); },
      [] { return absl::OkStatus(); });
  EXPECT_EQ(Wait(), 1);
  EXPECT_EQ(ReadLine(), "");
  EXPECT_EQ(Get("pid"), "(none)");
}

TEST_F(DaemonTest, FailedDrainExitsOne) {
  Run([] { return Facts(); }, [] { return absl::DataLossError("journal"); });
  ReadLine();
  kill(child_, SIGTERM);
  EXPECT_EQ(Wait(), 1);
}

TEST_F(DaemonTest, SignalDuringTheStartTakesEffectAfterIt) {
  Run(
      [this] {
        Touch("starting");
        CHECK(Eventually([this] { return Touched("go"); }));
        return Facts();
      },
      [this] { return Touch("drained"), absl::OkStatus(); });
  EVENTUALLY(Touched("starting"));
  kill(child_, SIGTERM);
  Touch("go");
  EXPECT_EQ(Wait(), 0);
  EXPECT_TRUE(Touched("drained"));
}

TEST_F(DaemonTest, ItMayHaveAllTheDescriptorsThatTheSystemLetsIt) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 64;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  Run(
      [] {
        return DaemonFacts{{"limit", absl::StrCat(DescriptorLimit())}};
      },
      [] { return absl::OkStatus(); });
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(ReadLine(), absl::StrCat("ready tester limit=", before.rlim_max));
  kill(child_, SIGTERM);
  EXPECT_EQ(Wait(), 0);
}

TEST_F(DaemonTest, BrokenPipeDoesNotKillIt) {
  Run(
      [] {
        int ends[2];
        CHECK(pipe(ends) == 0);
        close(ends[0]);
        CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE);
        return Facts();
      },
      [] { return absl::OkStatus(); });
  EXPECT_EQ(ReadLine(), "ready tester rpc=8020 http=9870");
  kill(child_, SIGTERM);
  EXPECT_EQ(Wait(), 0);
}

}  // namespace
}  // namespace cairn
