// bench/local_cluster.h - a cluster of real processes for a benchmark, by `cairn mini`, and who
// uses the CPU. Every error ends the program.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace cairn::bench {

std::string ProgramBesideThis(const char* name);     // path of a program in this one's directory
std::string RunAndRead(const std::string& command);  // what it printed; it must exit with 0

// Starts a cluster, ends it, and removes what it has written.
class LocalCluster {
 public:
  // `keys` are "key=value", for every daemon.
  LocalCluster(std::string directory, int datanodes, const std::vector<std::string>& keys);
  ~LocalCluster();
  LocalCluster(const LocalCluster&) = delete;
  LocalCluster& operator=(const LocalCluster&) = delete;

  const std::string& uri() const { return uri_; }
  // `cairn mini --dir ... COMMAND`, such as "kill datanode-1".
  void Mini(const std::string& command);

 private:
  const std::string directory_;
  std::string uri_;
};

struct Process {
  std::string name;
  pid_t pid = 0;
};

// Of a directory of `cairn mini`, by name; none if it is empty.
std::vector<Process> ProcessesOf(const std::string& directory);

// CPU seconds now of this process, and of each of `processes`.
std::vector<double> CpuNow(const std::vector<Process>& processes);

}  // namespace cairn::bench
