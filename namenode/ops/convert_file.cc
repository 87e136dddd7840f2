// A file's bytes were copied in another form, replicated or erasure-coded; it takes over the copy's
// blocks, and nothing else of it changes. HDFS has thought of such a call as swapBlockList
// (HDFS-14978) and has none.
#include <algorithm>
#include <optional>

#include "namenode/core/healer.h"
#include "namenode/core/run.h"
#include "namenode/core/text.h"
#include "namenode/namespace/units.h"
#include "proto/store.pb.h"

namespace cairn::namenode {
namespace {

// Replicas that a converted file has, if its replication allows: the old blocks' go soon after.
constexpr uint32_t kEnoughReplicas = 2;

absl::Status Misfit(absl::string_view why) {
  return MakeFsError(FsError::kIllegalArgument, absl::StrCat("convertFile: ", why));
}

absl::Status CheckCopy(const Inode& source, const Inode& target, absl::string_view text) {
  const absl::string_view name = ForMessage(text);
  if (source.is_open()) return Misfit(absl::StrCat("copy ", name, " is open"));
  if (source.id == target.id) return Misfit(absl::StrCat("copy ", name, " is the file itself"));
  if (source.file->length != target.file->length) {
    return Misfit(absl::StrCat("copy ", name, " has ", source.file->length, " bytes, the file ",
                               target.file->length));
  }
  // Readers of other makes ask for more blocks of a file that they have open as if these were of
  // the kind that they saw first. One who finds a group in place of a block, or the other way
  // round, fails; groups of another policy he would read, and put together wrongly.
  if ((source.erasure == nullptr) == (target.erasure == nullptr)) {
    return Misfit(source.erasure == target.erasure
                      ? absl::StrCat("copy ", name, " is in the form that the file has")
                      : absl::StrCat("from ", target.erasure->name, " to ", source.erasure->name,
                                     ": make the file replicated first"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status NamenodeImpl::CheckNoRestoreIsOpen(absl::string_view call) const {
  const store::Namespace& identity = tree_->identity();
  if (identity.left_alone_from() >= identity.left_alone_to()) return absl::OkStatus();
  return MakeFsError(
      FsError::kIo,
      absl::StrCat(call,
                   ": a restore is not final yet, and who takes it back would find converted "
                   "files without their former blocks. First: cairn namenode -finalize"));
}

// What counts is what can be read and stays: a unit that is recorded on a dead datanode or a failed
// disk, or that is to be deleted, may be lost, and the old blocks are not there to make up for it.
absl::Status NamenodeImpl::CheckAllThere(const Inode& file, View& view) {
  const uint32_t wanted =
      file.erasure != nullptr ? 1 : std::min(kEnoughReplicas, file.file->replication);
  bool resident = true;
  std::optional<BlockId> lacking;
  for (const BlockVersion& block : file.file->blocks) {
    if (!IsResident(file, block, view)) {
      resident = false;
      continue;
    }
    ForEachUnit(file, block, /*final=*/true, [&](uint32_t, const BlockVersion& unit) {
      mu_.AssertReaderHeld();
      if (!lacking && healer_->CountReadable(unit.id) < wanted) lacking = unit.id;
    });
  }
  if (!resident) return View::NotLoaded();
  if (!lacking) return absl::OkStatus();
  return MakeFsError(
      FsError::kNotReplicatedYet,
      absl::StrCat("the copy lacks ", file.erasure != nullptr ? "unit" : "replicas of", " blk_",
                   ToSigned(*lacking)));
}

Outcome<Nothing> NamenodeImpl::ConvertFile(const Caller& caller,
                                           const ConvertFileRequest& request) {
  {
    // Before all else: who asks whether he can convert at all (with a request that names nothing)
    // is told before he copies.
    ReaderLock lock(mu_);
    const absl::Status may = CheckNoRestoreIsOpen("convertFile");
    if (!may.ok()) return {may};
  }
  const absl::StatusOr<Path> target_path = ParsePath(request.target);
  if (!target_path.ok()) return {target_path.status()};
  const absl::StatusOr<Path> source_path = ParsePath(request.source);
  if (!source_path.ok()) return {source_path.status()};
  if (request.expected.size() > options_.max_blocks_per_file) {
    return {Misfit(absl::StrCat(request.expected.size(), " blocks expected, more than ",
                                options_.max_blocks_per_file))};
  }
  return Write<Nothing>(
      caller, What{"convert ", request.target}, [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
        mu_.AssertHeld();
        ASSIGN_OR_RETURN(const Resolved at, attempt.ResolveFile(*target_path));
        const Inode& target = *at.target();
        RETURN_IF_ERROR(attempt.Check(target, kWrite));
        RETURN_IF_ERROR(attempt.Check(*target.parent, kWrite));
        ASSIGN_OR_RETURN(const Resolved source_at, attempt.ResolveFile(*source_path));
        const Inode& source = *source_at.target();
        RETURN_IF_ERROR(attempt.Check(source, kRead));
        RETURN_IF_ERROR(attempt.CheckRemoval(*source.parent, source));
        if (target.is_open()) {
          return MakeFsError(FsError::kAlreadyBeingCreated,
                             absl::StrCat("convertFile: ", ForMessage(request.target),
                                          " is being written by ", target.file->writer->holder));
        }
        if (!HasBlocks(target, request.target_id, request.expected)) {
          return MakeFsError(FsError::kChanged,
                             absl::StrCat("convertFile: ", ForMessage(request.target),
                                          " was changed by another client meanwhile"));
        }
        RETURN_IF_ERROR(CheckCopy(source, target, request.source));
        RETURN_IF_ERROR(CheckAllThere(source, attempt));
        const uint64_t known_as =
            target.file->converted_from != 0 ? target.file->converted_from : ContentsOf(target);
        edit::ConvertFile& change = *attempt.NewEdit().mutable_convert_file();
        change.set_target(ToInt(target.id));
        change.set_source(ToInt(source.id));
        change.set_converted_from(known_as);
        attempt.Commit();
        return Nothing{};
      });
}

}  // namespace cairn::namenode
