#include <algorithm>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "namenode/core/healer.h"
#include "namenode/core/run.h"
#include "namenode/core/text.h"
#include "namenode/namespace/units.h"

namespace cairn::namenode {
namespace {

absl::Status Refuse(absl::string_view why) {
  return MakeFsError(FsError::kIllegalArgument, absl::StrCat("replaceBlocks: ", why));
}

// As HDFS asks of the sources of concat, so that readers find nothing new. Another replication does
// no harm: the blocks get that of the target.
absl::Status CheckSource(const Inode& source, const Inode& target, absl::string_view text) {
  const absl::string_view name = ForMessage(text);
  if (source.is_open()) return Refuse(absl::StrCat("source ", name, " is open"));
  if (source.id == target.id) return Refuse(absl::StrCat("source ", name, " is the target"));
  if (source.erasure != target.erasure) {
    return Refuse(
        absl::StrCat("source ", name, " is of another erasure coding policy than the target"));
  }
  if (source.file->block_bytes > target.file->block_bytes) {
    return Refuse(absl::StrCat("source ", name, " has preferred block size ",
                               source.file->block_bytes, ", greater than the target's ",
                               target.file->block_bytes));
  }
  return absl::OkStatus();
}

absl::Status CheckBlocks(const std::vector<BlockId>& blocks, const Inode& target,
                         const Inode* source) {
  absl::flat_hash_set<BlockId> unused;
  for (const BlockVersion& block : target.file->blocks) unused.insert(block.id);
  if (source != nullptr) {
    for (const BlockVersion& block : source->file->blocks) unused.insert(block.id);
  }
  for (const BlockId block : blocks) {
    if (unused.erase(block) == 0) {
      return Refuse(
          absl::StrCat("block ", ToInt(block), " is named twice, or belongs to another file"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

Outcome<Nothing> NamenodeImpl::ReplaceBlocks(const Caller& caller,
                                             const ReplaceBlocksRequest& request) {
  absl::StatusOr<Path> target_path = ParsePath(request.target);
  if (!target_path.ok()) return {target_path.status()};
  std::optional<Path> source_path;
  if (!request.source.empty()) {
    absl::StatusOr<Path> path = ParsePath(request.source);
    if (!path.ok()) return {path.status()};
    source_path = *std::move(path);
  }
  if (absl::Status status = CheckClientName(request.client_name); !status.ok()) return {status};
  if (request.blocks.size() > options_.max_blocks_per_file) {
    return {Refuse(
        absl::StrCat(request.blocks.size(), " blocks, more than ", options_.max_blocks_per_file))};
  }
  if (request.expected.size() > options_.max_blocks_per_file) {
    return {Refuse(absl::StrCat(request.expected.size(), " blocks expected, more than ",
                                options_.max_blocks_per_file))};
  }
  return Write<Nothing>(
      caller, What{"replace blocks of ", request.target},
      [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
        ASSIGN_OR_RETURN(const Resolved at, attempt.ResolveFile(*target_path));
        Inode& target = *at.target();
        // Its owner may write what he opened before it was made read-only, or with its making.
        if (!attempt.CheckOwner(target).ok()) RETURN_IF_ERROR(attempt.Check(target, kWrite));
        Inode* source = nullptr;
        if (source_path.has_value()) {
          ASSIGN_OR_RETURN(const Resolved source_at, attempt.ResolveFile(*source_path));
          source = source_at.target();
          RETURN_IF_ERROR(attempt.Check(*source, kRead));
          RETURN_IF_ERROR(attempt.CheckRemoval(*source->parent, *source));
        }
        RETURN_IF_ERROR(
            TakeOver(attempt, target, request.client_name, "REPLACE_BLOCKS", request.target));
        if (!HasBlocks(target, request.target_id, request.expected)) {
          return MakeFsError(FsError::kChanged,
                             absl::StrCat("replaceBlocks: ", ForMessage(request.target),
                                          " was changed by another client meanwhile"));
        }
        if (source != nullptr) RETURN_IF_ERROR(CheckSource(*source, target, request.source));
        RETURN_IF_ERROR(CheckBlocks(request.blocks, target, source));
        const bool other_need =
            source != nullptr && source->file->replication != target.file->replication;
        edit::ReplaceBlocks& change = *attempt.NewEdit().mutable_replace_blocks();
        change.set_target(ToInt(target.id));
        if (source != nullptr) change.set_source(ToInt(source->id));
        for (const BlockId block : request.blocks) change.add_blocks(ToInt(block));
        attempt.Commit();
        if (other_need) healer_->FileChanged(target.id);
        return Nothing{};
      });
}

}  // namespace cairn::namenode
