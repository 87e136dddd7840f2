// namenode/core/namenode_impl.h - the namenode's state and how an operation runs on it.
//
//   Read(caller, body)    shared lock; body looks, gives a value
//   Write(caller, body)   exclusive lock; body validates, calls Commit(edit) once, gives a value
//
// A body that misses a record returns View::NotLoaded(); the lock is then released, LevelDB is
// read, and the body runs again from the start. So a body has no effect before Commit.
//
// Lock order: mu_, then the lock of any one of the parts below (cluster, leases, invalidations,
// waiters, orders, bell, listings, accessed files, names, journal, store), none of which takes
// another; the identity cache and the full-report tracker are never called under mu_.
// docs/architecture.md has the whole list. Nothing waits for a disk or a socket under mu_.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/random/bit_gen_ref.h"
#include "common/clock.h"
#include "common/fs_error.h"
#include "common/mutex.h"
#include "namenode/blocks/block_map.h"
#include "namenode/blocks/datanode_reports.h"
#include "namenode/blocks/full_report_tracker.h"
#include "namenode/blocks/invalidation_queue.h"
#include "namenode/blocks/order_bell.h"
#include "namenode/blocks/order_board.h"
#include "namenode/blocks/recovery_order.h"
#include "namenode/blocks/replica_waiters.h"
#include "namenode/cluster/cluster_state.h"
#include "namenode/core/accessed_files.h"
#include "namenode/core/conversion_run.h"
#include "namenode/core/healing_options.h"
#include "namenode/core/identity.h"
#include "namenode/core/listing_cache.h"
#include "namenode/core/retry_cache.h"
#include "namenode/core/safe_mode.h"
#include "namenode/core/superseded_blocks.h"
#include "namenode/core/view.h"
#include "namenode/journal/journal.h"
#include "namenode/lease/lease_manager.h"
#include "namenode/namenode.h"
#include "namenode/namespace/tree.h"
#include "namenode/store/store.h"

namespace cairn::namenode {

struct NamenodeOptions {
  ServerDefaults defaults;
  Tree::Options tree;
  IdentityCache::Options identities;
  LeaseManager::Options leases;
  BlockMap::Options blocks;
  InvalidationQueue::Options invalidations;
  HealingOptions healing;
  absl::Duration heartbeat_interval = absl::Seconds(3);  // dfs.heartbeat.interval
  size_t retry_cache_entries = 300000;
  absl::Duration retry_cache_life = absl::Minutes(10);
  size_t removed_blocks_in_memory = 1 << 16;
  // cairn.namenode.erasure.convert.grace: how long the old blocks of a converted file stay.
  absl::Duration convert_grace = absl::Minutes(1);
  size_t superseded_in_memory = 1 << 20;  // of these; what is beyond goes at once
  // dfs.namenode.accesstime.precision (zero: reading moves no access time), and how many files
  // maintenance does at once.
  absl::Duration access_time_precision = absl::Hours(1);
  size_t accessed_files = 1024;
  uint64_t min_block_bytes = 1 << 20;      // dfs.namenode.fs-limits.min-block-size
  size_t max_blocks_per_file = 10000;      // dfs.namenode.fs-limits.max-blocks-per-file
  uint64_t max_directory_items = 1048576;  // dfs.namenode.fs-limits.max-directory-items
  uint32_t min_replication = 1;            // dfs.namenode.replication.min
  uint32_t max_replication = 512;          // dfs.replication.max
  // cairn.namenode.erasure.coding: files may be written erasure-coded. Those that are there can be
  // read in any case.
  bool erasure_coding = false;
  std::string default_erasure_policy = "RS-6-3-1024k";  // dfs.namenode.ec.system.default.policy
  size_t listing_limit = 1000;                          // dfs.ls.limit
  uint64_t listing_cache_bytes = 16 << 20;              // encoded pages
  // Where chance in decisions comes from (placement, order of replicas); null: from the system. A
  // simulation gives its own, to do the same again. Called under the namespace lock, maybe shared.
  std::function<absl::BitGenRef()> random;
};

class NamenodeImpl final : public Namenode, public DatanodeReports, public TreeListener {
 public:
  // All references outlive this. Call Open before anything else.
  NamenodeImpl(NamenodeOptions options, Clock& clock, Store& store, ClusterState& cluster);
  ~NamenodeImpl() override;

