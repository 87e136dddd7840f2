#include "namenode/cluster/placement.h"
#include "namenode/core/run.h"
#include "namenode/namespace/units.h"

namespace cairn::namenode {
namespace {

// Whether a writer who was told of no block, by create or append, may have begun with block
// `index`: an append tells of the last one if the writer is to go on with it.
bool MayBeginWriting(const Inode& file, size_t index) {
  const FileData& data = *file.file;
  return index == 0 || file.erasure != nullptr || data.blocks[index - 1].length >= data.block_bytes;
}

}  // namespace

// The last block of `file` as the writer is told it: still empty, on its pipeline.
LocatedBlock NamenodeImpl::DescribeNewBlock(const Inode& file, View& view) {
  const BlockVersion& last = file.file->blocks.back();
  mu_.AssertReaderHeld();
  LocatedBlock out;
  out.block = last;
  out.offset = file.file->length - last.length;
  if (IsResident(file, last, view)) AddExpected(file, &out);
  return out;
}

Outcome<LocatedBlock> NamenodeImpl::AddBlock(const Caller& caller, const AddBlockRequest& request,
                                             std::function<void()> on_replica) {
  const std::shared_ptr<const ClusterView> cluster = cluster_.View();
  Outcome<LocatedBlock> outcome = Write<LocatedBlock>(
      caller, What{"add block to ", request.path},
      [&](Attempt& attempt) -> absl::StatusOr<LocatedBlock> {
        mu_.AssertHeld();
        ASSIGN_OR_RETURN(Inode* const file,
                         ResolveWritten(attempt, request.path, request.file, request.client_name));
        const FileData& data = *file->file;
        const std::vector<BlockVersion>& blocks = data.blocks;
        const size_t count = blocks.size();
        const auto choose = [&]() -> absl::StatusOr<std::vector<uint32_t>> {
          PlacementRequest place;
          place.replicas = file->erasure == nullptr ? data.replication : UnitCount(*file);
          place.erasure = file->erasure;
          place.block_bytes = data.block_bytes;
          place.storage_policy = EffectivePolicy(*file);
          place.writer_ip = data.writer->machine;
          place.no_local_write = request.no_local_write;
          place.ignore_locality = request.ignore_locality;
          place.excluded = request.excluded;
          place.favored = request.favored;
          place.path = request.path;
          place.min_replication = options_.min_replication;
          return ChooseTargets(*cluster, place, RandomBits());
        };
        // The answer to the first such call was lost.
        const auto repeat = [&]() -> absl::StatusOr<LocatedBlock> {
          mu_.AssertHeld();
          LocatedBlock again = DescribeNewBlock(*file, attempt);
          if (!attempt.wanted().empty()) return View::NotLoaded();
          if (again.storages.empty()) {
            // A restart forgot who was chosen. The writer is still asking: nothing was written.
            ASSIGN_OR_RETURN(targets_, choose());
            RecordThere(targets_);
            attempt.SawTx(last_txid_);
            OnBlockChanged(*file, again.block, /*committed=*/false);
            cluster_.Schedule(targets_);
            targets_.clear();
            AddExpected(*file, &again);
          }
          return again;
        };
        bool commit = false;
        if (!request.previous) {
          // The first block, or the first of an append that has none to go on with; or the
          // repetition of such a call.
          if (count != 0) {
            const bool open = IsUnderConstruction(*file, blocks[count - 1], attempt);
            if (!attempt.wanted().empty()) return View::NotLoaded();
            if (open && blocks[count - 1].length == 0 && MayBeginWriting(*file, count - 1)) {
              return repeat();
            }
            if (open) {
              return MakeFsError(FsError::kIo,
                                 absl::StrCat("Request looks like a retry to allocate block ",
                                              BlockName(blocks[count - 1]),
                                              " but the previous block was not given"));
            }
          }
        } else if (count != 0 && blocks[count - 1].id == request.previous->id) {
          commit = true;
          RETURN_IF_ERROR(CheckCommit(*file, *request.previous));
        } else if (count >= 2 && blocks[count - 2].id == request.previous->id &&
                   blocks[count - 1].length == 0) {
          return repeat();
        } else {
          return MakeFsError(FsError::kIo,
                             absl::StrCat("Cannot allocate block in ", ForMessage(request.path),
                                          ": passed "
                                          "'previous' block ",
                                          BlockName(*request.previous),
                                          " does not match actual last block in file ",
                                          count == 0 ? "null" : BlockName(blocks[count - 1])));
        }
        // All blocks but the one just finished must have reached their minimum.
        if (commit && count >= 2) {
          const BlockVersion& before = blocks[count - 2];
          if (!IsResident(*file, before, attempt)) return View::NotLoaded();
          if (!HasMinimum(*file, before)) {
            if (on_replica) waiters_.Add(before.id, on_replica);
            return MakeFsError(FsError::kNotReplicatedYet,
                               absl::StrCat("Not replicated yet: ", ForMessage(request.path)));
          }
        }
        if (commit && !IsResident(*file, blocks[count - 1], attempt)) return View::NotLoaded();
        if (count >= options_.max_blocks_per_file) {
          return MakeFsError(FsError::kIo,
                             absl::StrCat("File has reached the limit on maximum number of blocks "
                                          "(dfs.namenode.fs-limits.max-blocks-per-file): ",
                                          count, " >= ", options_.max_blocks_per_file));
        }
        ASSIGN_OR_RETURN(const std::vector<uint32_t> targets, choose());
        RecordThere(targets);

        const BlockVersion block{TakeBlockId(*file), TakeStamp(), 0};
        edit::AddBlock& add = *attempt.NewEdit().mutable_add_block();
        add.set_inode(ToInt(file->id));
        if (commit) FillBlock(*request.previous, add.mutable_commit_previous());
        FillBlock(block, add.mutable_block());
        targets_ = targets;
        attempt.Commit();
        targets_.clear();
        LocatedBlock out;
        out.block = block;
        out.offset = data.length;
        AddExpected(*file, &out);
        cluster_.Schedule(targets);
        return out;
      });
  leases_.Renew(request.client_name);
  return outcome;
}

// May the last block of `file` be committed as `last`?
absl::Status NamenodeImpl::CheckCommit(const Inode& file, const BlockVersion& last) const {
  const BlockVersion& stored = file.file->blocks.back();
  if (last.stamp != stored.stamp) {
    return MakeFsError(FsError::kIo,
                       absl::StrCat("Commit block with mismatching generation stamp: stored ",
                                    BlockName(stored), ", given ", BlockName(last)));
  }
  if (last.length < stored.length) {
    return MakeFsError(
        FsError::kIo,
        absl::StrCat("Commit block with a length smaller than what was flushed: "
                     "stored ",
                     stored.length, ", given ", last.length, " for ", BlockName(stored)));
  }
  if (file.erasure != nullptr && IsFinal(file, stored) && last.length != stored.length) {
    return MakeFsError(FsError::kIo, absl::StrCat("Commit block group of ", last.length,
                                                  " bytes: it was committed with ", stored.length,
                                                  ": ", BlockName(stored)));
  }
  if (last.length > MaxBlockBytes(file)) {
    return MakeFsError(FsError::kIo, absl::StrCat("Commit block of ", last.length,
                                                  " bytes, more than the file's block size ",
                                                  MaxBlockBytes(file), ": ", BlockName(stored)));
  }
  return absl::OkStatus();
}

Outcome<Nothing> NamenodeImpl::AbandonBlock(const Caller& caller, absl::string_view path,
                                            InodeId id, absl::string_view client_name,
                                            const BlockVersion& block) {
  return Write<Nothing>(
      caller, What{"abandon block of ", path}, [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
        ASSIGN_OR_RETURN(Inode* const file, ResolveWritten(attempt, path, id, client_name));
        const auto& blocks = file->file->blocks;
        if (blocks.empty() || blocks.back().id != block.id) return Nothing{};  // gone already
        mu_.AssertHeld();
        const bool open = IsUnderConstruction(*file, blocks.back(), attempt);
        if (!attempt.wanted().empty()) return View::NotLoaded();
        if (!open) {
          return MakeFsError(FsError::kIo, absl::StrCat("block ", BlockName(block),
                                                        " is finished: it cannot be "
                                                        "abandoned"));
        }
        auto& change = *attempt.NewEdit().mutable_abandon_block();
        change.set_inode(ToInt(file->id));
        change.set_block_id(ToInt(block.id));
        attempt.Commit();
        return Nothing{};
      });
}

Outcome<LocatedBlock> NamenodeImpl::GetAdditionalDatanode(
    const Caller& caller, absl::string_view path, InodeId id, const BlockVersion& block,
    const std::vector<std::string>& existing_storage_uuids,
    const std::vector<std::string>& excluded_datanode_uuids, uint32_t count,
    absl::string_view client_name) {
  const std::shared_ptr<const ClusterView> cluster = cluster_.View();
  return Write<LocatedBlock>(
      caller, What{"find another datanode for ", path},
      [&](Attempt& attempt) -> absl::StatusOr<LocatedBlock> {
        ASSIGN_OR_RETURN(Inode* const file, ResolveWritten(attempt, path, id, client_name));
        if (file->erasure != nullptr) {
          return MakeFsError(FsError::kUnsupported,
                             absl::StrCat("a unit of ", BlockName(block),
                                          " has one datanode, and no other is added: ",
                                          ForMessage(path), " is erasure-coded"));
        }
        LocatedBlock out;
        out.block = block;
        out.storages = NumbersOf(existing_storage_uuids);
        const std::vector<uint32_t> existing = out.storages;
        PlacementRequest place;
        place.replicas = std::min<uint32_t>(count, 16);
        place.block_bytes = file->file->block_bytes;
        place.storage_policy = EffectivePolicy(*file);
        place.writer_ip = file->file->writer->machine;
        place.existing = existing;
        place.excluded = excluded_datanode_uuids;
        place.path = path;
        place.min_replication = options_.min_replication;
        ASSIGN_OR_RETURN(const std::vector<uint32_t> added,
                         ChooseTargets(*cluster, place, RandomBits()));
        mu_.AssertHeld();
        RecordThere(added);
        attempt.SawTx(last_txid_);
        out.storages.insert(out.storages.end(), added.begin(), added.end());
        return out;
      });
}

std::vector<uint32_t> NamenodeImpl::UnitTargets(
    const std::vector<std::string>& storage_uuids) const {
  std::vector<uint32_t> targets;
  for (const std::string& uuid : storage_uuids) {
    targets.push_back(cluster_.NumberOf(uuid).value_or(kNoStorage));
  }
  return targets;
}

std::vector<uint32_t> NamenodeImpl::NumbersOf(const std::vector<std::string>& storage_uuids) const {
  std::vector<uint32_t> numbers;
  for (const std::string& uuid : storage_uuids) {
    if (const std::optional<uint32_t> number = cluster_.NumberOf(uuid)) numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace cairn::namenode
