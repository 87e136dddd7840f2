// Tree::Apply of the edits that give a file another list of blocks.
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "namenode/namespace/tree.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

using BlocksById = absl::flat_hash_map<BlockId, BlockVersion>;

void AddTo(BlocksById& blocks, const Inode& file) {
  for (const BlockVersion& block : file.file->blocks) blocks.emplace(block.id, block);
}

absl::Status DoesNotReplace(absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat("edit does not fit the namespace: replaced blocks: ", what));
}

std::string OwnedBy(const Inode& file) {
  store::BlockOwner owner;
  owner.set_inode(ToInt(file.id));
  return owner.SerializeAsString();
}

}  // namespace

absl::Status Tree::ApplyReplaceBlocks(const edit::ReplaceBlocks& change, uint64_t time_ms,
                                      TxId txid) {
  ASSIGN_OR_RETURN(Inode* const target, RequireFile(InodeId{change.target()}));
  if (target->is_open()) return DoesNotReplace("the file is open");
  Inode* source = nullptr;
  if (change.source() != 0) {
    ASSIGN_OR_RETURN(source, RequireFile(InodeId{change.source()}));
    if (source->parent == nullptr || source->is_open() || source == target ||
        source->erasure != target->erasure) {
      return DoesNotReplace("the source is detached, open, of another kind or the file itself");
    }
  }
  BlocksById unused;
  AddTo(unused, *target);
  if (source != nullptr) AddTo(unused, *source);
  std::vector<BlockVersion> blocks;
  blocks.reserve(static_cast<size_t>(change.blocks_size()));
  uint64_t length = 0;
  for (const uint64_t id : change.blocks()) {
    const auto found = unused.find(BlockId{id});
    if (found == unused.end()) return DoesNotReplace("a block twice, or of another file");
    length += found->second.length;
    blocks.push_back(found->second);
    unused.erase(found);
  }

  const Recount recount(*this, *target);
  const SubtreeSums before = target->Contribution();
  const std::string owner_bytes = OwnedBy(*target);
  // In the order of the files: what is deleted in which order is the same in every replay.
  const auto release = [&](const Inode& file) {
    for (const BlockVersion& block : file.file->blocks) {
      if (unused.contains(block.id)) {
        store_.Delete(keys::BlockOwner(block.id));
        listener_.OnBlockRemoved(file, block);
      } else if (&file != target) {
        store_.Put(keys::BlockOwner(block.id), owner_bytes);
      }
    }
  };
  release(*target);
  if (source != nullptr) {
    release(*source);
    AddToSums(source->parent, source->Contribution(), -1);
    DropEmptied(source, time_ms, txid);
  }
  target->file->blocks = std::move(blocks);
  target->file->length = length;
  target->file->converted_from = 0;
  target->mtime_ms = time_ms;
  ReplaceContribution(*target, before);
  Save(*target, txid);
  return absl::OkStatus();
}

absl::Status Tree::ApplyConvertFile(const edit::ConvertFile& change, uint64_t time_ms, TxId txid) {
  ASSIGN_OR_RETURN(Inode* const target, RequireFile(InodeId{change.target()}));
  ASSIGN_OR_RETURN(Inode* const source, RequireFile(InodeId{change.source()}));
  FileData& to = *target->file;
  const FileData& from = *source->file;
  if (target->is_open() || source->is_open() || source == target || source->parent == nullptr) {
    return DoesNotReplace(
        "a file to be converted, or its copy, is open or detached, or they are one");
  }
  if (to.length != from.length) return DoesNotReplace("a file was converted to another length");

  TakeOverCopy(target, source, change.converted_from(), time_ms, txid);
  return absl::OkStatus();
}

void Tree::TakeOverCopy(Inode* target, Inode* source, uint64_t converted_from, uint64_t time_ms,
                        TxId txid) {
  FileData& to = *target->file;
  const FileData& from = *source->file;
  const Recount recount(*this, *target);
  const SubtreeSums before = target->Contribution();
  for (const BlockVersion& block : to.blocks) {
    store_.Delete(keys::BlockOwner(block.id));
    listener_.OnBlockSuperseded(*target, block);
  }
  const std::string owner_bytes = OwnedBy(*target);
  for (const BlockVersion& block : from.blocks) {
    store_.Put(keys::BlockOwner(block.id), owner_bytes);
  }
  AddToSums(source->parent, source->Contribution(), -1);
  target->erasure = source->erasure;
  to.blocks = from.blocks;
  to.replication = from.replication;
  to.block_bytes = from.block_bytes;
  to.should_replicate = from.should_replicate;
  to.small_of = from.small_of;
  to.converted_from = converted_from;
  DropEmptied(source, time_ms, txid);
  ReplaceContribution(*target, before);
  Save(*target, txid);
}

absl::Status Tree::ApplyCodeSmallFile(const edit::CodeSmallFile& change, uint64_t time_ms,
                                      TxId txid) {
  ASSIGN_OR_RETURN(Inode* const target, RequireFile(InodeId{change.inode()}));
  FileData& data = *target->file;
  if (!target->is_open() || data.truncating || data.small_of == nullptr) {
    return DoesNotReplace("a file that gets erasure-coded is no small one, or nobody writes it");
  }
  if (change.source() == 0) {
    if (!data.blocks.empty()) return DoesNotReplace("a file that gets erasure-coded has blocks");
    const Recount recount(*this, *target);
    target->erasure = data.small_of;
    data.small_of = nullptr;
    data.replication = 1;
    Save(*target, txid);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(Inode* const source, RequireFile(InodeId{change.source()}));
  if (source->is_open() || source == target || source->parent == nullptr ||
      source->erasure != data.small_of) {
    return DoesNotReplace("the copy of a small file is open, detached or of another policy");
  }
  if (data.blocks.empty()) return DoesNotReplace("a small file without blocks has a copy");
  if (change.has_commit_last()) {
    if (ToInt(data.blocks.back().id) != change.commit_last().id()) {
      return DoesNotReplace("commit of another block than the last");
    }
    const size_t last = data.blocks.size() - 1;
    const SubtreeSums before = target->Contribution(last);
    SetLastBlock(*target, change.commit_last(), /*committed=*/true);
    ReplaceContribution(*target, before, last);
  } else if (!data.last_committed) {
    return DoesNotReplace("the last block of a small file is being written");
  }
  if (data.length != source->file->length) {
    return DoesNotReplace("the copy of a small file has another length");
  }
  TakeOverCopy(target, source, change.converted_from(), time_ms, txid);
  return absl::OkStatus();
}

}  // namespace cairn::namenode
