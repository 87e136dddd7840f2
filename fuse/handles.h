// fuse/handles.h - what stands behind a file descriptor of the mount.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "fuse/api.h"
#include "fuse/clients.h"
#include "fuse/directory.h"
#include "fuse/mount.h"
#include "fuse/read_stream.h"

namespace cairn::fuse {

// One open(2) of a file, as the user who opened it. Copies of the descriptor share it. Thread-safe.
class FileHandle {
 public:
  // Of a file that is there: asks whether the user may, and then cuts it if `flags` (of open(2))
  // say so. The cluster is asked even if the kernel has checked: that was against attributes which
  // may be old, and what is written may go on with a stream that another user began.
  static absl::StatusOr<std::unique_ptr<FileHandle>> Open(Mount& mount, ClientPtr fs,
                                                          uint64_t inode, int flags,
                                                          const Interrupted& interrupted);

  // Of a file that was just made. `files` outlives this.
  FileHandle(OpenFiles& files, ClientPtr fs, uint64_t inode, int flags);
  ~FileHandle();  // calls the cluster: see OpenFiles::Close
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;

  client::FileSystem& fs() { return *fs_; }
  const ClientPtr& client() const { return fs_; }
  OpenFile& file() { return *file_; }
  bool may_read() const { return may_read_; }
  bool may_write() const { return may_write_; }

  // As Open found it; nullopt if it did not look.
  std::optional<client::ContentsId> contents() ABSL_LOCKS_EXCLUDED(mu_);
  // Less than out.size() only at the end of the file, as it is now: the kernel takes what is
  // missing for zeros, as far as it knows of an end behind it when the answer comes.
  absl::StatusOr<size_t> Read(uint64_t offset, std::span<std::byte> out) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  absl::StatusOr<size_t> ReadOnce(uint64_t offset, std::span<std::byte> out)
      ABSL_LOCKS_EXCLUDED(mu_);
  // As the file is after its latest cut. Asks where the blocks are, and so whether the user may
  // read.
  absl::StatusOr<std::shared_ptr<ReadStream>> Reader() ABSL_LOCKS_EXCLUDED(mu_);
  void DropReader() ABSL_LOCKS_EXCLUDED(mu_);  // the next Reader is of the file as it is then

  OpenFiles& files_;
  const ClientPtr fs_;
  const bool may_read_;
  const bool may_write_;
  const std::shared_ptr<OpenFile> file_;
  Mutex mu_;
  std::shared_ptr<ReadStream> reader_ ABSL_GUARDED_BY(mu_);
  uint64_t cuts_ ABSL_GUARDED_BY(mu_) = 0;  // of the file when reader_ was made
};

// The handles as libfuse carries them.
inline FileHandle& FileOf(const fuse_file_info& info) {
  return *reinterpret_cast<FileHandle*>(info.fh);
}
inline Directory& DirectoryOf(const fuse_file_info& info) {
  return *reinterpret_cast<Directory*>(info.fh);
}

}  // namespace cairn::fuse
