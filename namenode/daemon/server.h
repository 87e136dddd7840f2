// namenode/daemon/server.h - the parts of a namenode put together, from configuration to ports.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/config.h"
#include "common/daemon.h"
#include "common/io/file_system.h"
#include "common/mutex.h"
#include "common/net/host_port.h"
#include "common/net/io_threads.h"
#include "common/user_groups.h"
#include "namenode/checkpoint/checkpointer.h"
#include "namenode/cluster/cluster_state.h"
#include "namenode/core/namenode_impl.h"
#include "namenode/daemon/descriptor_shares.h"
#include "namenode/daemon/storage.h"
#include "namenode/daemon/topology.h"
#include "namenode/journal/mirrored_journal.h"
#include "namenode/service/grpc/datanode_service.h"
#include "namenode/service/rpc/client_protocol_service.h"
#include "namenode/service/rpc/meta_save.h"
#include "namenode/store/store.h"
#include "wire/rpc/server.h"
#include "wire/rpc/service.h"

namespace cairn::namenode {

// Where clients find the namenode, as configured.
absl::StatusOr<HostPort> ClientAddress(const Config& config);

class NamenodeServer {
 public:
  // Opens the storage, replays, and serves. kFailedPrecondition and kInvalidArgument tell what to
  // mend; kDataLoss names the damage, and nothing was changed.
  // With `upgrade` the state as it is is kept first, to go back to (offline/upgrade.h).
  static absl::StatusOr<std::unique_ptr<NamenodeServer>> Start(const Config& config,
                                                               bool upgrade = false);
  ~NamenodeServer();

  DaemonFacts facts() const;
  // Stops taking calls, answers those in hand, and flushes the store, so that the next start has
  // nothing to replay.
  absl::Status Drain();

 private:
  class JournalGate;

  struct Endpoints {
    std::string rpc_host, rpc_bind;  // as clients write it; the numeric address to listen on
    uint16_t rpc_port = 0;
    std::string internal;  // host:port, numeric
  };

  NamenodeServer() = default;
  static absl::StatusOr<Endpoints> ReadEndpoints(const Config& config);
  absl::Status OpenStorage(const Config& config, NamenodeOptions options, bool upgrade);
  absl::Status Upgrade(const std::string& directory, const StorageVersion& version);
  Outcome<Nothing> Finalize(const Caller& caller);
  absl::Status StartCheckpoints(const Config& config, const std::string& directory,
                                const std::string& cluster_id, const std::string& block_pool_id);
  void SaveNamespace(const SaveNamespaceRequest& asked, ClientProtocolOptions::Saved saved);
  absl::Status Serve(const Config& config);
  void Maintain();
  void Heal();
  bool Pause(bool more);
  void StopMaintenance();

  std::unique_ptr<File> lock_;
  std::vector<std::unique_ptr<File>> journal_locks_;
  std::unique_ptr<UserGroups> groups_;
  std::unique_ptr<ClusterState> cluster_;
  std::unique_ptr<Topology> topology_;
  std::atomic<Journal*> journal_view_{nullptr};  // for the store's flusher
  std::atomic<NamenodeImpl*> namenode_view_{nullptr};
  // Destroyed in reverse: the servers first; then the store, whose flusher calls into the namenode
  // and asks the journal; then those.
  std::unique_ptr<MirroredJournal> journal_;
  std::unique_ptr<NamenodeImpl> namenode_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<MetaSaver> meta_saver_;
  std::unique_ptr<JournalGate> gate_;
  OperationCounters operations_;
  std::vector<std::unique_ptr<rpc::RpcService>> services_;
  std::unique_ptr<IoThreads> io_;
  std::unique_ptr<rpc::RpcServer> rpc_;
  std::unique_ptr<DatanodeServer> datanodes_;

  Mutex mu_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread maintenance_, healing_, order_bell_;
  DescriptorShares descriptors_{};
  Endpoints endpoints_;                       // set before anything else
  std::string directory_;                     // set before the servers start
  std::atomic<bool> upgrade_final_{true};     // false: previous/ is there
  std::atomic<bool> remove_previous_{false};  // the upgrade is final: for the maintenance thread
};

}  // namespace cairn::namenode
