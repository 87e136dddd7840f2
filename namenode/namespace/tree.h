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
// is always the newest. Running, replaying after a crash and following use the same Apply.
//
// An inode's records are put off: a directory changes with each of its children, and a small file
// three times before it is closed. The last kMaxUnsaved changed inodes are written when others take
// their place, before the tail is frozen, and before they are evicted, so a frozen tail is the
// state after its last edit. Who reads entries from the store calls SaveChildren first.
//
// Guarded by the namespace lock from outside: [R] shared or exclusive, [W] exclusive.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "common/ids.h"
#include "namenode/namespace/conversion_rule.h"
#include "namenode/namespace/inode.h"
#include "namenode/namespace/inode_table.h"
#include "namenode/store/store.h"
#include "proto/edit.pb.h"

namespace cairn::namenode {

// Records that an operation needs and that are not in memory.
struct Wanted {
  std::vector<std::pair<InodeId, std::string>> entries;  // parent (resident), name
  std::vector<InodeId> inodes;
  std::vector<BlockId> blocks;  // replica lists
  std::vector<BlockId> owners;  // which file has a block
  // What loading found out: inodes that do not exist, as of the edit `gone_as_of`.
  std::vector<InodeId> gone;
  TxId gone_as_of = kNoTx;
  // An owner's record as LevelDB has it; the newest as long as the store's tails know nothing of it
  // and its flush_count() is still this.
  struct LoadedOwner {
    BlockId block;
    std::optional<std::string> record;
    uint64_t flush_count;
  };
  std::optional<LoadedOwner> owner;  // the last one wanted

  bool empty() const {
    return entries.empty() && inodes.empty() && blocks.empty() && owners.empty();
  }
  void BeginAttempt() {
    entries.clear();
    inodes.clear();
    blocks.clear();
    owners.clear();
  }
};

// Told of what Apply does outside the tree. Called under the exclusive lock.
class TreeListener {
 public:
  virtual ~TreeListener() = default;
  virtual void OnBlockAdded(const Inode& file, const BlockVersion& block) = 0;
  // The block has a new stamp or length, or (committed) its final ones.
  virtual void OnBlockChanged(const Inode& file, const BlockVersion& block, bool committed) = 0;
  virtual void OnBlockRemoved(const Inode& file, const BlockVersion& block) = 0;
  // The same, and the bytes are in other blocks now: readers who know this one may still use it for
  // a while.
  virtual void OnBlockSuperseded(const Inode& file, const BlockVersion& block) = 0;
  virtual void OnOpened(const Inode& file) = 0;  // or its lease went to another holder
  virtual void OnClosed(const Inode& file) = 0;
  virtual void OnDetached(InodeId directory) = 0;  // to be reclaimed
  virtual void OnStorageRegistered(const edit::RegisterStorage& storage) = 0;
};

class Tree {
 public:
  // Saving them all under the lock takes about a millisecond.
  static constexpr size_t kMaxUnsaved = 1024;
  enum Unsaved : uint8_t { kUnsavedEntry = 1, kUnsavedLocation = 2, kUnsavedSums = 4 };

  struct Options {
    uint64_t cache_bytes = 256 << 20;  // resident inodes, estimated
  };
  // What a lookup learned: an inode; that there is none (inode null, known); or nothing (not
  // known).
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
  // answer is already known. `sums` goes with a directory. kDataLoss: DecodeInode's; no effect.
  absl::Status Insert(Inode& parent, absl::string_view name, const store::Inode* record,
                      const store::Sums* sums);
  // [W] Root of a detached subtree.
  absl::Status InsertDetached(const store::Inode& record, const store::Sums* sums);

  // [W] Finds or loads `id` under the lock. Only start-up may need to load; at run time what an
  // edit touches is resident. Null: no such inode.
  absl::StatusOr<Inode*> Require(InodeId id);

  // [W] Changes the state by one edit. kDataLoss: the edit does not fit the state (a damaged store
  // or journal); nothing more may be applied then.
  absl::Status Apply(const edit::Edit& edit, TxId txid);

  // [W] The newest value of a record, read under the lock: for start-up, when nobody waits for it.
  // kNotFound: there is none.
  absl::StatusOr<std::string> FetchLocked(const std::string& key);

  const store::Namespace& identity() const { return identity_; }
  const Counters& reserved() const { return reserved_; }
  NameTable& names() { return names_; }  // synchronizes itself
  const ErasurePolicies& erasure_policies() const { return erasure_policies_; }
  const ConversionRules& conversion_rules() const { return conversion_rules_; }  // [R]

  // [R] Whether entries of `directory` in the store are behind.
  static bool HasUnsavedChildren(const Inode& directory) {
    return directory.directory->unsaved_children != 0;
  }
  // [W] Brings them up to date.
  void SaveChildren(const Inode& directory);
  // [W] Brings all records up to date.
  void SaveAll();

  // [W] Evicts a few unused inodes while over the bound.
  void Trim(int most);
  // [W] Drops all that can be dropped; for tests.
  void EvictAll();
  size_t resident() const { return by_id_.size(); }
  // Inodes with their names, block lists and writers.
  uint64_t resident_bytes() const { return bytes_; }

 private:
  static uint32_t HashName(InodeId parent, absl::string_view name) {
    return static_cast<uint32_t>(absl::HashOf(ToInt(parent), name));
  }
  static uint32_t HashId(InodeId id) { return static_cast<uint32_t>(absl::HashOf(ToInt(id))); }
  struct AbsentName {
    uint64_t parent;
    std::string name;
    bool operator==(const AbsentName&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const AbsentName& n) {
      return H::combine(std::move(h), n.parent, n.name);
    }
  };

