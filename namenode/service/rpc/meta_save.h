// namenode/service/rpc/meta_save.h - metaSave: what the namenode knows of blocks in trouble and of
// its datanodes, written to a file in its log directory for people to read.
//
//   12 files and directories
//   Live Datanodes: 3
//   Dead Datanodes: 1
//   Metasave: Blocks waiting for reconstruction: 1
//   /a/f: blk_1073741825_1001 (replicas: live: 2 decommissioning and decommissioned: 0 corrupt: 0
//     in excess: 0 maintenance mode: 0)  10.0.0.1:9866 :  10.0.0.2:9866 :  too few copies, known
//     for 4s
//   Metasave: Blocks currently missing: 0
//   Mis-replicated blocks that have been postponed:
//   Metasave: Blocks being reconstructed: 0
//   Metasave: Blocks 0 waiting deletion from 0 datanodes.
//   Corrupt Blocks:
//   Metasave: Number of datanodes: 4
//   10.0.0.1:9866 /r1 IN 1024(1.00 KB) ...
//
// (a block's line is one line). The headings and the beginnings of the lines are HDFS's. Blocks are
// asked for a page at a time and written under no lock: each line is true of its block at its
// moment.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/clock.h"
#include "common/io/file_system.h"
#include "common/mutex.h"
#include "namenode/namenode.h"

namespace cairn::namenode {

// Gives the text to `write`, some kilobytes at a time; ends with the first error that it returns.
absl::Status WriteMetaSave(Namenode& namenode, Clock& clock, const std::string& user,
                           const std::function<absl::Status(absl::string_view)>& write);

// Writes such files, one after the other, on a thread of its own.
// Threads: Save from any.
class MetaSaver {
 public:
  using Done = std::function<void(const absl::Status&)>;

  // All references outlive this. `directory` is made if it is missing.
  MetaSaver(FileSystem& files, Clock& clock, Namenode& namenode, std::string directory);
  ~MetaSaver();  // what is not written yet is given up

  // `done` is called once, maybe at once, else by this one's thread. In place of a file of that
  // name, if metaSave made it; no other file is touched.
  //   kIllegalArgument (FsError): no plain file name
  //   kAlreadyExists: there is something else of that name
  //   kResourceExhausted: too many are waiting, or the disk is full
  void Save(absl::string_view user, absl::string_view file_name, Done done)
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Request {
    std::string user, file_name;
    Done done;
  };

  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status WriteFile(const Request& request);
  absl::Status WriteTo(const std::string& path, const std::string& user);

  FileSystem& files_;
  Clock& clock_;
  Namenode& namenode_;
  const std::string directory_;
  std::atomic<bool> stopping_{false};
  Mutex mu_;
  CondVar wake_;
  std::deque<Request> requests_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace cairn::namenode
