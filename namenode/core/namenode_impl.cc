#include "namenode/core/namenode_impl.h"

#include "absl/random/random.h"
#include "common/check.h"
#include "common/crash_point.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "namenode/core/healer.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

// Ids taken from the counters at a time. A restart skips what is left of them: 64-bit ids last.
constexpr uint64_t kReserve = 1 << 20;

// Inodes may take this much more than the cache's bound between two writes.
constexpr uint64_t kCacheSlackBytes = 1 << 20;

// Flushes that may overtake one load before the caller is told to come back.
constexpr int kMaxLoadRounds = 100;

absl::Status FlushedTooFast() {
  return MakeFsError(FsError::kRetriable, "the store is flushed faster than it is read: retry");
}

}  // namespace

NamenodeImpl::NamenodeImpl(NamenodeOptions options, Clock& clock, Store& store,
                           ClusterState& cluster)
    : options_(std::move(options)),
      clock_(clock),
      store_(store),
      cluster_(cluster),
      identities_(options_.identities, clock),
      tree_(std::make_unique<Tree>(options_.tree, store, *this)),
      blocks_(std::make_unique<BlockMap>(options_.blocks, store)),
      leases_(options_.leases, clock),
      invalidations_(options_.invalidations),
      listings_(options_.listing_cache_bytes),
      accessed_(options_.accessed_files),
      healer_(std::make_unique<Healer>(*this, options_.healing)),
      retry_(options_.retry_cache_entries, options_.retry_cache_life),
      superseded_(options_.superseded_in_memory) {}

NamenodeImpl::~NamenodeImpl() = default;

void NamenodeImpl::WithLock(const std::function<void()>& body) {
  WriterLock lock(mu_);
  body();
}

// ---- one attempt

edit::Edit& NamenodeImpl::Attempt::NewEdit() {
  // Reused: edits are made under the exclusive lock, one at a time per thread.
  thread_local edit::Edit edit;
  edit.Clear();
  now_ms_ = namenode_.NowMs();
  edit.set_time_ms(now_ms_);
  edit_ = &edit;
  return edit;
}

void NamenodeImpl::Attempt::Commit(InodeId retry_inode) {
  CHECK(edit_ != nullptr) << "Commit without NewEdit";
  if (caller_.client_id != nullptr) {
    edit_->set_client_id(reinterpret_cast<const char*>(caller_.client_id), 16);
    edit_->set_call_id(caller_.call_id);
  }
  if (retry_inode != kNoInode) edit_->set_retry_inode(ToInt(retry_inode));
  CommitAside();
}

void NamenodeImpl::Attempt::CommitAside() {
  CHECK(edit_ != nullptr) << "Commit without NewEdit";
  CHECK(wanted().empty()) << "Commit although a record was missing";
  namenode_.mu_.AssertHeld();  // an Attempt lives no longer than Write holds it
  const TxId txid = namenode_.AppendAndApply(*edit_);
  SawTx(txid);
  edit_ = nullptr;
}

// Out of memory in here ends the process, whoever called and would catch it: the edit may be in one
// journal of several, or applied in half. The next start finds in the journal whether it was made.
TxId NamenodeImpl::AppendAndApply(const edit::Edit& edit) {
  return [&]() noexcept {
    mu_.AssertHeld();
    thread_local std::string bytes;
    bytes.clear();
    CHECK(edit.AppendToString(&bytes));
    const TxId txid{ToInt(last_txid_) + 1};
    journal_->Append(txid, bytes);
    last_txid_ = txid;
    // The edit was validated: one that does not apply is a bug, and going on would spread it.
    CHECK_OK(tree_->Apply(edit, txid));
    RememberForRetry(edit, txid);
    return txid;
  }();
}

void NamenodeImpl::RememberForRetry(const edit::Edit& edit, TxId txid) {
  if (edit.client_id().size() != 16) return;
  const auto key = RetryCache::MakeKey(reinterpret_cast<const uint8_t*>(edit.client_id().data()),
                                       edit.call_id());
  retry_.Add(key, {txid, InodeId{edit.retry_inode()}}, clock_.Monotonic());
}

