// namenode/namenode.h - the namenode's operations, free of any protocol.
//
// The one object that front ends (service/rpc, service/grpc) call. Every method is one operation,
// implemented in the file of its name under ops/: it validates, writes one edit, applies it, and
// returns with the ticket to wait for. Nothing here blocks on the journal; a method may read
// LevelDB when a record is not in memory, without holding a lock.
//
// Threads: all methods from any thread. Lock order: mu_ (namespace) before ClusterState's, before
// the journal's and the store's own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/mutex.h"
#include "namenode/blocks/balance_job.h"
#include "namenode/blocks/block_health.h"
#include "namenode/blocks/leave_progress.h"
#include "namenode/namespace/types.h"

namespace cairn::namenode {

class ClusterState;
class Journal;
class NamenodeImpl;
class Store;

struct CreateOptions {
  absl::string_view client_name;  // lease holder
  uint32_t mode = 0644;
  bool create = true;  // flags of HDFS's create call
  bool overwrite = false;
  bool create_parent = true;
  uint32_t replication = 3;
  uint64_t block_bytes = 128 << 20;
  bool should_replicate = false;
  // Where the directory has an erasure coding policy: replicated as long as the file is small.
  bool replicate_while_small = false;
  absl::string_view storage_policy;  // name; empty: inherited
  absl::string_view erasure_policy;  // name of an enabled one; empty: inherited
};

struct AppendResult {
  FileStatus status;
  std::optional<LocatedBlock> block;  // partial last block to go on with
};

struct AddBlockRequest {
  absl::string_view path, client_name;
  InodeId file = kNoInode;               // kNoInode: by path
  std::optional<BlockVersion> previous;  // with its final length
  std::vector<std::string> excluded;     // datanode uuids
  std::vector<std::string> favored;      // "host:port"
  bool no_local_write = false;
  bool ignore_locality = false;
};

// A closed file's blocks replaced by some of its own and of another file, which vanishes.
struct ReplaceBlocksRequest {
  absl::string_view target, source;  // paths; an empty source: there is none
  absl::string_view client_name;
  InodeId target_id = kNoInode;        // `target` is this file
  std::vector<BlockVersion> expected;  // all its blocks that hold bytes, as the caller knows them
  std::vector<BlockId> blocks;         // all that it is to have, in their order
};

// A closed file given all blocks of its copy `source`, which vanishes, and that one's form.
struct ConvertFileRequest {
  absl::string_view target, source;  // paths
  InodeId target_id = kNoInode;      // `target` is this file
  std::vector<BlockVersion>
      expected;  // all its blocks that hold bytes, as the copy was made of them
};

// An open file that is replicated as long as it is small, to be erasure-coded.
struct CodeSmallFileRequest {
  absl::string_view path, client_name;
  InodeId file = kNoInode;
  absl::string_view source;          // path of its copy, which vanishes; empty: it has no blocks
  std::optional<BlockVersion> last;  // its last block, with its final length
};

// As ConversionRule, with the policy's name; empty: back to replication.
struct ConversionRuleRequest {
  absl::string_view policy;
  uint64_t older_than_ms = 0, unread_for_ms = 0, larger_than_bytes = 0;
};

struct SafeModeStatus {
  bool on = false;
  std::string reason;  // one line: what is known, what is missing, when it will end
};

// A file that somebody is writing.
struct OpenFile {
  InodeId id = kNoInode;
  std::string path, holder, machine;  // the lease's holder, and where it is
};

struct OpenFilePage {
  std::vector<OpenFile> files;  // by id
  InodeId last = kNoInode;      // the next page is asked for with this
  bool more = false;            // there may be one, though this one may be empty
};

enum class SafeModeAction { kLeave, kEnter, kGet, kForceExit };

class Namenode {
 public:
  virtual ~Namenode() = default;

