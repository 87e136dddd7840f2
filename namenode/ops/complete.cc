#include "namenode/core/run.h"

namespace cairn::namenode {

Outcome<bool> NamenodeImpl::Complete(const Caller& caller, absl::string_view text, InodeId id,
                                     absl::string_view client_name,
                                     const std::optional<BlockVersion>& last,
                                     std::function<void()> on_replica) {
  return Write<bool>(
      caller, What{"complete file ", text}, [&](Attempt& attempt) -> absl::StatusOr<bool> {
        ASSIGN_OR_RETURN(const bool repeated, IsRepeatedComplete(attempt, text, id, last));
        if (repeated) return true;
        ASSIGN_OR_RETURN(Inode* const file, ResolveWritten(attempt, text, id, client_name));
        const auto& blocks = file->file->blocks;
        if (last) {
          if (blocks.empty() || blocks.back().id != last->id) {
            return MakeFsError(FsError::kIo,
                               absl::StrCat("complete: ", BlockName(*last),
                                            " is not the last block of ", ForMessage(text)));
          }
          RETURN_IF_ERROR(CheckCommit(*file, *last));
        }
        mu_.AssertHeld();
        for (size_t i = blocks.size() < 2 ? 0 : blocks.size() - 2; i < blocks.size(); ++i) {
          IsResident(*file, blocks[i], attempt);
        }
        if (!attempt.wanted().empty()) return View::NotLoaded();
        if (!last && !blocks.empty() && IsUnderConstruction(*file, blocks.back(), attempt)) {
          // Only after a complete() that named it may a client leave the last block out.
          return MakeFsError(FsError::kIo,
                             absl::StrCat("complete: the last block of ", ForMessage(text),
                                          " is being written, and its length was not given"));
        }

        // Committed first, so that the reports that come from now on are judged by it.
        const bool commit = last && (blocks.back().length != last->length ||
                                     IsUnderConstruction(*file, blocks.back(), attempt));
        bool enough = blocks.size() < 2 || HasMinimum(*file, blocks[blocks.size() - 2]);
        if (enough && !blocks.empty()) {
          enough = commit ? WouldHaveMinimum(*file, *last) : HasMinimum(*file, blocks.back());
        }
        if (!enough) {
          if (commit) {
            edit::UpdateLastBlock& update = *attempt.NewEdit().mutable_update_last_block();
            update.set_inode(ToInt(file->id));
            FillBlock(*last, update.mutable_block());
            update.set_committed(true);
            attempt.Commit();
          }
          const BlockId waited =
              HasMinimum(*file, blocks.back()) ? blocks[blocks.size() - 2].id : blocks.back().id;
          if (on_replica) waiters_.Add(waited, on_replica);
          return false;
        }
        edit::CloseFile& close = *attempt.NewEdit().mutable_close_file();
        close.set_inode(ToInt(file->id));
        if (commit) FillBlock(*last, close.mutable_commit_last());
        attempt.Commit();
        return true;
      });
}

// A complete() whose answer was lost: the file is closed, and its last block is the one named.
absl::StatusOr<bool> NamenodeImpl::IsRepeatedComplete(Attempt& attempt, absl::string_view text,
                                                      InodeId id,
                                                      const std::optional<BlockVersion>& last) {
  const Inode* file = nullptr;
  if (id != kNoInode) {
    ASSIGN_OR_RETURN(file, attempt.FindById(id));
  } else {
    ASSIGN_OR_RETURN(const Path path, ParsePath(text));
    ASSIGN_OR_RETURN(const Resolved at, attempt.Resolve(path, View::IfBlocked::kAccessControl));
    file = at.target();
  }
  if (file == nullptr || file->is_directory() || file->is_open()) return false;
  const auto& blocks = file->file->blocks;
  if (!last) return true;
  return !blocks.empty() && blocks.back().id == last->id && blocks.back().stamp == last->stamp;
}

}  // namespace cairn::namenode
