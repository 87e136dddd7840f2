#include "namenode/core/run.h"

namespace cairn::namenode {

Outcome<std::optional<FileStatus>> NamenodeImpl::GetFileInfo(const Caller& caller,
                                                             absl::string_view text) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Read<std::optional<FileStatus>>(
      caller, [&](View& view) -> absl::StatusOr<std::optional<FileStatus>> {
        ASSIGN_OR_RETURN(const Resolved at, view.Resolve(*path, View::IfBlocked::kMissing));
        if (!at.exists()) return std::nullopt;
        return StatusOf(*at.target());
      });
}

Outcome<bool> NamenodeImpl::IsFileClosed(const Caller& caller, absl::string_view text) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Read<bool>(caller, [&](View& view) -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const Resolved at, view.ResolveFile(*path));
    return !at.target()->is_open();
  });
}

Outcome<Nothing> NamenodeImpl::CheckAccess(const Caller& caller, absl::string_view text,
                                           uint32_t rwx) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Read<Nothing>(caller, [&](View& view) -> absl::StatusOr<Nothing> {
    ASSIGN_OR_RETURN(const Resolved at, view.ResolveExisting(*path));
    RETURN_IF_ERROR(view.Check(*at.target(), rwx & 7));
    return Nothing{};
  });
}

Outcome<ContentSummary> NamenodeImpl::GetContentSummary(const Caller& caller,
                                                        absl::string_view text) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Read<ContentSummary>(caller, [&](View& view) -> absl::StatusOr<ContentSummary> {
    mu_.AssertReaderHeld();
    ASSIGN_OR_RETURN(const Resolved at, view.ResolveExisting(*path));
    // HDFS asks for these rights on every directory below as well. The sums are kept, not walked;
    // like `du` on the directory alone, they tell how much is there and nothing of what it is.
    if (at.target()->is_directory()) RETURN_IF_ERROR(view.Check(*at.target(), kRead | kExecute));
    // Any edit below may have changed the sums, and they do not say which did.
    if (at.target()->is_directory()) view.SawTx(last_txid_);
    const SubtreeSums sums = at.target()->Contribution();
    return ContentSummary{sums.length, sums.files, sums.directories, sums.space};
  });
}

}  // namespace cairn::namenode