  // ---- reads
  virtual Outcome<std::optional<FileStatus>> GetFileInfo(const Caller&, absl::string_view path) = 0;
  // nullopt: no such path. `after`: names greater than this (raw bytes), or than the name of what
  // has this path, such as /.reserved/.inodes/ID; FsError::kListingStartGone: there is none.
  virtual Outcome<std::optional<Listing>> GetListing(const Caller&, absl::string_view path,
                                                     absl::string_view after, bool locations) = 0;
  // The same without locations, as `encode` writes it; null: no such path. The bytes may be those
  // of an earlier call, so `encode` depends on nothing but the listing.
  using EncodeListing = std::string (*)(const Listing&);
  virtual Outcome<std::shared_ptr<const std::string>> GetEncodedListing(const Caller& caller,
                                                                        absl::string_view path,
                                                                        absl::string_view after,
                                                                        EncodeListing encode) {
    const Outcome<std::optional<Listing>> listing = GetListing(caller, path, after, false);
    if (!listing.value.ok()) return {listing.value.status(), listing.ticket};
    if (!listing.value->has_value()) return {nullptr, listing.ticket};
    return {std::make_shared<const std::string>(encode(**listing.value)), listing.ticket};
  }
  virtual Outcome<LocatedBlocks> GetBlockLocations(const Caller&, absl::string_view path,
                                                   uint64_t offset, uint64_t length) = 0;
  // Somebody reads the file that was LocatedBlocks::access_due: soon its access time moves, once
  // for all who say so. Waits for nothing.
  virtual void Accessed(InodeId file) = 0;
  virtual Outcome<ContentSummary> GetContentSummary(const Caller&, absl::string_view path) = 0;
  virtual Outcome<Nothing> CheckAccess(const Caller&, absl::string_view path, uint32_t rwx) = 0;
  virtual Outcome<bool> IsFileClosed(const Caller&, absl::string_view path) = 0;

