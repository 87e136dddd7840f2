#include "libhdfs/errno.h"

#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "hdfs/hdfs.h"

namespace cairn::libhdfs {
namespace {

constexpr char kErrnoPayload[] = "cairn.libhdfs.errno";

struct Row {
  FsError error;
  int number;
  absl::string_view exception;
};

constexpr Row kRows[] = {
    {FsError::kFileNotFound, ENOENT, "FileNotFoundException"},
    {FsError::kFileAlreadyExists, EEXIST, "FileAlreadyExistsException"},
    {FsError::kParentNotDirectory, ENOTDIR, "ParentNotDirectoryException"},
    {FsError::kNotEmptyDirectory, ENOTEMPTY, "PathIsNotEmptyDirectoryException"},
    {FsError::kAccessControl, EACCES, "AccessControlException"},
    {FsError::kInvalidPath, EINVAL, "InvalidPathException"},
    {FsError::kIllegalArgument, EINVAL, "HadoopIllegalArgumentException"},
    {FsError::kAlreadyBeingCreated, EBUSY, "AlreadyBeingCreatedException"},
    {FsError::kRecoveryInProgress, EBUSY, "RecoveryInProgressException"},
    {FsError::kLeaseExpired, ESTALE, "LeaseExpiredException"},
    {FsError::kNotReplicatedYet, EINTERNAL, "NotReplicatedYetException"},
    {FsError::kSafeMode, EROFS, "SafeModeException"},
    {FsError::kUnsupported, ENOTSUP, "UnsupportedOperationException"},
    {FsError::kNameTooLong, ENAMETOOLONG, "FSLimitException$PathComponentTooLongException"},
    {FsError::kTooManyEntries, ENOSPC, "FSLimitException$MaxDirectoryItemsExceededException"},
    {FsError::kNamespaceQuota, EDQUOT, "NSQuotaExceededException"},
    {FsError::kSpaceQuota, EDQUOT, "DSQuotaExceededException"},
    {FsError::kReplicaNotFound, EINTERNAL, "ReplicaNotFoundException"},
    {FsError::kStandby, EINTERNAL, "StandbyException"},
    {FsError::kRetriable, EINTERNAL, "RetriableException"},
    {FsError::kIo, EINTERNAL, "IOException"},
    {FsError::kNoSuchMethod, ENOTSUP, "RpcNoSuchMethodException"},
    {FsError::kNoSuchProtocol, ENOTSUP, "RpcNoSuchProtocolException"},
    {FsError::kAcl, EINVAL, "AclException"},
    {FsError::kAuthorization, EACCES, "AuthorizationException"},
    {FsError::kInvalidToken, EACCES, "SecretManager$InvalidToken"},
    {FsError::kJavaIllegalArgument, EINVAL, "IllegalArgumentException"},
    {FsError::kListingStartGone, EINTERNAL, "DirectoryListingStartAfterNotFoundException"},
    {FsError::kSnapshot, EPERM, "SnapshotException"},
    {FsError::kChanged, EINTERNAL, "ConcurrentModificationException"},
    {FsError::kNoErasurePolicySet, EINTERNAL, "NoECPolicySetException"},
};

// What a status is that names no FsError.
Row RowOfCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kNotFound:
      return {FsError::kNone, ENOENT, "FileNotFoundException"};
    case absl::StatusCode::kAlreadyExists:
      return {FsError::kNone, EEXIST, "FileAlreadyExistsException"};
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return {FsError::kNone, EACCES, "AccessControlException"};
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return {FsError::kNone, EINVAL, "IllegalArgumentException"};
    case absl::StatusCode::kUnimplemented:
      return {FsError::kNone, ENOTSUP, "UnsupportedOperationException"};
    case absl::StatusCode::kResourceExhausted:
      return {FsError::kNone, ENOSPC, "IOException"};
    case absl::StatusCode::kDeadlineExceeded:
      return {FsError::kNone, ETIMEDOUT, "SocketTimeoutException"};
    case absl::StatusCode::kAborted:
      return {FsError::kNone, ESTALE, "IOException"};
    case absl::StatusCode::kCancelled:
      return {FsError::kNone, ECANCELED, "CancellationException"};
    case absl::StatusCode::kDataLoss:
      return {FsError::kNone, EINTERNAL, "ChecksumException"};
    default:
      return {FsError::kNone, EINTERNAL, "IOException"};
  }
}

Row RowOf(const absl::Status& status) {
  const FsError error = GetFsError(status);
  for (const Row& row : kRows) {
    if (row.error == error) return row;
  }
  return RowOfCode(status.code());
}

// HDFS has no exception class for a cluster without room, only a text.
bool SaysNoRoom(absl::string_view text) {
  return absl::StrContains(text, "could only be written to 0 of the") ||
         absl::StrContains(text, "could only be replicated to 0 nodes");
}

}  // namespace

absl::Status WithErrno(int number, absl::string_view text) {
  absl::Status status = absl::UnknownError(text);
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(number)));
  return status;
}

int ErrnoOf(const absl::Status& status) {
  if (status.ok()) return 0;
  int number = 0;
  const auto payload = status.GetPayload(kErrnoPayload);
  if (payload.has_value() && absl::SimpleAtoi(std::string(*payload), &number)) return number;
  const Row row = RowOf(status);
  return row.error == FsError::kIo && SaysNoRoom(status.message()) ? ENOSPC : row.number;
}

std::string RootCauseOf(const absl::Status& status) {
  return absl::StrCat(RowOf(status).exception, ": ", status.message());
}

}  // namespace cairn::libhdfs