  absl::Status LoadErasurePolicies();
  absl::Status LoadConversionRules();
  absl::StatusOr<std::unique_ptr<Inode>> MakeInode(const store::Inode& record,
                                                   const store::Sums* sums);
  absl::Status ApplySetErasurePolicy(const edit::SetErasurePolicy& change, TxId txid);
  absl::Status ApplyPutErasurePolicy(const edit::PutErasurePolicy& change);
  absl::Status ApplySetConversionRule(const edit::SetConversionRule& change, uint64_t time_ms,
                                      TxId txid);
  void DropConversionRule(InodeId directory);  // if it has one
  absl::StatusOr<const erasure::Policy*> RequirePolicy(uint32_t id) const;
  absl::Status ApplyChange(const edit::Edit& edit, TxId txid);
  absl::Status ApplyMakeDirectories(const edit::MakeDirectories& change, uint64_t time_ms,
                                    TxId txid, Inode** last);
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
  absl::Status BeginRewritingGroup(Inode& file, const edit::Truncate& change, TxId txid);
  absl::Status PutLastBlockInPlace(Inode& file, uint64_t new_length);
  absl::Status ApplyConcat(const edit::Concat& change, uint64_t time_ms, TxId txid);
  absl::Status ApplyReplaceBlocks(const edit::ReplaceBlocks& change, uint64_t time_ms, TxId txid);
  absl::Status ApplyConvertFile(const edit::ConvertFile& change, uint64_t time_ms, TxId txid);
  absl::Status ApplyCodeSmallFile(const edit::CodeSmallFile& change, uint64_t time_ms, TxId txid);
  // The target has all blocks of the source, and is kept as that one is, which is gone.
  void TakeOverCopy(Inode* target, Inode* source, uint64_t converted_from, uint64_t time_ms,
                    TxId txid);

  // kDataLoss: something in `directory` has that name.
  absl::Status RequireFree(const Inode& directory, absl::string_view name);
  absl::StatusOr<Inode*> RequireFile(InodeId id);
  absl::StatusOr<Inode*> RequireDirectory(InodeId id);
  absl::StatusOr<Inode*> LoadById(InodeId id);
  // `parent` is resident; null: the inode is the root of a deleted subtree.
  absl::StatusOr<Inode*> LoadAt(Inode* parent, InodeId id, const std::string& name);
  Inode* NewInode(const edit::NewInode& from, Inode& parent, uint64_t time_ms, TxId txid);
  void Link(Inode* inode, Inode& parent);  // into the tables; the record is written by Save
  void Unlink(Inode* inode);               // out of the name table
  void AddResident(Inode* inode);
  void RemoveResident(Inode* inode);  // deletes it
  void Save(Inode& inode, TxId txid);
  void PutOff(Inode& inode, uint8_t records);
  void PutRecords(Inode& inode);  // those that are behind
  void ForgetUnsaved(Inode& inode);
  void SaveOldest();
  // Adds `change` to the sums of `directory` and all above it.
  void AddToSums(Inode* directory, const SubtreeSums& change, int sign);
  // Both of the blocks from `first` on.
  void ReplaceContribution(Inode& file, const SubtreeSums& before, size_t first = 0);
  void ChangeChildren(Inode& directory, int change, uint64_t time_ms, TxId txid);
  void DropFile(Inode* file);  // its blocks, its writer, its records but the entry
  // Takes a closed file away whose blocks are another's now. Deletes it.
  void DropEmptied(Inode* file, uint64_t time_ms, TxId txid);
  void SetLastBlock(Inode& file, const edit::Block& block, bool committed);
  static uint64_t Footprint(const Inode& inode);
  // Stands where a resident inode's name, blocks or writer may change: keeps bytes_ right.
  class Recount {
   public:
    Recount(Tree& tree, const Inode& inode)
        : tree_(tree), inode_(inode), before_(Footprint(inode)) {}
    ~Recount() { tree_.bytes_ += Footprint(inode_) - before_; }
    Recount(const Recount&) = delete;
    Recount& operator=(const Recount&) = delete;

   private:
    Tree& tree_;
    const Inode& inode_;
    const uint64_t before_;
  };

  const Options options_;
  Store& store_;
  TreeListener& listener_;
  NameTable names_;
  ErasurePolicies erasure_policies_;
  ConversionRules conversion_rules_;
  store::Namespace identity_;
  Counters reserved_{};
  Inode* root_ = nullptr;
  InodeTable<&Inode::next_by_name, &Inode::name_hash> by_name_;
  InodeTable<&Inode::next_by_id, &Inode::id_hash> by_id_;
  // In the order of their first unsaved change; null: saved meanwhile. An inode's slot is its index
  // plus unsaved_base_.
  std::deque<Inode*> unsaved_;
  uint64_t versions_ = 0;  // the last one given to a directory
  uint32_t unsaved_base_ = 0;
  bool puts_off_ = false;  // the store says when it freezes
  // Known to the store's flusher, which may outlive this.
  const std::shared_ptr<Tree*> self_;
  absl::flat_hash_set<AbsentName> absent_;  // looked up and not found; bounded
  std::vector<Inode*> clock_;
  size_t hand_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace cairn::namenode
