// common/io/file_system.h - the local file system as Cairn's daemons see it: a seam for tests.
//
// PosixFileSystem() is the real one. testing/faulty_file_system.h wraps an in-memory tree that can
// fail call number n, tear a write, and forget what was not synced. Both pass the same contract
// test. Calls block; none is made under a lock.
//
// Errors: kNotFound, kAlreadyExists, kResourceExhausted (ENOSPC, EDQUOT, EMFILE),
// kPermissionDenied, kDataLoss (EIO), kFailedPrecondition (ENOTEMPTY), otherwise kInternal; the
// message names the call, the path and errno's text. After a failed Write or Sync the bytes in
// question may or may not be on the medium: the caller must not carry on as if they were clean.
//
// Thread-safe; a File may be used by several threads at once except for its destruction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn {

class File {
 public:
  virtual ~File() = default;  // closes

  // Reads up to out.size() bytes at `offset`; fewer only at end of file. Returns the count.
  virtual absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) = 0;
  // Writes all of `data` at `offset`, extending the file if need be.
  virtual absl::Status WriteAt(uint64_t offset, std::span<const std::byte> data) = 0;
  virtual absl::Status Truncate(uint64_t size) = 0;
  // Reserves [offset, offset+length), writes zeros there and syncs: later writes there change no
  // metadata.
  virtual absl::Status Allocate(uint64_t offset, uint64_t length) = 0;
  virtual absl::Status SyncData() = 0;  // fdatasync: contents and size
  virtual absl::StatusOr<uint64_t> Size() = 0;
  // The descriptor, for sendfile and descriptor passing; -1 for a fake.
  virtual int fd() const = 0;
};

struct OpenOptions {
  bool create = false;     // make it if missing (mode 0600)
  bool exclusive = false;  // with create: kAlreadyExists if it is there
  bool write = false;
  // O_DIRECT: offset, length and address are multiples of 4096. Ignored by file systems that have
  // no such thing (tmpfs).
  bool direct = false;
  bool data_sync = false;  // O_DSYNC: a write returns when its bytes are on stable media
};

struct SpaceInfo {
  uint64_t capacity_bytes = 0;
  uint64_t free_bytes = 0;  // for unprivileged writers (f_bavail)
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                                     const OpenOptions& options) = 0;
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual absl::Status Link(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;           // a file
  virtual absl::Status MakeDirectory(const std::string& path) = 0;    // mode 0700; kAlreadyExists
  virtual absl::Status RemoveDirectory(const std::string& path) = 0;  // must be empty
  // Names only, without "." and "..", in no order.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& directory) = 0;
  virtual bool Exists(const std::string& path) = 0;
  virtual bool IsDirectory(const std::string& path) = 0;
  // Makes creations, renames and removals inside `directory` survive a power cut.
  virtual absl::Status SyncDirectory(const std::string& directory) = 0;
  virtual absl::StatusOr<SpaceInfo> Space(const std::string& path) = 0;
  // Takes an exclusive lock on `path` (made if missing) for as long as the File lives.
  // kFailedPrecondition: another process holds it; the message names its pid if it wrote one.
  virtual absl::StatusOr<std::unique_ptr<File>> Lock(const std::string& path) = 0;

  // Whole small files. ReadAll: kInvalidArgument when the file is larger than the limit.
  // WriteDurably: temporary file `path`.tmp, sync, rename, directory sync; after an error `path` is
  // as before, unless it was the last step that failed. One caller at a time per path.
  absl::StatusOr<std::string> ReadAll(const std::string& path, uint64_t limit_bytes);
  absl::Status WriteDurably(const std::string& path, absl::string_view contents);
  absl::Status MakeDirectories(const std::string& path);  // mkdir -p, durable
};

// Never destroyed.
FileSystem& PosixFileSystem();

// What comes before the last '/', for SyncDirectory; "." when there is none.
std::string ParentDirectory(absl::string_view path);

}  // namespace cairn
