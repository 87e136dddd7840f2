#include "common/testing/faulty_file_system.h"

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "common/testing/faulty_inode.h"

namespace cairn {
namespace {

using faulty_internal::Entries;
using faulty_internal::Inode;
using faulty_internal::InodePtr;
using faulty_internal::kSectorBytes;
using faulty_internal::NameChange;

constexpr uint64_t kDirectAlignment = 4096;

struct Fault {
  FileCall kind;
  int calls_left;
  absl::Status status;
  bool torn;
  bool lasting;  // a power cut: every later mutating call fails too
};

bool IsMutating(FileCall call) {
  return call != FileCall::kOpenExisting && call != FileCall::kRead && call != FileCall::kList;
}

bool Matches(FileCall kind, FileCall call) {
  return kind == FileCall::kAny || kind == call ||
         (kind == FileCall::kMutating && IsMutating(call));
}

absl::Status Error(absl::StatusCode code, absl::string_view call, absl::string_view path,
                   absl::string_view text) {
  return absl::Status(code, absl::StrCat(call, " ", path, ": ", text));
}

absl::Status NoSuchFile(absl::string_view call, absl::string_view path) {
  return Error(absl::StatusCode::kNotFound, call, path, "No such file or directory");
}

absl::Status AlreadyThere(absl::string_view call, absl::string_view path) {
  return Error(absl::StatusCode::kAlreadyExists, call, path, "File exists");
}

absl::Status Internal(absl::string_view call, absl::string_view path, absl::string_view text) {
  return Error(absl::StatusCode::kInternal, call, path, text);
}

}  // namespace

struct FaultyFileSystem::Core {
  // Where a path leads: the directory that holds the last name, and what it names, if anything.
  struct Place {
    InodePtr directory;
    std::string name;
    InodePtr inode;
  };

  mutable Mutex mu;
  InodePtr root ABSL_GUARDED_BY(mu) = std::make_shared<Inode>(true);
  std::vector<NameChange> unsynced_names ABSL_GUARDED_BY(mu);  // in order
  std::vector<Fault> faults ABSL_GUARDED_BY(mu);
  std::map<FileCall, int> counts ABSL_GUARDED_BY(mu);
  uint64_t capacity ABSL_GUARDED_BY(mu) = std::numeric_limits<uint64_t>::max();
  uint64_t epoch ABSL_GUARDED_BY(mu) = 0;         // raised by each crash
  std::mt19937_64 random ABSL_GUARDED_BY(mu){1};  // for torn writes

  // kNotFound or kInternal (not a directory) when what comes before the last name is not there.
  absl::StatusOr<Place> Find(absl::string_view call, const std::string& path) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    Place place{nullptr, "", root};
    for (const absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
      if (part == ".") continue;
      if (place.inode == nullptr) return NoSuchFile(call, path);
      if (!place.inode->is_directory) return Internal(call, path, "Not a directory");
      const auto entry = place.inode->entries.find(std::string(part));
      InodePtr next = entry == place.inode->entries.end() ? nullptr : entry->second;
      place = {place.inode, std::string(part), std::move(next)};
    }
    return place;
  }