  // ---- namespace
  virtual Outcome<bool> Mkdirs(const Caller&, absl::string_view path, uint32_t mode,
                               bool create_parent) = 0;
  virtual Outcome<bool> Delete(const Caller&, absl::string_view path, bool recursive) = 0;
  virtual Outcome<bool> Rename(const Caller&, absl::string_view from, absl::string_view to) = 0;
  virtual Outcome<Nothing> Rename2(const Caller&, absl::string_view from, absl::string_view to,
                                   bool overwrite, bool to_trash) = 0;
  virtual Outcome<Nothing> SetPermission(const Caller&, absl::string_view path, uint32_t mode) = 0;
  // An empty name leaves that side as it is.
  virtual Outcome<Nothing> SetOwner(const Caller&, absl::string_view path, absl::string_view owner,
                                    absl::string_view group) = 0;
  virtual Outcome<Nothing> SetTimes(const Caller&, absl::string_view path,
                                    std::optional<uint64_t> mtime_ms,
                                    std::optional<uint64_t> atime_ms) = 0;
  virtual Outcome<bool> SetReplication(const Caller&, absl::string_view path,
                                       uint32_t replication) = 0;
  virtual Outcome<Nothing> SetStoragePolicy(const Caller&, absl::string_view path,
                                            absl::string_view policy) = 0;
  virtual Outcome<uint32_t> GetStoragePolicy(const Caller&, absl::string_view path) = 0;
  // ---- erasure coding: errors and words are HDFS's
  // Of all states, by name.
  virtual Outcome<std::vector<ErasurePolicyInfo>> GetErasurePolicies(const Caller&) = 0;
  // What is set at `path` or above it, or the file's own; null: replicated.
  // FsError::kFileNotFound "Path not found: PATH".
  virtual Outcome<const erasure::Policy*> GetErasurePolicy(const Caller&,
                                                           absl::string_view path) = 0;
  // For files made from now on below a directory. "replication" (any case): replicated; empty: the
  // cluster's default (dfs.namenode.ec.system.default.policy). kIo: not a directory.
  // FsError::kIllegalArgument: not an enabled policy.
  virtual Outcome<Nothing> SetErasurePolicy(const Caller&, absl::string_view path,
                                            absl::string_view policy) = 0;
  // FsError::kNoErasurePolicySet: none is set at the directory itself.
  virtual Outcome<Nothing> UnsetErasurePolicy(const Caller&, absl::string_view path) = 0;
  // For superusers. Policies of others' making: what became of each, with the id that it was given;
  // one that is there already is told as it is.
  virtual Outcome<std::vector<absl::StatusOr<ErasurePolicyInfo>>> AddErasurePolicies(
      const Caller&, const std::vector<erasure::Policy>& policies) = 0;
  // For superusers. False: it was so already. FsError::kIllegalArgument: there is no such policy;
  // one of the system's is to be removed.
  virtual Outcome<bool> ChangeErasurePolicy(const Caller&, absl::string_view name,
                                            ErasurePolicyState state) = 0;
  // Whether Create makes a file for which this policy is named. FsError::kIllegalArgument: not an
  // enabled policy. kUnsupported: no erasure-coded files are made.
  virtual Outcome<Nothing> CheckErasurePolicy(const Caller&, absl::string_view policy) = 0;
  // ---- conversion rules, for superusers (ops/conversion_rules.cc)
  // In place of the one that the directory has. FsError::kIllegalArgument: not an enabled policy, a
  // number out of bounds, or a rule too many. kIo: not a directory. kFileNotFound.
  virtual Outcome<Nothing> SetConversionRule(const Caller&, absl::string_view path,
                                             const ConversionRuleRequest&) = 0;
  // False: it has none itself. kFileNotFound.
  virtual Outcome<bool> RemoveConversionRule(const Caller&, absl::string_view path) = 0;
  // Of the directories with ids above `after` that have a rule, the first `most`.
  virtual Outcome<ConversionRulePage> ListConversionRules(const Caller&, InodeId after,
                                                          size_t most) = 0;
  // Begins, renews or, with `stop`, ends a run of somebody who carries the rules out: `told` is
  // what he says of it. Not empty: another's goes on. The caller checks who asks, here and below.
  virtual std::string RenewConversionRun(uint64_t id, const ConversionRun& told, bool stop) = 0;
  virtual ConversionRun ShowConversionRun() = 0;
  virtual Outcome<Nothing> Concat(const Caller&, absl::string_view target,
                                  const std::vector<std::string>& sources) = 0;
  // In one edit. kChanged: the target is not what was expected. kAlreadyBeingCreated: somebody
  // writes it. kIllegalArgument: the source does not fit, a block is of neither or named twice.
  virtual Outcome<Nothing> ReplaceBlocks(const Caller&, const ReplaceBlocksRequest&) = 0;
  // From replicated to erasure-coded or back, in one edit. kChanged and kAlreadyBeingCreated as
  // above. kNotReplicatedYet: replicas or units of the copy are missing; nothing has changed, ask
  // again. kIllegalArgument: the copy is open, of another length, or in the file's own form.
  virtual Outcome<Nothing> ConvertFile(const Caller&, const ConvertFileRequest&) = 0;
  // The file stays open. kLeaseExpired: not in this client's name. kNotReplicatedYet: units of the
  // copy are missing; nothing has changed, ask again. kIllegalArgument: it is no small file of an
  // enabled policy, or the copy is open, of another policy or length. kUnsupported: erasure coding
  // is off.
  virtual Outcome<Nothing> CodeSmallFile(const Caller&, const CodeSmallFileRequest&) = 0;
  // True: the bytes are gone. False: recovery of the last block has begun.
  virtual Outcome<bool> Truncate(const Caller&, absl::string_view path, uint64_t new_length,
                                 absl::string_view client_name) = 0;

