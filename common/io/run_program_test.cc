#include "common/io/run_program.h"

#include <sys/stat.h>

#include <fstream>

#include "absl/time/clock.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;

class RunProgramTest : public ::testing::Test {
 protected:
  // An executable file; its name.
  std::string Script(const std::string& text) {
    const std::string path = temp_.path() + "/script";
    std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
    ::chmod(path.c_str(), 0755);
    return path;
  }
  absl::StatusOr<std::string> Run(const std::string& text, std::vector<std::string> arguments = {},
                                  absl::Duration limit = absl::Seconds(30)) {
    ProgramCall call{.arguments = {Script(text)}, .time_limit = limit, .output_limit_bytes = 1000};
    call.arguments.insert(call.arguments.end(), arguments.begin(), arguments.end());
    return RunProgram(call);
  }

  TempDir temp_;
};

TEST_F(RunProgramTest, GivesWhatTheProgramPrinted) {
  EXPECT_THAT(Run("echo one; echo two"), IsOkAndHolds("one\ntwo\n"));
  EXPECT_THAT(Run("read line || echo no input"), IsOkAndHolds("no input\n"));
}

// What a shell would take for a command stays an argument.
TEST_F(RunProgramTest, ArgumentsArriveAsTheyAre) {
  EXPECT_THAT(Run("for a; do echo \"[$a]\"; done", {"a b", "$(id)", "; rm -rf x", "`id`", ""}),
              IsOkAndHolds("[a b]\n[$(id)]\n[; rm -rf x]\n[`id`]\n[]\n"));
}

TEST_F(RunProgramTest, AFailureIsToldWithTheProgramsOwnWords) {
  EXPECT_THAT(Run("echo half; echo no such host >&2; exit 3"),
              StatusIs(StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("/script: exit status 3"), HasSubstr("no such host"))));
  EXPECT_THAT(Run("kill -9 $$"),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("killed by signal 9")));
  EXPECT_THAT(RunProgram({.arguments = {temp_.path() + "/absent"}}),
              StatusIs(StatusCode::kNotFound, HasSubstr("/absent")));
  std::ofstream(temp_.path() + "/plain") << "no program";
  EXPECT_THAT(RunProgram({.arguments = {temp_.path() + "/plain"}}),
              StatusIs(StatusCode::kPermissionDenied));
}

TEST_F(RunProgramTest, WhatRunsTooLongIsKilledWithItsChildren) {
  const std::string pid_file = temp_.path() + "/pid";
  EXPECT_THAT(Run("sleep 1000 & echo $! > " + pid_file + "; wait", {}, absl::Milliseconds(500)),
              StatusIs(StatusCode::kDeadlineExceeded, HasSubstr("not done within 500ms")));
  int child = 0;
  std::ifstream(pid_file) >> child;
  if (child == 0) return;  // killed before it had come that far
  const std::string state = "/proc/" + std::to_string(child) + "/stat";
  // Gone, or a zombie that nobody waits for in a container without an init.
  EVENTUALLY([&] {
    std::ifstream file(state);
    std::string number, name, letter;
    return !(file >> number >> name >> letter) || letter == "Z" || letter == "X";
  }());
}

// It closed its output and goes on.
TEST_F(RunProgramTest, TheLimitHoldsForAProgramThatPrintsNoMore) {
  EXPECT_THAT(Run("exec >/dev/null 2>&1; sleep 1000", {}, absl::Milliseconds(300)),
              StatusIs(StatusCode::kDeadlineExceeded));
}

TEST_F(RunProgramTest, WhatPrintsTooMuchIsKilled) {
  EXPECT_THAT(Run("while :; do echo aaaaaaaaaaaaaaaaaaaaaaaa; done"),
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("more than 1000 bytes")));
}

// A listening socket in a script's hands would keep the port from the next start.
TEST_F(RunProgramTest, NoDescriptorOfOursReachesTheProgram) {
  const int open = ::dup(0);                                                   // not closed on exec
  EXPECT_THAT(Run("ls /proc/self/fd | wc -l"), IsOkAndHolds(HasSubstr("4")));  // 0-2, and ls' own
  ::close(open);
}

}  // namespace
}  // namespace cairn
