// namenode/cluster/cluster_state.h - what the namenode knows of its datanodes: who lives, how full,
// how loaded, and in which rack. Filled by registrations and heartbeats, read by placement, reports
// and the front ends.
//
//   unknown --Register--> live --15 s silent--> stale --5 min silent--> dead
//                          ^------- heartbeat of its session ------'      |
//                          '---------------- Register --------------------'
//
// Sessions: each registration begins one, and every other call names it. A datanode of an old
// session, an unknown one, or one that was declared dead is answered kAborted, "register again",
// and then sends all its replicas: so nothing that was decided while it was away is overlooked.
// Reports are numbered within the session and taken strictly in order (ReportTurn).
//
// Storage numbers come from outside: the caller writes a RegisterStorage edit for a storage that
// NumberOf() does not know, and applying that edit calls AddStorage(), as start-up does for each
// stored record.
//
// What the operator wants of a datanode (HostRules) gives its administrative state; somebody else
// finds out when one that is to leave may go (FinishLeaving):
//
//   in service --rule--> decommissioning / entering maintenance --its blocks are safe elsewhere-->
//   decommissioned / in maintenance --the rule is gone, or the maintenance is over--> in service
//
// Nothing of that is stored: after a restart of the namenode it follows from the rules again.
//
// Threads: any. Lock order: the namespace lock before mu_; nothing but the clock and the rack
// table's list of wishes is called while mu_ is held.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/mutex.h"
#include "namenode/cluster/cluster_view.h"
#include "namenode/cluster/datanode_info.h"
#include "namenode/cluster/host_rules.h"
#include "namenode/cluster/rack_table.h"

namespace cairn::namenode {

struct NodeRegistration {
  std::string uuid;
  DatanodeAddress address;
  std::vector<StorageInfo> storages;  // `number` is filled in here, not by the caller
};

class ClusterState {
 public:
  // Nodes ever registered in one run; their port has no authentication yet.
  static constexpr size_t kMaxNodes = 20'000;

  struct Options {
    absl::Duration stale_interval = absl::Seconds(15);  // cairn.namenode.stale.interval
    absl::Duration dead_interval = absl::Minutes(5);    // cairn.namenode.dead.interval
    absl::Duration lost_disk_wait = absl::Hours(24);    // cairn.namenode.lost.disk.wait
    // A scheduled block that nobody reported is forgotten after one to two of these (HDFS: 10 min).
    absl::Duration scheduled_window = absl::Minutes(10);
    // A view may be this much behind the heartbeats' numbers; never behind who lives where.
    absl::Duration view_age = absl::Milliseconds(100);
    std::shared_ptr<const RackTable> racks;  // null: all in the default rack
    std::shared_ptr<const HostRules> rules;  // null: everybody is included and serves
  };

  ClusterState(Options options, Clock& clock);  // `clock` outlives this

  // ---- storages
  std::optional<uint32_t> NumberOf(absl::string_view storage_uuid) const ABSL_LOCKS_EXCLUDED(mu_);
  // True when the storage is known and belongs to that datanode. A disk that moved to another
  // datanode keeps its number: write a RegisterStorage edit with the old number and the new owner.
  bool IsStorageOf(absl::string_view storage_uuid, absl::string_view datanode_uuid) const
      ABSL_LOCKS_EXCLUDED(mu_);
  // Applying a RegisterStorage edit, or reading a stored record. Again with the same number: the
  // owner and type are replaced. `given_up`: its datanode is not waited for at a start.
  // `lost_from`, not 0: it is away, and has no replica of blocks from this id on.
  void AddStorage(uint32_t number, absl::string_view storage_uuid, absl::string_view datanode_uuid,
                  uint32_t type, bool given_up = false, BlockId lost_from = {})
      ABSL_LOCKS_EXCLUDED(mu_);
  // Its record says so: before it gets blocks again, a RegisterStorage edit is to say otherwise.
  bool IsRecordedAway(absl::string_view storage_uuid) const ABSL_LOCKS_EXCLUDED(mu_);
  // The numbers of a datanode's storages, registered or not; empty when it is not known.
  std::vector<uint32_t> StoragesOf(absl::string_view datanode_uuid) const ABSL_LOCKS_EXCLUDED(mu_);
  // Those to wait for after a start: datanodes that own a storage and were not given up.
  struct Awaited {
    int known = 0, registered = 0;
    int reported = 0;                  // registered, and have told of every replica
    std::vector<std::string> missing;  // uuids of some that have not registered, in their order
  };
  Awaited AwaitedDatanodes(size_t most_missing = 0) const ABSL_LOCKS_EXCLUDED(mu_);
  // The storage's datanode has told of every replica on it: since this was made, and in its session
  // (StorageInfo::reported). No effect if `session` is over: the new one is to tell of all itself.
  void SetReported(uint32_t storage, uint64_t session) ABSL_LOCKS_EXCLUDED(mu_);
  struct StorageRecord {
    uint32_t number;
    std::string storage_uuid, datanode_uuid;
    uint32_t type;
    bool given_up;
    bool is_away = false;
    BlockId lost_from{};  // 0 while is_away: its record does not say so yet
  };
  // A storage that may have a replica of the block, and has not told of its replicas since this was
  // made; nullopt: all have that were there when the block was added. A datanode that was given up
  // may still come back, and so may a disk that its datanode has come without: they are waited for
  // until the lost disk wait after this was made is over.
  std::optional<StorageRecord> UntoldHolder(BlockId block) const ABSL_LOCKS_EXCLUDED(mu_);
  // How much of that wait is left; 0: it is over.
  absl::Duration LostDiskWaitLeft() const;
  // Those of `storages` that are recorded as away, as their records are to become before they get
  // blocks: a registration may have passed without writing it down.
  std::vector<StorageRecord> RecordedAway(std::span<const uint32_t> storages) const
      ABSL_LOCKS_EXCLUDED(mu_);
  // At most `most` storages whose records are to change, as they are to become. Given up: the
  // datanode has died, or not come in the dead interval after this was made. Away: likewise, or the
  // datanode is there and the storage has failed, or is not among those it came with.
  std::vector<StorageRecord> OutdatedRecords(size_t most) const ABSL_LOCKS_EXCLUDED(mu_);

