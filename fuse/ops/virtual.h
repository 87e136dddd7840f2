// fuse/ops/virtual.h - the operations on /.cairn and what is in it: fuse/virtual_files.h.
//
// ByInode and ByName stand before the operations on the cluster's files, which so never meet an
// inode, a handle or a name that is the mount's own.
#pragma once

#include <cerrno>
#include <type_traits>

#include "absl/strings/string_view.h"
#include "fuse/api.h"
#include "fuse/mount.h"
#include "fuse/ops/serve.h"
#include "fuse/virtual_files.h"

namespace cairn::fuse {

void LookupVirtual(fuse_req_t req, fuse_ino_t parent, const char* name);
void GetattrVirtual(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info);
void AccessVirtual(fuse_req_t req, fuse_ino_t ino, int mask);
void GetxattrVirtual(fuse_req_t req, fuse_ino_t ino, const char* name, size_t size);
void ListxattrVirtual(fuse_req_t req, fuse_ino_t ino, size_t size);
void OpenVirtual(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info);
void ReadVirtual(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info);
void FlushVirtual(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info);
void FsyncVirtual(fuse_req_t req, fuse_ino_t ino, int data_only, fuse_file_info* info);
void ReleaseVirtual(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info);
void OpendirVirtual(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info);
void ReaddirVirtual(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    fuse_file_info* info);
void ReaddirplusVirtual(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                        fuse_file_info* info);
void ReleasedirVirtual(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info);

inline bool IsVirtual(const Mount& mount, fuse_ino_t ino) {
  return mount.settings().virtual_files && IsVirtualInode(ino);
}
inline bool IsVirtualName(const Mount& mount, fuse_ino_t parent, absl::string_view name) {
  return IsVirtual(mount, parent) || (mount.settings().virtual_files && parent == FUSE_ROOT_ID &&
                                      name == kVirtualDirectoryName);
}

// Of an inode that is the mount's own kVirtual is called instead, or, without it, the answer is
// EROFS.
template <auto kOperation, auto kVirtual = nullptr>
struct ByInode;

template <typename... Arguments, void (*kOperation)(fuse_req_t, fuse_ino_t, Arguments...),
          auto kVirtual>
struct ByInode<kOperation, kVirtual> {
  static void Call(fuse_req_t req, fuse_ino_t ino, Arguments... arguments) {
    if (!IsVirtual(MountOf(req), ino)) {
      kOperation(req, ino, arguments...);
    } else if constexpr (std::is_null_pointer_v<decltype(kVirtual)>) {
      Refuse(req, EROFS);
    } else {
      kVirtual(req, ino, arguments...);
    }
  }
};

// The same of a name.
template <auto kOperation, auto kVirtual = nullptr>
struct ByName;

template <typename... Arguments,
          void (*kOperation)(fuse_req_t, fuse_ino_t, const char*, Arguments...), auto kVirtual>
struct ByName<kOperation, kVirtual> {
  static void Call(fuse_req_t req, fuse_ino_t parent, const char* name, Arguments... arguments) {
    if (!IsVirtualName(MountOf(req), parent, name)) {
      kOperation(req, parent, name, arguments...);
    } else if constexpr (std::is_null_pointer_v<decltype(kVirtual)>) {
      Refuse(req, EROFS);
    } else {
      kVirtual(req, parent, name, arguments...);
    }
  }
};

}  // namespace cairn::fuse
