#include "namenode/ops/reporter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "namenode/core/healer.h"
#include "namenode/namespace/units.h"
#include "namenode/store/keys.h"
#include "namenode/store/records.h"

namespace cairn::namenode {
namespace {

// Replicas judged under one lock: some microseconds each, so far below 1 ms.
constexpr size_t kReportSlice = 64;
// Records of what a storage held, compared with a full report at a time.
constexpr size_t kScanPage = 4096;
constexpr size_t kBucketsSlice = 1000;  // counted under one lock, some 10 ns each
// Rounds of reading for one slice before the datanode is told to send its report again.
constexpr int kMaxRounds = 100;

// The file has the group, whose length is final, and `unit` is none of its units.
bool HasGroup(const Inode& file, BlockId unit) {
  const std::vector<BlockVersion>& blocks = file.file->blocks;
  return IsGrouped(unit) && std::any_of(blocks.begin(), blocks.end(), [&](const BlockVersion& b) {
           return b.id == GroupOf(unit) && IsFinal(file, b);
         });
}

}  // namespace

NamenodeImpl::Reporter::Moves NamenodeImpl::Reporter::FindMoves(
    const ClusterState& cluster, std::span<const StorageChanges> changes) {
  Reporter::Moves moves;
  if (changes.size() < 2) return moves;
  absl::flat_hash_map<BlockId, GenerationStamp> gone;
  for (const ReportedReplica& replica : changes[0].replicas) {
    if (replica.state == ReplicaState::kDeleted) gone[replica.block.id] = replica.block.stamp;
  }
  if (gone.empty()) return moves;
  for (const StorageChanges& later : changes.subspan(1)) {
    const std::optional<uint32_t> to = cluster.NumberOf(later.storage_uuid);
    if (!to || later.storage_uuid == changes[0].storage_uuid) continue;
    for (const ReportedReplica& replica : later.replicas) {
      if (replica.state != ReplicaState::kFinalized) continue;
      const auto found = gone.find(replica.block.id);
      if (found == gone.end() || found->second != replica.block.stamp) continue;
      moves[replica.block.id] = *to;
    }
  }
  return moves;
}

absl::Status NamenodeImpl::Reporter::Process(std::span<const ReportedReplica> replicas) {
  for (size_t at = 0; at < replicas.size(); at += kReportSlice) {
    RETURN_IF_ERROR(
        ProcessSlice(replicas.subspan(at, std::min(kReportSlice, replicas.size() - at))));
  }
  return absl::OkStatus();
}

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
      // A session that begins from here on is heard after this lock.
      if (!namenode_.cluster_.IsSession(uuid_, session_)) {
        return absl::AbortedError("a newer session has begun");
      }
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
      item->gone = inode;
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
  const auto parsed = ParseBlockOwner(keys::BlockOwner(OwnedId(block)), *owner);
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
  const std::string key = keys::BlockOwner(OwnedId(block));
  Record owner_record;
  if (!Newest(key, item.owner, &owner_record)) {
    needs.records.emplace_back(key, &item.owner);
    return false;
  }
  const std::optional<InodeId> owner = OwnerIn(block, owner_record);
  if (!owner || *owner == kNoInode || *owner == item.gone) return true;
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
    namenode_.invalidations_.Settle(storage_, block);
    if (blocks.Find(block) == nullptr && !record && blocks.CorruptReplicas(block).empty()) {
      return;  // of a block that was removed before
    }
    MakeResident(block, record);
    blocks.ReplicaGone(storage_, block);
    if (moves_ != nullptr) {
      const auto moved = moves_->find(block);
      if (moved != moves_->end()) namenode_.healer_->ReplicaMoved(block, storage_, moved->second);
    }
    namenode_.healer_->ReplicaLost(block, storage_, same_node_);
    return;
  }
  if (IsUnchanged(reported, record)) return;

  Record owner_record;
  Newest(keys::BlockOwner(OwnedId(block)), item.owner, &owner_record);
  const std::optional<InodeId> owner = OwnerIn(block, owner_record);
  if (!owner) {
    if (!TakeSuperseded(reported, record)) DeleteUnknown(reported);
    return;
  }
  const Inode* const file = *owner == item.gone ? nullptr : namenode_.tree_->FindById(*owner);
  std::optional<BlockVersion> version;
  if (file != nullptr && file->file != nullptr) version = FindUnit(*file, block);
  if (!version && file != nullptr && file->file != nullptr && HasGroup(*file, block)) {
    DeleteUnknown(reported);  // a writer made it that wrote nothing to it
    return;
  }
  if (!version) {
    LOG_EVERY_SECONDS(kError, 1,
                      "blk_{} on storage {}: its owner, inode {}, does not have it; left alone",
                      ToSigned(block), storage_, ToInt(*owner));
    return;
  }
  MakeResident(block, record);
  Act(*file, reported, blocks.ReplicaReported(storage_, *version, reported, same_node_));
}

