#include "fuse/ops/ops.h"

namespace cairn::fuse {

const fuse_lowlevel_ops& Operations() {
  static const fuse_lowlevel_ops kOperations = [] {
    fuse_lowlevel_ops ops{};
    ops.init = &Init;
    ops.lookup = &Lookup;
    ops.forget = &Forget;
    ops.forget_multi = &ForgetMulti;
    ops.mkdir = &Mkdir;
    ops.mknod = &Mknod;
    ops.unlink = &Unlink;
    ops.rmdir = &Rmdir;
    ops.rename = &Rename;
    ops.symlink = &Symlink;
    ops.link = &Link;
    ops.readlink = &Readlink;
    ops.getattr = &Getattr;
    ops.setattr = &Setattr;
    ops.access = &Access;
    ops.statfs = &Statfs;
    ops.create = &Create;
    ops.open = &Open;
    ops.read = &Read;
    ops.write = &Write;
    ops.flush = &Flush;
    ops.fsync = &Fsync;
    ops.release = &Release;
    ops.opendir = &Opendir;
    ops.readdir = &Readdir;
    ops.readdirplus = &Readdirplus;
    ops.fsyncdir = &Fsyncdir;
    ops.releasedir = &Releasedir;
    return ops;
  }();
  return kOperations;
}

}  // namespace cairn::fuse
