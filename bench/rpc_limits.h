// bench/rpc_limits.h - what a namenode over RPC cannot beat: calls answered without being looked
// at. Changes need a commit besides: commit_file.h.
#pragma once

#include <sys/types.h>

#include <cstdint>

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

}  // namespace cairn::bench
