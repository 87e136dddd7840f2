#include "namenode/blocks/block_map.h"

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

// What an entry costs beside itself: allocator, slot in the clock, slot in the hash table.
constexpr uint64_t kOverheadBytes = 56;
// Steps of the clock's hand after one insertion: bounds the time under the lock.
constexpr int kEvictionSteps = 64;

bool Contains(std::span<const uint32_t> storages, uint32_t storage) {
  return std::find(storages.begin(), storages.end(), storage) != storages.end();
}

template <typename Container>
bool RemoveValue(Container& storages, uint32_t storage) {
  const auto at = std::find(storages.begin(), storages.end(), storage);
  if (at == storages.end()) return false;
  storages.erase(at);
  return true;
}

void AddOnce(std::vector<uint32_t>& to, std::span<const uint32_t> storages) {
  for (const uint32_t storage : storages) {
    if (!Contains(to, storage)) to.push_back(storage);
  }
}

}  // namespace

std::span<const uint32_t> BlockMap::Entry::expected() const {
  if (writing_ == nullptr) return {};
  return writing_->expected;
}

BlockMap::BlockMap(Options options, Store& store) : options_(options), store_(store) {}
BlockMap::~BlockMap() = default;

// ---- residence

uint64_t BlockMap::Cost(const Entry& entry) {
  const uint64_t heap = entry.replicas_.capacity() > Storages().capacity()
                            ? entry.replicas_.capacity() * sizeof(uint32_t)
                            : 0;
  return sizeof(Entry) + kOverheadBytes + heap;
}

const BlockMap::Entry* BlockMap::Find(BlockId block) const {
  const auto found = slots_.find(block);
  if (found == slots_.end()) return nullptr;
  const Entry& entry = *entries_[found->second];
  // Looked at first: writing it anew from every reader would bounce the cache line between cores.
  if (!entry.used_.load(std::memory_order_relaxed)) {
    entry.used_.store(true, std::memory_order_relaxed);
  }
  return &entry;
}

BlockMap::Entry* BlockMap::FindMutable(BlockId block) { return const_cast<Entry*>(Find(block)); }

// Not pinned yet.
BlockMap::Entry& BlockMap::Emplace(BlockId block) {
  auto entry = std::make_unique<Entry>();
  entry->id_ = block;
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(entries_.size()));
    entries_.push_back(nullptr);
  }
  entry->slot_ = free_slots_.back();
  free_slots_.pop_back();
  slots_[block] = entry->slot_;
  bytes_ += Cost(*entry);
  Entry& emplaced = *entry;
  entries_[entry->slot_] = std::move(entry);
  return emplaced;
}

void BlockMap::Erase(Entry& entry) {
  if (entry.writing_ != nullptr) {
    --pinned_;
  } else {
    bytes_ -= Cost(entry);
  }
  slots_.erase(entry.id_);
  const uint32_t slot = entry.slot_;
  free_slots_.push_back(slot);
  entries_[slot].reset();
}

// `keep`: the entry at hand, whatever the bound.
void BlockMap::Evict(const Entry* keep, int most) {
  for (int step = 0; step < most && bytes_ > options_.cache_bytes; ++step) {
    if (hand_ >= entries_.size()) hand_ = 0;
    Entry* const entry = entries_[hand_++].get();
    if (entry == nullptr || entry == keep || entry->writing_ != nullptr) continue;
    if (entry->used_.exchange(false, std::memory_order_relaxed)) continue;
    Erase(*entry);
    ++evictions_;
  }
}

void BlockMap::Insert(BlockId block, const std::optional<store::Replicas>& record) {
  if (slots_.contains(block)) return;
  Entry& entry = Emplace(block);
  if (record.has_value()) {
    bytes_ -= Cost(entry);
    entry.stamp_ = GenerationStamp{record->generation_stamp()};
    entry.length_ = record->length();
    for (const uint32_t storage : record->storages()) {
      if (!Contains(entry.replicas_, storage)) entry.replicas_.push_back(storage);
    }
    bytes_ += Cost(entry);
  }
  Evict(&entry, kEvictionSteps);
}

