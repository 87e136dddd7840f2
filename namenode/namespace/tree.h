// namenode/namespace/tree.h - the namespace: resident inodes over the store, and the one function
// that changes them.
//
//            FindChild, FindById                       Apply(edit)
//   ops ────► resident inodes, bounded ◄──────────────── one edit
//                 ▲  Insert (a loaded record)                │ Put, Delete
//                 └──────────── store (tails, LevelDB) ◄─────┘
//
// A lookup never reads LevelDB: when it cannot answer from memory it says so and notes what is
// wanted; the caller releases the lock, loads, and starts again (namenode/core/). What is resident
// is always the newest: Apply changes the inode and its record together, so an inode can be evicted
// at any time. Running, replaying after a crash and following use the same Apply.
//
// Guarded by the namespace lock from outside: [R] shared or exclusive, [W] exclusive.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "common/ids.h"
#include "namenode/namespace/inode.h"
#include "namenode/store/store.h"
#include "proto/edit.pb.h"

namespace cairn::namenode {

// Records that an operation needs and that are not in memory.
struct Wanted {
  std::vector<std::pair<InodeId, std::string>> entries;  // parent (resident), name
  std::vector<InodeId> inodes;
  std::vector<BlockId> blocks;  // replica lists

  bool empty() const { return entries.empty() && inodes.empty() && blocks.empty(); }
};

// Told of what Apply does outside the tree. Called under the exclusive lock.
class TreeListener {
 public:
  virtual ~TreeListener() = default;
  virtual void OnBlockAdded(const Inode& file, const BlockVersion& block) = 0;
  // The block has a new stamp or length, or (committed) its final ones.
  virtual void OnBlockChanged(const Inode& file, const BlockVersion& block, bool committed) = 0;
  virtual void OnBlockRemoved(const BlockVersion& block) = 0;
  virtual void OnOpened(const Inode& file) = 0;  // or its lease went to another holder
  virtual void OnClosed(const Inode& file) = 0;
  virtual void OnDetached(InodeId directory) = 0;  // to be reclaimed
  virtual void OnStorageRegistered(const edit::RegisterStorage& storage) = 0;
};

class Tree {
 public:
  struct Options {
    uint64_t cache_bytes = 256 << 20;  // resident inodes, estimated
  };
  // What a lookup learned: an inode; that there is none (inode null, known); or nothing (not known).
  struct Found {
    Inode* inode = nullptr;
    bool known = false;
  };
  // Ids that were never handed out. Beyond the reserved limit a ReserveIds edit comes first.
  struct Counters {
    uint64_t inode_id, block_id, generation_stamp;
  };

  Tree(const Options& options, Store& store, TreeListener& listener);
  ~Tree();
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  // Reads identity, counters and the root. kDataLoss: a record is damaged.
  absl::Status Open();  // [W]

  Inode& root() const { return *root_; }
  Found FindChild(const Inode& directory, absl::string_view name) const;  // [R]
  Inode* FindById(InodeId id) const;                                      // [R] resident ones only

  // [W] The result of a load: the record that (parent, name) has, or its absence. No effect if the
  // answer is already known. `sums` goes with a directory.
  void Insert(Inode& parent, absl::string_view name, const store::Inode* record,
              const store::Sums* sums);
  // [W] Root of a detached subtree.
  void InsertDetached(const store::Inode& record, const store::Sums* sums);

  // [W] Finds or loads `id` under the lock. Only replay may need to load; at run time what an edit
  // touches is resident. Null: no such inode.
  absl::StatusOr<Inode*> Require(InodeId id);

  // [W] Changes the state by one edit. kDataLoss: the edit does not fit the state (a damaged store
  // or journal); nothing more may be applied then.
  absl::Status Apply(const edit::Edit& edit, TxId txid);

  // [W] The newest value of a record, read under the lock. kNotFound: there is none.
  absl::StatusOr<std::string> FetchLocked(const std::string& key);

  const store::Namespace& identity() const { return identity_; }
  const Counters& reserved() const { return reserved_; }
  NameTable& names() { return names_; }  // synchronizes itself

  // [W] Evicts a few unused inodes while over the bound.
  void Trim(int most);
  // [W] Drops all that can be dropped; for tests.
  void EvictAll();
  size_t resident() const { return by_id_.size(); }
  uint64_t resident_bytes() const { return bytes_; }

