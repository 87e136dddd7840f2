// tools/mini/mini_cluster.h - a whole cluster of real processes under one directory, for trying out
// and for tests.
//
//   D/conf/core-site.xml, hdfs-site.xml   for any Hadoop client, and for the daemons
//   D/conf/mini.json                      ports and racks, so that a restart keeps its addresses
//   D/run/NAME.pid, NAME.ports            of what runs; NAME is namenode, datanode-1, datanode-2,
//   ... D/log/NAME.log D/namenode/, D/datanode-N/            data
//
// Everything is on loopback. Datanode N has an address of its own, 127.0.1.N, when racks are given,
// since racks go by address.
// Not thread-safe; several processes may look at one directory, one should change it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace cairn::tools {

struct MiniOptions {
  std::string directory;
  std::optional<int> datanodes;        // kDefaultDatanodes, or those that are there
  int port = 0;                        // the namenode's; 0: a free one, or the one it has
  std::vector<std::string> overrides;  // key=value, into hdfs-site.xml
  // Of datanode 1, 2, ...; the last one for all that follow. Empty: none, or those that are there.
  std::vector<std::string> racks;
};

inline constexpr int kDefaultDatanodes = 3;

// The program `name` in the directory of this one; `name` itself (found by PATH) if it is not
// there.
std::string ProgramBeside(const std::string& name);

class MiniCluster {
 public:
  // A directory that a mini cluster was made in before. kNotFound: it was not.
  static absl::StatusOr<MiniCluster> Open(const std::string& directory);
  // The same, or made with `options`: directories, configuration, a formatted namenode.
  // kInvalidArgument: it is there, with other datanodes, racks or another port; nothing was
  // changed.
  static absl::StatusOr<MiniCluster> OpenOrMake(const MiniOptions& options);

  std::vector<std::string> names() const;  // namenode first
  const std::string& uri() const { return uri_; }
  const std::string& directory() const { return directory_; }

  // Starts those of `names` (empty: all) that do not run, and waits until each is ready: the
  // datanodes registered and safe mode left, if the namenode runs. kDeadlineExceeded, kUnavailable:
  // one did not come up; names it and the end of its log.
  absl::Status Start(const std::vector<std::string>& names);
  // SIGTERM, and waits for the end; SIGKILL after `patience`.
  absl::Status Stop(const std::vector<std::string>& names,
                    absl::Duration patience = absl::Seconds(20));
  absl::Status Signal(const std::vector<std::string>& names, int signal);

  // 0: not running.
  int PidOf(const std::string& name) const;

 private:
  struct Node {
    std::string name, ip, rack;
    int transfer_port = 0, ipc_port = 0;
  };

  absl::Status CheckIsAsWanted(const MiniOptions& options) const;
  absl::Status Save() const;
  std::string DomainSocket() const;
  absl::Status WriteConfiguration() const;
  // Where the namenode keeps its state: D/namenode unless -D dfs.namenode.name.dir says otherwise.
  std::string NamenodeDirectory() const;
  absl::Status FormatIfEmpty() const;
  // The process id of the daemon, started now or running already.
  absl::StatusOr<int> StartOne(const std::string& name) const;
  absl::Status AwaitReady(const std::string& name, int pid) const;
  absl::Status AwaitRegistered() const;
  absl::StatusOr<std::vector<std::string>> Select(const std::vector<std::string>& names) const;
  std::vector<std::string> CommandOf(const std::string& name) const;
  std::string RunFile(const std::string& name, const std::string& suffix) const;
  std::string LogFile(const std::string& name) const;

  std::string directory_, uri_;
  int rpc_port_ = 0, internal_port_ = 0;
  std::vector<Node> datanodes_;
  std::vector<std::string> overrides_;
};

}  // namespace cairn::tools