// Moved to another disk, say: it stays as long as the block does, and is recorded, so that it goes
// with it.
bool NamenodeImpl::Reporter::TakeSuperseded(const ReportedReplica& reported, const Record& record) {
  const BlockVersion* const block = namenode_.superseded_.Find(reported.block.id);
  if (block == nullptr || reported.state != ReplicaState::kFinalized ||
      reported.block.stamp != block->stamp || reported.block.length != block->length) {
    return false;
  }
  MakeResident(block->id, record);
  namenode_.blocks_->ReplicaReported(storage_, *block, reported, same_node_);
  return true;
}

void NamenodeImpl::Reporter::Act(const Inode& file, const ReportedReplica& reported,
                                 const BlockMap::ReportResult& result) {
  const BlockId block = reported.block.id;
  const bool early = result.meaning == ReplicaMeaning::kFinalizedEarly;
  if (changes_ && (early || result.added)) namenode_.cluster_.Unschedule(storage_);
  if (result.added) namenode_.invalidations_.Settle(storage_, block);
  if (early || result.reached_minimum) {
    for (auto& wake : namenode_.waiters_.Take(OwnedId(block))) wake_.push_back(std::move(wake));
  }
  // Not cut yet, and after a restart nothing else tells where the replicas are.
  if (result.meaning == ReplicaMeaning::kStaleStamp) {
    const auto cut = namenode_.recovering_.find(block);
    if (cut != namenode_.recovering_.end() && cut->second.truncate &&
        reported.block.stamp >= cut->second.before) {
      std::vector<uint32_t>& behind = cut->second.behind;
      if (std::find(behind.begin(), behind.end(), storage_) == behind.end()) {
        behind.push_back(storage_);
        cut->second.next_order = namenode_.clock_.Monotonic();
      }
      return;
    }
  }
  if (result.added) {
    namenode_.healer_->ReplicaAdded(file, block, storage_, session_, same_node_);
  } else if (result.removed || IsBad(result.meaning)) {
    namenode_.healer_->ReplicaLost(block, storage_, same_node_);
  }
  if (IsBad(result.meaning)) {
    LOG_EVERY_SECONDS(kWarn, 1, "{} on storage {} is bad ({} bytes, state {}); {} good replicas",
                      BlockName(reported.block), storage_, reported.block.length,
                      static_cast<int>(reported.state), result.live);
    // An old stamp is bad for certain. What has the right one may be the best there is: repair
    // deletes it when there are enough good ones, as it does if those are not there right now:
    // after a start their datanodes may be yet to register.
    if (result.meaning == ReplicaMeaning::kStaleStamp) {
      if (namenode_.healer_->CountReadable(block) >= namenode_.blocks_->min_replication(block)) {
        namenode_.invalidations_.Add(storage_, {block, reported.block.stamp}, namenode_.last_txid_);
      } else if (namenode_.blocks_->Find(block)->state() ==
                 BlockMap::State::kUnderConstruction) {  // the commit judges it
        namenode_.healer_->ReplicaOutdated(block, storage_);
      } else {
        namenode_.blocks_->MarkStale(storage_, block);
      }
    }
  }
  // These may change the file: they come last.
  if (early && file.file->truncate_to != 0) {
    namenode_.UnitRewritten(file, reported.block);
  } else if (early) {
    namenode_.FinishRecovery(reported.block);
  }
}

void NamenodeImpl::Reporter::DeleteUnknown(const ReportedReplica& reported) {
  const uint64_t counter = CounterOf(reported.block.id);
  if (counter >= namenode_.next_.block_id) {
    // From the future: this namespace is older than the datanode, say restored from a copy.
    LOG_EVERY_SECONDS(kError, 1, "{} on storage {} has an id that was never given out; left alone",
                      BlockName(reported.block), storage_);
    return;
  }
  const store::Namespace& identity = namenode_.tree_->identity();
  if (counter >= identity.left_alone_from() && counter < identity.left_alone_to()) {
    LOG_EVERY_SECONDS(kWarn, 10,
                      "{} on storage {} is of a file that a restore has dropped; left alone until "
                      "cairn namenode -finalize",
                      BlockName(reported.block), storage_);
    return;
  }
  if (namenode_.invalidations_.IsFull()) {
    namenode_.invalidations_.Missed(storage_);  // a full report will find it again
    return;
  }
  namenode_.invalidations_.Add(storage_, {reported.block.id, reported.block.stamp},
                               namenode_.last_txid_);
}

