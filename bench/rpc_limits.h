// bench/rpc_limits.h - what a namenode over RPC cannot beat: calls answered without being looked
// at, and one write that is on the disk.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace cairn::bench {

// A server for Load without a user, in a process of its own, as a namenode is; it ends with this.
// One thread, one epoll: takes what a socket holds in one read, answers it in one write.
class RawServer {
 public:
  // Every call is answered as one whose answer is `message`, on the CPUs that process `like` may
  // use (0: all that this one may). Forks: no other thread may run.
  RawServer(absl::string_view message, pid_t like);
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  uint16_t port() const { return port_; }  // on 127.0.0.1
  pid_t pid() const { return pid_; }

 private:
  uint16_t port_ = 0;
  pid_t pid_ = 0;
};

// Commits of 4 KiB to a preallocated file of zeros, which is removed at the end.
class CommitFile {
 public:
  // Commits on the CPUs that process `like` may use.
  CommitFile(const std::string& directory, pid_t like);
  ~CommitFile();
  CommitFile(const CommitFile&) = delete;
  CommitFile& operator=(const CommitFile&) = delete;

  // Seconds of each of `count` direct, synchronous writes, one after the other.
  std::vector<float> Run(uint64_t count);

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };

  const pid_t like_;
  const std::string path_;
  const int fd_;
  const std::unique_ptr<char, Free> block_;
  off_t at_ = 0;
};

}  // namespace cairn::bench
