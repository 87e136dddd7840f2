// client/testing/fake_unit_node.h - the data transfer port of one of a FakeGroups' datanodes.
#pragma once

#include <cstdint>

#include "client/socket.h"
#include "client/testing/fake_groups.h"
#include "client/testing/fake_port.h"

namespace cairn::client {

// A connection is for one WRITE_BLOCK. Keeps nothing itself: the cluster has the units, and the
// failures that a test asks for.
class FakeGroups::Node {
 public:
  Node(FakeGroups& groups, int index);  // `groups` outlives this

  uint16_t port() const { return port_.port(); }
  void Restart();  // see FakeGroups
  void ClosePort() { port_.Close(); }
  size_t Connections() { return port_.Connections(); }

 private:
  void Serve(Socket& socket);
  // False: that was the last packet, or the end.
  bool StorePacket(Socket& socket, uint64_t block);
  // Returns the status of the acknowledgement.
  hdfs::Status Store(uint64_t block, const FakePacket& packet)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(groups_.mu_);

  FakeGroups& groups_;
  const int index_;
  FakePort port_;  // last: its threads use the rest
};

}  // namespace cairn::client