void BlockMap::Trim(int most) { Evict(nullptr, most); }

BlockMap::Entry::Writing& BlockMap::Pin(Entry& entry) {
  if (entry.writing_ == nullptr) {
    bytes_ -= Cost(entry);
    ++pinned_;
    entry.writing_ = std::make_unique<Entry::Writing>();
  }
  return *entry.writing_;
}

// ---- records
//
// A record 'r' and the records 'n' of its storages change in one group. Reports find a storage that
// has lost the block by its 'n', so that is the last one to go.

void BlockMap::PersistReplicas(const Entry& entry) {
  PersistRecord(VersionOf(entry), entry.replicas_);
}

void BlockMap::PersistRecord(const BlockVersion& version, std::span<const uint32_t> storages) {
  const std::string key = keys::Replicas(version.id);
  if (storages.empty()) {
    store_.DeleteUnjournalled(key);
    return;
  }
  store::Replicas record;
  record.set_generation_stamp(ToInt(version.stamp));
  record.set_length(version.length);
  for (const uint32_t storage : storages) record.add_storages(storage);
  store_.PutUnjournalled(key, record.SerializeAsString());
}

// The record of an earlier version is about to be replaced, or to go.
void BlockMap::SubtractRecorded(Entry& entry) {
  if (entry.writing_ == nullptr) return;
  for (const uint32_t storage : entry.writing_->recorded_on) {
    digests_.Remove(storage, entry.writing_->recorded);
  }
  entry.writing_->recorded_on.clear();
}

bool BlockMap::AddReplica(Entry& entry, uint32_t storage) {
  if (Contains(entry.replicas_, storage)) return false;
  const uint64_t before = Cost(entry);
  entry.replicas_.push_back(storage);
  if (entry.writing_ == nullptr) bytes_ += Cost(entry) - before;
  const StoreGroup group(store_);
  store_.PutUnjournalled(keys::StorageBlock(storage, entry.id_), "");
  PersistReplicas(entry);
  digests_.Add(storage, VersionOf(entry));
  return true;
}

bool BlockMap::DropReplica(Entry& entry, uint32_t storage) {
  const StoreGroup group(store_);
  if (entry.writing_ != nullptr) {
    Entry::Writing& writing = *entry.writing_;
    RemoveValue(writing.expected, storage);
    std::erase_if(writing.reported,
                  [&](const Entry::Early& early) { return early.storage == storage; });
    // Of a block that is open again the record is still that of the version before.
    if (RemoveValue(writing.recorded_on, storage)) {
      PersistRecord(writing.recorded, writing.recorded_on);
      digests_.Remove(storage, writing.recorded);
    }
  }
  const bool counted = RemoveValue(entry.replicas_, storage);
  if (counted) {
    PersistReplicas(entry);
    digests_.Remove(storage, VersionOf(entry));
  }
  // Whatever is counted: the record may be left from an older version of the block.
  store_.DeleteUnjournalled(keys::StorageBlock(storage, entry.id_));
  return counted;
}

void BlockMap::MarkStale(uint32_t storage, BlockId block) { marks_.MarkOlder(block, storage); }

// ---- the writer's side

void BlockMap::AddUnderConstruction(const BlockVersion& block, std::span<const uint32_t> expected) {
  if (Entry* const old = FindMutable(block.id)) Erase(*old);
  Entry& entry = Emplace(block.id);
  Entry::Writing& writing = Pin(entry);
  entry.state_ = State::kUnderConstruction;
  entry.stamp_ = block.stamp;
  entry.length_ = block.length;
  writing.expected.assign(expected.begin(), expected.end());
  writing.whole = !expected.empty();
}

