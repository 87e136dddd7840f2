// namenode/cluster/rack_finder.h - learns in which rack each host stands, from a table file or a
// script, and hands out RackTables.
//
//   net.topology.table.file.name     the whole table at once; Load reads it
//   net.topology.script.file.name    asked on a thread of its own for addresses that somebody
//                                    wanted (RackWishes), up to script_arguments at a time; it
//                                    prints one rack for each, parted by white space
//
// The script is run without a shell, its arguments are numeric addresses of connections, and its
// time and output are bounded (common/io/run_program.h). It is never waited for: a datanode whose
// rack is not known yet is told to register again in a moment, a reader is served as one of the
// default rack until then. A script that fails puts the hosts in question in the default rack, as
// Hadoop does, says so, and is asked again after retry_after; Hadoop leaves them there until they
// register anew.
//
// Threads: any. `publish` is called without a lock, one call at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/io/file_system.h"
#include "common/io/run_program.h"
#include "common/mutex.h"
#include "namenode/cluster/rack_table.h"

namespace cairn::namenode {

class RackFinder {
 public:
  struct Options {
    std::string table_file;         // net.topology.table.file.name; at most one of the two is set
    std::string script;             // net.topology.script.file.name
    size_t script_arguments = 100;  // net.topology.script.number.args
    absl::Duration script_time = absl::Seconds(10);
    absl::Duration retry_after = absl::Minutes(1);  // a script that failed
    size_t most_answers = 200'000;                  // kept; then all are forgotten and asked anew
  };
  using Publish = std::function<void(std::shared_ptr<const RackTable>)>;

  // `fs` and `clock` outlive this, and what `publish` needs does too.
  RackFinder(Options options, FileSystem& fs, Clock& clock, Publish publish,
             ProgramRunner run = RunProgram);
  ~RackFinder();  // ends the thread; a running script is waited for

  // At the start, and for an operator's -refreshNodes: reads the table file and publishes it, or
  // has the script asked again for all that it has told. One call at a time.
  // An error of the file system, or kInvalidArgument with file and line: nothing changed.
  absl::Status Load() ABSL_LOCKS_EXCLUDED(mu_);
  // Begins to ask the script, if there is one.
  void Start();

  // Asks the script once, if somebody wants to know something, and publishes the answer. False:
  // there was nothing to ask. The thread's loop; tests call it instead.
  bool AskScript() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  absl::StatusOr<std::vector<std::string>> RacksOf(const std::vector<std::string>& hosts) const;
  std::vector<std::string> TakeWishes() ABSL_LOCKS_EXCLUDED(mu_);
  std::shared_ptr<const RackTable> MakeTable() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool stopping() const ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  FileSystem& fs_;
  Clock& clock_;
  const Publish publish_;
  const ProgramRunner run_;
  const std::shared_ptr<RackWishes> wishes_;  // synchronizes itself
  std::thread thread_;

  mutable Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_map<std::string, std::string> answers_ ABSL_GUARDED_BY(mu_);
  // Hosts that the script failed for, and when it is asked again.
  absl::flat_hash_map<std::string, absl::Duration> failed_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
