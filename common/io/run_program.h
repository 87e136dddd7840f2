// common/io/run_program.h - runs another program for its output, without a shell.
//
// The arguments go to the program as they are: no shell reads them, so no text of a user's can
// become a command. The program gets this process' environment, an empty standard input and no
// other descriptor of ours, and has a process group of its own, all of which is killed when time
// or output run over.
//
// Blocks until the program has ended: call it on a thread that may wait, under no lock.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace cairn {

struct ProgramCall {
  std::vector<std::string> arguments;  // the first one is the program: a path, no search
  absl::Duration time_limit = absl::Seconds(10);
  size_t output_limit_bytes = 1 << 20;  // of standard output
};

// What it wrote to standard output. Every error names the program; kNotFound, kPermissionDenied:
// it cannot be started; kDeadlineExceeded: over the time limit; kResourceExhausted: over the output
// limit; kFailedPrecondition: it ended with a status that is not 0, or by a signal; the message
// ends with what it said last on standard error. Or CodeOfErrno's code: what it prints cannot be
// read to the end.
absl::StatusOr<std::string> RunProgram(const ProgramCall& call);

// As a seam: RunProgram, or what a test has in its place.
using ProgramRunner = std::function<absl::StatusOr<std::string>(const ProgramCall&)>;

}  // namespace cairn