// What counted so far becomes an early report: the commit will judge it like any other.
void BlockMap::OpenAgain(Entry& entry, const BlockVersion& block) {
  Entry::Writing& writing = Pin(entry);
  if (!entry.replicas_.empty()) {
    writing.reopened = true;
    writing.recorded = VersionOf(entry);
    writing.recorded_on = entry.replicas_;
  }
  for (const uint32_t storage : entry.replicas_) {
    if (!Contains(writing.expected, storage)) writing.expected.push_back(storage);
    std::erase_if(writing.reported,
                  [&](const Entry::Early& early) { return early.storage == storage; });
    writing.reported.push_back(
        {storage, ReplicaState::kFinalized, entry.stamp_, entry.length_, /*assumed=*/true});
  }
  entry.replicas_.clear();
  entry.state_ = State::kUnderConstruction;
  entry.stamp_ = block.stamp;
  entry.length_ = block.length;
}

void BlockMap::Reopen(const BlockVersion& block) {
  Entry* entry = FindMutable(block.id);
  if (entry == nullptr) entry = &Emplace(block.id);
  OpenAgain(*entry, block);
}

void BlockMap::SetPipeline(const BlockVersion& block, std::span<const uint32_t> expected) {
  Entry* const entry = FindMutable(block.id);
  if (entry == nullptr || entry->state_ != State::kUnderConstruction) return;
  entry->stamp_ = block.stamp;
  entry->length_ = block.length;
  entry->writing_->expected.assign(expected.begin(), expected.end());
  entry->writing_->whole = !expected.empty();
}

void BlockMap::Expect(uint32_t storage, BlockId block) {
  Entry* const entry = FindMutable(block);
  if (entry == nullptr || entry->state_ != State::kUnderConstruction) return;
  if (!Contains(entry->writing_->expected, storage)) entry->writing_->expected.push_back(storage);
}

BlockMap::CommitResult BlockMap::Commit(const BlockVersion& final_version) {
  Entry* entry = FindMutable(final_version.id);
  if (entry == nullptr) {
    entry = &Emplace(final_version.id);
    Pin(*entry);
    entry->state_ = State::kUnderConstruction;
  }
  return CommitEntry(*entry, final_version);
}

BlockMap::CommitResult BlockMap::CommitEntry(Entry& entry, const BlockVersion& final_version) {
  const bool same = entry.stamp_ == final_version.stamp && entry.length_ == final_version.length;
  if (entry.state_ != State::kUnderConstruction) {
    if (same) return {.live = static_cast<uint32_t>(entry.replicas_.size())};
    OpenAgain(entry, final_version);
  }
  entry.state_ = State::kCommitted;
  entry.stamp_ = final_version.stamp;
  entry.length_ = final_version.length;

  CommitResult result;
  const StoreGroup group(store_);
  const std::vector<Entry::Early> reported = std::exchange(entry.writing_->reported, {});
  for (const Entry::Early& early : reported) {
    if (marks_.IsCertain(entry.id_, early.storage)) continue;
    const ReplicaMeaning meaning =
        JudgeReplica(ExpectedBlock{final_version, false},
                     ReportedReplica{{entry.id_, early.stamp, early.length}, early.state});
    if (meaning == ReplicaMeaning::kCounts) {
      marks_.Unmark(entry.id_, early.storage);
      entry.replicas_.push_back(early.storage);
      store_.PutUnjournalled(keys::StorageBlock(early.storage, entry.id_), "");
      continue;
    }
    if (entry.writing_->reopened) {
      store_.DeleteUnjournalled(keys::StorageBlock(early.storage, entry.id_));
    }
    // A member of the pipeline may have gone on since: its last word is still to come.
    const bool outdated = early.assumed || meaning == ReplicaMeaning::kStaleStamp;
    if (!IsBad(meaning)) continue;
    if (outdated && Contains(entry.writing_->expected, early.storage)) {
      result.outdated.push_back(early.storage);
      continue;
    }
    RemoveValue(entry.writing_->expected, early.storage);
    marks_.Mark(entry.id_, early.storage, /*certain=*/false);
    result.bad.push_back(early.storage);
  }
  // A new block of which nothing was reported yet has no record, and needs none.
  if (!entry.replicas_.empty() || entry.writing_->reopened) {
    PersistReplicas(entry);
    SubtractRecorded(entry);
    for (const uint32_t storage : entry.replicas_) digests_.Add(storage, final_version);
  }
  entry.writing_->reopened = false;
  result.live = static_cast<uint32_t>(entry.replicas_.size());
  return result;
}