  // Start-up: the store's state, then the journal's edits one by one, then StartServing.
  absl::Status OpenStore();
  absl::Status Replay(TxId txid, absl::string_view edit);
  // After the last Replay, in any state.
  bool KnowsErasurePolicy(absl::string_view name) const ABSL_LOCKS_EXCLUDED(mu_);
  void StartServing(Journal& journal);
  // Until the datanodes that the store knows have come back, at most for `longest`.
  void StartSafeMode(absl::Duration longest);

  // Answers datanodes that wait for orders, until EndWaits; one thread of the daemon.
  void RunOrderBell() { bell_.Run(clock_); }
  // For a restore, between the last Replay and a flush: records, as edit `txid`, that ids are given
  // out behind `behind` and behind all that is reserved here, and that unknown replicas with block
  // ids from `left_alone_from` up to there are left alone.
  absl::Status NumberOn(const Tree::Counters& behind, uint64_t left_alone_from, TxId txid)
      ABSL_LOCKS_EXCLUDED(mu_);
  Tree::Counters reserved() const ABSL_LOCKS_EXCLUDED(mu_);
  // What a restore has dropped may now be deleted from the datanodes.
  Outcome<Nothing> FinalizeRestore(const Caller& caller);

  // The namespace lock, for the store's flusher.
  void WithLock(const std::function<void()>& body) ABSL_LOCKS_EXCLUDED(mu_);

  // What background work does in one step; the daemon calls it in a loop, tests as they need.
  void RunMaintenance();
  // One bounded round of finding and repairing blocks that lack replicas or have too many; from one
  // thread, which may be another one. True: there is more to do at once.
  bool RunHealing() ABSL_LOCKS_EXCLUDED(mu_);
  // All blocks of the storage are looked at again in the background: what it holds counts
  // differently. Repair itself notices lost and returned storages, and nodes that are to leave.
  void QueueStorageForCheck(uint32_t storage) ABSL_LOCKS_EXCLUDED(mu_);
  // What ReportDigests finds: buckets of `storage` in which `theirs` differ from the records.
  DigestAnswer CompareDigests(uint32_t storage, uint32_t shift,
                              std::span<const ReplicaDigests::Bucket> theirs) const
      ABSL_LOCKS_EXCLUDED(mu_);
  // Whether RunMaintenance is still to read records of replicas, after a start.
  bool IsWalkingReplicas() const ABSL_LOCKS_EXCLUDED(mu_);
  // Whether RunMaintenance left deletions to work off.
  bool HasBackgroundWork() const ABSL_LOCKS_EXCLUDED(mu_);

