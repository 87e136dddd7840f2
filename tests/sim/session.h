// tests/sim/session.h - a datanode's session with the namenode: a model of
// datanode/heartbeat/namenode_session.cc in virtual time, speaking to the real namenode.
//
// The same rules: one call at a time; reports are numbered and sent again under their number until
// they are answered; kAborted means register again, which numbers anew and sends a full report;
// "being written" waits for company. Calls are lost and late as the network has it.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "datanode/volume/replica_store.h"
#include "tests/sim/namenode_node.h"
#include "tests/sim/network.h"
#include "tests/sim/planted.h"
#include "tests/sim/process.h"

namespace cairn::sim {

class Session final : public datanode::ReplicaEvents {
 public:
  using Obey = std::function<void(const namenode::DatanodeCommand&)>;
  using Report = std::vector<namenode::ReportedReplica>;

  // `trusted` outlives the process: what was last reported, for a planted bug.
  Session(Process& process, Network& network, NamenodeNode& namenode, Host host, Planted planted,
          Report& trusted, Obey obey);

  void Start(datanode::ReplicaStore& store);
  // As an administrator asks for it: a full report, soon.
  void TriggerReport();
  void Changed(Kind kind, const datanode::Volume& volume,
               const datanode::ReplicaInfo& replica) override;
  void VolumeFailed(const datanode::Volume& volume) override;
  // As NamenodeSession: the next heartbeat, which comes at once, tells the namenode.
  void CopyFailed(const namenode::ReplicateCommand& order, std::string reason);
  // As NamenodeSession's.
  uint64_t registrations() const { return registrations_; }

 private:
  void Run();
  absl::Status Round();
  absl::Status Register();
  absl::Status SendChanges();
  absl::Status SendFullReport();
  absl::Status Heartbeat();
  std::vector<namenode::StorageInfo> Storages() const;
  namenode::BlockVersion Version(const datanode::ReplicaInfo& replica);
  template <typename T>
  T Call(const std::function<T(namenode::DatanodeReports&)>& operation);

  Process& process_;
  Network& network_;
  NamenodeNode& namenode_;
  const Host host_;
  const Planted planted_;
  Report& trusted_;
  const Obey obey_;
  datanode::ReplicaStore* store_ = nullptr;

  std::optional<uint64_t> session_;
  uint64_t registrations_ = 0;
  uint64_t sequence_ = 0;
  uint64_t next_report_id_ = 1;
  std::vector<namenode::FailedCopy> failed_copies_;  // not told yet
  std::deque<namenode::ReportedReplica> pending_;
  std::vector<namenode::ReportedReplica> in_flight_;
  bool urgent_ = false;
  bool full_report_ = false;
  absl::Duration next_heartbeat_;
  std::optional<Process::Answer<bool>> wake_;  // of the pause under way
};

}  // namespace cairn::sim
