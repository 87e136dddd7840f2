// tests/sim/datanode_node.h - a datanode's host: the real ReplicaStore on a disk in memory, with
// models of its two ports (receiver.h, and here what recoveries ask) and of its session.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/testing/faulty_file_system.h"
#include "datanode/recovery/block_recovery.h"
#include "datanode/volume/replica_store.h"
#include "tests/sim/disk.h"
#include "tests/sim/namenode_node.h"
#include "tests/sim/network.h"
#include "tests/sim/planted.h"
#include "tests/sim/receiver.h"
#include "tests/sim/session.h"

namespace cairn::sim {

class DatanodeNode {
 public:
  using All = std::vector<std::unique_ptr<DatanodeNode>>;  // the datanode on host h is all[h - 1]

  DatanodeNode(World& world, Network& network, NamenodeNode& namenode, All& all, Host host,
               Planted planted);
  ~DatanodeNode();

  Host host() const { return host_; }
  std::string uuid() const;
  std::string storage() const;

  void Start();
  // kill -9: the machine goes on, with what was written in its page cache.
  void Kill();
  // What was not synced is lost, or in part. At once, or in the middle of the nth change from now.
  void PowerCut();
  void PowerCutAfter(int nth);
  void Pause(absl::Duration time);
  // Flips a bit of a finalized replica's data. False: it has none.
  bool FlipBit(BlockId block);

  // What a reader gets: the bytes, compared with their checksums as a client does. kDataLoss: they
  // do not match.
  absl::StatusOr<Bytes> ReadReplica(BlockId block, GenerationStamp at_least) const;

  // The nth write, sync, rename or creation from now on fails.
  void FailCall(int nth);

  void TriggerReport() {
    if (running()) life_->session->TriggerReport();
  }
  void Repair() { files_.ClearFaults(); }

  bool occupied() const { return life_ != nullptr; }  // a process runs
  // Open for business; not while it starts.
  bool running() const { return life_ != nullptr && life_->node != nullptr; }
  // When it last lost power; nullopt: never.
  std::optional<absl::Duration> last_power_cut() const { return last_power_cut_; }
  datanode::ReplicaStore& store() { return *life_->store; }

 private:
  struct Life {
    Life(World& world, FaultyFileSystem& files, const std::string& name,
         std::function<void()> on_power_cut)
        : process(world, name, std::move(on_power_cut)), disk(files) {}
    Process process;
    ProcessDisk disk;
    std::unique_ptr<Session> session;
    std::unique_ptr<datanode::ReplicaStore> store;
    std::unique_ptr<Receiver::Node> node;
  };

  void Open();
  void StartAgain(const absl::Status& why);
  void End(bool machine_goes_on);
  void Obey(const namenode::DatanodeCommand& command);
  void Recover(const namenode::RecoverCommand& order);
  void Replicate(const namenode::ReplicateCommand& order);
  // What another datanode asks of this one, or this one of itself.
  absl::StatusOr<datanode::ReplicaInfo> InitRecovery(const namenode::RecoverCommand& order);
  static absl::Status StopWriter(datanode::ReplicaStore& store, BlockId block);

  World& world_;
  Network& network_;
  NamenodeNode& namenode_;
  All& all_;
  const Host host_;
  const Planted planted_;
  FaultyFileSystem files_;
  std::optional<absl::Duration> last_power_cut_;
  Session::Report trusted_;
  std::unique_ptr<Life> life_;
};

// "dn-3" is on host 3.
Host HostOf(absl::string_view datanode_uuid);

}  // namespace cairn::sim
