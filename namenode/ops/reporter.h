// namenode/ops/reporter.h - takes in what a datanode reports of one of its storages.
//
// A report is taken in slices. For each slice the records it needs are read from LevelDB without a
// lock, then all of it is judged under one short exclusive lock; whatever has moved in between is
// read again. Deletions follow only from the namespace as it is, never from a report alone, and
// leave with a heartbeat once the edit they depend on is durable and safe mode is over.
//
// One thread uses a Reporter, for one report.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "namenode/core/namenode_impl.h"

namespace cairn::namenode {

class NamenodeImpl::Reporter {
 public:
  // `changes`: a report of changes; else a full report, which says nothing new of what it repeats.
  // kAborted from any of the calls below: `session` is over, and what a newer one says must not be
  // followed by what this one said.
  Reporter(NamenodeImpl& namenode, const DatanodeInfo& node, uint64_t session, uint32_t storage,
           bool changes)
      : namenode_(namenode),
        uuid_(node.uuid),
        session_(session),
        storage_(storage),
        changes_(changes) {
    for (const StorageInfo& info : node.storages) same_node_.push_back(info.number);
  }

  // A datanode that moves a replica to another of its disks says in one report that it is gone here
  // and good there: by block, where.
  using Moves = absl::flat_hash_map<BlockId, uint32_t>;
  // Of the first of `changes`, which end with the report.
  static Moves FindMoves(const ClusterState& cluster, std::span<const StorageChanges> changes);
  void SetMoves(const Moves* moves) { moves_ = moves; }

  absl::Status Process(std::span<const ReportedReplica> replicas);

  // The records say that the storage holds blocks in (`after`, `up_to`] (nullopt: to the end) that
  // are not in `replicas`: they are gone, unless `changed` names them.
  absl::Status DropMissing(BlockId after, std::optional<BlockId> up_to,
                           std::span<const ReportedReplica> replicas,
                           const absl::flat_hash_set<BlockId>& changed);
  // The same of records 'r' that name the storage without its record 'n', which is what the above
  // goes by: earlier versions left some. Costs next to nothing but for buckets in which the digests
  // count more replicas than `replicas` has finalized ones: all their records 'r' are read. A
  // bucket of which the range has a part only is left alone. What cannot be read is logged, and
  // left to the next list: it says nothing against this one.
  absl::Status DropWithoutIndex(const BlockRange& range, std::span<const ReportedReplica> replicas,
                                const absl::flat_hash_set<BlockId>& changed);

 private:
  // What LevelDB said, good as long as nothing was flushed since.
  struct Loaded {
    std::optional<std::string> value;
    uint64_t flushes = 0;
    bool asked = false;
  };
  struct Item {
    ReportedReplica replica;
    Loaded record, owner;  // 'r' and 'b'
    // The owner's record named it, and it did not exist. The block may have another owner since.
    InodeId gone = kNoInode;
  };
  // What an item lacks to be judged.
  struct Needs {
    std::vector<std::pair<std::string, Loaded*>> records;
    std::vector<std::pair<InodeId, Item*>> inodes;
    bool empty() const { return records.empty() && inodes.empty(); }
  };
  using Record = std::optional<std::string>;
  // Records whose keys are this prefix and a block id, or an end of one, from behind `position` on.
  struct RecordWalk {
    std::string prefix, position;
    std::optional<BlockId> up_to;
    // Whether the record says that the storage has a replica.
    std::function<bool(absl::string_view key, absl::string_view value)> names_storage;
  };

  absl::Status DropUnlisted(RecordWalk walk, std::span<const ReportedReplica> replicas,
                            const absl::flat_hash_set<BlockId>& changed);
  // The buckets that lie wholly in the range and have more replicas on the storage by the records
  // 'r' than finalized ones by the list; neighbours are one range. None: after a start it is not
  // known yet.
  std::vector<BlockRange> FindOvercounted(const BlockRange& range,
                                          std::span<const ReportedReplica> replicas) const
      ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  absl::Status ProcessSlice(std::span<const ReportedReplica> slice);
  absl::Status Satisfy(const Needs& needs, uint64_t flushes);
  // The newest value of `key`; false: LevelDB must be asked.
  bool Newest(const std::string& key, const Loaded& loaded, Record* value) const
      ABSL_SHARED_LOCKS_REQUIRED(namenode_.mu_);
  // True: it can be judged now. Else it adds to `needs`.
  bool Examine(Item& item, Needs& needs) const ABSL_SHARED_LOCKS_REQUIRED(namenode_.mu_);
  bool IsUnchanged(const ReportedReplica& reported, const Record& record) const
      ABSL_SHARED_LOCKS_REQUIRED(namenode_.mu_);
  void Judge(const Item& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  void Act(const Inode& file, const ReportedReplica& reported, const BlockMap::ReportResult& result)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  // Of a block that waits for its readers. False: it does not, or this is no good replica of it.
  bool TakeSuperseded(const ReportedReplica& reported, const Record& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  void DeleteUnknown(const ReportedReplica& reported) ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  void MakeResident(BlockId block, const Record& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  std::optional<InodeId> OwnerIn(BlockId block, const Record& owner) const;

  NamenodeImpl& namenode_;
  const std::string uuid_;
  const uint64_t session_;
  const uint32_t storage_;
  const bool changes_;
  const Moves* moves_ = nullptr;
  std::vector<uint32_t> same_node_;
  std::vector<ReplicaWaiters::Callback> wake_;  // run without the lock
};

}  // namespace cairn::namenode
