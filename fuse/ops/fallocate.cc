#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "common/status_macros.h"
#include "fuse/handles.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"

namespace cairn::fuse {
namespace {

constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
constexpr size_t kZeros = 1 << 20;

// The bytes from `offset` on become zeros, to `end` at most, and the file no longer.
absl::Status WriteZeros(FileHandle& handle, uint64_t offset, uint64_t end,
                        const Interrupted& interrupted) {
  const std::vector<std::byte> zeros(kZeros);
  while (offset < end) {
    const size_t bytes = std::min<uint64_t>(kZeros, end - offset);
    RETURN_IF_ERROR(handle.file().Write(handle.client(), {.offset = offset},
                                        std::span(zeros).first(bytes), /*sync=*/false,
                                        interrupted));
    offset += bytes;
  }
  return absl::OkStatus();
}

// Whoever has space set aside writes it later, before the end that the file then has: where that
// cannot be staged, he must be told now, and go on without. By ENOSPC: after EOPNOTSUPP the C
// library's posix_fallocate makes the file long in its own way.
bool CanBeStaged(const StageArea& stage, uint64_t size, uint64_t end) {
  return end <= size || end - size <= stage.options().bytes;
}

// What is said of a file that cannot be changed in place. Where none can, programs are used to
// being without fallocate.
int RefusalOf(const Mount& mount, int mode) {
  return mode == 0 && mount.stage() != nullptr ? ENOSPC : EOPNOTSUPP;
}

}  // namespace

// Blocks are not set aside ahead of their bytes, so "allocated" says only how long the file is.
void Fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
               fuse_file_info* info) {
  const bool zeros = mode == kPunch || (mode & ~FALLOC_FL_KEEP_SIZE) == FALLOC_FL_ZERO_RANGE;
  if ((mode & ~FALLOC_FL_KEEP_SIZE) != 0 && !zeros) {
    Refuse(req, EOPNOTSUPP);
    return;
  }
  const bool extends = (mode & FALLOC_FL_KEEP_SIZE) == 0;
  ServeInode(req, "fallocate", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    FileHandle& handle = FileOf(*info);
    if (mode != FALLOC_FL_KEEP_SIZE) {
      ASSIGN_OR_RETURN(const bool in_place, mount.CanChangeInPlace(handle.fs(), mount.IdOf(ino)));
      if (!in_place) {
        Refuse(req, RefusalOf(mount, mode));
        return absl::OkStatus();
      }
    }
    const Interrupted interrupted = InterruptedOf(req);
    const uint64_t begin = static_cast<uint64_t>(offset);
    const uint64_t end = begin + static_cast<uint64_t>(length);  // the kernel has checked the sum
    ASSIGN_OR_RETURN(const struct stat now, mount.DescribeInode(*fs, mount.IdOf(ino)));
    const uint64_t size = static_cast<uint64_t>(now.st_size);
    if (extends && !CanBeStaged(*mount.stage(), size, end)) {
      Refuse(req, ENOSPC);
      return absl::OkStatus();
    }
    absl::Status done;
    if (zeros) done = WriteZeros(handle, begin, std::min(end, size), interrupted);
    if (done.ok() && extends) done = handle.file().Extend(handle.client(), end, interrupted);
    if (!done.ok()) {
      // Some of it may be done, and the kernel drops its pages only if all is.
      mount.ForgetPages(mount.IdOf(ino));
      return done;
    }
    fuse_reply_err(req, 0);
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
