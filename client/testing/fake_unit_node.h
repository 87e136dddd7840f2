// client/testing/fake_unit_node.h - the data transfer port of one of a FakeGroups' datanodes.
#pragma once

#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "client/socket.h"
#include "client/testing/fake_groups.h"
#include "common/mutex.h"

namespace cairn::client {

// A thread that accepts, and one for each connection, which is for one WRITE_BLOCK. Keeps nothing
// itself: the cluster has the units, and the failures that a test asks for.
class FakeGroups::Node {
 public:
  Node(FakeGroups& groups, int index);  // `groups` outlives this
  ~Node();

  uint16_t port() const { return port_; }

 private:
  void Accept();
  void Serve(Socket& socket);
  // False: that was the last packet, or the end.
  bool TakePacket(Socket& socket, uint64_t block);
  // Returns the status of the acknowledgement.
  hdfs::Status Store(uint64_t block, uint64_t offset, std::span<const std::byte> data, bool last,
                     bool sync) ABSL_EXCLUSIVE_LOCKS_REQUIRED(groups_.mu_);

  FakeGroups& groups_;
  const int index_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
  std::vector<std::thread> serving_;  // of thread_ alone until it is joined
  Mutex mu_;
  std::set<int> connections_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::client