void BlockMap::Complete(BlockId block) {
  Entry* const entry = FindMutable(block);
  if (entry == nullptr || entry->writing_ == nullptr) return;
  // Of a file that was deleted while open, in replay: Remove comes, and tells all who may have it.
  if (entry->state_ == State::kUnderConstruction) return;
  entry->writing_.reset();
  entry->state_ = State::kComplete;
  --pinned_;
  bytes_ += Cost(*entry);
  Evict(entry, kEvictionSteps);
}

// ---- the datanodes' side

void BlockMap::TakeEarly(Entry& entry, uint32_t storage, const ReportedReplica& reported,
                         std::span<const uint32_t> same_node) {
  Entry::Writing& writing = *entry.writing_;
  std::erase_if(writing.reported,
                [&](const Entry::Early& early) { return early.storage == storage; });
  writing.reported.push_back(
      {storage, reported.state, reported.block.stamp, reported.block.length, /*assumed=*/false});
  if (reported.block.stamp < entry.stamp_ || Contains(writing.expected, storage)) return;
  // The datanode chose another of its volumes than it was told.
  for (uint32_t& expected : writing.expected) {
    if (Contains(same_node, expected)) {
      expected = storage;
      return;
    }
  }
  writing.expected.push_back(storage);
}

// A record that a crash left behind may be of an older version than the namespace has: nothing of
// it counts any more.
void BlockMap::AlignVersion(Entry& entry, const BlockVersion& version) {
  if (entry.stamp_ == version.stamp && entry.length_ == version.length) return;
  const Storages old = entry.replicas_;
  for (const uint32_t storage : old) digests_.Remove(storage, VersionOf(entry));
  entry.replicas_.clear();
  entry.stamp_ = version.stamp;
  entry.length_ = version.length;
  if (old.empty()) return;
  const StoreGroup group(store_);
  PersistReplicas(entry);
  for (const uint32_t storage : old) {
    store_.DeleteUnjournalled(keys::StorageBlock(storage, entry.id_));
  }
}

BlockMap::ReportResult BlockMap::ReplicaReported(uint32_t storage, const BlockVersion& version,
                                                 const ReportedReplica& reported,
                                                 std::span<const uint32_t> same_node) {
  Entry* const entry = FindMutable(reported.block.id);
  CHECK(entry != nullptr) << "the block of a report was not loaded";
  const bool committed = entry->state_ != State::kUnderConstruction;
  if (committed) AlignVersion(*entry, version);
  ReportResult result{.meaning = JudgeReplica(ExpectedBlock{version, !committed}, reported)};
  const uint32_t before = static_cast<uint32_t>(entry->replicas_.size());
  switch (result.meaning) {
    case ReplicaMeaning::kCounts:
      // Bad bytes do not get better by being reported again, only by being deleted.
      if (marks_.IsCertain(entry->id_, storage)) {
        marks_.Mark(entry->id_, storage, /*certain=*/true);  // of this stamp, not of an older one
        result.meaning = ReplicaMeaning::kCorrupt;
      } else {
        marks_.Unmark(entry->id_, storage);
        result.added = AddReplica(*entry, storage);
      }
      break;
    case ReplicaMeaning::kBeingWritten:
    case ReplicaMeaning::kFinalizedEarly:
      TakeEarly(*entry, storage, reported, same_node);
      break;
    case ReplicaMeaning::kStaleStamp:
      if (!committed) {
        // Kept for the commit: until then it may be all that is left of the block.
        TakeEarly(*entry, storage, reported, same_node);
        break;
      }
      result.removed = DropReplica(*entry, storage);
      break;
    case ReplicaMeaning::kWrongLength:
    case ReplicaMeaning::kUnfinished:
    case ReplicaMeaning::kCorrupt:
      result.removed = DropReplica(*entry, storage);
      marks_.Mark(entry->id_, storage, result.meaning == ReplicaMeaning::kCorrupt);
      break;
    case ReplicaMeaning::kNewerStamp:
      result.removed = DropReplica(*entry, storage);
      break;
    case ReplicaMeaning::kLate:
      break;
  }
  result.live = committed ? static_cast<uint32_t>(entry->replicas_.size()) : 0;
  result.reached_minimum = committed && before < min_replication(entry->id_) &&
                           result.live >= min_replication(entry->id_);
  return result;
}

