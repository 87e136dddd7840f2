// What datanodes say: they register, beat, and report their replicas.
//
// A report is taken in slices. For each slice the records it needs are read from LevelDB without a
// lock, then all of it is judged under one short exclusive lock; whatever has moved in between is
// read again. Deletions follow only from the namespace as it is, never from a report alone, and
// leave with a heartbeat once the edit they depend on is durable and safe mode is over.
#include <algorithm>
#include <utility>

#include "common/logging.h"
#include "namenode/core/run.h"
#include "namenode/store/keys.h"
#include "namenode/store/records.h"

namespace cairn::namenode {
namespace {

// Replicas judged under one lock: some microseconds each, so far below 1 ms.
constexpr size_t kSlice = 64;
// Records of what a storage held, compared with a full report at a time.
constexpr size_t kScanPage = 4096;
// Rounds of reading for one slice before the datanode is told to send its report again.
constexpr int kMaxRounds = 100;
constexpr uint32_t kMaxStorages = 1 << 20;

absl::Status Mismatch(const DatanodeRegistration& node, absl::string_view what,
                      absl::string_view theirs, absl::string_view ours) {
  return absl::FailedPreconditionError(absl::StrCat("datanode ", node.datanode_uuid, " at ",
                                                    node.address.ip, " has ", what, " ", theirs,
                                                    ", this namenode ", ours));
}

}  // namespace

// ---- one storage's replicas

class NamenodeImpl::Reporter {
 public:
  // `changes`: a report of changes; else a full report, which says nothing new of what it repeats.
  Reporter(NamenodeImpl& namenode, const DatanodeInfo& node, uint32_t storage, bool changes)
      : namenode_(namenode), storage_(storage), changes_(changes) {
    for (const StorageInfo& info : node.storages) same_node_.push_back(info.number);
  }

  absl::Status Process(std::span<const ReportedReplica> replicas) {
    for (size_t at = 0; at < replicas.size(); at += kSlice) {
      RETURN_IF_ERROR(ProcessSlice(replicas.subspan(at, std::min(kSlice, replicas.size() - at))));
    }
    return absl::OkStatus();
  }

