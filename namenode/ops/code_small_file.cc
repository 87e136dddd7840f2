// A file that is replicated as long as it is small grows: it is erasure-coded from now on, and its
// writer goes on with it. docs/decisions/0019-erasure-coding.md, "Small files".
#include <optional>

#include "namenode/core/healer.h"
#include "namenode/core/run.h"
#include "namenode/core/text.h"
#include "namenode/namespace/units.h"

namespace cairn::namenode {
namespace {

absl::Status RefuseToCode(absl::string_view why) {
  return MakeFsError(FsError::kIllegalArgument, absl::StrCat("codeSmallFile: ", why));
}

}  // namespace

// The copy's length is that of the file with its last block as `last` says.
absl::Status NamenodeImpl::CheckSmallCopy(const Inode& file, const Inode& source,
                                          const CodeSmallFileRequest& request, View& view) {
  const FileData& data = *file.file;
  const absl::string_view name = ForMessage(request.source);
  if (source.id == file.id || source.is_open()) {
    return RefuseToCode(absl::StrCat("copy ", name, " is open"));
  }
  if (source.erasure != data.small_of) {
    return RefuseToCode(absl::StrCat("copy ", name, " is not of ", data.small_of->name));
  }
  if (data.blocks.empty()) {
    return RefuseToCode(
        absl::StrCat(ForMessage(request.path), " has no blocks, and needs no copy"));
  }
  const BlockVersion& stored = data.blocks.back();
  uint64_t length = data.length;
  if (request.last) {
    if (stored.id != request.last->id) {
      return RefuseToCode(
          absl::StrCat(ForMessage(request.path), " has another last block than was named"));
    }
    RETURN_IF_ERROR(CheckCommit(file, *request.last));
    length += request.last->length - stored.length;
  } else if (!IsFinal(file, stored)) {
    return RefuseToCode(absl::StrCat("the last block of ", ForMessage(request.path),
                                     " is being written, and was not named"));
  }
  if (source.file->length != length) {
    return RefuseToCode(
        absl::StrCat("copy ", name, " has ", source.file->length, " bytes, the file ", length));
  }
  if (!IsResident(file, stored, view)) return View::NotLoaded();
  return CheckAllThere(source, view);
}

Outcome<Nothing> NamenodeImpl::CodeSmallFile(const Caller& caller,
                                             const CodeSmallFileRequest& request) {
  std::optional<Path> source_path;
  if (!request.source.empty()) {
    absl::StatusOr<Path> path = ParsePath(request.source);
    if (!path.ok()) return {path.status()};
    source_path = *std::move(path);
  }
  return Write<Nothing>(
      caller, What{"erasure-code ", request.path},
      [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
        mu_.AssertHeld();
        ASSIGN_OR_RETURN(Inode* const file,
                         ResolveWritten(attempt, request.path, request.file, request.client_name));
        const FileData& data = *file->file;
        if (data.small_of == nullptr) {
          return RefuseToCode(absl::StrCat(ForMessage(request.path), " is no small file"));
        }
        RETURN_IF_ERROR(CheckMayCode(*data.small_of));
        if (data.block_bytes < data.small_of->cell_bytes) {
          return RefuseToCode(absl::StrCat("blocks of ", data.block_bytes,
                                           " bytes have no room for a cell of ",
                                           data.small_of->name));
        }
        edit::CodeSmallFile change;
        change.set_inode(ToInt(file->id));
        if (source_path.has_value()) {
          RETURN_IF_ERROR(CheckNoRestoreIsOpen("codeSmallFile"));
          ASSIGN_OR_RETURN(const Resolved at, attempt.ResolveFile(*source_path));
          const Inode& source = *at.target();
          RETURN_IF_ERROR(attempt.Check(source, kRead));
          RETURN_IF_ERROR(attempt.CheckRemoval(*source.parent, source));
          RETURN_IF_ERROR(CheckSmallCopy(*file, source, request, attempt));
          change.set_source(ToInt(source.id));
          if (request.last) FillBlock(*request.last, change.mutable_commit_last());
          change.set_converted_from(data.converted_from != 0 ? data.converted_from
                                                             : ContentsOf(*file));
        } else if (!data.blocks.empty()) {
          return RefuseToCode(
              absl::StrCat(ForMessage(request.path), " has blocks, and no copy is named"));
        }
        attempt.NewEdit().mutable_code_small_file()->Swap(&change);
        attempt.Commit();
        return Nothing{};
      });
}

}  // namespace cairn::namenode