  // ---- what datanodes say
  // Would Register accept this node? Asked before edits are written for its new storages.
  // kAlreadyExists: a live node has the same uuid at another address, or one of the storages
  // belongs to another live node (a copied directory); names both. It may pass later, when the
  // other has been silent for the stale interval.
  // kInvalidArgument: the same storage twice. kPermissionDenied: the rules do not include it.
  // kUnavailable: the script that knows its rack is being asked; try again in a moment.
  absl::Status CheckRegistration(const NodeRegistration& node) const ABSL_LOCKS_EXCLUDED(mu_);
  // The new session. As above, and kFailedPrecondition: a storage has no number yet, or its number
  // belongs to another datanode. kResourceExhausted: kMaxNodes. On an error nothing changed.
  absl::StatusOr<uint64_t> Register(const NodeRegistration& node) ABSL_LOCKS_EXCLUDED(mu_);
  // kAborted: register again (unknown uuid, old session, declared dead, or a storage that was not
  // registered, or that works again and is recorded as away). `storages` are matched by uuid; one
  // that is missing counts as failed.
  absl::Status Heartbeat(absl::string_view uuid, uint64_t session,
                         std::span<const StorageInfo> storages, uint32_t transfers)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Whether that is the node's session now, and it is not dead.
  bool IsSession(absl::string_view uuid, uint64_t session) const ABSL_LOCKS_EXCLUDED(mu_);

  // The right to process one numbered report of a node: at most one at a time, in order. Done()
  // counts the report as seen; a turn that is dropped without it lets the datanode send the report
  // again.
  class ReportTurn {
   public:
    ReportTurn(ReportTurn&& other) noexcept;
    ReportTurn& operator=(ReportTurn&&) = delete;
    ~ReportTurn();
    // False: seen before; answer OK without looking at it.
    bool is_new() const { return is_new_; }
    void Done();

   private:
    friend class ClusterState;
    ReportTurn(ClusterState* cluster, std::string uuid, uint64_t session, uint64_t sequence,
               bool is_new);
    void Finish(bool done);
    ClusterState* cluster_;  // null: moved from, finished, or not new
    std::string uuid_;
    uint64_t session_, sequence_;
    bool is_new_;
  };
  // kAborted: as for Heartbeat, or a number was left out: what the missing report said is lost, so
  // only a full report helps. kUnavailable: another report of this node is being processed.
  absl::StatusOr<ReportTurn> BeginReport(absl::string_view uuid, uint64_t session,
                                         uint64_t sequence) ABSL_LOCKS_EXCLUDED(mu_);

  // ---- reads
  // One per request. Cheap: a lock, a look at the clock, a reference count.
  std::shared_ptr<const ClusterView> View() const ABSL_LOCKS_EXCLUDED(mu_);
  // nullopt: no registered datanode has this storage. For many replicas take a View once.
  std::optional<StorageLocation> Locate(uint32_t storage) const ABSL_LOCKS_EXCLUDED(mu_);
  ClusterTotals Totals() const ABSL_LOCKS_EXCLUDED(mu_);
  // Every registered node, dead ones too, by uuid; `silent_for` and `liveness` as of now.
  std::vector<DatanodeInfo> Nodes() const ABSL_LOCKS_EXCLUDED(mu_);

