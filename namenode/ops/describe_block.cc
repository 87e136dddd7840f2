#include <algorithm>

#include "namenode/core/healer.h"
#include "namenode/core/run.h"
#include "namenode/namespace/units.h"

namespace cairn::namenode {

Outcome<BlockHealth> NamenodeImpl::DescribeBlock(const Caller& caller, BlockId block) {
  return Read<BlockHealth>(caller, [&](View& view) -> absl::StatusOr<BlockHealth> {
    mu_.AssertReaderHeld();
    const absl::Status not_there =
        MakeFsError(FsError::kFileNotFound, absl::StrCat("no file has blk_", ToSigned(block)));
    ASSIGN_OR_RETURN(const InodeId owner, FindOwner(view, block));
    if (owner == kNoInode) return not_there;
    ASSIGN_OR_RETURN(const Inode* const file, view.FindById(owner));
    if (file == nullptr || file->file == nullptr) return not_there;
    RETURN_IF_ERROR(view.Check(*file, kRead));
    const std::optional<BlockVersion> version = FindUnit(*file, block);
    if (!version) return not_there;
    const BlockMap::Entry* const entry = blocks_->Find(block);
    if (entry == nullptr) {
      view.wanted().blocks.push_back(block);
      return View::NotLoaded();
    }

    if (!IsResident(*file, *FindBlock(*file, block), view)) return View::NotLoaded();

    const std::shared_ptr<const ClusterView> cluster = cluster_.View();
    BlockHealth out;
    out.block = *version;
    out.file = file->id;
    out.path = PathOf(*file);
    out.wanted = file->file->replication;
    out.under_construction = entry->state() == BlockMap::State::kUnderConstruction;
    const BlockFacts facts = healer_->FactsOf(*file, *version, *entry, *cluster);
    for (const auto& [storage, standing] : facts.replicas) {
      ReplicaHealth& replica = out.replicas.emplace_back();
      replica.storage = storage;
      replica.standing = standing;
      const StorageLocation* const at = cluster->Find(storage);
      if (at == nullptr) continue;
      replica.storage_uuid = at->storage_uuid;
      replica.node = at->node;
    }
    out.counts = facts.counts;
    if (!out.under_construction) out.need = healer_->NeedOf(facts, *cluster);
    if (out.under_construction) {
      out.recovery_waits_for =
          IsGrouped(block) ? GroupRecoveryWaitsFor(block) : RecoveryWaitsFor(*entry, *cluster);
    }
    if (std::string why = TruncationWaitsFor(*file, block); !why.empty()) {
      out.recovery_waits_for = std::move(why);
    }
    healer_->Describe(facts, &out);
    return out;
  });
}

}  // namespace cairn::namenode