  // Namenode
  Outcome<std::optional<FileStatus>> GetFileInfo(const Caller&, absl::string_view path) override;
  Outcome<std::optional<Listing>> GetListing(const Caller&, absl::string_view path,
                                             absl::string_view after, bool locations) override;
  Outcome<std::shared_ptr<const std::string>> GetEncodedListing(const Caller&,
                                                                absl::string_view path,
                                                                absl::string_view after,
                                                                EncodeListing encode) override;
  Outcome<LocatedBlocks> GetBlockLocations(const Caller&, absl::string_view path, uint64_t offset,
                                           uint64_t length) override;
  void Accessed(InodeId file) override { accessed_.Add(file); }
  Outcome<ContentSummary> GetContentSummary(const Caller&, absl::string_view path) override;
  Outcome<Nothing> CheckAccess(const Caller&, absl::string_view path, uint32_t rwx) override;
  Outcome<bool> IsFileClosed(const Caller&, absl::string_view path) override;
  Outcome<bool> Mkdirs(const Caller&, absl::string_view path, uint32_t mode,
                       bool create_parent) override;
  Outcome<bool> Delete(const Caller&, absl::string_view path, bool recursive) override;
  Outcome<bool> Rename(const Caller&, absl::string_view from, absl::string_view to) override;
  Outcome<Nothing> Rename2(const Caller&, absl::string_view from, absl::string_view to,
                           bool overwrite, bool to_trash) override;
  Outcome<Nothing> SetPermission(const Caller&, absl::string_view path, uint32_t mode) override;
  Outcome<Nothing> SetOwner(const Caller&, absl::string_view path, absl::string_view owner,
                            absl::string_view group) override;
  Outcome<Nothing> SetTimes(const Caller&, absl::string_view path, std::optional<uint64_t> mtime_ms,
                            std::optional<uint64_t> atime_ms) override;
  Outcome<bool> SetReplication(const Caller&, absl::string_view path,
                               uint32_t replication) override;
  Outcome<Nothing> SetStoragePolicy(const Caller&, absl::string_view path,
                                    absl::string_view policy) override;
  Outcome<uint32_t> GetStoragePolicy(const Caller&, absl::string_view path) override;
  Outcome<std::vector<ErasurePolicyInfo>> GetErasurePolicies(const Caller&) override;
  Outcome<const erasure::Policy*> GetErasurePolicy(const Caller&, absl::string_view path) override;
  Outcome<Nothing> SetErasurePolicy(const Caller&, absl::string_view path,
                                    absl::string_view policy) override;
  Outcome<Nothing> UnsetErasurePolicy(const Caller&, absl::string_view path) override;
  Outcome<std::vector<absl::StatusOr<ErasurePolicyInfo>>> AddErasurePolicies(
      const Caller&, const std::vector<erasure::Policy>& policies) override;
  Outcome<bool> ChangeErasurePolicy(const Caller&, absl::string_view name,
                                    ErasurePolicyState state) override;
  Outcome<Nothing> CheckErasurePolicy(const Caller&, absl::string_view policy) override;
  Outcome<Nothing> SetConversionRule(const Caller&, absl::string_view path,
                                     const ConversionRuleRequest&) override;
  Outcome<bool> RemoveConversionRule(const Caller&, absl::string_view path) override;
  Outcome<ConversionRulePage> ListConversionRules(const Caller&, InodeId after,
                                                  size_t most) override;
  std::string RenewConversionRun(uint64_t id, const ConversionRun& told, bool stop) override;
  ConversionRun ShowConversionRun() override;
  Outcome<Nothing> Concat(const Caller&, absl::string_view target,
                          const std::vector<std::string>& sources) override;
  Outcome<Nothing> ReplaceBlocks(const Caller&, const ReplaceBlocksRequest&) override;
  Outcome<Nothing> ConvertFile(const Caller&, const ConvertFileRequest&) override;
  Outcome<Nothing> CodeSmallFile(const Caller&, const CodeSmallFileRequest&) override;
  Outcome<bool> Truncate(const Caller&, absl::string_view path, uint64_t new_length,
                         absl::string_view client_name) override;
  Outcome<FileStatus> Create(const Caller&, absl::string_view path, const CreateOptions&) override;
  Outcome<AppendResult> Append(const Caller&, absl::string_view path, absl::string_view client_name,
                               bool new_block) override;
  Outcome<LocatedBlock> AddBlock(const Caller&, const AddBlockRequest&,
                                 std::function<void()> on_replica) override;
  Outcome<Nothing> AbandonBlock(const Caller&, absl::string_view path, InodeId file,
                                absl::string_view client_name, const BlockVersion&) override;
  Outcome<bool> Complete(const Caller&, absl::string_view path, InodeId file,
                         absl::string_view client_name, const std::optional<BlockVersion>& last,
                         std::function<void()> on_replica) override;
  Outcome<Nothing> Fsync(const Caller&, absl::string_view path, InodeId file,
                         absl::string_view client_name,
                         std::optional<uint64_t> last_block_length) override;
  Outcome<LocatedBlock> UpdateBlockForPipeline(const Caller&, const BlockVersion&,
                                               absl::string_view client_name) override;
  Outcome<Nothing> UpdatePipeline(const Caller&, absl::string_view client_name,
                                  const BlockVersion& old_block, const BlockVersion& new_block,
                                  const std::vector<std::string>& datanode_uuids,
                                  const std::vector<std::string>& storage_uuids) override;
  Outcome<LocatedBlock> GetAdditionalDatanode(
      const Caller&, absl::string_view path, InodeId file, const BlockVersion&,
      const std::vector<std::string>& existing_storage_uuids,
      const std::vector<std::string>& excluded_datanode_uuids, uint32_t count,
      absl::string_view client_name) override;
  Outcome<Nothing> RenewLease(const Caller&, absl::string_view client_name) override;
  Outcome<bool> RecoverLease(const Caller&, absl::string_view path,
                             absl::string_view client_name) override;
  Outcome<Nothing> ReportBadBlock(const Caller&, const BlockVersion&,
                                  const std::vector<std::string>& storage_uuids) override;
  Outcome<BlockHealth> DescribeBlock(const Caller&, BlockId block) override;
  HealthTotals Health() override;
  std::vector<LeaveProgress> Leaving() override;
  std::vector<std::pair<uint32_t, uint64_t>> PendingDeletions() override {
    return invalidations_.Counts();
  }
  std::vector<BlockId> BlocksInNeed(Need need, BlockId after, size_t most) override;
  Outcome<OpenFilePage> ListOpenFiles(const Caller&, InodeId after, bool blocking_decommission,
                                      size_t most) override;
  BalanceProgress Balance(const BalanceJob& job, uint64_t after, bool stop) override;
  void SetBalancerBandwidth(uint64_t bytes_per_second) override;
  Outcome<SafeModeStatus> SafeMode(const Caller&, SafeModeAction) override;
  bool IsSuperuser(const Caller&) override;

