// fuse/virtual_files.h - /.cairn at the root of a mount with -o virtual_files: what the mount says
// of itself, in files that only exist in the mount.
//
//   status       as `cairn mount status` shows it
//   status.json  ... with --json
//   metrics      ... with --prometheus
//   version      of cairn-fuse and libfuse
//
// Who opens one has the text of that moment for as long as it is open. Its length is told as 0, as
// those in /proc have it: read to the end. Their times are the mount's beginning, whatever they say
// meanwhile: tar(1) complains of a file whose times change while it is read. Their inodes have
// numbers that no cluster gives: its own begin above 16384.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "fuse/api.h"
#include "fuse/statistics.h"
#include "fuse/status_text.h"

namespace cairn::fuse {

inline constexpr char kVirtualDirectoryName[] = ".cairn";
inline constexpr fuse_ino_t kVirtualDirectory = FUSE_ROOT_ID + 1;
inline constexpr fuse_ino_t kLastVirtual = 15;  // with room for more of them

inline bool IsVirtualInode(fuse_ino_t ino) {
  return ino >= kVirtualDirectory && ino <= kLastVirtual;
}

// Name and inode of each file in the directory.
const std::vector<std::pair<std::string, fuse_ino_t>>& VirtualFiles();
std::optional<fuse_ino_t> FindVirtualFile(absl::string_view name);

// Of the directory or a file: nobody may write it. They belong to who mounts, `owner`, at `begun`.
struct stat VirtualAttributes(fuse_ino_t ino, uid_t owner, absl::Time begun);

// What a file says. Empty: there is no such file.
std::string VirtualText(fuse_ino_t ino, const MountStatus& status, const Statistics& statistics);

// One open(2) of a file.
class OpenVirtualFile {
 public:
  static constexpr size_t kMost = 256;  // of a mount at a time: each has its text in memory

  // `open`, which outlives this, counts them. Null: there are kMost already.
  static std::unique_ptr<OpenVirtualFile> Open(std::string text, std::atomic<size_t>& open);
  ~OpenVirtualFile() { --open_; }
  OpenVirtualFile(const OpenVirtualFile&) = delete;
  OpenVirtualFile& operator=(const OpenVirtualFile&) = delete;

  // Up to `size` bytes from `offset` on; fewer only at the end.
  absl::string_view Read(uint64_t offset, size_t size) const;

 private:
  OpenVirtualFile(std::string text, std::atomic<size_t>& open)
      : text_(std::move(text)), open_(open) {}

  const std::string text_;
  std::atomic<size_t>& open_;
};

}  // namespace cairn::fuse
