// client/testing/fake_datanode.h - the ports of a FakeCluster's datanodes.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "client/socket.h"
#include "client/testing/fake_cluster.h"
#include "common/mutex.h"

namespace cairn::client {

// Data transfer: a thread that accepts, and one for each connection. Keeps nothing itself: the
// cluster has the replicas, and the failures that a test asks for.
class FakeCluster::Node {
 public:
  Node(FakeCluster& cluster, int index);  // `cluster` outlives this
  ~Node();

  uint16_t port() const { return port_; }

 private:
  void Accept();
  // False: the connection is to be closed. So it is for each operation.
  bool ServeOne(Socket& socket);
  bool Write(Socket& socket, const hdfs::OpWriteBlockProto& op);
  bool Copy(Socket& socket, const hdfs::OpTransferBlockProto& op);
  bool Read(Socket& socket, const hdfs::OpReadBlockProto& op);
  bool Checksum(Socket& socket, const hdfs::OpBlockChecksumProto& op);
  // False: the end, while this node was stopped.
  bool AwaitStart() ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu_);
  // Until packets are no longer held; gives signs of life meanwhile.
  bool AwaitRelease(Socket& socket);
  // False: that was the last packet, or the end.
  bool TakePacket(Socket& socket, uint64_t id, const std::vector<int>& chain);

  FakeCluster& cluster_;
  const int index_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
  std::vector<std::thread> serving_;  // of thread_ alone until it is joined
  Mutex mu_;
  std::set<int> connections_ ABSL_GUARDED_BY(mu_);
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