  // DatanodeReports: ops/report_replicas.cc
  absl::StatusOr<DatanodeWelcome> Register(const DatanodeRegistration& node) override;
  absl::StatusOr<std::vector<DatanodeCommand>> Heartbeat(const DatanodeHeartbeat&) override;
  void AwaitOrders(absl::string_view datanode_uuid, uint64_t session,
                   std::shared_ptr<OrderWait> wait) override;
  void EndWaits() override { bell_.Stop(); }
  absl::Status ReportChanges(const ChangesReport& report) override;
  absl::StatusOr<DigestAnswer> ReportDigests(const DigestReport& report) override;
  absl::Status ReportReplicas(const ReplicasReport& report) override;

  const ServerDefaults& defaults() const override { return options_.defaults; }
  const std::string& block_pool_id() const override { return block_pool_id_; }
  const std::string& cluster_id() const override { return cluster_id_; }
  ClusterState& cluster() override { return cluster_; }

 private:
  // ---- running an operation
  template <typename T, typename Body>
  Outcome<T> Read(const Caller& caller, Body body);
  // What an operation is about, for the error of one that may not run; put together only then.
  struct What {
    What(const char* act_in, absl::string_view path_in = {}) : act(act_in), path(path_in) {}
    absl::string_view act, path;
  };
  // `retried(answer, view)` makes the value of an earlier, equal call from what the cache kept.
  template <typename T, typename Body, typename Retried>
  Outcome<T> Write(const Caller& caller, const What& what, Body body, Retried retried);
  template <typename T, typename Body>
  Outcome<T> Write(const Caller& caller, const What& what, Body body);

  // One attempt of a write. `Commit` may be called once, after all checks.
  class Attempt : public View {
   public:
    Attempt(NamenodeImpl& namenode, const Caller& caller, const Identity& who, Wanted& wanted)
        : View(*namenode.tree_, who, wanted), namenode_(namenode), caller_(caller) {}
    // An empty edit with the time set.
    edit::Edit& NewEdit();
    void Commit(InodeId retry_inode = kNoInode);
    // The same for an edit that is not what the caller asked for, such as closing a dead writer's
    // file: a repetition of the call is not answered by it, and another Commit may follow.
    void CommitAside();
    uint64_t now_ms() const { return now_ms_; }

   private:
    NamenodeImpl& namenode_;
    const Caller& caller_;
    edit::Edit* edit_ = nullptr;
    uint64_t now_ms_ = 0;
  };

