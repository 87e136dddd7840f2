#include "common/clock.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
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

}  // namespace

fuse_lowlevel_ops OperationsOf(const MountSettings& settings) {
  fuse_lowlevel_ops ops{};
  ops.init = &Init;
  ops.lookup = &Timed<&Lookup, Operation::kLookup>::Call;
  ops.forget = &Forget;
  ops.forget_multi = &ForgetMulti;
  ops.mkdir = &Change<&Mkdir, Operation::kMkdir>::Call;
  ops.mknod = &Change<&Mknod, Operation::kMknod>::Call;
  ops.unlink = &Change<&Unlink, Operation::kUnlink>::Call;
  ops.rmdir = &Change<&Rmdir, Operation::kRmdir>::Call;
  ops.rename = &Change<&Rename, Operation::kRename>::Call;
  ops.symlink = &Timed<&Symlink, Operation::kSymlink>::Call;
  ops.link = &Timed<&Link, Operation::kLink>::Call;
  ops.readlink = &Timed<&Readlink, Operation::kReadlink>::Call;
  ops.getattr = &Timed<&Getattr, Operation::kGetattr>::Call;
  ops.setattr = &Change<&Setattr, Operation::kSetattr>::Call;
  ops.access = &Timed<&Access, Operation::kAccess>::Call;
  ops.statfs = &Timed<&Statfs, Operation::kStatfs>::Call;
  ops.create = &Change<&Create, Operation::kCreate>::Call;
  ops.open = &Timed<&Open, Operation::kOpen>::Call;
  ops.read = &Timed<&Read, Operation::kRead>::Call;
  ops.write = &Timed<&Write, Operation::kWrite>::Call;
  ops.flush = &Timed<&Flush, Operation::kFlush>::Call;
  ops.fsync = &Timed<&Fsync, Operation::kFsync>::Call;
  ops.release = &Timed<&Release, Operation::kRelease>::Call;
  ops.fallocate = &Timed<&Fallocate, Operation::kFallocate>::Call;
  ops.opendir = &Timed<&Opendir, Operation::kOpendir>::Call;
  ops.readdir = &Timed<&Readdir, Operation::kReaddir>::Call;
  ops.readdirplus = &Timed<&Readdirplus, Operation::kReaddirplus>::Call;
  ops.fsyncdir = &Timed<&Fsyncdir, Operation::kFsyncdir>::Call;
  ops.releasedir = &Timed<&Releasedir, Operation::kReleasedir>::Call;
  ops.ioctl = &Ioctl;
  // Without these the kernel answers by itself, and does not ask before each write either.
  if (settings.xattrs) {
    ops.getxattr = &Timed<&Getxattr, Operation::kGetxattr>::Call;
    ops.listxattr = &Timed<&Listxattr, Operation::kListxattr>::Call;
    ops.setxattr = &Timed<&Setxattr, Operation::kSetxattr>::Call;
    ops.removexattr = &Timed<&Removexattr, Operation::kRemovexattr>::Call;
  }
  return ops;
}

}  // namespace cairn::fuse
