// tests/sim/receiver.h - one node of a write pipeline: what datanode/pipeline does, step by step,
// over the real ReplicaStore and ReplicaWriter.
//
// The real one is Asio coroutines on sockets and disk threads, which virtual time cannot drive. So
// this is a model of op_write.cc and block_receiver.cc, kept to the order of their effects:
//   set-up       an earlier writer with an older stamp is stopped, the replica is opened, then the
//                next node is connected; the answer names the first bad node
//   packet       passed on at once; written by a disk job, one at a time; acknowledged when it is
//                in the file here (and synced, if it asks for that) and acknowledged by the next
//   last packet  finalizes before it is acknowledged
//   an end       of any kind: what was received is written first, then the replica is left as it is
// Left out: checksums on the wire, buffers, and out-of-band acknowledgements.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "datanode/volume/replica_store.h"
#include "tests/sim/disk.h"
#include "tests/sim/messages.h"
#include "tests/sim/network.h"
#include "tests/sim/process.h"

namespace cairn::sim {

class Receiver : public std::enable_shared_from_this<Receiver> {
 public:
  // One life of a datanode. `receivers` are those at work; they end with it.
  struct Node {
    Process& process;
    ProcessDisk& disk;
    Network& network;
    Host host;
    datanode::ReplicaStore& store;
    std::set<std::shared_ptr<Receiver>> receivers;
  };

  // A connection came: its first message says what is wanted.
  static void Accept(Node& node, std::shared_ptr<Stream> upstream);
  // The process has died: nothing is written any more, nobody is told.
  void Drop();

 private:
  struct Item {  // a packet that is to be acknowledged
    Packet packet;
    bool written = false;
    std::optional<Ack> downstream;  // what the next node said
  };

  Receiver(Node& node, std::shared_ptr<Stream> upstream)
      : node_(node), upstream_(std::move(upstream)) {}

  void OnUpstream(const Message& message);
  void SetUpPipeline(SetUp op);
  void StopEarlierWriter(const SetUp& op);
  absl::StatusOr<std::unique_ptr<datanode::ReplicaWriter>> OpenWriter(const SetUp& op);
  SetUpReply ConnectNext(const SetUp& op);
  void Refuse(const absl::Status& why);

  void OnPacket(const Packet& packet);
  void StartJob();
  absl::Status WriteNext();  // the first item that is not written
  absl::Status WriteBytes(const Packet& packet);
  void OnMirrorAck(const Ack& ack);
  void FailMirror();
  void SendAcks();
  void Stop();
  void End();
  void CloseWriter();

  Node& node_;
  const std::shared_ptr<Stream> upstream_;
  std::shared_ptr<Stream> mirror_;  // null: this is the last node
  std::unique_ptr<datanode::ReplicaWriter> writer_;
  bool copy_ = false;     // nothing is acknowledged
  bool running_ = false;  // set up
  bool ended_ = false;
  bool job_running_ = false;
  bool in_writer_ = false;  // a call of writer_ is under way
  bool mirror_failed_ = false;
  bool write_failed_ = false;
  std::deque<Packet> early_;  // came before the set-up was done
  std::deque<Item> items_;
  Bytes tail_;               // the bytes of the last, partial chunk
  uint64_t tail_start_ = 0;  // where that begins
  uint64_t received_ = 0;    // block bytes, written or waiting
};

}  // namespace cairn::sim
