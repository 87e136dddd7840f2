#include <cerrno>

#include "common/clock.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/ops/virtual.h"
#include "fuse/statistics.h"

namespace cairn::fuse {
namespace {

// An operation whose time is taken, from when it begins until it has answered.
template <auto kOperation, Operation kKind>
struct Timed;

template <typename... Arguments, void (*kOperation)(fuse_req_t, Arguments...), Operation kKind>
struct Timed<kOperation, kKind> {
  static void Call(fuse_req_t req, Arguments... arguments) {
    Statistics& statistics = MountOf(req).statistics();  // `req` is gone once it is answered
    const absl::Duration begin = SystemClock().Monotonic();
    kOperation(req, arguments...);
    statistics.Observe(kKind, SystemClock().Monotonic() - begin);
  }
};

// The same of one that changes names, attributes or contents.
template <auto kOperation, Operation kKind>
struct Change;

template <typename... Arguments, void (*kOperation)(fuse_req_t, Arguments...), Operation kKind>
struct Change<kOperation, kKind> {
  static void Call(fuse_req_t req, Arguments... arguments) {
    const Changes::UnderWay change(MountOf(req).changes());
    Timed<kOperation, kKind>::Call(req, arguments...);
  }
};

void RenameOfCluster(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
                     const char* new_name, unsigned int flags) {
  const Mount& mount = MountOf(req);
  if (IsVirtualName(mount, parent, name) || IsVirtualName(mount, new_parent, new_name)) {
    Refuse(req, EROFS);
  } else {
    Rename(req, parent, name, new_parent, new_name, flags);
  }
}

}  // namespace

fuse_lowlevel_ops OperationsOf(const MountSettings& settings) {
  fuse_lowlevel_ops ops{};
  ops.init = &Init;
  ops.lookup = &Timed<&ByName<&Lookup, &LookupVirtual>::Call, Operation::kLookup>::Call;
  ops.forget = &Forget;
  ops.forget_multi = &ForgetMulti;
  ops.mkdir = &Change<&ByName<&Mkdir>::Call, Operation::kMkdir>::Call;
  ops.mknod = &Change<&ByName<&Mknod>::Call, Operation::kMknod>::Call;
  ops.unlink = &Change<&ByName<&Unlink>::Call, Operation::kUnlink>::Call;
  ops.rmdir = &Change<&ByName<&Rmdir>::Call, Operation::kRmdir>::Call;
  ops.rename = &Change<&RenameOfCluster, Operation::kRename>::Call;
  ops.symlink = &Timed<&Symlink, Operation::kSymlink>::Call;
  ops.link = &Timed<&Link, Operation::kLink>::Call;
  ops.readlink = &Timed<&Readlink, Operation::kReadlink>::Call;
  ops.getattr = &Timed<&ByInode<&Getattr, &GetattrVirtual>::Call, Operation::kGetattr>::Call;
  ops.setattr = &Change<&ByInode<&Setattr>::Call, Operation::kSetattr>::Call;
  ops.access = &Timed<&ByInode<&Access, &AccessVirtual>::Call, Operation::kAccess>::Call;
  ops.statfs = &Timed<&Statfs, Operation::kStatfs>::Call;
  ops.create = &Change<&ByName<&Create>::Call, Operation::kCreate>::Call;
  ops.open = &Timed<&ByInode<&Open, &OpenVirtual>::Call, Operation::kOpen>::Call;
  ops.read = &Timed<&ByInode<&Read, &ReadVirtual>::Call, Operation::kRead>::Call;
  ops.write = &Timed<&Write, Operation::kWrite>::Call;
  ops.flush = &Timed<&ByInode<&Flush, &FlushVirtual>::Call, Operation::kFlush>::Call;
  ops.fsync = &Timed<&ByInode<&Fsync, &FsyncVirtual>::Call, Operation::kFsync>::Call;
  ops.release = &Timed<&ByInode<&Release, &ReleaseVirtual>::Call, Operation::kRelease>::Call;
  ops.fallocate = &Timed<&Fallocate, Operation::kFallocate>::Call;
  ops.opendir = &Timed<&ByInode<&Opendir, &OpendirVirtual>::Call, Operation::kOpendir>::Call;
  ops.readdir = &Timed<&ByInode<&Readdir, &ReaddirVirtual>::Call, Operation::kReaddir>::Call;
  ops.readdirplus =
      &Timed<&ByInode<&Readdirplus, &ReaddirplusVirtual>::Call, Operation::kReaddirplus>::Call;
  ops.fsyncdir = &Timed<&Fsyncdir, Operation::kFsyncdir>::Call;
  ops.releasedir =
      &Timed<&ByInode<&Releasedir, &ReleasedirVirtual>::Call, Operation::kReleasedir>::Call;
  ops.ioctl = &Ioctl;
  // Without these the kernel answers by itself, and does not ask before each write either.
  if (settings.xattrs) {
    ops.getxattr = &Timed<&ByInode<&Getxattr, &GetxattrVirtual>::Call, Operation::kGetxattr>::Call;
    ops.listxattr =
        &Timed<&ByInode<&Listxattr, &ListxattrVirtual>::Call, Operation::kListxattr>::Call;
    ops.setxattr = &Timed<&ByInode<&Setxattr>::Call, Operation::kSetxattr>::Call;
    ops.removexattr = &Timed<&ByInode<&Removexattr>::Call, Operation::kRemovexattr>::Call;
  }
  return ops;
}

}  // namespace cairn::fuse
