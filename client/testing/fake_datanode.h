// client/testing/fake_datanode.h - the ports of a FakeCluster's datanodes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/socket.h"
#include "client/testing/fake_cluster.h"
#include "client/testing/fake_port.h"

namespace cairn::client {

// Data transfer. Keeps nothing itself: the cluster has the replicas, and the failures that a test
// asks for.
class FakeCluster::Node {
 public:
  Node(FakeCluster& cluster, int index);  // `cluster` outlives this

  uint16_t port() const { return port_.port(); }
  void PassDescriptors(const std::string& directory);  // once

 private:
  // False: the connection is to be closed. So it is for each operation.
  bool ServeOne(Socket& socket);
  bool Write(Socket& socket, const hdfs::OpWriteBlockProto& op);
  bool Copy(Socket& socket, const hdfs::OpTransferBlockProto& op);
  bool Read(Socket& socket, const hdfs::OpReadBlockProto& op);
  bool Checksum(Socket& socket, const hdfs::OpBlockChecksumProto& op);
  bool GroupChecksum(Socket& socket, const hdfs::OpBlockGroupChecksumProto& op);
  // As files that nobody else has.
  bool HandOver(Socket& socket, const hdfs::OpRequestShortCircuitAccessProto& op);
  // False: the end, while this node was stopped.
  bool AwaitStart() ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu_);
  // Waits as long as reads are to be silent at that point. False: the end.
  bool AwaitReads(FakeCluster::Silence silence) ABSL_LOCKS_EXCLUDED(cluster_.mu_);
  // Until packets are no longer held; gives signs of life meanwhile.
  bool AwaitRelease(Socket& socket);
  // False: that was the last packet, or the end.
  bool StorePacket(Socket& socket, uint64_t id, const std::vector<int>& chain,
                   const transfer::DataChecksum& checksum);

  FakeCluster& cluster_;
  const int index_;
  FakePort port_;                     // its threads use the rest, as do those of the last one
  std::unique_ptr<FakePort> socket_;  // of descriptors; null: it passes none
};

// A port that takes no connection any more: the queue of those that nobody accepts is full, and the
// system drops what asks for more.
class FakeCluster::DeafPort {
 public:
  DeafPort();
  ~DeafPort();
  uint16_t port() const { return port_; }

 private:
  std::array<int, 4> sockets_{};  // the one that listens, and those that fill its queue
  uint16_t port_ = 0;
};

}  // namespace cairn::client