  // The same, and it must exist.
  absl::StatusOr<Place> FindExisting(absl::string_view call, const std::string& path) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    ASSIGN_OR_RETURN(Place place, Find(call, path));
    if (place.inode == nullptr) return NoSuchFile(call, path);
    return place;
  }

  // Counts a call and says whether it is to fail; `torn` then, whether by halves.
  absl::Status Enter(FileCall call, bool* torn = nullptr) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    ++counts[call];
    absl::Status failure;
    for (Fault& fault : faults) {
      if (!Matches(fault.kind, call) || --fault.calls_left > 0) continue;
      if (failure.ok()) {
        failure = fault.status;
        // Only the first call of a power cut was under way; the later ones reach no disk.
        if (torn != nullptr) *torn = fault.torn && fault.calls_left == 0;
      }
    }
    std::erase_if(faults, [](const Fault& f) { return f.calls_left <= 0 && !f.lasting; });
    return failure;
  }

  void Change(NameChange change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    for (const NameChange::Part& part : change.parts) {
      Entries& entries = part.directory->entries;
      if (part.target == nullptr) {
        entries.erase(part.name);
      } else {
        entries[part.name] = part.target;
      }
    }
    unsynced_names.push_back(std::move(change));
  }

  void AddUsed(const Inode& inode, std::set<const Inode*>& seen, uint64_t& bytes) const {
    if (!seen.insert(&inode).second) return;
    bytes += inode.current.size();
    for (const auto& [name, child] : inode.entries) AddUsed(*child, seen, bytes);
  }
  uint64_t UsedBytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    std::set<const Inode*> seen;
    uint64_t bytes = 0;
    AddUsed(*root, seen, bytes);
    return bytes;
  }
  bool HasRoom(const Inode& inode, uint64_t end) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    if (end <= inode.current.size() || capacity == std::numeric_limits<uint64_t>::max())
      return true;
    return UsedBytes() + (end - inode.current.size()) <= capacity;
  }

  // What a power cut leaves of one inode and of all below it.
  void CrashInode(const InodePtr& inode, uint64_t seed, std::mt19937_64& coin,
                  std::set<const Inode*>& seen) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    if (!seen.insert(inode.get()).second) return;
    inode->locked = false;
    if (inode->is_directory) {
      inode->entries = inode->stable_entries;
      for (const auto& [name, child] : inode->entries) CrashInode(child, seed, coin, seen);
      return;
    }
    if (seed != 0) {
      // Sectors beyond the end that is left are cut off again by the size.
      if (inode->size_dirty && coin() % 2 == 0) inode->stable.Resize(inode->current.size());
      for (const std::set<uint64_t>* const sectors : {&inode->dirty, &inode->lost}) {
        for (const uint64_t sector : *sectors) {
          if (coin() % 2 == 0 && sector * kSectorBytes < inode->stable.size()) {
            inode->stable.CopySector(inode->current, sector);
          }
        }
      }
      inode->stable.Resize(inode->stable.size());
    }
    inode->current = inode->stable;
    inode->dirty.clear();
    inode->lost.clear();
    inode->size_dirty = false;
  }
};

class FaultyFile final : public File {
 public:
  using Core = FaultyFileSystem::Core;

  FaultyFile(std::shared_ptr<Core> core, InodePtr inode, OpenOptions options, std::string path,
             uint64_t epoch, bool holds_lock)
      : core_(std::move(core)),
        inode_(std::move(inode)),
        options_(options),
        path_(std::move(path)),
        epoch_(epoch),
        holds_lock_(holds_lock) {}

  ~FaultyFile() override {
    MutexLock lock(core_->mu);
    if (holds_lock_ && epoch_ == core_->epoch) inode_->locked = false;
  }

  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override {
    MutexLock lock(core_->mu);
    RETURN_IF_ERROR(CheckUsable("read", false));
    RETURN_IF_ERROR(CheckAlignment("read", offset, out.data(), out.size()));
    RETURN_IF_ERROR(core_->Enter(FileCall::kRead));
    return inode_->current.Read(offset, out);
  }

  absl::Status WriteAt(uint64_t offset, std::span<const std::byte> data) override {
    MutexLock lock(core_->mu);
    RETURN_IF_ERROR(CheckUsable("write", true));
    RETURN_IF_ERROR(CheckAlignment("write", offset, data.data(), data.size()));
    bool torn = false;
    if (const absl::Status status = core_->Enter(FileCall::kWrite, &torn); !status.ok()) {
      if (torn) WriteTorn(offset, data);
      return status;
    }
    if (data.empty()) return absl::OkStatus();
    if (!core_->HasRoom(*inode_, offset + data.size())) return NoRoom("write");
    Apply(offset, data);
    if (options_.data_sync) inode_->SyncRange(offset, data.size());
    return absl::OkStatus();
  }

  absl::Status Truncate(uint64_t size) override {
    MutexLock lock(core_->mu);
    RETURN_IF_ERROR(CheckUsable("truncate", true));
    RETURN_IF_ERROR(core_->Enter(FileCall::kTruncate));
    inode_->Resize(size);
    return absl::OkStatus();
  }

