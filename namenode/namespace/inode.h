// namenode/namespace/inode.h - an inode in memory, and its record in the store.
//
// Inodes in memory form a tree: whoever is resident has its parent resident too, so a path is made
// by climbing. Guarded by the namespace lock: readers hold it shared, Apply exclusively. Only
// `referenced`, the eviction clock's bit, is written under the shared lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "namenode/namespace/erasure_policies.h"
#include "namenode/namespace/name_table.h"
#include "namenode/namespace/types.h"
#include "proto/store.pb.h"

namespace cairn::namenode {

// Who is writing a file.
struct Writer {
  std::string holder;   // client name: the lease's owner
  std::string machine;  // numeric address, for placement
  // While truncating: the stamp of the replicas that are to be cut. What has an older one is of
  // other bytes. 0: not known (written by an earlier version).
  GenerationStamp cut_from{};
};

struct FileData {
  uint64_t length = 0;  // sum over blocks
  uint64_t block_bytes = 0;
  std::vector<BlockVersion> blocks;
  std::unique_ptr<Writer> writer;  // null: closed
  uint32_t replication = 0;
  bool should_replicate = false;
  const erasure::Policy* small_of = nullptr;  // see the record; null: of none
  bool last_committed = false;                // while open: the last block has its final length
  uint64_t converted_from = 0;                // see the record
  bool truncating = false;  // open until the last block's replicas are cut to its length
  // While truncating inside a block group: to so many bytes. Until then the blocks are as they were
  // (BlocksToRead in units.h), and one more while what stays of that group is written to it: that
  // one is last, and not committed. 0: not so truncated.
  uint64_t truncate_to = 0;
};

// Sums over a subtree, the directory itself included.
struct SubtreeSums {
  uint64_t directories = 0, files = 0, length = 0, space = 0;

  void Add(const SubtreeSums& other, int sign);
};

struct DirectoryData {
  SubtreeSums sums;
  uint64_t children = 0;
  uint32_t unsaved_children = 0;  // whose entries in the store are behind
  // Grows with each change of what a listing shows; no value comes twice, whatever the directory.
  uint64_t version = 0;
  // Every child is resident, so a name that is not found does not exist. True for a directory made
  // in this process until a child is evicted.
  bool complete = false;
};

struct Inode {
  InodeId id = kNoInode;
  Inode* parent = nullptr;  // null: the root, or the root of a detached subtree
  // Links and hashes of the two tables.
  Inode* next_by_name = nullptr;
  Inode* next_by_id = nullptr;
  uint32_t name_hash = 0;
  uint32_t id_hash = 0;
  std::string name;
  TxId txid = kNoTx;  // last change of the record
  const std::string* owner = nullptr;
  const std::string* group = nullptr;
  // Of a file: what its blocks are groups of; null: replicated. Of a directory: what is set there,
  // maybe ErasurePolicies::Replication(); null: nothing.
  const erasure::Policy* erasure = nullptr;
  uint64_t mtime_ms = 0;
  uint64_t atime_ms = 0;
  uint32_t mode = 0;
  uint32_t storage_policy = 0;
  uint32_t resident_children = 0;  // while not zero, this inode cannot be evicted
  uint32_t clock_slot = 0;         // place in the eviction clock
  mutable std::atomic<bool> referenced{true};
  bool detached = false;  // root of a detached subtree
  // Which of its records in the store are behind: bits of Tree::Unsaved. While not zero, it cannot
  // be evicted.
  uint8_t unsaved = 0;
  bool listed_open = false;   // the store lists it among the open files
  uint32_t unsaved_slot = 0;  // place among the unsaved ones
  std::unique_ptr<FileData> file;
  std::unique_ptr<DirectoryData> directory;

  bool is_directory() const { return directory != nullptr; }
  bool is_open() const { return file != nullptr && file->writer != nullptr; }
  // Bytes of all replicas, or units, of the blocks from this one on, by their place.
  uint64_t Space(size_t first = 0) const;
  // What this inode adds to the sums of its ancestors; of a file's bytes, those of the blocks from
  // `first` on: all that differs where the blocks before stay as they are.
  SubtreeSums Contribution(size_t first = 0) const;
};

// A directory shows what new files below it get, wherever that is set.
FileStatus StatusOf(const Inode& inode);
// Of a file its own, of a directory what is set there or next above. Null: replicated.
const erasure::Policy* EffectiveErasure(const Inode& inode);

// Full path, "/" for the root. For a detached subtree it starts with "(deleted)".
std::string PathOf(const Inode& inode);

std::string EncodeInode(const Inode& inode);
std::string EncodeSums(const SubtreeSums& sums);
// Fills all but parent, name, sums and the residence bookkeeping. kDataLoss: the record names an
// erasure coding policy that is not known, or blocks that do not go with it.
absl::Status DecodeInode(const store::Inode& record, NameTable& names,
                         const ErasurePolicies& policies, Inode* inode);
SubtreeSums DecodeSums(const store::Sums& record);

}  // namespace cairn::namenode
