// bench/report_only_datanode.h - a datanode of many replicas and no files: the real session with
// the namenode (datanode/heartbeat) over the real map of replicas, which was told of them instead
// of finding them on a disk. Registrations, heartbeats and report rounds are those of
// cairn-datanode; it serves nobody, and carries out no order.
//
// Every message is counted: bytes of the protobuf messages, both ways, without gRPC's framing.
// Threads: the methods from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/mutex.h"
#include "datanode/heartbeat/namenode_session.h"
#include "datanode/volume/replica_store.h"

namespace cairn::bench {

enum class Message { kRegister, kHeartbeat, kAwaitOrders, kChanges, kDigests, kList };
inline constexpr size_t kMessages = 6;

// Of one datanode, or summed over several.
struct Traffic {
  struct Count {
    uint64_t calls = 0, sent_bytes = 0, received_bytes = 0;
  };
  std::array<Count, kMessages> by_message;
  uint64_t replicas_listed = 0;
  uint64_t too_early = 0;  // digests that the namenode was not ready for; they were sent again

  const Count& operator[](Message message) const {
    return by_message[static_cast<size_t>(message)];
  }
  Count& operator[](Message message) { return by_message[static_cast<size_t>(message)]; }
  Traffic& operator+=(const Traffic& other);
};

class ReportOnlyDatanode {
 public:
  // Its two volumes, of which one stays empty, are directories in `directory`. `number` is part of
  // its address, at which nobody listens.
  ReportOnlyDatanode(int number, const std::string& directory);
  ~ReportOnlyDatanode();

  std::string uuid() const;
  std::string storage_uuid() const;  // of the volume with the replicas

  // Begins to look for the namenode at host:port, with these replicas from now on.
  void Start(const std::string& namenode, const std::vector<datanode::ReplicaInfo>& replicas);
  void SendLists();  // of all replicas: a round without digests

  // Counting begins anew, and so does waiting for the end of a round.
  void Reset();
  Traffic traffic() const;
  // When (bench::Now()) the last of its replicas were reported since the Reset; 0: not yet.
  double reported_at() const;
  uint64_t orders() const { return orders_.load(); }

 private:
  class CountingLink;

  const int number_;
  std::unique_ptr<datanode::Volume> empty_, full_;  // until Start
  std::string uuid_, storage_uuid_;
  std::atomic<uint64_t> orders_{0};
  std::unique_ptr<CountingLink> link_;
  std::unique_ptr<datanode::NamenodeSession> session_;
  std::unique_ptr<datanode::ReplicaStore> store_;
};

}  // namespace cairn::bench