 private:
  struct NameKey {
    uint64_t parent;
    absl::string_view name;
  };
  struct NameHash {
    using is_transparent = void;
    size_t operator()(const NameKey& key) const;
    size_t operator()(const Inode* inode) const;
  };
  struct NameEqual {
    using is_transparent = void;
    bool operator()(const NameKey& a, const Inode* b) const;
    bool operator()(const Inode* a, const NameKey& b) const { return (*this)(b, a); }
    bool operator()(const Inode* a, const Inode* b) const { return a == b; }
  };
  struct IdHash {
    using is_transparent = void;
    size_t operator()(InodeId id) const { return absl::Hash<uint64_t>()(ToInt(id)); }
    size_t operator()(const Inode* inode) const { return (*this)(inode->id); }
  };
  struct IdEqual {
    using is_transparent = void;
    bool operator()(InodeId a, const Inode* b) const { return a == b->id; }
    bool operator()(const Inode* a, InodeId b) const { return a->id == b; }
    bool operator()(const Inode* a, const Inode* b) const { return a == b; }
  };
  struct AbsentName {
    uint64_t parent;
    std::string name;
    bool operator==(const AbsentName&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const AbsentName& n) {
      return H::combine(std::move(h), n.parent, n.name);
    }
  };

  absl::Status ApplyChange(const edit::Edit& edit, TxId txid);
  absl::Status ApplyMakeDirectories(const edit::MakeDirectories& change, uint64_t time_ms, TxId txid,
                                    Inode** last);
  absl::Status ApplyCreate(const edit::CreateFile& change, uint64_t time_ms, TxId txid);
  absl::Status ApplyDelete(const edit::Delete& change, uint64_t time_ms, TxId txid);
  absl::Status ApplyReclaim(const edit::Reclaim& change);
  absl::Status ApplyRename(const edit::Rename& change, uint64_t time_ms, TxId txid);
  absl::Status ApplyAddBlock(const edit::AddBlock& change, TxId txid);
  absl::Status ApplyAbandonBlock(const edit::AbandonBlock& change, TxId txid);
  absl::Status ApplyUpdateLastBlock(const edit::UpdateLastBlock& change, TxId txid);
  absl::Status ApplyClose(const edit::CloseFile& change, uint64_t time_ms, TxId txid);
  absl::Status ApplyReopen(const edit::ReopenFile& change, uint64_t time_ms, TxId txid);
  absl::Status ApplyTruncate(const edit::Truncate& change, uint64_t time_ms, TxId txid);
  absl::Status ApplyConcat(const edit::Concat& change, uint64_t time_ms, TxId txid);

  absl::StatusOr<Inode*> RequireFile(InodeId id);
  absl::StatusOr<Inode*> RequireDirectory(InodeId id);
  absl::StatusOr<Inode*> LoadById(InodeId id);
  Inode* NewInode(const edit::NewInode& from, Inode& parent, uint64_t time_ms, TxId txid);
  void Link(Inode* inode, Inode& parent);  // into the tables; the record is written by Save
  void Unlink(Inode* inode);               // out of the name table
  void AddResident(Inode* inode);
  void RemoveResident(Inode* inode);  // deletes it
  void Save(Inode& inode, TxId txid);
  void SaveSums(const Inode& directory);
  // Adds `change` to the sums of `directory` and all above it.
  void AddToSums(Inode* directory, const SubtreeSums& change, int sign);
  void ReplaceContribution(Inode& file, const SubtreeSums& before);
  void ChangeChildren(Inode& directory, int change, uint64_t time_ms, TxId txid);
  void DropFile(Inode* file);  // its blocks, its writer, its records but the entry
  void SetLastBlock(Inode& file, const edit::Block& block, bool committed);
  static uint64_t Footprint(const Inode& inode);

  const Options options_;
  Store& store_;
  TreeListener& listener_;
  NameTable names_;
  store::Namespace identity_;
  Counters reserved_{};
  Inode* root_ = nullptr;
  absl::flat_hash_set<Inode*, NameHash, NameEqual> by_name_;
  absl::flat_hash_set<Inode*, IdHash, IdEqual> by_id_;
  absl::flat_hash_set<AbsentName> absent_;  // looked up and not found; bounded
  std::vector<Inode*> clock_;
  size_t hand_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace cairn::namenode
