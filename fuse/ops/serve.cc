#include "fuse/ops/serve.h"

#include <fcntl.h>
#include <linux/limits.h>

#include <cerrno>

#include "common/logging.h"
#include "common/utf8.h"
#include "fuse/errno.h"
#include "fuse/paths.h"
#include "fuse/xattr_names.h"

namespace cairn::fuse {
namespace {

void Answer(fuse_req_t req, const char* op, const absl::Status& status, int error) {
  if (error == EIO) LOG_EVERY_SECONDS(kWarn, 1, "{}: {}", op, status);
  Refuse(req, error);
}

}  // namespace

Mount& MountOf(fuse_req_t req) { return *static_cast<Mount*>(fuse_req_userdata(req)); }

void Refuse(fuse_req_t req, int error) {
  MountOf(req).statistics().NoteError(error);
  fuse_reply_err(req, error);
}

void Decline(fuse_req_t req, int error) { fuse_reply_err(req, error); }

void Fail(fuse_req_t req, const char* op, const absl::Status& status) {
  Answer(req, op, status, ErrnoOf(status));
}

void FailInode(fuse_req_t req, const char* op, const absl::Status& status) {
  Answer(req, op, status, ErrnoOfInode(status));
}

namespace {

absl::Status Run(fuse_req_t req, const Body& body) {
  Mount& mount = MountOf(req);
  const absl::StatusOr<ClientPtr> fs = mount.ClientOf(fuse_req_ctx(req)->uid);
  return fs.ok() ? body(mount, *fs) : fs.status();
}

}  // namespace

void Serve(fuse_req_t req, const char* op, const Body& body) {
  if (const absl::Status status = Run(req, body); !status.ok()) Fail(req, op, status);
}

void ServeInode(fuse_req_t req, const char* op, const Body& body) {
  if (const absl::Status status = Run(req, body); !status.ok()) FailInode(req, op, status);
}

void AnswerXattr(fuse_req_t req, absl::string_view value, size_t size) {
  static_assert(XATTR_LIST_MAX == XATTR_SIZE_MAX);
  if (value.size() > XATTR_SIZE_MAX) {
    Refuse(req, E2BIG);
  } else if (size == 0) {
    fuse_reply_xattr(req, value.size());
  } else if (value.size() > size) {
    Decline(req, ERANGE);  // it is asked for again, with more room
  } else {
    fuse_reply_buf(req, value.data(), value.size());
  }
}

bool RefuseName(fuse_req_t req, absl::string_view name) {
  const int error = name.size() > kMaxNameBytes ? ENAMETOOLONG : IsUtf8(name) ? 0 : EILSEQ;
  if (error != 0) Refuse(req, error);
  return error != 0;
}

bool RefuseXattrChange(fuse_req_t req, absl::string_view name) {
  switch (OwnerOf(name)) {
    case XattrOwner::kServer:
      return false;
    case XattrOwner::kMount:
      Refuse(req, EPERM);
      return true;
    case XattrOwner::kNobody:
      Decline(req, EOPNOTSUPP);  // cp -p tries to set each file's access-control list
      return true;
  }
  return false;
}

Interrupted InterruptedOf(fuse_req_t req) {
  return [req] { return fuse_req_interrupted(req) != 0; };
}

bool MayMapToWrite(int flags) {
  // The kernel believes that an append begins where it thinks the end is: pages would be wrong.
  return (flags & O_ACCMODE) == O_RDWR && (flags & O_APPEND) == 0;
}

void SetCaching(fuse_file_info& info, bool in_place, bool keep) {
  const int access = info.flags & O_ACCMODE;
  info.direct_io = access != O_RDONLY && !(in_place && MayMapToWrite(info.flags));
  info.keep_cache = keep && !info.direct_io;
  info.noflush = access == O_RDONLY;
}

}  // namespace cairn::fuse
