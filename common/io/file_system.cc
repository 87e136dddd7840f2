// The helpers that every FileSystem shares.
#include "common/io/file_system.h"

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace cairn {

std::string ParentDirectory(absl::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return ".";
  if (slash == 0) return "/";
  return std::string(path.substr(0, slash));
}

absl::StatusOr<std::string> FileSystem::ReadAll(const std::string& path, uint64_t limit_bytes) {
  constexpr size_t kStep = size_t{64} << 10;
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, Open(path, {}));
  std::string contents;
  while (true) {
    const size_t old_size = contents.size();
    contents.resize(old_size + kStep);
    ASSIGN_OR_RETURN(const size_t count,
                     file->ReadAt(old_size, std::as_writable_bytes(
                                                std::span(contents.data() + old_size, kStep))));
    contents.resize(old_size + count);
    if (contents.size() > limit_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("read ", path, ": larger than the limit of ", limit_bytes, " bytes"));
    }
    if (count < kStep) return contents;
  }
}

absl::Status FileSystem::WriteDurably(const std::string& path, absl::string_view contents) {
  const std::string temporary = path + ".tmp";
  absl::Cleanup remove_temporary = [&] {
    Remove(temporary).IgnoreError();  // the error that brought us here is the one to report
  };
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                     Open(temporary, {.create = true, .write = true}));
    RETURN_IF_ERROR(file->Truncate(0));  // a crash may have left one behind
    RETURN_IF_ERROR(file->WriteAt(0, std::as_bytes(std::span(contents.data(), contents.size()))));
    RETURN_IF_ERROR(file->SyncData());
  }
  RETURN_IF_ERROR(Rename(temporary, path));
  std::move(remove_temporary).Cancel();
  return SyncDirectory(ParentDirectory(path));
}

absl::Status FileSystem::MakeDirectories(const std::string& path) {
  if (IsDirectory(path)) return absl::OkStatus();
  const std::string parent = ParentDirectory(path);
  if (parent != path) RETURN_IF_ERROR(MakeDirectories(parent));
  const absl::Status status = MakeDirectory(path);
  if (!status.ok()) {
    // Somebody else may have made it in between; a file in its place is an error.
    return absl::IsAlreadyExists(status) && IsDirectory(path) ? absl::OkStatus() : status;
  }
  return SyncDirectory(parent);
}

}  // namespace cairn