  // Brings what is wanted into memory. Inodes that do not exist are no error: wanted->gone.
  absl::Status Load(Wanted* wanted);
  absl::Status LoadEntry(InodeId parent, const std::string& name);
  absl::Status LoadInode(InodeId id);
  absl::StatusOr<std::optional<store::Location>> FetchLocation(InodeId id);
  absl::Status LoadDetached(InodeId id);
  absl::Status LoadBlock(BlockId id);
  absl::Status LoadOwner(BlockId id, Wanted* wanted);
  absl::Status LoadDirectory(InodeId parent, const std::string& name, InodeId id);
  absl::Status Fetch(const std::string& key, const std::function<bool()>& still_wanted,
                     const std::function<absl::Status(std::optional<std::string>)>& use);
  std::optional<std::string> Newest(const std::string& key,
                                    const std::optional<std::string>& in_leveldb) const;
  void RequireBlock(BlockId block) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ForgetBlock(const BlockVersion& block, TxId txid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CompleteBlock(const Inode& file, const BlockVersion& block)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void BlockWritten(const Inode& file, const BlockVersion& block)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CommitUnit(const BlockVersion& unit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RemoveUnit(const BlockVersion& unit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RemoveUnitLater(const BlockVersion& unit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PutRemoved(const BlockVersion& unit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReclaimSlice();
  absl::Status FillReclaim(edit::Edit* edit);
  bool FillReclaimedTail(edit::Truncate* cut) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void AddReclaimed(InodeId parent, absl::string_view name, InodeId inode,
                           edit::Reclaim* reclaim);
  absl::Status ForEachRecord(
      const std::string& prefix,
      const std::function<absl::Status(absl::string_view, absl::string_view)>& use);
  void ReleaseRemovedBlocks();
  struct RemovedBlock;
  bool FindRemovedBlocks();
  absl::Status ReleaseRemovedBlock(const RemovedBlock& removed);
  void RecoverExpiredLeases();
  // The file is the namenode's to close: looked at until it is.
  void RecoverSoon(InodeId file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RecordGivenUp();
  bool IsAccessDue(const Inode& file) ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void RecordAccesses() ABSL_LOCKS_EXCLUDED(mu_);
  void RecordStorage(const ClusterState::StorageRecord& storage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // To be called before the edit, or answer, that gives these storages a block. Writes edits.
  void RecordThere(std::span<const uint32_t> storages) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status ReadyToWrite(const What& what) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  TxId AppendAndApply(const edit::Edit& edit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RememberForRetry(const edit::Edit& edit, TxId txid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReserveIdsIfLow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  InodeId TakeInodeId() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  BlockId TakeBlockId(const Inode& file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  GenerationStamp TakeStamp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::BitGenRef RandomBits() const;
  uint64_t NowMs() { return static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now())); }

  // ---- shared by operations
  void FillMissing(const Path& path, size_t first, size_t count, uint32_t mode, const Inode& parent,
                   const View& view, edit::MakeDirectories* out);
  void FillNewInode(absl::string_view name, uint32_t mode, const Inode& parent, const View& view,
                    edit::NewInode* out);
  absl::Status CheckNewNames(const Path& path, size_t first, const Resolved& at) const;
  absl::Status CheckRoom(const Inode& directory) const;
  // The file that a writer's call is about, and its lease checked.
  absl::StatusOr<Inode*> ResolveWritten(Attempt& attempt, absl::string_view path, InodeId file,
                                        absl::string_view client_name);
  absl::Status CheckLease(const Inode& file, absl::string_view client_name,
                          absl::string_view path) const;
  absl::Status TakeOver(Attempt& attempt, Inode& file, absl::string_view client_name,
                        absl::string_view what, absl::string_view path);
  // What a file made in `parent` is coded with; null: it is replicated.
  absl::StatusOr<const erasure::Policy*> ErasureOfNew(const Inode& parent,
                                                      const CreateOptions& options) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Whether a file that is there may become one of `policy`: FsError::kUnsupported, erasure coding
  // is off; kIllegalArgument, it is not enabled.
  absl::Status CheckMayCode(const erasure::Policy& policy) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // FsError::kIllegalArgument: not an enabled policy.
  absl::StatusOr<const erasure::Policy*> FindEnabledPolicy(absl::string_view name) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // The same for a file to be made. kUnsupported: none is made of any policy.
  absl::StatusOr<const erasure::Policy*> FindPolicyForFiles(absl::string_view name) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Of `source`, the copy of the small file.
  absl::Status CheckSmallCopy(const Inode& file, const Inode& source,
                              const CodeSmallFileRequest& request, View& view)
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // nullopt: it is one back to replication.
  std::optional<ErasurePolicyState> StateOfRule(const ConversionRule& rule) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  absl::Status CheckCreateOptions(absl::string_view path, const CreateOptions& options) const;
  absl::Status CheckCommit(const Inode& file, const BlockVersion& last) const;
  absl::StatusOr<bool> IsRepeatedComplete(Attempt& attempt, absl::string_view path, InodeId file,
                                          const std::optional<BlockVersion>& last);
  // True: closed now. False: block recovery is under way, or replicas are missing.
  absl::StatusOr<bool> CloseAbandoned(Attempt& attempt, Inode& file);
  absl::StatusOr<bool> StartBlockRecovery(Attempt& attempt, Inode& file);
  // Closes a file whose recovery or truncation a datanode's report has finished.
  void FinishRecovery(const BlockVersion& reported) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SendRecoveries();
  // The same for the last group of an erasure-coded file (ops/group_recovery.cc).
  absl::StatusOr<bool> StartGroupRecovery(Attempt& attempt, Inode& file);
  struct GroupRecovery;
  void BeginStep(const Inode& file, GroupRecovery& recovery, std::optional<uint64_t> cut_to)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OrderStep(const Inode& file, GroupRecovery& recovery, const ClusterView& cluster,
                 absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool EndStep(const Inode& file, GroupRecovery& recovery) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HaveAllTold(const Inode& file, const GroupRecovery& recovery) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void UnitRecovered(const BlockVersion& unit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CloseGroup(const Inode& file, const std::optional<BlockVersion>& group)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SendGroupRecoveries() ABSL_LOCKS_EXCLUDED(mu_);
  std::string GroupRecoveryWaitsFor(BlockId unit) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // ---- truncation inside a block group (ops/group_truncation.cc)
  absl::StatusOr<bool> TruncateInGroup(Attempt& attempt, const Inode& file,
                                       const BlockVersion& group, uint64_t new_length,
                                       absl::string_view client_name);
  struct GroupTruncation;
  void SendGroupTruncations() ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<InodeId> DueTruncations(const ClusterView& cluster) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status LookAtTruncation(Attempt& attempt, InodeId id, const ClusterView& cluster);
  absl::Status BeginRewriting(Attempt& attempt, const Inode& file, const ClusterView& cluster,
                              GroupTruncation* truncation);
  std::vector<RebuildCommand::Source> SourcesOf(const Inode& file, const BlockVersion& group,
                                                const ClusterView& cluster)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<std::vector<uint32_t>> ChooseForRewriting(const Inode& file,
                                                           const BlockVersion& group,
                                                           const ClusterView& cluster,
                                                           GroupTruncation* truncation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  size_t CountRewriting(absl::string_view datanode_uuid) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // A datanode has finalized a unit of the file's new group.
  void UnitRewritten(const Inode& file, const BlockVersion& unit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UnitsNotRewritten(std::span<const FailedCopy> failed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasAllRewritten(const Inode& file, const GroupTruncation& truncation) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void FinishTruncation(const Inode& file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What the truncation of the file waits for, in one sentence, if it cuts this block. Empty: it
  // does not, or has had no trouble so far.
  std::string TruncationWaitsFor(const Inode& file, BlockId block) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  struct Recovering;
  bool LostPrimary(const Recovering& recovering, const ClusterView& cluster, absl::Duration now)
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Storages that have, or may have, a replica that the recovery needs, as far as is known.
  std::vector<uint32_t> RecoveryStorages(BlockId block, const Recovering& recovering) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  std::vector<RecoveryCandidate> RecoveryCandidates(std::span<const uint32_t> storages,
                                                    const ClusterView& cluster) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // A storage that may have a replica of the open block and has not told; nullopt: none.
  std::optional<ClusterState::StorageRecord> UntoldHolder(const BlockMap::Entry& block) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // What the recovery of this block waits for, in one sentence. Empty: nothing, or there is none.
  std::string RecoveryWaitsFor(const BlockMap::Entry& block, const ClusterView& cluster) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool SendSomeRecoveries(const ClusterView& cluster, BlockId* position) ABSL_LOCKS_EXCLUDED(mu_);
  void OrderRecovery(BlockId block, Recovering& recovering, const ClusterView& cluster,
                     absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RingForDeletions();
  absl::StatusOr<Inode*> FindOpenByBlock(Attempt& attempt, BlockId block,
                                         absl::string_view client_name);
  // The file that has `block`; kNoInode: none.
  absl::StatusOr<InodeId> FindOwner(View& view, BlockId block) ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // ---- of a block, or of all units of a group: false, what is missing being wanted then
  bool IsResident(const Inode& file, const BlockVersion& block, View& view)
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool IsUnderConstruction(const Inode& file, const BlockVersion& block, View& view)
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // So many replicas, or units, that the file may go on without the others. All must be resident.
  bool HasMinimum(const Inode& file, const BlockVersion& block) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // The same if it were committed as `last` now.
  bool WouldHaveMinimum(const Inode& file, const BlockVersion& last) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // FsError::kNotReplicatedYet: of a closed file a replica or unit is missing without which its
  // blocks are not as safe as they are to be.
  absl::Status CheckAllThere(const Inode& file, View& view) ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // FsError::kIo: who takes a restore back would miss the blocks that `call` gives up.
  absl::Status CheckNoRestoreIsOpen(absl::string_view call) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Where out->block is being written, and of a group, which unit is where.
  void AddExpected(const Inode& file, LocatedBlock* out) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // What `targets_` has for this unit.
  std::span<const uint32_t> TargetsOf(const Inode& file, uint32_t unit) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  static uint32_t EffectivePolicy(const Inode& inode);
  static std::string BlockName(const BlockVersion& block);
  static void FillBlock(const BlockVersion& block, edit::Block* out);
  LocatedBlock DescribeNewBlock(const Inode& file, View& view);
  absl::Status CommitRename(Attempt& attempt, const Inode& source, const Inode& to_parent,
                            absl::string_view to_name, const Inode* overwritten);
  LocatedBlock Locate(const Inode& file, const BlockVersion& block, uint64_t offset,
                      absl::string_view reader_ip, const ClusterView& cluster, View& view)
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  LocatedBlocks LocateAll(const Inode& file, uint64_t offset, uint64_t length,
                          absl::string_view reader_ip, View& view) ABSL_SHARED_LOCKS_REQUIRED(mu_);
  Outcome<LocatedBlocks> LocateById(const Caller& caller, InodeId id);
  // A page about to be read.
  struct PageStart {
    bool exists = false;
    InodeId directory = kNoInode;
    std::string after;  // names greater than this
    uint64_t children = 0;
    const erasure::Policy* erasure = nullptr;  // of directories below that have nothing set
    uint64_t version = 0;                      // 0: not all of one moment
    uint64_t ticket = 0;
    std::optional<ListingEntry> file;  // the path is one
    std::unique_ptr<Store::Range> range;
    std::optional<ListingCache::Page> known;
  };
  // `encoder` is not null: the page may be in the cache.
  Outcome<PageStart> StartPage(const Caller& caller, absl::string_view path,
                               absl::string_view after, bool locations, const void* encoder);
  Outcome<Listing> ReadPage(const Caller& caller, absl::string_view path, bool locations,
                            PageStart& page);
  void AddLocations(const Caller& caller, PageStart& page, Listing* listing);
  // Makes page->range anew: what edits put off is put first. `after` is a key, or empty.
  void ScanUpToDate(const std::string& after, PageStart* page) ABSL_LOCKS_EXCLUDED(mu_);
  NameTable& names() { return tree_->names(); }
  // Those that are known.
  std::vector<uint32_t> NumbersOf(const std::vector<std::string>& storage_uuids) const;
  // For each, by its place; kNoStorage: it is not known.
  std::vector<uint32_t> UnitTargets(const std::vector<std::string>& storage_uuids) const;
  // A client says that what it read from these storages is bad.
  void Doubt(const Caller& caller, const BlockMap::Entry& block,
             std::span<const uint32_t> storages);
  class Reporter;  // takes one storage's report in; ops/reporter.h
  class Healer;    // finds and repairs blocks; core/healer.h
  absl::Status DropMissingInRanges(Reporter& reporter, const ReplicasReport& report,
                                   const absl::flat_hash_set<BlockId>& changed);
  void WalkReplicaRecords();  // one page
  absl::StatusOr<uint32_t> NumberForReport(absl::string_view storage_uuid,
                                           absl::string_view datanode_uuid) const;

  // TreeListener: under mu_, exclusively.
  void OnBlockAdded(const Inode& file, const BlockVersion& block) override;
  void OnBlockChanged(const Inode& file, const BlockVersion& block, bool committed) override;
  void OnBlockRemoved(const Inode& file, const BlockVersion& block) override;
  void OnBlockSuperseded(const Inode& file, const BlockVersion& block) override;
  void OnOpened(const Inode& file) override;
  void OnClosed(const Inode& file) override;
  void OnDetached(InodeId directory) override;
  void OnStorageRegistered(const edit::RegisterStorage& storage) override;

  const NamenodeOptions options_;
  std::string cluster_id_, block_pool_id_;  // set by OpenStore
  Clock& clock_;
  Store& store_;
  ClusterState& cluster_;
  Journal* journal_ = nullptr;    // set by StartServing
  absl::Duration next_given_up_;  // when RecordGivenUp looks again; only maintenance touches it
  absl::Duration next_ring_;      // likewise, RingForDeletions
  IdentityCache identities_;

  mutable SharedMutex mu_;
  std::unique_ptr<Tree> tree_;  // its contents: guarded by mu_
  std::unique_ptr<BlockMap> blocks_;
  // These synchronize themselves.
  LeaseManager leases_;
  InvalidationQueue invalidations_;
  ReplicaWaiters waiters_;
  ListingCache listings_;
  AccessedFiles accessed_;
  ConversionRunBoard conversion_run_;
  OrderBell bell_{{}};        // wakes datanodes that wait for orders
  OrderBoard orders_{bell_};  // for single datanodes, until their heartbeats
  FullReportTracker full_reports_;
  std::unique_ptr<Healer> healer_;  // its state: guarded by mu_
  RetryCache retry_ ABSL_GUARDED_BY(mu_);
  TxId last_txid_ ABSL_GUARDED_BY(mu_) = kNoTx;
  Tree::Counters next_ ABSL_GUARDED_BY(mu_){};
  std::deque<InodeId> detached_ ABSL_GUARDED_BY(mu_);
  // Blocks that no file has any more and whose replicas were not resident: maintenance looks up
  // where they are and tells the storages. Each has a record in the store from the edit that
  // removed it until then, so a crash forgets none. Here are some of them; the others are found by
  // walking through the records.
  struct RemovedBlock {
    BlockId id;
    GenerationStamp stamp;
  };
  std::deque<RemovedBlock> removed_blocks_ ABSL_GUARDED_BY(mu_);
  // Those that readers may still use: likewise, but nobody is told before their time is over.
  SupersededBlocks superseded_ ABSL_GUARDED_BY(mu_);
  bool removed_unseen_ ABSL_GUARDED_BY(mu_) = false;  // records that only another walk will find
  std::optional<std::string> removed_walk_ ABSL_GUARDED_BY(mu_);  // the key it has come to
  // Where the block of the edit being applied is to be written; set by the operation. Of a group,
  // by unit, kNoStorage for those that nobody writes.
  std::vector<uint32_t> targets_ ABSL_GUARDED_BY(mu_);
  SafeModeState safe_mode_ ABSL_GUARDED_BY(mu_);

  // Last blocks of files that datanodes are bringing to one length: after a writer's death, or a
  // truncate inside a block. Ordered again until a replica reports in under the new stamp.
  struct Recovering {
    InodeId file{};
    BlockVersion block;  // with the stamp of this try; for a truncate, the length to cut to
    GenerationStamp before{};
    bool truncate = false;
    absl::Duration next_order;
    // No datanode is told before this edit is durable: what it does cannot be taken back, and a
    // crash would leave the file with a stamp older than all its replicas have.
    TxId ticket = kNoTx;
    // Storages that reported a replica that is to be cut, and have not been told so.
    std::vector<uint32_t> behind = {};
    // Reported under the new stamp when nothing could be written; the file is still to be closed.
    std::optional<BlockVersion> finished = {};
    // Not a truncate: who has the order of this try. Empty: nobody yet.
    std::string primary = {};
    uint64_t session = 0, order_number = 0;
    absl::Duration ordered;
    uint64_t tries = 0;
  };
  absl::btree_map<BlockId, Recovering> recovering_ ABSL_GUARDED_BY(mu_);
  // Last groups of files whose writers are gone.
  struct GroupRecovery {
    InodeId file{};
    BlockVersion group;        // with the stamp of this step, and when cutting, its length
    GenerationStamp before{};  // of the units that the writer left
    GenerationStamp from{};    // of those that the step before has finalized
    bool cutting = false;      // the second step
    // By unit, as told in this step, and in the one before; kMissingUnit: it has not told.
    std::vector<uint64_t> unit_bytes = {}, found = {};
    std::vector<bool> keep = {};  // of those found
    size_t ordered = 0;           // so many units were told to; 0: nobody yet
    absl::Duration next_look;
    TxId ticket = kNoTx;  // as above
  };
  absl::btree_map<BlockId, GroupRecovery> group_recoveries_ ABSL_GUARDED_BY(mu_);
  // Files that are being truncated inside a block group.
  struct GroupTruncation {
    absl::Duration next_look = -absl::InfiniteDuration();
    // The try under way: the new group with the length that it is to have, who writes it, and by
    // unit, who gets it and has not reported it; empty: nobody (any more).
    std::optional<BlockVersion> group = {};
    std::string worker = {};
    uint64_t session = 0;
    std::vector<std::string> awaited = {};
    size_t ordered = 0;  // so many were to get one
    // Datanodes that did not take their unit when others did, in the tries so far.
    std::vector<std::string> excluded = {};
    int failures = 0;
    std::string why = {};  // the last one failed, or could not begin

    size_t CountAwaited() const {
      return static_cast<size_t>(std::count_if(awaited.begin(), awaited.end(),
                                               [](const auto& uuid) { return !uuid.empty(); }));
    }
  };
  absl::btree_map<InodeId, GroupTruncation> group_truncations_ ABSL_GUARDED_BY(mu_);
  InodeId truncation_position_ ABSL_GUARDED_BY(mu_){};  // maintenance goes on behind it
  // The groups that tries under way write, and whose they are.
  absl::btree_map<BlockId, InodeId> rewriting_ ABSL_GUARDED_BY(mu_);
  // Files that the namenode is to close, in the order of their next look. What keeps one open may
  // be over without anybody saying so: safe mode, a full disk, a last block without a replica.
  std::deque<std::pair<absl::Duration, InodeId>> to_close_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<InodeId> in_to_close_ ABSL_GUARDED_BY(mu_);

  // The walk through the subtree being reclaimed, root first. Only maintenance touches it.
  struct ReclaimLevel {
    InodeId directory;
    std::string name;
    std::string after;  // key: entries up to here are gone or in hand
  };
  std::vector<ReclaimLevel> reclaiming_;
};

}  // namespace cairn::namenode