absl::Status NamenodeImpl::ReadyToWrite(const What& what) const {
  if (journal_ == nullptr) {
    return MakeFsError(FsError::kRetriable, "the namenode is still starting");
  }
  if (safe_mode_.on()) {
    // After a restart clients wait a little, as they did for the namenode itself: a writer of a
    // long stream must not fail over a second in which the datanodes come back.
    return MakeFsError(
        safe_mode_.temporary() ? FsError::kRetriable : FsError::kSafeMode,
        absl::StrCat("Cannot ", what.act, ForMessage(what.path), ". Name node is in safe mode.\n",
                     safe_mode_.Describe(clock_.Monotonic())));
  }
  if (absl::Status status = journal_->Ready(); !status.ok()) return status;
  return store_.Ready();
}

// ---- ids

template <typename Id>
static Id Take(uint64_t& counter) {
  return Id{counter++};
}

InodeId NamenodeImpl::TakeInodeId() {
  ReserveIdsIfLow();
  return Take<InodeId>(next_.inode_id);
}

BlockId NamenodeImpl::TakeBlockId(const Inode& file) {
  ReserveIdsIfLow();
  const uint64_t counter = next_.block_id++;
  return file.erasure == nullptr ? BlockId{counter} : MakeGroupId(counter);
}

GenerationStamp NamenodeImpl::TakeStamp() {
  ReserveIdsIfLow();
  return Take<GenerationStamp>(next_.generation_stamp);
}

void NamenodeImpl::ReserveIdsIfLow() {
  // A whole mkdirs may take a thousand inode ids within one edit.
  constexpr uint64_t kLow = 4096;
  const Tree::Counters& reserved = tree_->reserved();
  if (next_.inode_id + kLow < reserved.inode_id && next_.block_id + kLow < reserved.block_id &&
      next_.generation_stamp + kLow < reserved.generation_stamp) {
    return;
  }
  edit::Edit edit;
  edit.set_time_ms(NowMs());
  edit::ReserveIds& reserve = *edit.mutable_reserve_ids();
  reserve.set_inode_id(next_.inode_id + kReserve);
  reserve.set_block_id(next_.block_id + kReserve);
  reserve.set_generation_stamp(next_.generation_stamp + kReserve);
  AppendAndApply(edit);
}

absl::BitGenRef NamenodeImpl::RandomBits() const {
  thread_local absl::InsecureBitGen random;
  return options_.random ? options_.random() : absl::BitGenRef(random);
}

// ---- loading

absl::Status NamenodeImpl::Load(Wanted* wanted) {
  for (const auto& [parent, name] : wanted->entries) RETURN_IF_ERROR(LoadEntry(parent, name));
  for (const InodeId id : wanted->inodes) {
    const absl::Status status = LoadInode(id);
    if (GetFsError(status) == FsError::kFileNotFound) {
      ReaderLock lock(mu_);
      wanted->gone.push_back(id);
      wanted->gone_as_of = last_txid_;  // not before the edit that removed it
    } else if (!status.ok()) {
      return status;
    }
  }
  for (const BlockId id : wanted->blocks) RETURN_IF_ERROR(LoadBlock(id));
  for (const BlockId id : wanted->owners) RETURN_IF_ERROR(LoadOwner(id, wanted));
  // Reads alone must not fill the memory. The slack keeps what this very call has just loaded.
  WriterLock lock(mu_);
  if (tree_->resident_bytes() > options_.tree.cache_bytes + kCacheSlackBytes) tree_->Trim(8);
  return absl::OkStatus();
}

// Reads `key` from the store without the lock and hands the newest value to `use` under it.
// `still_wanted`, under the lock, tells whether there is anything left to do.
absl::Status NamenodeImpl::Fetch(
    const std::string& key, const std::function<bool()>& still_wanted,
    const std::function<absl::Status(std::optional<std::string>)>& use) {
  for (;;) {
    uint64_t flushes;
    {
      WriterLock lock(mu_);
      if (!still_wanted()) return absl::OkStatus();
      absl::string_view value;
      switch (store_.Peek(key, &value)) {
        case Store::Found::kValue:
          return use(std::string(value));
        case Store::Found::kDeleted:
          return use(std::nullopt);
        case Store::Found::kUnknown:
          break;
      }
      flushes = store_.flush_count();
    }
    ASSIGN_OR_RETURN(std::optional<std::string> loaded, store_.Load(key));
    WriterLock lock(mu_);
    if (!still_wanted()) return absl::OkStatus();
    // Unchanged count and nothing in the tails: what LevelDB said is still the newest.
    absl::string_view newer;
    if (store_.flush_count() == flushes && store_.Peek(key, &newer) == Store::Found::kUnknown) {
      return use(std::move(loaded));
    }
  }
}