absl::Status NamenodeImpl::Reporter::DropMissing(BlockId after, std::optional<BlockId> up_to,
                                                 std::span<const ReportedReplica> replicas,
                                                 const absl::flat_hash_set<BlockId>& changed) {
  return DropUnlisted({.prefix = keys::StorageBlockPrefix(storage_),
                       .position = ToInt(after) == 0 ? "" : keys::StorageBlock(storage_, after),
                       .up_to = up_to,
                       .names_storage = [](absl::string_view, absl::string_view) { return true; }},
                      replicas, changed);
}

std::vector<BlockRange> NamenodeImpl::Reporter::FindOvercounted(
    const BlockRange& range, std::span<const ReportedReplica> replicas) const {
  uint32_t shift = 0;
  {
    ReaderLock lock(namenode_.mu_);
    shift = namenode_.blocks_->digests().shift();
  }
  absl::flat_hash_map<uint64_t, uint64_t> listed;  // finalized, by bucket
  for (const ReportedReplica& replica : replicas) {
    if (replica.state == ReplicaState::kFinalized) ++listed[DigestBucket(replica.block.id, shift)];
  }
  // Id 0 is none: a range that begins at 1 has all of the first bucket.
  const uint64_t ids = uint64_t{1} << shift;
  const uint64_t first = ToInt(range.first), last = ToInt(range.last);
  const uint64_t begin = first <= 1 ? 0 : (first - 1) / ids + 1;
  const uint64_t end = last / ids + (last % ids == ids - 1 ? 1 : 0);
  std::vector<BlockRange> found;
  for (std::optional<uint64_t> at = begin; at;) {
    ReaderLock lock(namenode_.mu_);
    const ReplicaDigests& digests = namenode_.blocks_->digests();
    if (!digests.complete() || digests.shift() != shift) return {};
    uint64_t none = 0;
    at = digests.Count(storage_, *at, end, 0, &none);  // the first that has any
    for (size_t looked = 0; at && looked < kBucketsSlice; ++looked) {
      const uint64_t bucket = *at;
      uint64_t recorded = 0;
      at = digests.Count(storage_, bucket, end, 1, &recorded);
      if (recorded <= listed[bucket]) continue;
      const uint64_t start = bucket << shift;
      if (found.empty() || ToInt(found.back().last) + 1 != start) {
        found.push_back({BlockId{start}, {}});
      }
      found.back().last = BlockId{start | (ids - 1)};
    }
  }
  return found;
}

absl::Status NamenodeImpl::Reporter::DropWithoutIndex(const BlockRange& range,
                                                      std::span<const ReportedReplica> replicas,
                                                      const absl::flat_hash_set<BlockId>& changed) {
  const auto names_storage = [this](absl::string_view key, absl::string_view value) {
    const auto record = ParseReplicas(key, value);
    if (!record.ok()) return false;
    const auto& storages = record->storages();
    return std::find(storages.begin(), storages.end(), storage_) != storages.end();
  };
  for (const BlockRange& buckets : FindOvercounted(range, replicas)) {
    const BlockId first = buckets.first;
    const absl::Status status = DropUnlisted(
        {.prefix = std::string(1, keys::kReplicas),
         .position = ToInt(first) == 0 ? "" : keys::Replicas(BlockId{ToInt(first) - 1}),
         .up_to = buckets.last,
         .names_storage = names_storage},
        replicas, changed);
    if (absl::IsAborted(status)) return status;
    if (!status.ok()) {
      LOG_EVERY_SECONDS(kError, 10,
                        "storage {}: more replicas are recorded than it lists, and the records "
                        "cannot be looked through: {}",
                        storage_, status.ToString());
    }
  }
  return absl::OkStatus();
}

absl::Status NamenodeImpl::Reporter::DropUnlisted(RecordWalk walk,
                                                  std::span<const ReportedReplica> replicas,
                                                  const absl::flat_hash_set<BlockId>& changed) {
  size_t listed = 0;
  size_t dropped = 0;
  for (bool more = true; more;) {
    std::unique_ptr<Store::Range> range;
    {
      ReaderLock lock(namenode_.mu_);
      range = namenode_.store_.Scan(walk.prefix, walk.position, kScanPage);
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
      past_end = walk.up_to && block > *walk.up_to;
      if (past_end) break;
      while (listed < replicas.size() && replicas[listed].block.id < block) ++listed;
      if (listed < replicas.size() && replicas[listed].block.id == block) continue;
      if (changed.contains(block) || !walk.names_storage(range->key(), range->value())) continue;
      gone.push_back({{block, {}, 0}, ReplicaState::kDeleted});
    }
    RETURN_IF_ERROR(range->status());
    if (!past_end && range->more()) {
      more = true;
      walk.position = std::string(range->resume_after());
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

}  // namespace cairn::namenode