bool BlockMap::ReplicaGone(uint32_t storage, BlockId block) {
  marks_.Unmark(block, storage);
  Entry* const entry = FindMutable(block);
  if (entry == nullptr) {
    store_.DeleteUnjournalled(keys::StorageBlock(storage, block));
    return false;
  }
  return DropReplica(*entry, storage);
}

std::vector<uint32_t> BlockMap::Remove(BlockId block) {
  const StoreGroup group(store_);
  store_.DeleteUnjournalled(keys::Replicas(block));
  std::vector<uint32_t> storages = marks_.Forget(block);
  Entry* const entry = FindMutable(block);
  if (entry == nullptr) return storages;
  SubtractRecorded(*entry);
  for (const uint32_t storage : entry->replicas_) digests_.Remove(storage, VersionOf(*entry));
  AddOnce(storages, entry->replicas_);
  AddOnce(storages, entry->expected());
  if (entry->writing_ != nullptr) {
    for (const Entry::Early& early : entry->writing_->reported) {
      AddOnce(storages, std::span(&early.storage, 1));
    }
  }
  for (const uint32_t storage : storages) {
    store_.DeleteUnjournalled(keys::StorageBlock(storage, block));
  }
  Erase(*entry);
  return storages;
}

// ---- reads

uint32_t BlockMap::LiveCount(BlockId block) const {
  const Entry* const entry = Find(block);
  if (entry == nullptr || entry->state_ == State::kUnderConstruction) return 0;
  return static_cast<uint32_t>(entry->replicas_.size());
}

std::vector<uint32_t> BlockMap::Locations(BlockId block, bool* all_corrupt) const {
  *all_corrupt = false;
  std::vector<uint32_t> storages;
  const Entry* const entry = Find(block);
  if (entry != nullptr) {
    storages.assign(entry->replicas_.begin(), entry->replicas_.end());
    AddOnce(storages, entry->expected());
  }
  if (storages.empty()) {
    storages = CorruptReplicas(block);
    *all_corrupt = !storages.empty();
  }
  return storages;
}

BlockMap::Stats BlockMap::stats() const {
  return {.entries = slots_.size(),
          .pinned = pinned_,
          .bytes = bytes_,
          .evictions = evictions_,
          .corrupt = marks_.blocks(),
          .corrupt_units = marks_.units(),
          .corrupt_groups = marks_.groups()};
}

std::vector<uint32_t> BlockMap::Matching(const BlockVersion& version) const {
  const Entry* const entry = Find(version.id);
  if (entry == nullptr) return {};
  if (entry->state_ != State::kUnderConstruction) {
    return {entry->replicas_.begin(), entry->replicas_.end()};
  }
  std::vector<uint32_t> storages;
  for (const Entry::Early& early : entry->writing_->reported) {
    if (early.state == ReplicaState::kFinalized && early.stamp == version.stamp &&
        early.length == version.length && !marks_.IsCertain(version.id, early.storage)) {
      storages.push_back(early.storage);
    }
  }
  return storages;
}

}  // namespace cairn::namenode
