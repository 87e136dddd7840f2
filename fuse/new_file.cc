#include "fuse/new_file.h"

#include "fuse/paths.h"

namespace cairn::fuse {

absl::StatusOr<std::unique_ptr<client::OutputStream>> CreateEmpty(client::FileSystem& fs,
                                                                  const std::string& path,
                                                                  mode_t mode) {
  client::CreateOptions options;
  options.create_parents = false;
  options.mode = static_cast<uint16_t>(mode & 0777);
  return fs.Create(path, options);
}

absl::Status CompleteEmpty(client::FileSystem& fs, client::OutputStream& stream) {
  absl::Status closed = stream.Close();
  if (!closed.ok()) {
    fs.RecoverLease(PathOf(stream.status().inode)).IgnoreError();  // the first error is what counts
  }
  return closed;
}

}  // namespace cairn::fuse
