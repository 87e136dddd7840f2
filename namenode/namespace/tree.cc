#include "namenode/namespace/tree.h"

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status_macros.h"
#include "namenode/store/keys.h"
#include "namenode/store/records.h"

namespace cairn::namenode {
namespace {

// Names remembered as absent. Enough for every name that the requests in flight can be probing.
constexpr size_t kMaxAbsent = 65536;
// What a resident inode costs at the least, to size the tables.
constexpr uint64_t kLeastInodeBytes = 256;

}  // namespace

Tree::Tree(const Options& options, Store& store, TreeListener& listener)
    : options_(options),
      store_(store),
      listener_(listener),
      by_name_(options.cache_bytes / kLeastInodeBytes),
      by_id_(options.cache_bytes / kLeastInodeBytes),
      self_(std::make_shared<Tree*>(this)) {
  puts_off_ = store_.BeforeFreeze([self = self_] {
    if (*self != nullptr) (*self)->SaveAll();
  });
}

Tree::~Tree() {
  *self_ = nullptr;
  for (Inode* inode : clock_) delete inode;
}

absl::Status Tree::Open() {
  ASSIGN_OR_RETURN(const std::string identity, FetchLocked(keys::Namespace()));
  if (!identity_.ParseFromString(identity)) {
    return absl::DataLossError("store: the namespace record does not parse");
  }
  reserved_ = {identity_.next_inode_id(), identity_.next_block_id(),
               identity_.next_generation_stamp()};
  ASSIGN_OR_RETURN(const std::string entry, FetchLocked(keys::Entry(kNoInode, "")));
  ASSIGN_OR_RETURN(const std::string sums, FetchLocked(keys::Sums(kRootInode)));
  store::Inode record;
  store::Sums sums_record;
  if (!record.ParseFromString(entry) || !sums_record.ParseFromString(sums) ||
      InodeId{record.id()} != kRootInode || !record.directory()) {
    return absl::DataLossError("store: the root directory's record is damaged");
  }
  RETURN_IF_ERROR(LoadErasurePolicies());
  RETURN_IF_ERROR(LoadConversionRules());
  auto root = std::make_unique<Inode>();
  RETURN_IF_ERROR(DecodeInode(record, names_, erasure_policies_, root.get()));
  root_ = root.release();
  root_->directory->sums = DecodeSums(sums_record);
  AddResident(root_);
  return absl::OkStatus();
}

absl::Status Tree::LoadErasurePolicies() {
  const std::unique_ptr<Store::Range> range =
      store_.Scan(std::string(1, keys::kErasurePolicy), "", ErasurePolicies::kMaxId);
  for (; range->Valid(); range->Next()) {
    ASSIGN_OR_RETURN(const store::ErasurePolicy record,
                     ParseErasurePolicy(range->key(), range->value()));
    ASSIGN_OR_RETURN(const erasure::Policy policy, DecodePolicy(record));
    ASSIGN_OR_RETURN(const ErasurePolicyState state, DecodePolicyState(record.state()));
    RETURN_IF_ERROR(erasure_policies_.Put(policy, state));
  }
  return range->status();
}

// An earlier version, which knows none, may have deleted directories and left their rules: nobody
// sees those, since no inode has their ids.
absl::Status Tree::LoadConversionRules() {
  std::string after;
  for (bool more = true; more;) {
    const std::unique_ptr<Store::Range> range =
        store_.Scan(std::string(1, keys::kConversionRule), after, kMaxConversionRules);
    for (; range->Valid(); range->Next()) {
      ASSIGN_OR_RETURN(const store::ConversionRule record,
                       ParseConversionRule(range->key(), range->value()));
      ASSIGN_OR_RETURN(conversion_rules_[InodeId{record.inode()}],
                       DecodeRule(record, erasure_policies_));
      if (conversion_rules_.size() > kMaxConversionRules) {
        return absl::DataLossError("store: more conversion rules than there can be");
      }
    }
    RETURN_IF_ERROR(range->status());
    more = range->more();
    if (more) after = std::string(range->resume_after());
  }
  return absl::OkStatus();
}

Tree::Found Tree::FindChild(const Inode& directory, absl::string_view name) const {
  Inode* const inode = by_name_.Find(HashName(directory.id, name), [&](const Inode& candidate) {
    return candidate.parent == &directory && candidate.name == name;
  });
  if (inode != nullptr) {
    // Written only when clear: readers on other cores would share the line otherwise.
    if (!inode->referenced.load(std::memory_order_relaxed)) {
      inode->referenced.store(true, std::memory_order_relaxed);
    }
    return {inode, true};
  }
  if (directory.directory->complete) return {nullptr, true};
  if (!absent_.empty() && absent_.contains(AbsentName{ToInt(directory.id), std::string(name)})) {
    return {nullptr, true};
  }
  return {};
}

Inode* Tree::FindById(InodeId id) const {
  return by_id_.Find(HashId(id), [id](const Inode& inode) { return inode.id == id; });
}

absl::StatusOr<std::unique_ptr<Inode>> Tree::MakeInode(const store::Inode& record,
                                                       const store::Sums* sums) {
  auto inode = std::make_unique<Inode>();
  RETURN_IF_ERROR(DecodeInode(record, names_, erasure_policies_, inode.get()));
  if (inode->directory && sums != nullptr) inode->directory->sums = DecodeSums(*sums);
  return inode;
}

absl::Status Tree::Insert(Inode& parent, absl::string_view name, const store::Inode* record,
                          const store::Sums* sums) {
  if (FindChild(parent, name).known) return absl::OkStatus();
  if (record == nullptr) {
    if (absent_.size() >= kMaxAbsent) absent_.clear();
    absent_.insert({ToInt(parent.id), std::string(name)});
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Inode> inode, MakeInode(*record, sums));
  inode->name = std::string(name);
  Link(inode.get(), parent);
  AddResident(inode.release());
  return absl::OkStatus();
}

absl::Status Tree::InsertDetached(const store::Inode& record, const store::Sums* sums) {
  if (FindById(InodeId{record.id()}) != nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::unique_ptr<Inode> inode, MakeInode(record, sums));
  inode->detached = true;
  AddResident(inode.release());
  return absl::OkStatus();
}

// ---- loading under the lock: replay only

absl::StatusOr<std::string> Tree::FetchLocked(const std::string& key) {
  absl::string_view value;
  switch (store_.Peek(key, &value)) {
    case Store::Found::kValue:
      return std::string(value);
    case Store::Found::kDeleted:
      return absl::NotFoundError(key);
    case Store::Found::kUnknown:
      break;
  }
  ASSIGN_OR_RETURN(std::optional<std::string> loaded, store_.Load(key));
  if (!loaded) return absl::NotFoundError(key);
  return *std::move(loaded);
}

absl::StatusOr<Inode*> Tree::Require(InodeId id) {
  if (Inode* const inode = FindById(id)) return inode;
  absl::StatusOr<Inode*> loaded = LoadById(id);
  if (!loaded.ok()) {
    return absl::DataLossError(
        absl::StrCat("an edit names inode ", ToInt(id),
                     ", which the store cannot give: ", loaded.status().message()));
  }
  return loaded;
}

// In loops, not by recursion: renames may make a tree deeper than the stack is.
absl::StatusOr<Inode*> Tree::LoadById(InodeId id) {
  std::vector<std::pair<InodeId, store::Location>> missing;  // the inode, and what is above it
  Inode* inode = FindById(id);
  for (InodeId at = id; inode == nullptr; inode = FindById(at)) {
    ASSIGN_OR_RETURN(const std::string bytes, FetchLocked(keys::Location(at)));
    store::Location location;
    if (!location.ParseFromString(bytes)) {
      return absl::DataLossError(absl::StrCat("location record of inode ", ToInt(at)));
    }
    const InodeId parent{location.parent()};
    missing.emplace_back(at, std::move(location));
    if (parent == kNoInode) break;
    at = parent;
  }
  for (; !missing.empty(); missing.pop_back()) {
    const auto& [at, location] = missing.back();
    ASSIGN_OR_RETURN(inode, LoadAt(inode, at, location.name()));
  }
  return inode;
}

absl::StatusOr<Inode*> Tree::LoadAt(Inode* parent, InodeId id, const std::string& name) {
  const bool detached = parent == nullptr;
  ASSIGN_OR_RETURN(const std::string bytes,
                   FetchLocked(detached ? keys::Detached(id) : keys::Entry(parent->id, name)));
  store::Inode record;
  if (!record.ParseFromString(bytes) || InodeId{record.id()} != id) {
    return absl::DataLossError(absl::StrCat("record of inode ", ToInt(id)));
  }
  store::Sums sums;
  if (record.directory()) {
    ASSIGN_OR_RETURN(const std::string sums_bytes, FetchLocked(keys::Sums(id)));
    if (!sums.ParseFromString(sums_bytes)) {
      return absl::DataLossError(absl::StrCat("sums of inode ", ToInt(id)));
    }
  }
  if (detached) {
    RETURN_IF_ERROR(InsertDetached(record, &sums));
  } else {
    absent_.erase({ToInt(parent->id), name});
    RETURN_IF_ERROR(Insert(*parent, name, &record, &sums));
  }
  Inode* const inode = FindById(id);
  if (inode == nullptr) return absl::DataLossError(absl::StrCat("inode ", ToInt(id), " is hidden"));
  return inode;
}

// ---- records

void Tree::Save(Inode& inode, TxId txid) {
  inode.txid = txid;
  if (inode.parent != nullptr) inode.parent->directory->version = ++versions_;
  PutOff(inode, kUnsavedEntry);
}

void Tree::PutOff(Inode& inode, uint8_t records) {
  const uint8_t fresh = records & static_cast<uint8_t>(~inode.unsaved);
  if (fresh == 0) return;
  if ((fresh & kUnsavedEntry) != 0 && inode.parent != nullptr) {
    ++inode.parent->directory->unsaved_children;
  }
  if (inode.unsaved == 0) {
    inode.unsaved_slot = unsaved_base_ + static_cast<uint32_t>(unsaved_.size());
    unsaved_.push_back(&inode);
  }
  inode.unsaved |= fresh;
  if (!puts_off_) PutRecords(inode);
}

void Tree::PutRecords(Inode& inode) {
  const uint8_t records = inode.unsaved;
  if ((records & kUnsavedEntry) != 0) {
    const bool in_tree = inode.parent != nullptr;
    store_.Put(in_tree          ? keys::Entry(inode.parent->id, inode.name)
               : inode.detached ? keys::Detached(inode.id)
                                : keys::Entry(kNoInode, ""),
               EncodeInode(inode));
    if (in_tree) --inode.parent->directory->unsaved_children;
    // A file that was opened and closed in between never was in the list.
    if (inode.is_open() != inode.listed_open) {
      if (inode.is_open()) {
        store_.Put(keys::OpenFile(inode.id), "");
      } else {
        store_.Delete(keys::OpenFile(inode.id));
      }
      inode.listed_open = inode.is_open();
    }
  }
  if ((records & kUnsavedLocation) != 0) {
    store::Location location;
    location.set_parent(inode.parent == nullptr ? 0 : ToInt(inode.parent->id));
    location.set_name(inode.name);
    store_.Put(keys::Location(inode.id), location.SerializeAsString());
  }
  if ((records & kUnsavedSums) != 0) {
    store_.Put(keys::Sums(inode.id), EncodeSums(inode.directory->sums));
  }
  ForgetUnsaved(inode);
}

// Its parent's count has been seen to.
void Tree::ForgetUnsaved(Inode& inode) {
  if (inode.unsaved == 0) return;
  inode.unsaved = 0;
  unsaved_[inode.unsaved_slot - unsaved_base_] = nullptr;
}

void Tree::SaveOldest() {
  if (unsaved_.front() != nullptr) PutRecords(*unsaved_.front());
  unsaved_.pop_front();
  ++unsaved_base_;
}

void Tree::SaveAll() {
  while (!unsaved_.empty()) SaveOldest();
  store_.EndRest();
}

void Tree::SaveChildren(const Inode& directory) {
  for (size_t i = 0; directory.directory->unsaved_children != 0; ++i) {
    CHECK_LT(i, unsaved_.size()) << "an unsaved child is not among the unsaved";
    Inode* const inode = unsaved_[i];
    if (inode != nullptr && inode->parent == &directory) PutRecords(*inode);
  }
  store_.EndRest();
}

// ---- residence

uint64_t Tree::Footprint(const Inode& inode) {
  constexpr uint64_t kTables = 40;  // buckets of two hash tables, the clock, malloc's headers
  constexpr uint64_t kMalloc = 16;  // a further allocation's header and rounding
  const auto text = [](const std::string& s) -> uint64_t {
    return s.capacity() > 15 ? s.capacity() + kMalloc : 0;  // 15 fit into the string itself
  };
  const uint64_t bytes = sizeof(Inode) + kTables + text(inode.name);
  if (inode.directory) return bytes + sizeof(DirectoryData) + kMalloc;
  const FileData& file = *inode.file;
  uint64_t of_file = sizeof(FileData) + kMalloc;
  if (file.blocks.capacity() != 0) {
    of_file += file.blocks.capacity() * sizeof(BlockVersion) + kMalloc;
  }
  if (file.writer) {
    of_file += sizeof(Writer) + kMalloc + text(file.writer->holder) + text(file.writer->machine);
  }
  return bytes + of_file;
}

void Tree::AddResident(Inode* inode) {
  by_id_.Insert(inode, HashId(inode->id));
  if (inode->directory) inode->directory->version = ++versions_;
  inode->clock_slot = static_cast<uint32_t>(clock_.size());
  clock_.push_back(inode);
  bytes_ += Footprint(*inode);
}

void Tree::RemoveResident(Inode* inode) {
  ForgetUnsaved(*inode);
  bytes_ -= Footprint(*inode);
  by_id_.Erase(inode);
  clock_[inode->clock_slot] = clock_.back();
  clock_[inode->clock_slot]->clock_slot = inode->clock_slot;
  clock_.pop_back();
  delete inode;
}

void Tree::Link(Inode* inode, Inode& parent) {
  inode->parent = &parent;
  if (inode->unsaved & kUnsavedEntry) ++parent.directory->unsaved_children;
  by_name_.Insert(inode, HashName(parent.id, inode->name));
  ++parent.resident_children;
  if (!absent_.empty()) absent_.erase({ToInt(parent.id), inode->name});
}

void Tree::Unlink(Inode* inode) {
  by_name_.Erase(inode);
  --inode->parent->resident_children;
  inode->parent->directory->version = ++versions_;
  if (inode->unsaved & kUnsavedEntry) --inode->parent->directory->unsaved_children;
}

void Tree::Trim(int most) {
  // Each step looks at a bounded number of inodes, so that no request pays for many.
  for (int looked = 0; bytes_ > options_.cache_bytes && looked < most * 4 && !clock_.empty();
       ++looked) {
    if (hand_ >= clock_.size()) hand_ = 0;
    Inode* const inode = clock_[hand_];
    if (inode == root_ || inode->resident_children != 0 || inode->is_open() ||
        inode->unsaved != 0 || inode->referenced.exchange(false, std::memory_order_relaxed)) {
      ++hand_;
      continue;
    }
    if (inode->parent != nullptr) {
      inode->parent->directory->complete = false;
      Unlink(inode);
    }
    RemoveResident(inode);  // the last one takes its slot: the hand stays
  }
}

void Tree::EvictAll() {
  SaveAll();
  absent_.clear();
  for (bool progress = true; progress;) {
    progress = false;
    for (size_t i = 0; i < clock_.size();) {
      Inode* const inode = clock_[i];
      if (inode == root_ || inode->resident_children != 0) {
        ++i;
        continue;
      }
      if (inode->parent != nullptr) {
        inode->parent->directory->complete = false;
        Unlink(inode);
      }
      RemoveResident(inode);
      progress = true;
    }
  }
}

}  // namespace cairn::namenode