  absl::Status Allocate(uint64_t offset, uint64_t length) override {
    MutexLock lock(core_->mu);
    RETURN_IF_ERROR(CheckUsable("allocate", true));
    RETURN_IF_ERROR(core_->Enter(FileCall::kAllocate));
    if (length == 0) return absl::OkStatus();
    if (!core_->HasRoom(*inode_, offset + length)) return NoRoom("allocate");
    // The real one ends with a sync of the whole file.
    inode_->current.Zero(offset, length);
    inode_->Sync();
    inode_->stable.Zero(offset, length);
    return absl::OkStatus();
  }

  absl::Status SyncData() override {
    MutexLock lock(core_->mu);
    RETURN_IF_ERROR(CheckUsable("sync", false));
    if (const absl::Status status = core_->Enter(FileCall::kSync); !status.ok()) {
      inode_->FailSync();
      return status;
    }
    inode_->Sync();
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() override {
    MutexLock lock(core_->mu);
    RETURN_IF_ERROR(CheckUsable("stat", false));
    return inode_->current.size();
  }

  int fd() const override { return -1; }

 private:
  absl::Status CheckUsable(absl::string_view call, bool writes) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(core_->mu) {
    if (epoch_ != core_->epoch) {
      return Error(absl::StatusCode::kFailedPrecondition, call, path_,
                   "opened before the machine crashed");
    }
    if (writes && !options_.write) return Internal(call, path_, "Bad file descriptor");
    return absl::OkStatus();
  }

  absl::Status CheckAlignment(absl::string_view call, uint64_t offset, const void* memory,
                              size_t length) const {
    if (!options_.direct) return absl::OkStatus();
    const auto address = reinterpret_cast<uintptr_t>(memory);
    if ((offset | address | length) % kDirectAlignment == 0) return absl::OkStatus();
    return Internal(call, path_, "Invalid argument (O_DIRECT needs multiples of 4096)");
  }

  absl::Status NoRoom(absl::string_view call) const {
    return Error(absl::StatusCode::kResourceExhausted, call, path_, "No space left on device");
  }

  void Apply(uint64_t offset, std::span<const std::byte> data) {
    const uint64_t old_size = inode_->current.size();
    inode_->current.Write(offset, data);
    inode_->MarkDirty(offset, data.size());
    if (inode_->current.size() != old_size) inode_->size_dirty = true;
  }

  void WriteTorn(uint64_t offset, std::span<const std::byte> data)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(core_->mu) {
    while (!data.empty()) {
      const size_t run = std::min<uint64_t>(kSectorBytes - offset % kSectorBytes, data.size());
      if (core_->random() % 2 == 0) Apply(offset, data.first(run));
      offset += run;
      data = data.subspan(run);
    }
  }

  const std::shared_ptr<Core> core_;
  const InodePtr inode_;
  const OpenOptions options_;
  const std::string path_;
  const uint64_t epoch_;
  const bool holds_lock_;
};

FaultyFileSystem::FaultyFileSystem() : core_(std::make_shared<Core>()) {}
FaultyFileSystem::~FaultyFileSystem() = default;

void FaultyFileSystem::FailCall(FileCall kind, int nth, absl::Status status, bool torn) {
  MutexLock lock(core_->mu);
  core_->faults.push_back({kind, nth, std::move(status), torn, false});
}

void FaultyFileSystem::CutPowerAt(int nth) {
  MutexLock lock(core_->mu);
  core_->faults.push_back(
      {FileCall::kMutating, nth, absl::UnavailableError("power cut"), true, true});
}

void FaultyFileSystem::ClearFaults() {
  MutexLock lock(core_->mu);
  core_->faults.clear();
}

int FaultyFileSystem::calls(FileCall kind) const {
  MutexLock lock(core_->mu);
  int sum = 0;
  for (const auto& [call, count] : core_->counts) {
    if (Matches(kind, call)) sum += count;
  }
  return sum;
}

void FaultyFileSystem::Crash(uint64_t seed) {
  MutexLock lock(core_->mu);
  std::mt19937_64 coin(seed);
  for (const NameChange& change : core_->unsynced_names) {
    if (seed != 0 && coin() % 2 == 0) change.ApplyToStable();
  }
  core_->unsynced_names.clear();
  core_->faults.clear();
  ++core_->epoch;
  std::set<const Inode*> seen;
  core_->CrashInode(core_->root, seed, coin, seen);
}

void FaultyFileSystem::SetCapacity(uint64_t bytes) {
  MutexLock lock(core_->mu);
  core_->capacity = bytes;
}

absl::Status FaultyFileSystem::FlipBit(const std::string& path, uint64_t offset, int bit) {
  MutexLock lock(core_->mu);
  ASSIGN_OR_RETURN(const Core::Place place, core_->FindExisting("flip", path));
  if (offset >= place.inode->current.size()) return Internal("flip", path, "beyond the end");
  place.inode->current.FlipBit(offset, bit);
  if (offset < place.inode->stable.size()) place.inode->stable.FlipBit(offset, bit);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<File>> FaultyFileSystem::Open(const std::string& path,
                                                             const OpenOptions& options) {
  MutexLock lock(core_->mu);
  ASSIGN_OR_RETURN(Core::Place place, core_->Find("open", path));
  const bool is_new = place.inode == nullptr && options.create;
  RETURN_IF_ERROR(core_->Enter(is_new ? FileCall::kCreate : FileCall::kOpenExisting));
  if (is_new) {
    place.inode = std::make_shared<Inode>(false);
    core_->Change({{{place.directory, place.name, place.inode}}});
  } else if (place.inode == nullptr) {
    return NoSuchFile("open", path);
  } else if (options.create && options.exclusive) {
    return AlreadyThere("open", path);
  }
  if (place.inode->is_directory) return Internal("open", path, "is a directory");
  return std::make_unique<FaultyFile>(core_, place.inode, options, path, core_->epoch, false);
}

absl::Status FaultyFileSystem::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(core_->mu);
  const std::string both = absl::StrCat(from, " to ", to);
  ASSIGN_OR_RETURN(const Core::Place source, core_->FindExisting("rename", from));
  ASSIGN_OR_RETURN(const Core::Place target, core_->Find("rename", to));
  RETURN_IF_ERROR(core_->Enter(FileCall::kRename));
  if (source.inode == target.inode) return absl::OkStatus();
  if (source.inode->is_directory) {
    std::vector<const Inode*> below = {source.inode.get()};
    while (!below.empty()) {
      const Inode* const inode = below.back();
      below.pop_back();
      if (inode == target.directory.get()) return Internal("rename", both, "Invalid argument");
      for (const auto& [name, child] : inode->entries) below.push_back(child.get());
    }
  }
  if (target.inode != nullptr) {
    if (source.inode->is_directory && !target.inode->is_directory) {
      return Internal("rename", both, "Not a directory");
    }
    if (!source.inode->is_directory && target.inode->is_directory) {
      return Internal("rename", both, "Is a directory");
    }
    if (!target.inode->entries.empty()) {
      return Error(absl::StatusCode::kFailedPrecondition, "rename", both, "Directory not empty");
    }
  }
  core_->Change(
      {{{source.directory, source.name, nullptr}, {target.directory, target.name, source.inode}}});
  return absl::OkStatus();
}

absl::Status FaultyFileSystem::Link(const std::string& from, const std::string& to) {
  MutexLock lock(core_->mu);
  const std::string both = absl::StrCat(from, " to ", to);
  ASSIGN_OR_RETURN(const Core::Place source, core_->FindExisting("link", from));
  ASSIGN_OR_RETURN(const Core::Place target, core_->Find("link", to));
  RETURN_IF_ERROR(core_->Enter(FileCall::kLink));
  if (target.inode != nullptr) return AlreadyThere("link", both);
  if (source.inode->is_directory) {
    return Error(absl::StatusCode::kPermissionDenied, "link", both, "Operation not permitted");
  }
  core_->Change({{{target.directory, target.name, source.inode}}});
  return absl::OkStatus();
}

absl::Status FaultyFileSystem::Remove(const std::string& path) {
  MutexLock lock(core_->mu);
  ASSIGN_OR_RETURN(const Core::Place place, core_->FindExisting("remove", path));
  RETURN_IF_ERROR(core_->Enter(FileCall::kRemove));
  if (place.inode->is_directory) return Internal("remove", path, "Is a directory");
  core_->Change({{{place.directory, place.name, nullptr}}});
  return absl::OkStatus();
}

absl::Status FaultyFileSystem::MakeDirectory(const std::string& path) {
  MutexLock lock(core_->mu);
  ASSIGN_OR_RETURN(const Core::Place place, core_->Find("mkdir", path));
  RETURN_IF_ERROR(core_->Enter(FileCall::kMakeDirectory));
  if (place.inode != nullptr) return AlreadyThere("mkdir", path);
  core_->Change({{{place.directory, place.name, std::make_shared<Inode>(true)}}});
  return absl::OkStatus();
}

absl::Status FaultyFileSystem::RemoveDirectory(const std::string& path) {
  MutexLock lock(core_->mu);
  ASSIGN_OR_RETURN(const Core::Place place, core_->FindExisting("rmdir", path));
  RETURN_IF_ERROR(core_->Enter(FileCall::kRemove));
  if (!place.inode->is_directory) return Internal("rmdir", path, "Not a directory");
  if (!place.inode->entries.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "rmdir", path, "Directory not empty");
  }
  core_->Change({{{place.directory, place.name, nullptr}}});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> FaultyFileSystem::List(const std::string& directory) {
  MutexLock lock(core_->mu);
  ASSIGN_OR_RETURN(const Core::Place place, core_->FindExisting("list", directory));
  RETURN_IF_ERROR(core_->Enter(FileCall::kList));
  if (!place.inode->is_directory) return Internal("list", directory, "Not a directory");
  std::vector<std::string> names;
  for (const auto& [name, inode] : place.inode->entries) names.push_back(name);
  return names;
}

bool FaultyFileSystem::Exists(const std::string& path) {
  MutexLock lock(core_->mu);
  return core_->FindExisting("stat", path).ok();
}

bool FaultyFileSystem::IsDirectory(const std::string& path) {
  MutexLock lock(core_->mu);
  const absl::StatusOr<Core::Place> place = core_->FindExisting("stat", path);
  return place.ok() && place->inode->is_directory;
}

absl::Status FaultyFileSystem::SyncDirectory(const std::string& directory) {
  MutexLock lock(core_->mu);
  ASSIGN_OR_RETURN(const Core::Place place, core_->FindExisting("sync", directory));
  RETURN_IF_ERROR(core_->Enter(FileCall::kSyncDirectory));
  if (!place.inode->is_directory) return Internal("sync", directory, "Not a directory");
  std::vector<NameChange> left;
  for (NameChange& change : core_->unsynced_names) {
    if (!change.Touches(place.inode)) {
      left.push_back(std::move(change));
      continue;
    }
    change.ApplyToStable();
    // An older change of the same name elsewhere is overtaken: it may not come back in a crash.
    for (NameChange& older : left) {
      std::erase_if(older.parts, [&](const NameChange::Part& part) {
        return change.Names(part.directory, part.name);
      });
    }
  }
  core_->unsynced_names = std::move(left);
  return absl::OkStatus();
}

absl::StatusOr<SpaceInfo> FaultyFileSystem::Space(const std::string& path) {
  MutexLock lock(core_->mu);
  RETURN_IF_ERROR(core_->FindExisting("statvfs", path).status());
  const uint64_t used = core_->UsedBytes();
  return SpaceInfo{.capacity_bytes = core_->capacity,
                   .free_bytes = core_->capacity - std::min(core_->capacity, used)};
}

absl::StatusOr<std::unique_ptr<File>> FaultyFileSystem::Lock(const std::string& path) {
  MutexLock lock(core_->mu);
  ASSIGN_OR_RETURN(Core::Place place, core_->Find("lock", path));
  RETURN_IF_ERROR(
      core_->Enter(place.inode == nullptr ? FileCall::kCreate : FileCall::kOpenExisting));
  if (place.inode == nullptr) {
    place.inode = std::make_shared<Inode>(false);
    core_->Change({{{place.directory, place.name, place.inode}}});
  }
  if (place.inode->is_directory) return Internal("lock", path, "is a directory");
  if (place.inode->locked) {
    return Error(absl::StatusCode::kFailedPrecondition, "lock", path, "held by another process");
  }
  place.inode->locked = true;
  return std::make_unique<FaultyFile>(core_, place.inode, OpenOptions{.write = true}, path,
                                      core_->epoch, true);
}

}  // namespace cairn
