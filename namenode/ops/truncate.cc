#include "namenode/core/run.h"
#include "namenode/core/text.h"
#include "namenode/namespace/units.h"

namespace cairn::namenode {

Outcome<bool> NamenodeImpl::Truncate(const Caller& caller, absl::string_view text,
                                     uint64_t new_length, absl::string_view client_name) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  if (absl::Status status = CheckClientName(client_name); !status.ok()) return {status};
  return Write<bool>(
      caller, What{"truncate for ", text},
      [&](Attempt& attempt) -> absl::StatusOr<bool> {
        ASSIGN_OR_RETURN(const Resolved at, attempt.ResolveFile(*path));
        Inode& file = *at.target();
        RETURN_IF_ERROR(attempt.Check(file, kWrite));
        RETURN_IF_ERROR(TakeOver(attempt, file, client_name, "TRUNCATE_FILE", text));
        const FileData& data = *file.file;
        if (new_length > data.length) {
          return MakeFsError(FsError::kIllegalArgument,
                             absl::StrCat("Cannot truncate to a larger file size. Current size: ",
                                          data.length, ", truncate size: ", new_length, "."));
        }
        if (new_length == data.length) return true;
        const auto [index, start] = PlaceOfByte(data, new_length);
        const BlockVersion cut = data.blocks[index];
        const bool inside = start != new_length;
        if (inside && file.erasure != nullptr) {
          return TruncateInGroup(attempt, file, cut, new_length, client_name);
        }
        if (inside && blocks_->Find(cut.id) == nullptr) {
          attempt.wanted().blocks.push_back(cut.id);
          return View::NotLoaded();
        }
        mu_.AssertHeld();
        const GenerationStamp stamp = TakeStamp();
        edit::Truncate& change = *attempt.NewEdit().mutable_truncate();
        change.set_inode(ToInt(file.id));
        change.set_new_length(new_length);
        if (inside) {
          FillBlock({cut.id, stamp, new_length - start}, change.mutable_last_block());
          change.set_lease_holder(std::string(client_name));
        }
        attempt.Commit(inside ? file.id : kNoInode);
        if (!inside) return true;
        recovering_[cut.id] = {.file = file.id,
                               .block = {cut.id, stamp, new_length - start},
                               .before = cut.stamp,
                               .truncate = true,
                               .next_order = clock_.Monotonic(),
                               .ticket = last_txid_};
        return false;
      },
      [](const RetryCache::Answer& answer, View& view) -> absl::StatusOr<bool> {
        if (answer.inode == kNoInode) return true;
        ASSIGN_OR_RETURN(const Inode* const file, view.FindById(answer.inode));
        return file == nullptr || file->is_directory() || !file->file->truncating;
      });
}

}  // namespace cairn::namenode
