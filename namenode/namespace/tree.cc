#include "namenode/namespace/tree.h"

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status_macros.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

// Names remembered as absent. Enough for every name that the requests in flight can be probing.
constexpr size_t kMaxAbsent = 65536;

}  // namespace

size_t Tree::NameHash::operator()(const NameKey& key) const {
  return absl::HashOf(key.parent, key.name);
}
size_t Tree::NameHash::operator()(const Inode* inode) const {
  return absl::HashOf(ToInt(inode->parent->id), absl::string_view(inode->name));
}
bool Tree::NameEqual::operator()(const NameKey& a, const Inode* b) const {
  return a.parent == ToInt(b->parent->id) && a.name == b->name;
}

Tree::Tree(const Options& options, Store& store, TreeListener& listener)
    : options_(options), store_(store), listener_(listener) {}

Tree::~Tree() {
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
  root_ = new Inode;
  DecodeInode(record, names_, root_);
  root_->directory->sums = DecodeSums(sums_record);
  AddResident(root_);
  return absl::OkStatus();
}

Tree::Found Tree::FindChild(const Inode& directory, absl::string_view name) const {
  const NameKey key{ToInt(directory.id), name};
  if (const auto it = by_name_.find(key); it != by_name_.end()) {
    Inode* const inode = *it;
    // Written only when clear: readers on other cores would share the line otherwise.
    if (!inode->referenced.load(std::memory_order_relaxed)) {
      inode->referenced.store(true, std::memory_order_relaxed);
    }
    return {inode, true};
  }
  if (directory.directory->complete) return {nullptr, true};
  if (!absent_.empty() && absent_.contains(AbsentName{key.parent, std::string(name)})) {
    return {nullptr, true};
  }
  return {};
}

Inode* Tree::FindById(InodeId id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : *it;
}

void Tree::Insert(Inode& parent, absl::string_view name, const store::Inode* record,
                  const store::Sums* sums) {
  if (FindChild(parent, name).known) return;
  if (record == nullptr) {
    if (absent_.size() >= kMaxAbsent) absent_.clear();
    absent_.insert({ToInt(parent.id), std::string(name)});
    return;
  }
  auto* const inode = new Inode;
  DecodeInode(*record, names_, inode);
  if (inode->directory && sums != nullptr) inode->directory->sums = DecodeSums(*sums);
  inode->name = std::string(name);
  Link(inode, parent);
  AddResident(inode);
}

void Tree::InsertDetached(const store::Inode& record, const store::Sums* sums) {
  if (FindById(InodeId{record.id()}) != nullptr) return;
  auto* const inode = new Inode;
  DecodeInode(record, names_, inode);
  if (inode->directory && sums != nullptr) inode->directory->sums = DecodeSums(*sums);
  inode->detached = true;
  AddResident(inode);
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
    return absl::DataLossError(absl::StrCat("an edit names inode ", ToInt(id),
                                            ", which the store cannot give: ",
                                            loaded.status().message()));
  }
  return loaded;
}

absl::StatusOr<Inode*> Tree::LoadById(InodeId id) {
  if (Inode* const inode = FindById(id)) return inode;
  ASSIGN_OR_RETURN(const std::string location_bytes, FetchLocked(keys::Location(id)));
  store::Location location;
  if (!location.ParseFromString(location_bytes)) {
    return absl::DataLossError(absl::StrCat("location record of inode ", ToInt(id)));
  }
  const bool detached = location.parent() == 0;
  Inode* parent = nullptr;
  if (!detached) {
    ASSIGN_OR_RETURN(parent, LoadById(InodeId{location.parent()}));
  }
  ASSIGN_OR_RETURN(const std::string bytes,
                   FetchLocked(detached ? keys::Detached(id)
                                        : keys::Entry(parent->id, location.name())));
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
    InsertDetached(record, &sums);
  } else {
    absent_.erase({ToInt(parent->id), location.name()});
    Insert(*parent, location.name(), &record, &sums);
  }
  Inode* const inode = FindById(id);
  if (inode == nullptr) return absl::DataLossError(absl::StrCat("inode ", ToInt(id), " is hidden"));
  return inode;
}

// ---- residence

uint64_t Tree::Footprint(const Inode& inode) {
  constexpr uint64_t kTables = 40;  // slots in two hash tables and the clock, malloc's headers
  uint64_t bytes = sizeof(Inode) + kTables + (inode.name.size() > 15 ? inode.name.size() + 16 : 0);
  if (inode.directory) return bytes + sizeof(DirectoryData) + 16;
  // Capacity, not size, would change behind our back: the count is taken at AddResident and again
  // at RemoveResident, so the files that grow in between are counted by their initial size.
  return bytes + sizeof(FileData) + 16;
}

void Tree::AddResident(Inode* inode) {
  by_id_.insert(inode);
  inode->clock_slot = static_cast<uint32_t>(clock_.size());
  clock_.push_back(inode);
  bytes_ += Footprint(*inode);
}

void Tree::RemoveResident(Inode* inode) {
  bytes_ -= Footprint(*inode);
  by_id_.erase(inode);
  clock_[inode->clock_slot] = clock_.back();
  clock_[inode->clock_slot]->clock_slot = inode->clock_slot;
  clock_.pop_back();
  delete inode;
}

void Tree::Link(Inode* inode, Inode& parent) {
  inode->parent = &parent;
  by_name_.insert(inode);
  ++parent.resident_children;
  if (!absent_.empty()) absent_.erase({ToInt(parent.id), inode->name});
}

void Tree::Unlink(Inode* inode) {
  by_name_.erase(inode);
  --inode->parent->resident_children;
}

void Tree::Trim(int most) {
  // Each step looks at a bounded number of inodes, so that no request pays for many.
  for (int looked = 0; bytes_ > options_.cache_bytes && looked < most * 4 && !clock_.empty();
       ++looked) {
    if (hand_ >= clock_.size()) hand_ = 0;
    Inode* const inode = clock_[hand_];
    if (inode == root_ || inode->resident_children != 0 || inode->is_open() ||
        inode->referenced.exchange(false, std::memory_order_relaxed)) {
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