  // The records say that the storage holds blocks in (`after`, `up_to`] (nullopt: to the end) that
  // are not in `replicas`: they are gone, unless `changed` names them.
  absl::Status DropMissing(BlockId after, std::optional<BlockId> up_to,
                           std::span<const ReportedReplica> replicas,
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
    Loaded record, owner;     // 'r' and 'b'
    bool inode_gone = false;  // the owner's record names an inode that does not exist
  };
  // What an item lacks to be judged.
  struct Needs {
    std::vector<std::pair<std::string, Loaded*>> records;
    std::vector<std::pair<InodeId, Item*>> inodes;
    bool empty() const { return records.empty() && inodes.empty(); }
  };
  using Record = std::optional<std::string>;

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
  void DeleteUnknown(const ReportedReplica& reported) ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  void MakeResident(BlockId block, const Record& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  std::optional<InodeId> OwnerIn(BlockId block, const Record& owner) const;

  NamenodeImpl& namenode_;
  const uint32_t storage_;
  const bool changes_;
  std::vector<uint32_t> same_node_;
  std::vector<ReplicaWaiters::Callback> wake_;  // run without the lock
};

absl::Status NamenodeImpl::Reporter::ProcessSlice(std::span<const ReportedReplica> slice) {
  std::vector<Item> items(slice.size());
  for (size_t i = 0; i < slice.size(); ++i) items[i].replica = slice[i];
  size_t judged = 0;
  for (int round = 0; round < kMaxRounds; ++round) {
    Needs needs;
    uint64_t flushes;
    {
      ReaderLock lock(namenode_.mu_);
      flushes = namenode_.store_.flush_count();
      for (size_t i = judged; i < items.size(); ++i) Examine(items[i], needs);
    }
    if (!needs.empty()) {
      RETURN_IF_ERROR(Satisfy(needs, flushes));
      continue;
    }
    {
      WriterLock lock(namenode_.mu_);
      // In the order of the report: a block may be in it twice.
      while (judged < items.size() && Examine(items[judged], needs)) Judge(items[judged++]);
    }
    for (ReplicaWaiters::Callback& wake : std::exchange(wake_, {})) wake();
    if (judged == items.size()) return absl::OkStatus();
  }
  return absl::UnavailableError("the store is flushed faster than it is read: send it again");
}

absl::Status NamenodeImpl::Reporter::Satisfy(const Needs& needs, uint64_t flushes) {
  for (const auto& [key, loaded] : needs.records) {
    ASSIGN_OR_RETURN(loaded->value, namenode_.store_.Load(key));
    loaded->flushes = flushes;
    loaded->asked = true;
  }
  for (const auto& [inode, item] : needs.inodes) {
    const absl::Status status = namenode_.LoadInode(inode);
    if (absl::IsNotFound(status)) {
      item->inode_gone = true;
    } else if (!status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

bool NamenodeImpl::Reporter::Newest(const std::string& key, const Loaded& loaded,
                                    Record* value) const {
  absl::string_view in_tail;
  switch (namenode_.store_.Peek(key, &in_tail)) {
    case Store::Found::kValue:
      *value = std::string(in_tail);
      return true;
    case Store::Found::kDeleted:
      *value = std::nullopt;
      return true;
    case Store::Found::kUnknown:
      break;
  }
  if (!loaded.asked || loaded.flushes != namenode_.store_.flush_count()) return false;
  *value = loaded.value;
  return true;
}

std::optional<InodeId> NamenodeImpl::Reporter::OwnerIn(BlockId block, const Record& owner) const {
  if (!owner) return std::nullopt;
  const auto parsed = ParseBlockOwner(keys::BlockOwner(block), *owner);
  if (parsed.ok()) return InodeId{parsed->inode()};
  LOG_ERROR("{}", parsed.status().ToString());
  return kNoInode;  // somebody's, nobody knows whose: nothing is deleted
}

// A full report mostly repeats what is known: those replicas cost no look at the namespace.
bool NamenodeImpl::Reporter::IsUnchanged(const ReportedReplica& reported,
                                         const Record& record) const {
  if (reported.state != ReplicaState::kFinalized) return false;
  const auto holds = [&](auto&& storages) {
    return std::find(storages.begin(), storages.end(), storage_) != storages.end();
  };
  if (const BlockMap::Entry* const entry = namenode_.blocks_->Find(reported.block.id)) {
    return entry->state() != BlockMap::State::kUnderConstruction &&
           entry->stamp() == reported.block.stamp && entry->length() == reported.block.length &&
           holds(entry->replicas());
  }
  if (!record) return false;
  const auto parsed = ParseReplicas(keys::Replicas(reported.block.id), *record);
  return parsed.ok() && parsed->generation_stamp() == ToInt(reported.block.stamp) &&
         parsed->length() == reported.block.length && holds(parsed->storages());
}

bool NamenodeImpl::Reporter::Examine(Item& item, Needs& needs) const {
  const BlockId block = item.replica.block.id;
  Record record;
  if (namenode_.blocks_->Find(block) == nullptr) {
    const std::string key = keys::Replicas(block);
    if (!Newest(key, item.record, &record)) {
      needs.records.emplace_back(key, &item.record);
      return false;
    }
  }
  if (item.replica.state == ReplicaState::kDeleted || IsUnchanged(item.replica, record)) {
    return true;
  }
  const std::string key = keys::BlockOwner(block);
  Record owner_record;
  if (!Newest(key, item.owner, &owner_record)) {
    needs.records.emplace_back(key, &item.owner);
    return false;
  }
  const std::optional<InodeId> owner = OwnerIn(block, owner_record);
  if (!owner || *owner == kNoInode || item.inode_gone) return true;
  if (namenode_.tree_->FindById(*owner) != nullptr) return true;
  needs.inodes.emplace_back(*owner, &item);
  return false;
}

void NamenodeImpl::Reporter::MakeResident(BlockId block, const Record& record) {
  if (namenode_.blocks_->Find(block) != nullptr) return;
  std::optional<store::Replicas> replicas;
  if (record) {
    auto parsed = ParseReplicas(keys::Replicas(block), *record);
    if (parsed.ok()) {
      replicas = *std::move(parsed);
    } else {
      LOG_ERROR("{}; the datanodes' reports replace it", parsed.status().ToString());
    }
  }
  namenode_.blocks_->Insert(block, replicas);
}

// Needs Examine(item) to have said true under the same lock.
void NamenodeImpl::Reporter::Judge(const Item& item) {
  const ReportedReplica& reported = item.replica;
  const BlockId block = reported.block.id;
  BlockMap& blocks = *namenode_.blocks_;
  Record record;
  if (blocks.Find(block) == nullptr) Newest(keys::Replicas(block), item.record, &record);
  if (reported.state == ReplicaState::kDeleted) {
    if (blocks.Find(block) == nullptr && !record) return;  // of a block that was removed before
    MakeResident(block, record);
    blocks.ReplicaGone(storage_, block);
    return;
  }
  if (IsUnchanged(reported, record)) return;

  Record owner_record;
  Newest(keys::BlockOwner(block), item.owner, &owner_record);
  const std::optional<InodeId> owner = OwnerIn(block, owner_record);
  if (!owner) {
    DeleteUnknown(reported);
    return;
  }
  const Inode* const file = item.inode_gone ? nullptr : namenode_.tree_->FindById(*owner);
  const BlockVersion* version = nullptr;
  if (file != nullptr && file->file != nullptr) {
    const std::vector<BlockVersion>& of_file = file->file->blocks;
    const auto found = std::find_if(of_file.rbegin(), of_file.rend(),
                                    [&](const BlockVersion& b) { return b.id == block; });
    if (found != of_file.rend()) version = &*found;
  }
  if (version == nullptr) {
    LOG_EVERY_SECONDS(kError, 1,
                      "blk_{} on storage {}: its owner, inode {}, does not have it; left alone",
                      ToInt(block), storage_, ToInt(*owner));
    return;
  }
  MakeResident(block, record);
  // Blocks that are being written are pinned in the map: it knows.
  const bool open = blocks.Find(block)->state() == BlockMap::State::kUnderConstruction;
  Act(*file, reported,
      blocks.ReplicaReported(storage_, ExpectedBlock{*version, open}, reported, same_node_));
}

void NamenodeImpl::Reporter::Act(const Inode& file, const ReportedReplica& reported,
                                 const BlockMap::ReportResult& result) {
  const BlockId block = reported.block.id;
  const bool early = result.meaning == ReplicaMeaning::kFinalizedEarly;
  if (changes_ && (early || result.added)) namenode_.cluster_.Unschedule(storage_);
  if (early || result.reached_minimum) {
    for (auto& wake : namenode_.waiters_.Take(block)) wake_.push_back(std::move(wake));
  }
  // Not cut yet, and after a restart nothing else tells where the replicas are.
  if (result.meaning == ReplicaMeaning::kStaleStamp) {
    const auto cut = namenode_.recovering_.find(block);
    if (cut != namenode_.recovering_.end() && cut->second.truncate) {
      std::vector<uint32_t>& behind = cut->second.behind;
      if (std::find(behind.begin(), behind.end(), storage_) == behind.end()) {
        behind.push_back(storage_);
        cut->second.next_order = namenode_.clock_.Monotonic();
      }
      return;
    }
  }
  const uint32_t replication = file.file->replication;
  const TxId ticket = namenode_.last_txid_;
  if (IsBad(result.meaning)) {
    // An old stamp is bad for certain. What has the right one may be the best there is.
    const uint32_t enough = result.meaning == ReplicaMeaning::kStaleStamp
                                ? namenode_.blocks_->min_replication()
                                : replication;
    LOG_EVERY_SECONDS(kWarn, 1, "{} on storage {} is bad ({} bytes, state {}); {} good replicas",
                      BlockName(reported.block), storage_, reported.block.length,
                      static_cast<int>(reported.state), result.live);
    if (result.live >= enough) {
      namenode_.invalidations_.Add(storage_, {block, reported.block.stamp}, ticket);
    }
  } else if (result.added && result.live >= replication) {
    const std::vector<uint32_t> corrupt = namenode_.blocks_->CorruptReplicas(block);
    if (!corrupt.empty()) {
      namenode_.invalidations_.Add(corrupt, {block, reported.block.stamp}, ticket);
    }
  }
  if (early) namenode_.FinishRecovery(reported.block);  // may change the file: comes last
}

void NamenodeImpl::Reporter::DeleteUnknown(const ReportedReplica& reported) {
  if (ToInt(reported.block.id) >= namenode_.next_.block_id) {
    // From the future: this namespace is older than the datanode, say restored from a copy.
    LOG_EVERY_SECONDS(kError, 1, "{} on storage {} has an id that was never given out; left alone",
                      BlockName(reported.block), storage_);
    return;
  }
  if (namenode_.invalidations_.IsFull()) return;  // the next full report finds it again
  namenode_.invalidations_.Add(storage_, {reported.block.id, reported.block.stamp},
                               namenode_.last_txid_);
}

absl::Status NamenodeImpl::Reporter::DropMissing(BlockId after, std::optional<BlockId> up_to,
                                                 std::span<const ReportedReplica> replicas,
                                                 const absl::flat_hash_set<BlockId>& changed) {
  std::string position = ToInt(after) == 0 ? "" : keys::StorageBlock(storage_, after);
  size_t listed = 0;
  size_t dropped = 0;
  for (bool more = true; more;) {
    std::unique_ptr<Store::Range> range;
    {
      ReaderLock lock(namenode_.mu_);
      range = namenode_.store_.Scan(keys::StorageBlockPrefix(storage_), position, kScanPage);
    }
    std::vector<ReportedReplica> gone;
    more = false;
    bool past_end = false;
    for (; range->Valid(); range->Next()) {
      uint64_t id;
      if (!keys::ParseTrailingId(range->key(), &id)) {
        return absl::DataLossError(absl::StrCat("store: ", keys::Readable(range->key())));
      }
      const BlockId block{id};
      past_end = up_to && block > *up_to;
      if (past_end) break;
      while (listed < replicas.size() && replicas[listed].block.id < block) ++listed;
      if (listed < replicas.size() && replicas[listed].block.id == block) continue;
      if (!changed.contains(block)) gone.push_back({{block, {}, 0}, ReplicaState::kDeleted});
    }
    RETURN_IF_ERROR(range->status());
    if (!past_end && range->more()) {
      more = true;
      position = std::string(range->resume_after());
    }
    range.reset();  // pins a snapshot of LevelDB
    RETURN_IF_ERROR(Process(gone));
    dropped += gone.size();
  }
  if (dropped > 0) {
    LOG_WARN("storage {} no longer has {} replicas that it had", storage_, dropped);
  }
  return absl::OkStatus();
}

// ---- the datanodes' calls

absl::StatusOr<DatanodeWelcome> NamenodeImpl::Register(const DatanodeRegistration& node) {
  if (!node.cluster_id.empty() && node.cluster_id != cluster_id_) {
    return Mismatch(node, "cluster id", node.cluster_id, cluster_id_);
  }
  if (!node.block_pool_id.empty() && node.block_pool_id != block_pool_id_) {
    return Mismatch(node, "block pool id", node.block_pool_id, block_pool_id_);
  }
  if (node.layout_version != kDatanodeLayoutVersion) {
    return Mismatch(node, "layout version", absl::StrCat(node.layout_version),
                    absl::StrCat(kDatanodeLayoutVersion));
  }
  const NodeRegistration registration{node.datanode_uuid, node.address, node.storages};
  RETURN_IF_ERROR(cluster_.CheckRegistration(registration));
  {
    WriterLock lock(mu_);
    if (journal_ == nullptr) return absl::UnavailableError("the namenode is still starting");
    for (const StorageInfo& storage : node.storages) {
      if (cluster_.IsStorageOf(storage.uuid, node.datanode_uuid)) continue;
      RETURN_IF_ERROR(journal_->Ready());
      RETURN_IF_ERROR(store_.Ready());
      const uint32_t number =
          cluster_.NumberOf(storage.uuid).value_or(tree_->identity().next_storage_number());
      if (number >= kMaxStorages) {
        return absl::ResourceExhaustedError(
            absl::StrCat("storage ", storage.uuid, ": ", kMaxStorages, " storages are known"));
      }
      edit::Edit edit;
      edit.set_time_ms(NowMs());
      edit::RegisterStorage& change = *edit.mutable_register_storage();
      change.set_number(number);
      change.set_storage_uuid(storage.uuid);
      change.set_datanode_uuid(node.datanode_uuid);
      change.set_storage_type(storage.type);
      // Not waited for: records that use the number reach the store after this edit or with it.
      AppendAndApply(edit);
    }
  }
  ASSIGN_OR_RETURN(const uint64_t session, cluster_.Register(registration));
  const std::vector<uint32_t> storages = cluster_.StoragesOf(node.datanode_uuid);
  for (const uint32_t storage : storages) full_reports_.End(storage);
  invalidations_.Open(storages);
  LOG_INFO("datanode {} registered: {} ({}:{}), {} storages, software {}", node.datanode_uuid,
           node.address.host_name, node.address.ip, node.address.transfer_port,
           node.storages.size(), node.software_version);
  return DatanodeWelcome{cluster_id_, block_pool_id_, session, options_.heartbeat_interval,
                         /*full_report=*/true};
}

absl::StatusOr<std::vector<DatanodeCommand>> NamenodeImpl::Heartbeat(
    const DatanodeHeartbeat& heartbeat) {
  RETURN_IF_ERROR(cluster_.Heartbeat(heartbeat.datanode_uuid, heartbeat.session, heartbeat.storages,
                                     heartbeat.transfers));
  std::vector<DatanodeCommand> commands = orders_.Take(heartbeat.datanode_uuid);
  TxId durable;
  {
    ReaderLock lock(mu_);
    // Nothing is deleted in safe mode: whoever sees that something is wrong can still stop it.
    if (journal_ == nullptr || safe_mode_.on()) return commands;
    durable = journal_->durable();
  }
  const std::shared_ptr<const ClusterView> view = cluster_.View();
  const ClusterView::Node* const node = view->FindByUuid(heartbeat.datanode_uuid);
  if (node == nullptr) return commands;
  std::vector<uint32_t> storages;
  for (const StorageInfo& storage : node->info->storages) storages.push_back(storage.number);
  InvalidateCommand invalidate;
  for (const InvalidationOrder& order : invalidations_.Take(storages, durable)) {
    invalidate.blocks.push_back({order.id, order.stamp, 0});
  }
  if (!invalidate.blocks.empty()) commands.push_back(std::move(invalidate));
  return commands;
}

absl::StatusOr<uint32_t> NamenodeImpl::NumberForReport(absl::string_view storage_uuid,
                                                       absl::string_view datanode_uuid) const {
  const std::optional<uint32_t> number = cluster_.NumberOf(storage_uuid);
  if (!number || !cluster_.IsStorageOf(storage_uuid, datanode_uuid)) {
    return absl::AbortedError(absl::StrCat("storage ", storage_uuid, " of datanode ", datanode_uuid,
                                           " is not registered; register again"));
  }
  return *number;
}

absl::Status NamenodeImpl::ReportChanges(const ChangesReport& report) {
  ASSIGN_OR_RETURN(ClusterState::ReportTurn turn,
                   cluster_.BeginReport(report.datanode_uuid, report.session, report.sequence));
  if (!turn.is_new()) return absl::OkStatus();
  const std::shared_ptr<const ClusterView> view = cluster_.View();
  const ClusterView::Node* const node = view->FindByUuid(report.datanode_uuid);
  if (node == nullptr) return absl::AbortedError("register again");
  for (const StorageChanges& changes : report.storages) {
    ASSIGN_OR_RETURN(const uint32_t storage,
                     NumberForReport(changes.storage_uuid, report.datanode_uuid));
    for (const ReportedReplica& replica : changes.replicas) {
      full_reports_.NoteChange(storage, replica.block.id);
    }
    Reporter reporter(*this, *node->info, storage, /*changes=*/true);
    RETURN_IF_ERROR(reporter.Process(changes.replicas));
  }
  turn.Done();
  return absl::OkStatus();
}

absl::Status NamenodeImpl::ReportReplicas(const ReplicasReport& report) {
  ASSIGN_OR_RETURN(ClusterState::ReportTurn turn,
                   cluster_.BeginReport(report.datanode_uuid, report.session, report.sequence));
  if (!turn.is_new()) return absl::OkStatus();
  const std::shared_ptr<const ClusterView> view = cluster_.View();
  const ClusterView::Node* const node = view->FindByUuid(report.datanode_uuid);
  if (node == nullptr) return absl::AbortedError("register again");
  ASSIGN_OR_RETURN(const uint32_t storage,
                   NumberForReport(report.storage_uuid, report.datanode_uuid));
  ASSIGN_OR_RETURN(const BlockId after,
                   full_reports_.Begin(storage, report.session, report.report_id, report.part));
  if (!report.replicas.empty() && report.part != 0 && report.replicas.front().block.id <= after) {
    return absl::InvalidArgumentError(absl::StrCat("full report of storage ", report.storage_uuid,
                                                   ": part ", report.part, " goes back to block ",
                                                   ToInt(report.replicas.front().block.id)));
  }
  const absl::flat_hash_set<BlockId> changed = full_reports_.Changed(storage);
  std::vector<ReportedReplica> unchanged;
  if (!changed.empty()) {
    for (const ReportedReplica& replica : report.replicas) {
      if (!changed.contains(replica.block.id)) unchanged.push_back(replica);
    }
  }
  Reporter reporter(*this, *node->info, storage, /*changes=*/false);
  RETURN_IF_ERROR(reporter.Process(changed.empty() ? report.replicas : unchanged));

  const BlockId reached = report.replicas.empty() ? after : report.replicas.back().block.id;
  if (report.last || reached != after) {
    std::optional<BlockId> up_to;
    if (!report.last) up_to = reached;
    RETURN_IF_ERROR(reporter.DropMissing(after, up_to, report.replicas, changed));
  }
  if (report.last) {
    full_reports_.End(storage);
  } else {
    full_reports_.Advance(storage, reached);
  }
  turn.Done();
  return absl::OkStatus();
}

}  // namespace cairn::namenode
