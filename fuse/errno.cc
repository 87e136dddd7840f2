#include "fuse/errno.h"

#include <cerrno>

#include "absl/strings/match.h"
#include "common/fs_error.h"

namespace cairn::fuse {
namespace {

// HDFS has no exception class for these, only a text.
int ErrnoOfText(absl::string_view text) {
  if (absl::StrContains(text, "destination directory is not empty")) return ENOTEMPTY;
  if (absl::StrContains(text, "could only be written to 0 of the") ||
      absl::StrContains(text, "could only be replicated to 0 nodes")) {
    return ENOSPC;
  }
  if (absl::StrContains(text, "Cannot add additional XAttr to inode")) return ENOSPC;
  if (absl::StrContains(text, "XAttr: ")) {
    if (absl::StrContains(text, "The REPLACE flag must be specified")) return EEXIST;
    if (absl::StrContains(text, "The CREATE flag must be specified")) return ENODATA;
  }
  if (absl::StrContains(text, "No matching attributes found for remove operation")) return ENODATA;
  return EIO;
}

int ErrnoOfCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kCancelled:
      return EINTR;
    case absl::StatusCode::kNotFound:
      return ENOENT;
    case absl::StatusCode::kAlreadyExists:
      return EEXIST;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return EACCES;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return EINVAL;
    case absl::StatusCode::kUnimplemented:
      return EOPNOTSUPP;
    case absl::StatusCode::kResourceExhausted:
      return ENOSPC;
    default:
      return EIO;
  }
}

}  // namespace

int ErrnoOf(const absl::Status& status) {
  switch (GetFsError(status)) {
    case FsError::kNone:
      return ErrnoOfCode(status.code());
    case FsError::kFileNotFound:
      return ENOENT;
    case FsError::kFileAlreadyExists:
      return EEXIST;
    case FsError::kParentNotDirectory:
      return ENOTDIR;
    case FsError::kNotEmptyDirectory:
      return ENOTEMPTY;
    case FsError::kAccessControl:
    case FsError::kAuthorization:
    case FsError::kInvalidToken:
      return EACCES;
    case FsError::kIllegalArgument:
      return absl::StrContains(status.message(), "The XAttr is too big") ? E2BIG : EINVAL;
    case FsError::kInvalidPath:
    case FsError::kJavaIllegalArgument:
    case FsError::kAcl:
      return EINVAL;
    case FsError::kAlreadyBeingCreated:
    case FsError::kRecoveryInProgress:
      return EBUSY;
    case FsError::kSafeMode:
      return EROFS;
    case FsError::kUnsupported:
    case FsError::kNoSuchMethod:
    case FsError::kNoSuchProtocol:
      return EOPNOTSUPP;
    case FsError::kNameTooLong:
      return ENAMETOOLONG;
    case FsError::kTooManyEntries:
      return ENOSPC;
    case FsError::kNamespaceQuota:
    case FsError::kSpaceQuota:
      return EDQUOT;
    case FsError::kSnapshot:
      return EPERM;
    case FsError::kNoErasurePolicySet:
      return ENODATA;
    case FsError::kChanged:
      return ESTALE;
    case FsError::kIo:
      return ErrnoOfText(status.message());
    case FsError::kLeaseExpired:
    case FsError::kNotReplicatedYet:
    case FsError::kReplicaNotFound:
    case FsError::kStandby:
    case FsError::kRetriable:
    case FsError::kListingStartGone:
      return EIO;
  }
  return EIO;
}

int ErrnoOfInode(const absl::Status& status) {
  const int error = ErrnoOf(status);
  return error == ENOENT ? ESTALE : error;
}

}  // namespace cairn::fuse
