#include "fuse/ops/virtual.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fuse/status_text.h"
#include "fuse/xattr_names.h"

namespace cairn::fuse {
namespace {

OpenVirtualFile& VirtualFileOf(const fuse_file_info& info) {
  return *reinterpret_cast<OpenVirtualFile*>(info.fh);
}

struct stat AttributesOf(const Mount& mount, fuse_ino_t ino) {
  return VirtualAttributes(ino, mount.settings().mounter, mount.begun_at());
}

void ListVirtual(fuse_req_t req, size_t size, off_t offset, bool full) {
  std::vector<std::pair<std::string, fuse_ino_t>> entries = {{".", kVirtualDirectory},
                                                             {"..", FUSE_ROOT_ID}};
  entries.insert(entries.end(), VirtualFiles().begin(), VirtualFiles().end());
  std::vector<char> buffer(size);
  size_t used = 0;
  for (auto i = static_cast<size_t>(offset); i < entries.size(); ++i) {
    const auto& [name, ino] = entries[i];
    char* const at = buffer.data() + used;
    const auto next = static_cast<off_t>(i + 1);
    fuse_entry_param plain{};  // without an inode: the kernel looks it up if it needs to
    plain.attr.st_ino = ino;
    plain.attr.st_mode = i < 2 ? S_IFDIR : S_IFREG;
    const size_t bytes =
        full ? fuse_add_direntry_plus(req, at, size - used, name.c_str(), &plain, next)
             : fuse_add_direntry(req, at, size - used, name.c_str(), &plain.attr, next);
    if (bytes > size - used) break;
    used += bytes;
  }
  fuse_reply_buf(req, buffer.data(), used);
}

}  // namespace

void LookupVirtual(fuse_req_t req, fuse_ino_t parent, const char* name) {
  const std::optional<fuse_ino_t> ino =
      parent == FUSE_ROOT_ID ? kVirtualDirectory : FindVirtualFile(name);
  if (!ino.has_value()) {
    Refuse(req, ENOENT);
    return;
  }
  const Mount& mount = MountOf(req);
  fuse_entry_param entry{};
  entry.ino = *ino;
  entry.attr = AttributesOf(mount, *ino);
  entry.attr_timeout = absl::ToDoubleSeconds(mount.settings().attribute_life);
  entry.entry_timeout = absl::ToDoubleSeconds(mount.settings().entry_life);
  fuse_reply_entry(req, &entry);
}

void GetattrVirtual(fuse_req_t req, fuse_ino_t ino, fuse_file_info* /*info*/) {
  const Mount& mount = MountOf(req);
  const struct stat attributes = AttributesOf(mount, ino);
  fuse_reply_attr(req, &attributes, absl::ToDoubleSeconds(mount.settings().attribute_life));
}

void AccessVirtual(fuse_req_t req, fuse_ino_t ino, int mask) {
  if ((mask & W_OK) != 0) {
    Refuse(req, EROFS);
  } else if ((mask & X_OK) != 0 && ino != kVirtualDirectory) {
    Refuse(req, EACCES);
  } else {
    fuse_reply_err(req, 0);
  }
}

// As of a file that has none.
void GetxattrVirtual(fuse_req_t req, fuse_ino_t /*ino*/, const char* name, size_t /*size*/) {
  Decline(req, OwnerOf(name) == XattrOwner::kNobody ? EOPNOTSUPP : ENODATA);
}

void ListxattrVirtual(fuse_req_t req, fuse_ino_t /*ino*/, size_t size) {
  AnswerXattr(req, "", size);
}

void OpenVirtual(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  if ((info->flags & O_ACCMODE) != O_RDONLY || (info->flags & O_TRUNC) != 0) {
    Refuse(req, EROFS);
    return;
  }
  Mount& mount = MountOf(req);
  auto file = OpenVirtualFile::Open(VirtualText(ino, StatusOf(mount), mount.statistics()),
                                    mount.open_virtual_files());
  if (file == nullptr) {
    Refuse(req, ENFILE);
    return;
  }
  // Past the page cache, which knows an end, and would give another open's bytes.
  info->direct_io = true;
  info->noflush = true;
  info->fh = mount.handles().Hold(std::move(file));
  // If the caller is gone there will be no release.
  if (fuse_reply_open(req, info) != 0) mount.handles().Drop(info->fh);
}

void ReadVirtual(fuse_req_t req, fuse_ino_t /*ino*/, size_t size, off_t offset,
                 fuse_file_info* info) {
  const absl::string_view text = VirtualFileOf(*info).Read(static_cast<uint64_t>(offset), size);
  fuse_reply_buf(req, text.data(), text.size());
}

void FlushVirtual(fuse_req_t req, fuse_ino_t /*ino*/, fuse_file_info* /*info*/) {
  fuse_reply_err(req, 0);
}

void FsyncVirtual(fuse_req_t req, fuse_ino_t /*ino*/, int /*data_only*/, fuse_file_info* /*info*/) {
  fuse_reply_err(req, 0);
}

void ReleaseVirtual(fuse_req_t req, fuse_ino_t /*ino*/, fuse_file_info* info) {
  MountOf(req).handles().Drop(info->fh);
  fuse_reply_err(req, 0);
}

void OpendirVirtual(fuse_req_t req, fuse_ino_t /*ino*/, fuse_file_info* info) {
  fuse_reply_open(req, info);
}

void ReaddirVirtual(fuse_req_t req, fuse_ino_t /*ino*/, size_t size, off_t offset,
                    fuse_file_info* /*info*/) {
  ListVirtual(req, size, offset, /*full=*/false);
}

void ReaddirplusVirtual(fuse_req_t req, fuse_ino_t /*ino*/, size_t size, off_t offset,
                        fuse_file_info* /*info*/) {
  ListVirtual(req, size, offset, /*full=*/true);
}

void ReleasedirVirtual(fuse_req_t req, fuse_ino_t /*ino*/, fuse_file_info* /*info*/) {
  fuse_reply_err(req, 0);
}

}  // namespace cairn::fuse
