#include "namenode/core/run.h"
#include "namenode/namespace/units.h"

namespace cairn::namenode {

Outcome<Nothing> NamenodeImpl::Fsync(const Caller& caller, absl::string_view text, InodeId id,
                                     absl::string_view client_name,
                                     std::optional<uint64_t> last_block_length) {
  Outcome<Nothing> outcome = Write<Nothing>(
      caller, What{"fsync file ", text}, [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
        ASSIGN_OR_RETURN(Inode* const file, ResolveWritten(attempt, text, id, client_name));
        const auto& blocks = file->file->blocks;
        if (!last_block_length || blocks.empty() || *last_block_length <= blocks.back().length) {
          return Nothing{};
        }
        mu_.AssertHeld();
        if (*last_block_length > MaxBlockBytes(*file)) {
          return MakeFsError(FsError::kIo,
                             absl::StrCat("fsync: a last block of ", *last_block_length,
                                          " bytes in ", ForMessage(text)));
        }
        const bool open = IsUnderConstruction(*file, blocks.back(), attempt);
        if (!attempt.wanted().empty()) return View::NotLoaded();
        if (!open) return Nothing{};
        edit::UpdateLastBlock& update = *attempt.NewEdit().mutable_update_last_block();
        update.set_inode(ToInt(file->id));
        BlockVersion longer = blocks.back();
        longer.length = *last_block_length;
        FillBlock(longer, update.mutable_block());
        attempt.Commit();
        return Nothing{};
      });
  leases_.Renew(client_name);
  return outcome;
}

}  // namespace cairn::namenode
