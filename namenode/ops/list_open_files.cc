#include <algorithm>

#include "namenode/core/healer.h"
#include "namenode/core/run.h"

namespace cairn::namenode {

// Which files there are is what the leases say, in memory; each is then looked at under a lock of
// its own, since its inode may have to be read first.
Outcome<OpenFilePage> NamenodeImpl::ListOpenFiles(const Caller& caller, InodeId after,
                                                  bool blocking_decommission, size_t most) {
  const std::vector<InodeId> ids = leases_.FilesAfter(after, most);
  const std::shared_ptr<const ClusterView> cluster = cluster_.View();
  Outcome<OpenFilePage> out{OpenFilePage{.last = after, .more = ids.size() == most}};
  for (const InodeId id : ids) {
    Outcome<std::optional<OpenFile>> file = Read<std::optional<OpenFile>>(
        caller, [&](View& view) -> absl::StatusOr<std::optional<OpenFile>> {
          mu_.AssertReaderHeld();
          ASSIGN_OR_RETURN(const Inode* const inode, view.FindById(id));
          // Closed since; or of a deleted directory, and not reclaimed yet.
          if (inode == nullptr || !inode->is_open() || IsDetached(*inode)) return std::nullopt;
          if (blocking_decommission && !healer_->IsAwaited(*inode, *cluster)) return std::nullopt;
          const Writer& writer = *inode->file->writer;
          return OpenFile{id, PathOf(*inode), writer.holder, writer.machine};
        });
    out.ticket = std::max(out.ticket, file.ticket);
    if (!file.value.ok()) return {file.value.status(), out.ticket};
    out.value->last = id;
    if (file.value->has_value()) out.value->files.push_back(**std::move(file.value));
  }
  return out;
}

}  // namespace cairn::namenode
