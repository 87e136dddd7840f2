#include <vector>

#include "common/status_macros.h"
#include "fuse/attributes.h"
#include "fuse/handles.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"

namespace cairn::fuse {
namespace {

// What a plain entry tells: the number and the type.
struct stat Plain(fuse_ino_t ino, const Directory::Entry& entry) {
  struct stat s {};
  if (entry.own_inode != 0) ino = entry.own_inode;
  s.st_ino = entry.status.has_value() ? entry.status->inode : ino;
  s.st_mode = entry.status.has_value() ? TypeOf(entry.status->type) : S_IFDIR;
  return s;
}

// With its attributes, unless only a lookup can tell them, or they are old: then the kernel makes
// one if it needs to.
absl::StatusOr<fuse_entry_param> Full(Mount& mount, fuse_ino_t ino, const Directory::Entry& entry) {
  fuse_entry_param plain{};
  plain.attr = Plain(ino, entry);
  if (!entry.status.has_value()) return plain;
  ASSIGN_OR_RETURN(const auto known, mount.KnownEntryOf(*entry.status, entry.asked));
  return known.value_or(plain);
}

void ReadEntries(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info,
                 bool full) {
  Mount& mount = MountOf(req);
  std::vector<char> buffer(size);
  size_t used = 0;
  absl::Status status;
  const auto put = [&](const Directory::Entry& entry, uint64_t next) {
    char* const at = buffer.data() + used;
    const size_t left = size - used;
    size_t bytes = 0;
    if (full) {
      const absl::StatusOr<fuse_entry_param> param = Full(mount, ino, entry);
      if (!param.ok()) {
        status = param.status();
        return false;
      }
      bytes = fuse_add_direntry_plus(req, at, left, entry.name.c_str(), &*param,
                                     static_cast<off_t>(next));
    } else {
      const struct stat plain = Plain(ino, entry);
      bytes =
          fuse_add_direntry(req, at, left, entry.name.c_str(), &plain, static_cast<off_t>(next));
    }
    if (bytes > left) return false;
    used += bytes;
    return true;
  };
  status.Update(DirectoryOf(*info).Read(static_cast<uint64_t>(offset), put));
  // What was found before the trouble is told first; the next call meets the trouble again.
  if (!status.ok() && used == 0) {
    FailInode(req, "readdir", status);
    return;
  }
  fuse_reply_buf(req, buffer.data(), used);
}

}  // namespace

void Readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info) {
  ReadEntries(req, ino, size, offset, info, /*full=*/false);
}

void Readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info) {
  ReadEntries(req, ino, size, offset, info, /*full=*/true);
}

}  // namespace cairn::fuse
