// common/daemon.h - the life of a daemon, from its start to SIGTERM.
//
//   int main(...) {
//     return RunDaemon({.name = "namenode", .pid_file = ..., .port_file = ...},
//                      [&]() -> absl::StatusOr<DaemonFacts> {   // start: returns when it serves
//                        ASSIGN_OR_RETURN(server, Server::Start(...));
//                        return DaemonFacts{{"rpc", absl::StrCat(server->port())}};
//                      },
//                      [&] { return server->Drain(); });        // stop taking calls, finish, sync
//   }
//
// Whoever waits for the daemon reads its standard output for one line, `ready NAME key=value ...`,
// or the port file, which has a key=value line for each fact; both appear only when it serves.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/config.h"

namespace cairn {

// What the daemon tells the world: ports, addresses. Neither keys nor values hold white space.
using DaemonFacts = std::vector<std::pair<std::string, std::string>>;

struct DaemonOptions {
  std::string name;
  std::string pid_file;   // empty: none. Removed when the daemon ends by itself
  std::string port_file;  // likewise
};

// The log, protobuf's errors in it, as `cairn.log.level` and `cairn.log.file` say, which both must
// be declared; and what is said when there is no memory (common/out_of_memory.h).
// kInvalidArgument, or the file's error; the message names key and file.
absl::Status InitDaemonLogging(const Config& config, const std::string& program);

// Runs `start`, says so, waits for SIGTERM or SIGINT, runs `drain`, and returns the exit code for
// main: 0 after a drain that succeeded, 1 after any error, which is printed and logged. A second
// signal ends the process with code 1 at once. A signal that comes while `start` runs takes effect
// when it is done. SIGPIPE is ignored from here on, and the limit of descriptors raised
// (common/descriptors.h).
//
// Call it from main before any other thread exists: the signals are blocked in this thread, and
// threads made later inherit that. Once per process.
int RunDaemon(const DaemonOptions& options,
              const std::function<absl::StatusOr<DaemonFacts>()>& start,
              const std::function<absl::Status()>& drain);

}  // namespace cairn