absl::Status NamenodeImpl::LoadEntry(InodeId parent_id, const std::string& name) {
  const std::string key = keys::Entry(parent_id, name);
  std::optional<store::Inode> record;
  const auto parent_of = [&]() -> Inode* {
    Inode* const parent = tree_->FindById(parent_id);
    return parent != nullptr && parent->is_directory() ? parent : nullptr;
  };
  const auto wanted = [&] {
    Inode* const parent = parent_of();
    return parent != nullptr && !tree_->FindChild(*parent, name).known;
  };
  RETURN_IF_ERROR(Fetch(key, wanted, [&](std::optional<std::string> bytes) -> absl::Status {
    if (!bytes) {
      return tree_->Insert(*parent_of(), name, nullptr, nullptr);
    }
    record.emplace();
    if (!record->ParseFromString(*bytes)) {
      return absl::DataLossError(absl::StrCat("store: the record of \"", name, "\" in ",
                                              PathOf(*parent_of()), " does not parse"));
    }
    if (!record->directory()) {
      RETURN_IF_ERROR(tree_->Insert(*parent_of(), name, &*record, nullptr));
      record.reset();
    }
    return absl::OkStatus();
  }));
  if (!record) return absl::OkStatus();
  return LoadDirectory(parent_id, name, InodeId{record->id()});
}

// A directory has two records. They are taken under one lock once neither needs a disk, so that
// they are of the same moment.
absl::Status NamenodeImpl::LoadDirectory(InodeId parent_id, const std::string& name, InodeId id) {
  const std::string entry_key = keys::Entry(parent_id, name);
  const std::string sums_key = keys::Sums(id);
  for (int round = 0; round < kMaxLoadRounds; ++round) {
    uint64_t flushes;
    {
      ReaderLock lock(mu_);
      flushes = store_.flush_count();
    }
    ASSIGN_OR_RETURN(const std::optional<std::string> old_entry, store_.Load(entry_key));
    ASSIGN_OR_RETURN(const std::optional<std::string> old_sums, store_.Load(sums_key));
    WriterLock lock(mu_);
    Inode* const parent = tree_->FindById(parent_id);
    if (parent == nullptr || tree_->FindChild(*parent, name).known) return absl::OkStatus();
    if (store_.flush_count() != flushes) continue;
    std::optional<std::string> entry = Newest(entry_key, old_entry);
    std::optional<std::string> sums = Newest(sums_key, old_sums);
    if (!entry) return absl::OkStatus();  // gone meanwhile: the attempt will see
    store::Inode record;
    store::Sums sums_record;
    if (!record.ParseFromString(*entry)) {
      return absl::DataLossError(
          absl::StrCat("store: the record of \"", name, "\" does not parse"));
    }
    if (record.directory() && InodeId{record.id()} != id) return absl::OkStatus();  // replaced
    if (record.directory() && (!sums || !sums_record.ParseFromString(*sums))) {
      return absl::DataLossError(
          absl::StrCat("store: the sums of directory ", ToInt(id), " are missing or damaged"));
    }
    return tree_->Insert(*parent, name, &record, &sums_record);
  }
  return FlushedTooFast();
}

std::optional<std::string> NamenodeImpl::Newest(
    const std::string& key, const std::optional<std::string>& in_leveldb) const {
  absl::string_view value;
  switch (store_.Peek(key, &value)) {
    case Store::Found::kValue:
      return std::string(value);
    case Store::Found::kDeleted:
      return std::nullopt;
    case Store::Found::kUnknown:
      break;
  }
  return in_leveldb;
}

