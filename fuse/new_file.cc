#include "fuse/new_file.h"

#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "fuse/paths.h"

namespace cairn::fuse {

namespace {

// What HDFS says of a name whose file somebody is writing, or has left open: not that it is there.
bool IsBeingWritten(const absl::Status& status) {
  const FsError error = GetFsError(status);
  return error == FsError::kAlreadyBeingCreated || error == FsError::kRecoveryInProgress;
}

}  // namespace

absl::StatusOr<std::unique_ptr<client::OutputStream>> CreateEmpty(client::FileSystem& fs,
                                                                  const std::string& path,
                                                                  mode_t mode) {
  client::CreateOptions options;
  options.create_parents = false;
  options.mode = static_cast<uint16_t>(mode & 0777);
  absl::StatusOr<std::unique_ptr<client::OutputStream>> made = fs.Create(path, options);
  if (IsBeingWritten(made.status()) && fs.Stat(path).ok()) {
    return MakeFsError(FsError::kFileAlreadyExists,
                       absl::StrCat(path, ": is there: ", made.status().message()));
  }
  return made;
}

absl::Status CompleteEmpty(client::FileSystem& fs, client::OutputStream& stream) {
  absl::Status closed = stream.Close();
  if (!closed.ok()) {
    fs.RecoverLease(PathOf(stream.status().inode)).IgnoreError();  // the first error is what counts
  }
  return closed;
}

}  // namespace cairn::fuse