  // ---- scheduled blocks
  // A block was allocated on these storages; and one of them has reported it, or it was given up.
  void Schedule(std::span<const uint32_t> storages) ABSL_LOCKS_EXCLUDED(mu_);
  void Unschedule(uint32_t storage) ABSL_LOCKS_EXCLUDED(mu_);

  // ---- what the operator says
  // Nodes that the new table knows stand where it says from now on.
  void SetRacks(std::shared_ptr<const RackTable> racks) ABSL_LOCKS_EXCLUDED(mu_);
  // From now on these rules hold. A node that they do not include is not turned away while it
  // serves: it is decommissioned first, so that a slip in a file does not take data away.
  void SetHostRules(std::shared_ptr<const HostRules> rules) ABSL_LOCKS_EXCLUDED(mu_);
  struct AdminChange {
    std::string uuid;
    DatanodeAddress address;
    AdminState from, to;
    Liveness liveness;
    std::vector<uint32_t> storages;
  };
  // Ends maintenance whose time is up, and returns every change of an administrative state since
  // the last call, in the order in which they happened.
  std::vector<AdminChange> TakeAdminChanges() ABSL_LOCKS_EXCLUDED(mu_);
  // All blocks of this leaving node are safe without it: decommissioning becomes decommissioned,
  // entering maintenance in maintenance. False: it is in another state than `from` by now.
  bool FinishLeaving(absl::string_view uuid, AdminState from) ABSL_LOCKS_EXCLUDED(mu_);

  // ---- for repair
  struct DeadNode {
    std::string uuid;
    uint64_t session;  // the one that ends; the node may have registered again by now
    std::vector<uint32_t> storages;
  };
  // Nodes that died since the last call, each death once: their sessions end here.
  std::vector<DeadNode> TakeNewlyDead() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Node {
    DatanodeInfo info;  // liveness and silent_for are derived when asked
    absl::Duration last_heartbeat;
    std::shared_ptr<ScheduledBlocks> scheduled;
    std::shared_ptr<const DatanodeInfo> published;  // in the view; null: info has changed since
    HostRule rule;
    bool declared_dead = false;  // the session has ended: only a registration brings it back
    uint64_t last_sequence = 0;
    bool report_running = false;
  };
  struct Storage {
    std::string uuid, datanode_uuid;
    uint32_t type = 1;
    bool known = false;
    bool given_up = false;  // says its record
    bool reported = false;  // since this was made
    BlockId lost_from{};    // says its record
  };

  Liveness LivenessOf(const Node& node, absl::Duration now) const;
  absl::Status CheckRegistrationLocked(const NodeRegistration& node) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<Node*> FindSession(absl::string_view uuid, uint64_t session) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  const Storage* FindStorage(absl::string_view uuid) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasReported(uint32_t storage) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsAway(uint32_t storage, absl::Duration now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Node* OwnerOf(uint32_t storage) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Govern(Node& node, absl::Time wall) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetAdminState(Node& node, AdminState state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  DatanodeInfo Describe(const Node& node, absl::Duration now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RollScheduled(absl::Duration now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RebuildView(absl::Duration now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FinishReport(absl::string_view uuid, uint64_t session, uint64_t sequence, bool done)
      ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  Clock& clock_;
  const absl::Duration made_;
  mutable Mutex mu_;
  // Registered nodes; never forgotten, since reports name the dead.
  absl::flat_hash_map<std::string, std::unique_ptr<Node>> nodes_ ABSL_GUARDED_BY(mu_);
  std::vector<Storage> storages_ ABSL_GUARDED_BY(mu_);  // by number
  absl::flat_hash_map<std::string, uint32_t> storage_numbers_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const RackTable> racks_ ABSL_GUARDED_BY(mu_);  // never null
  std::shared_ptr<const HostRules> rules_ ABSL_GUARDED_BY(mu_);  // never null
  std::vector<AdminChange> admin_changes_ ABSL_GUARDED_BY(mu_);
  uint64_t next_session_ ABSL_GUARDED_BY(mu_);
  mutable absl::Duration next_roll_ ABSL_GUARDED_BY(mu_);

  // The view is made when one is asked for and the last one is out of date.
  mutable std::shared_ptr<const ClusterView> view_ ABSL_GUARDED_BY(mu_);
  mutable absl::Duration view_made_ ABSL_GUARDED_BY(mu_);
  mutable absl::Duration view_expires_ ABSL_GUARDED_BY(mu_);  // some node's liveness changes then
  mutable bool numbers_changed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cairn::namenode
