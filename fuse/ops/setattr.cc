#include <unistd.h>

#include <cerrno>
#include <optional>

#include "common/status_macros.h"
#include "fuse/handles.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {
namespace {

constexpr int kOwnerOrGroup = FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID;
constexpr int kTimes =
    FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW;

// A file as this request needs it: open for as long as the request runs.
class Opened {
 public:
  Opened(Mount& mount, ClientPtr fs, uint64_t id, bool writer)
      : files_(mount.files()),
        fs_(std::move(fs)),
        writer_(writer),
        file_(files_.Open(id, writer)) {}
  ~Opened() { files_.Close(*file_, writer_, *fs_); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  OpenFile& operator*() { return *file_; }
  OpenFile* operator->() { return file_.get(); }

 private:
  OpenFiles& files_;
  const ClientPtr fs_;
  const bool writer_;
  const std::shared_ptr<OpenFile> file_;
};

absl::Status SetLength(fuse_req_t req, Mount& mount, const ClientPtr& caller, uint64_t id,
                       uint64_t length, fuse_file_info* info) {
  // ftruncate(2) may what open(2) allowed.
  if (info != nullptr) {
    FileHandle& handle = FileOf(*info);
    return handle.file().Truncate(handle.client(), length, InterruptedOf(req));
  }
  // A gap at the end goes through the stream of who writes the file, whoever that is.
  RETURN_IF_ERROR(caller->Access(PathOf(id), W_OK));
  Opened file(mount, caller, id, /*writer=*/true);
  RETURN_IF_ERROR(file->Truncate(caller, length, InterruptedOf(req)));
  return file->Complete(OpenFile::Reason::kDescriptorClosed);
}

std::optional<absl::Time> TimeOf(int which, int set, int now, const timespec& time) {
  if ((which & now) != 0) return SystemClock().Now();
  if ((which & set) != 0) return absl::TimeFromTimespec(time);
  return std::nullopt;
}

// Other than the present one.
bool SetsGivenTime(int which) {
  const auto given = [which](int set, int now) { return (which & set) != 0 && (which & now) == 0; };
  return given(FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW) ||
         given(FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW);
}

// As the namenode decides it: an Apache HDFS refuses an owner who may not write.
absl::Status MaySetTimes(const Mount& mount, client::FileSystem& fs, const std::string& path) {
  absl::Status may_write = fs.Access(path, W_OK);
  if (!absl::IsPermissionDenied(may_write) || !mount.is_cairn()) return may_write;
  ASSIGN_OR_RETURN(const client::FileStatus status, fs.Stat(path));
  return status.owner == fs.user() ? absl::OkStatus() : may_write;
}

absl::Status SetTimes(Mount& mount, const ClientPtr& fs, uint64_t id, const struct stat& to,
                      int which) {
  const auto modified = TimeOf(which, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, to.st_mtim);
  const auto accessed = TimeOf(which, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, to.st_atim);
  // Who may not has no other writer's file completed either.
  RETURN_IF_ERROR(MaySetTimes(mount, *fs, PathOf(id)));
  Opened file(mount, fs, id, /*writer=*/false);
  return file->SetTimes(*fs, modified, accessed);
}

}  // namespace

void Setattr(fuse_req_t req, fuse_ino_t ino, struct stat* to, int which, fuse_file_info* info) {
  ServeInode(req, "setattr", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    const uint64_t id = mount.IdOf(ino);
    if ((which & FUSE_SET_ATTR_SIZE) != 0) {
      RETURN_IF_ERROR(SetLength(req, mount, fs, id, static_cast<uint64_t>(to->st_size), info));
    }
    absl::Status owned;
    if ((which & FUSE_SET_ATTR_MODE) != 0) {
      owned = fs->SetPermission(PathOf(id), static_cast<uint16_t>(to->st_mode & 01777));
    }
    if (owned.ok() && (which & kOwnerOrGroup) != 0) {
      owned = fs->SetOwner(
          PathOf(id),
          (which & FUSE_SET_ATTR_UID) != 0 ? mount.users().NameOf(to->st_uid) : std::string(),
          (which & FUSE_SET_ATTR_GID) != 0 ? mount.groups().NameOf(to->st_gid) : std::string());
    }
    absl::Status timed;
    if (owned.ok() && (which & kTimes) != 0) timed = SetTimes(mount, fs, id, *to, which);
    if (absl::IsPermissionDenied(owned) ||
        (absl::IsPermissionDenied(timed) && SetsGivenTime(which))) {
      Refuse(req, EPERM);  // what POSIX says to who is not the owner
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(owned);
    RETURN_IF_ERROR(timed);
    ASSIGN_OR_RETURN(const struct stat attributes, mount.DescribeInode(*fs, id));
    fuse_reply_attr(req, &attributes, absl::ToDoubleSeconds(mount.settings().attribute_life));
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
