#include "common/io/whole_files.h"

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "common/crc32c.h"
#include "common/status_macros.h"

namespace cairn {
namespace {

constexpr uint64_t kPieceBytes = 1 << 20;

absl::Status ForEachPiece(
    File& file, const std::string& path, uint64_t bytes,
    absl::FunctionRef<absl::Status(uint64_t offset, std::span<const std::byte>)> use) {
  std::vector<std::byte> buffer(std::min(kPieceBytes, std::max<uint64_t>(bytes, 1)));
  for (uint64_t at = 0; at < bytes;) {
    const auto piece = std::span(buffer).first(std::min<uint64_t>(buffer.size(), bytes - at));
    ASSIGN_OR_RETURN(const size_t got, file.ReadAt(at, piece));
    if (got < piece.size()) {
      return absl::DataLossError(
          absl::StrCat(path, " has ", at + got, " bytes instead of ", bytes));
    }
    RETURN_IF_ERROR(use(at, piece));
    at += got;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CopyFile(FileSystem& files, const std::string& from, const std::string& to,
                      uint64_t bytes) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> source, files.Open(from, {}));
  ASSIGN_OR_RETURN(const std::unique_ptr<File> target,
                   files.Open(to, {.create = true, .exclusive = true, .write = true}));
  RETURN_IF_ERROR(
      ForEachPiece(*source, from, bytes, [&](uint64_t offset, std::span<const std::byte> piece) {
        return target->WriteAt(offset, piece);
      }));
  return target->SyncData();
}

absl::StatusOr<uint32_t> FileCrc32c(FileSystem& files, const std::string& path, uint64_t bytes) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, files.Open(path, {}));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size != bytes) {
    return absl::DataLossError(absl::StrCat(path, " has ", size, " bytes instead of ", bytes));
  }
  uint32_t crc = 0;
  RETURN_IF_ERROR(ForEachPiece(*file, path, bytes, [&](uint64_t, std::span<const std::byte> piece) {
    crc = Crc32cExtend(crc, piece);
    return absl::OkStatus();
  }));
  return crc;
}

absl::Status RemoveTree(FileSystem& files, const std::string& path) {
  if (!files.IsDirectory(path)) {
    const absl::Status removed = files.Remove(path);
    return absl::IsNotFound(removed) ? absl::OkStatus() : removed;
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(path));
  for (const std::string& name : names) {
    RETURN_IF_ERROR(RemoveTree(files, absl::StrCat(path, "/", name)));
  }
  return files.RemoveDirectory(path);
}

}  // namespace cairn