// Climbs to what is resident, and loads downwards from there. In loops, not by recursion: renames
// may make a tree deeper than the stack is.
absl::Status NamenodeImpl::LoadInode(InodeId id) {
  std::vector<store::Location> missing;  // where the inode is, and what is above it
  for (InodeId at = id;;) {
    ASSIGN_OR_RETURN(std::optional<store::Location> location, FetchLocation(at));
    if (!location) break;
    if (location->parent() == 0) {
      RETURN_IF_ERROR(LoadDetached(at));
      break;
    }
    at = InodeId{location->parent()};
    missing.push_back(*std::move(location));
  }
  for (; !missing.empty(); missing.pop_back()) {
    RETURN_IF_ERROR(LoadEntry(InodeId{missing.back().parent()}, missing.back().name()));
  }
  return absl::OkStatus();
}

// nullopt: it is resident. FsError::kFileNotFound: there is no such inode.
absl::StatusOr<std::optional<store::Location>> NamenodeImpl::FetchLocation(InodeId id) {
  std::optional<store::Location> location;
  RETURN_IF_ERROR(Fetch(
      keys::Location(id), [&] { return tree_->FindById(id) == nullptr; },
      [&](std::optional<std::string> bytes) -> absl::Status {
        if (!bytes) return absl::OkStatus();
        location.emplace();
        if (location->ParseFromString(*bytes)) return absl::OkStatus();
        return absl::DataLossError(absl::StrCat("store: location of inode ", ToInt(id)));
      }));
  if (location) return location;
  ReaderLock lock(mu_);
  if (tree_->FindById(id) != nullptr) return std::nullopt;
  return MakeFsError(FsError::kFileNotFound,
                     absl::StrCat("File does not exist: (inode ", ToInt(id), ")"));
}

// The root of a deleted subtree: two records, as any directory's.
absl::Status NamenodeImpl::LoadDetached(InodeId id) {
  const std::string record_key = keys::Detached(id);
  const std::string sums_key = keys::Sums(id);
  for (int round = 0; round < kMaxLoadRounds; ++round) {
    uint64_t flushes;
    {
      ReaderLock lock(mu_);
      flushes = store_.flush_count();
    }
    ASSIGN_OR_RETURN(const std::optional<std::string> old_record, store_.Load(record_key));
    ASSIGN_OR_RETURN(const std::optional<std::string> old_sums, store_.Load(sums_key));
    WriterLock lock(mu_);
    if (tree_->FindById(id) != nullptr) return absl::OkStatus();
    if (store_.flush_count() != flushes) continue;
    const std::optional<std::string> record = Newest(record_key, old_record);
    const std::optional<std::string> sums = Newest(sums_key, old_sums);
    if (!record) return absl::OkStatus();  // reclaimed meanwhile: the attempt will see
    store::Inode inode;
    store::Sums inode_sums;
    if (!inode.ParseFromString(*record) || InodeId{inode.id()} != id ||
        (inode.directory() && (!sums || !inode_sums.ParseFromString(*sums)))) {
      return absl::DataLossError(
          absl::StrCat("store: the records of deleted inode ", ToInt(id), " are damaged"));
    }
    return tree_->InsertDetached(inode, &inode_sums);
  }
  return FlushedTooFast();
}

absl::Status NamenodeImpl::LoadOwner(BlockId id, Wanted* wanted) {
  uint64_t flushes;
  {
    ReaderLock lock(mu_);
    flushes = store_.flush_count();
  }
  ASSIGN_OR_RETURN(std::optional<std::string> record, store_.Load(keys::BlockOwner(id)));
  wanted->owner = {id, std::move(record), flushes};
  return absl::OkStatus();
}

absl::Status NamenodeImpl::LoadBlock(BlockId id) {
  return Fetch(
      keys::Replicas(id), [&] { return blocks_->Find(id) == nullptr; },
      [&](std::optional<std::string> bytes) -> absl::Status {
        if (!bytes) {
          blocks_->Insert(id, std::nullopt);
          return absl::OkStatus();
        }
        store::Replicas record;
        if (!record.ParseFromString(*bytes)) {
          return absl::DataLossError(absl::StrCat("store: replicas of block ", ToInt(id)));
        }
        blocks_->Insert(id, record);
        return absl::OkStatus();
      });
}

bool NamenodeImpl::IsSuperuser(const Caller& caller) {
  return identities_.Get(caller.user)->superuser;
}

}  // namespace cairn::namenode