  // ---- writing files
  virtual Outcome<FileStatus> Create(const Caller&, absl::string_view path,
                                     const CreateOptions&) = 0;
  virtual Outcome<AppendResult> Append(const Caller&, absl::string_view path,
                                       absl::string_view client_name, bool new_block) = 0;
  // FsError::kNotReplicatedYet: the block before the previous one lacks its minimum of replicas;
  // nothing has changed, ask again. `on_replica`, when not null and this would be the answer, is
  // called once (any thread) as soon as a repeat may succeed.
  virtual Outcome<LocatedBlock> AddBlock(const Caller&, const AddBlockRequest&,
                                         std::function<void()> on_replica) = 0;
  virtual Outcome<Nothing> AbandonBlock(const Caller&, absl::string_view path, InodeId file,
                                        absl::string_view client_name, const BlockVersion&) = 0;
  // False: the last block lacks its minimum of replicas; ask again. `on_replica`, when not null and
  // the answer would be false, is called once (any thread) as soon as a repeat may succeed.
  virtual Outcome<bool> Complete(const Caller&, absl::string_view path, InodeId file,
                                 absl::string_view client_name,
                                 const std::optional<BlockVersion>& last,
                                 std::function<void()> on_replica) = 0;
  virtual Outcome<Nothing> Fsync(const Caller&, absl::string_view path, InodeId file,
                                 absl::string_view client_name,
                                 std::optional<uint64_t> last_block_length) = 0;
  virtual Outcome<LocatedBlock> UpdateBlockForPipeline(const Caller&, const BlockVersion&,
                                                       absl::string_view client_name) = 0;
  virtual Outcome<Nothing> UpdatePipeline(const Caller&, absl::string_view client_name,
                                          const BlockVersion& old_block,
                                          const BlockVersion& new_block,
                                          const std::vector<std::string>& datanode_uuids,
                                          const std::vector<std::string>& storage_uuids) = 0;
  virtual Outcome<LocatedBlock> GetAdditionalDatanode(
      const Caller&, absl::string_view path, InodeId file, const BlockVersion&,
      const std::vector<std::string>& existing_storage_uuids,
      const std::vector<std::string>& excluded_datanode_uuids, uint32_t count,
      absl::string_view client_name) = 0;
  virtual Outcome<Nothing> RenewLease(const Caller&, absl::string_view client_name) = 0;
  virtual Outcome<bool> RecoverLease(const Caller&, absl::string_view path,
                                     absl::string_view client_name) = 0;
  virtual Outcome<Nothing> ReportBadBlock(const Caller&, const BlockVersion&,
                                          const std::vector<std::string>& storage_uuids) = 0;

  // ---- admin
  // What is known of a block's replicas, what it needs and what is being done.
  // FsError::kFileNotFound: no file has it. kAccessControl: the caller may not read the file.
  virtual Outcome<BlockHealth> DescribeBlock(const Caller&, BlockId block) = 0;
  // Blocks in trouble, counted; and those with one need, by id, above `after`. The caller checks
  // who asks.
  virtual HealthTotals Health() = 0;
  // The datanodes that are being seen out, by uuid.
  virtual std::vector<LeaveProgress> Leaving() = 0;
  // How many replicas each storage is to delete and was not told to yet, by its number.
  virtual std::vector<std::pair<uint32_t, uint64_t>> PendingDeletions() = 0;
  virtual std::vector<BlockId> BlocksInNeed(Need need, BlockId after, size_t most) = 0;
  // Of the files with ids above `after` that have a lease, the first `most`: those that are being
  // written, or that moreover keep a datanode from being decommissioned. The caller checks who
  // asks.
  virtual Outcome<OpenFilePage> ListOpenFiles(const Caller&, InodeId after,
                                              bool blocking_decommission, size_t most) = 0;
  // Begins, renews or, with `stop`, ends a balancing job; iterations before `after` are not told
  // again. The caller checks who asks.
  virtual BalanceProgress Balance(const BalanceJob& job, uint64_t after, bool stop) = 0;
  // What jobs may use of each datanode, in bytes a second, until the namenode's end. Likewise.
  virtual void SetBalancerBandwidth(uint64_t bytes_per_second) = 0;
  virtual Outcome<SafeModeStatus> SafeMode(const Caller&, SafeModeAction) = 0;
  virtual bool IsSuperuser(const Caller&) = 0;

  // ---- facts that never change, or that synchronize themselves
  virtual const ServerDefaults& defaults() const = 0;
  virtual const std::string& block_pool_id() const = 0;
  virtual const std::string& cluster_id() const = 0;
  virtual ClusterState& cluster() = 0;
};

}  // namespace cairn::namenode
