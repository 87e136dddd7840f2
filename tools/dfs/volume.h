// tools/dfs/volume.h - what the shell needs of a file system: a cluster, or this machine's files.
//
// Copying, listing and reading work on either; what only a cluster has (replication, checksums,
// space sums) is reached through cluster(). Thread-safe; readers and writers belong to one thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/file_system.h"
#include "client/types.h"

namespace cairn::tools {

class Reader {
 public:
  virtual ~Reader() = default;
  virtual absl::StatusOr<size_t> Read(std::span<std::byte> out) = 0;  // 0 at the end
  virtual absl::Status Seek(uint64_t position) = 0;
  virtual uint64_t length() const = 0;  // 0 for a stream
};

class Writer {
 public:
  virtual ~Writer() = default;  // without Close: what was written may be lost
  virtual absl::Status Write(std::span<const std::byte> data) = 0;
  virtual absl::Status Close() = 0;
};

struct WriteOptions {
  bool overwrite = false;
  bool lazy_persist = false;
};

class Volume {
 public:
  using Visitor = std::function<absl::Status(const client::FileStatus&)>;

  virtual ~Volume() = default;
  virtual std::string Qualify(const std::string& path) const = 0;  // with its scheme
  virtual client::FileSystem* cluster() { return nullptr; }        // null: local files

  // kNotFound: no such path.
  virtual absl::StatusOr<client::FileStatus> Stat(const std::string& path) = 0;
  // The entries of a directory, in order of name; stops at the visitor's first error.
  virtual absl::Status List(const std::string& path, const Visitor& visit) = 0;
  virtual absl::StatusOr<std::unique_ptr<Reader>> Open(const std::string& path) = 0;
  virtual absl::StatusOr<std::unique_ptr<Writer>> Create(const std::string& path,
                                                         const WriteOptions& options) = 0;
  virtual absl::Status Mkdirs(const std::string& path) = 0;
  // To exactly `to`, which does not exist.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  // The same over the file `to`, in one step: readers see it, or what comes. After an error both
  // are as they were.
  virtual absl::Status Replace(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Delete(const std::string& path, bool recursive) = 0;
  virtual absl::Status SetMode(const std::string& path, uint16_t mode) = 0;
  virtual absl::Status SetOwner(const std::string& path, const std::string& owner,
                                const std::string& group) = 0;
  virtual absl::Status SetTimes(const std::string& path, absl::Time modified,
                                absl::Time accessed) = 0;
};

std::unique_ptr<Volume> NewLocalVolume();
std::unique_ptr<Volume> NewClusterVolume(std::unique_ptr<client::FileSystem> fs);

// Standard input as a file without an end that can be known.
std::unique_ptr<Reader> NewStdinReader();

// Memory for copying, aligned to pages.
inline constexpr size_t kCopyBytes = 1 << 20;

// Everything from the reader's position to `write`, which is called with pieces of up to
// kCopyBytes.
absl::Status CopyAll(Reader& reader,
                     const std::function<absl::Status(std::span<const std::byte>)>& write);

}  // namespace cairn::tools
