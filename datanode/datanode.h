// datanode/datanode.h - a datanode: its volumes, its two ports, and its tie to the namenode.
//
//   transfer port (pipeline/)   RPC port (service/)   namenode (heartbeat/)
//              \                       |                 /   orders
//               +--------------- ReplicaStore ----------+
//
// Threads: I/O threads run both ports; disk threads wait for disks on behalf of transfers; order
// threads carry out what the namenode says; one thread talks to the namenode.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/buffer_pool.h"
#include "common/io/file_system.h"
#include "common/net/io_threads.h"
#include "datanode/heartbeat/namenode_session.h"
#include "datanode/pipeline/disk_pool.h"
#include "datanode/pipeline/shared_slots.h"
#include "datanode/pipeline/transfer_server.h"
#include "datanode/scanner/scanner.h"
#include "datanode/service/admin_service.h"
#include "datanode/service/client_datanode.h"
#include "datanode/service/inter_datanode.h"
#include "datanode/volume/disk_balancer.h"
#include "datanode/volume/disk_calls.h"
#include "datanode/volume/replica_store.h"
#include "datanode/volume/volume_changes.h"
#include "datanode/volume/volume_watch.h"
#include "wire/rpc/server.h"

namespace cairn::datanode {

struct DatanodeOptions {
  std::vector<VolumeSpec> volumes;  // at least one
  std::string data_dirs;            // the same as the configuration has it
  uint64_t reserved_bytes = 0;      // on each volume, for others
  StoreOptions store;
  WatchOptions watch;
  ScanOptions scan;
  DiskBalancerOptions balancer;
  TransferOptions transfer;
  uint64_t balance_bandwidth = uint64_t{100} << 20;  // bytes a second that balance may use
  std::string domain_socket;  // path for clients of this machine, _PORT in it; "": none
  std::string ipc_bind_address = "0.0.0.0";
  uint16_t ipc_port = 0;
  int ipc_connections = 20'000;  // more are closed at once
  std::string advertised_ip;     // numeric; what clients dial
  std::string advertised_host;   // "": the machine's name
  uint16_t advertised_port = 0;  // of data transfer; 0: the one bound
  std::string superuser;
  absl::Duration heartbeat_interval = absl::Seconds(3);
  absl::Duration report_interval = absl::Hours(1);
  int io_threads = 2;
  int disk_threads = 16;
  size_t write_buffers = 512;  // of 1 MiB, taken while a block is written
  // Reads the configuration again; only `volumes` and `data_dirs` count. None: it cannot be.
  std::function<absl::StatusOr<DatanodeOptions>()> reload;
};

class Datanode {
 public:
  // Opens the volumes, finds their replicas, registers, and serves. `link` outlives the datanode.
  // `shut_down` is called when an administrator's RPC asks for the end, with true if writers are to
  // be told at once that the datanode will be back (see Drain), or when too many volumes have
  // failed. A volume that hangs has failed; after an error its calls may still be under way, so
  // that the process is to end without destructors. The namenode being away is no error.
  // kFailedPrecondition: a volume is in use or not ours, too many cannot be used, or the namenode
  // refuses us. kResourceExhausted: descriptors or memory are short.
  static absl::StatusOr<std::unique_ptr<Datanode>> Start(FileSystem& fs, DatanodeOptions options,
                                                         NamenodeLink& link,
                                                         std::function<void(bool)> shut_down);
  ~Datanode();
  Datanode(const Datanode&) = delete;
  Datanode& operator=(const Datanode&) = delete;

  uint16_t transfer_port() const { return transfer_->port(); }
  uint16_t ipc_port() const { return rpc_->port(); }
  ReplicaStore& store() { return *store_; }
  NamenodeSession& session() { return session_; }

  // Takes no new work, lets transfers end for `limit`, tells those writers who are left that this
  // node restarts, and the namenode of all results. kFailedPrecondition: the end came because too
  // many volumes have failed.
  absl::Status Drain(absl::Duration limit);
  // A disk hangs, and threads with it: they would be waited for for ever by the destructor.
  bool WaitsForADisk() const;

 private:
  Datanode(DatanodeOptions options, NamenodeLink& link);

  absl::Status Begin();
  absl::Status OpenStore(FileSystem& fs);
  absl::Status AdoptKnownCluster();
  // What -reconfig does; on its thread.
  std::vector<PropertyChange> ApplyConfiguration();
  absl::Status ChangeVolumes(const VolumeChanges& changes);
  absl::Status AddVolume(const VolumeSpec& spec);
  absl::StatusOr<std::vector<std::unique_ptr<Volume>>> OpenVolumes(FileSystem& fs);
  absl::Status StartPorts();
  void ListenLocally();
  absl::Status StartSession();
  void Obey(const internal::Command& command);
  void TellFailed(internal::FailedCopy failed, const absl::Status& why);
  void Rebuild(const internal::RebuildUnits& order);
  void VerifyUnitsOf(const internal::VerifyGroup& order);
  void Verify(const internal::VerifyReplica& order);
  void Recover(const internal::RecoverBlock& order);
  absl::Status CreateEmpty(const internal::RecoverBlock& order);
  std::string BlockPool() const;

  // In the order in which they are made; destroyed from the last to the first.
  // Constant once the store is open, but for the volumes, which are the reconfiguration's.
  DatanodeOptions options_;
  std::function<void(bool)> shut_down_;
  FileSystem* fs_ = nullptr;
  std::string datanode_uuid_;
  NamenodeSession session_;
  SharedSlots slots_;
  RevokingEvents events_;  // the store tells of changes
  std::unique_ptr<ReplicaStore> store_;
  BufferPool buffers_;
  IoThreads io_threads_;
  DiskPool disk_;
  DiskPool orders_;      // deletions, truncations
  DiskPool recoveries_;  // as primary: wait for other datanodes
  DiskPool
      answers_;  // of other primaries: wait for writers; apart, so that none waits for the other
  std::unique_ptr<Scanner> scanner_;
  std::unique_ptr<DiskBalancer> balancer_;
  std::unique_ptr<TransferContext> context_;
  std::unique_ptr<TransferServer> transfer_;
  std::unique_ptr<Reconfiguration> reconfiguration_;
  std::unique_ptr<ClientDatanodeService> client_service_;
  std::unique_ptr<InterDatanodeService> inter_service_;
  std::unique_ptr<AdminService> admin_service_;
  std::unique_ptr<rpc::RpcServer> rpc_;
  Mutex mu_;
  absl::Status stop_reason_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<VolumeWatch> watch_;
  DiskCalls opening_;  // of the volumes at start
};

}  // namespace cairn::datanode
