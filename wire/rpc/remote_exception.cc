#include "wire/rpc/remote_exception.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/check.h"
#include "common/utf8.h"

namespace cairn::rpc {
namespace {

struct Row {
  FsError error;
  absl::string_view class_name;
};

// The first row of an error is what a server sends; the others are also understood.
constexpr Row kRows[] = {
    {FsError::kFileNotFound, "java.io.FileNotFoundException"},
    {FsError::kFileAlreadyExists, "org.apache.hadoop.fs.FileAlreadyExistsException"},
    {FsError::kParentNotDirectory, "org.apache.hadoop.fs.ParentNotDirectoryException"},
    {FsError::kNotEmptyDirectory, "org.apache.hadoop.fs.PathIsNotEmptyDirectoryException"},
    {FsError::kAccessControl, kAccessControlException},
    {FsError::kAccessControl, "org.apache.hadoop.hdfs.protocol.SnapshotAccessControlException"},
    {FsError::kInvalidPath, "org.apache.hadoop.fs.InvalidPathException"},
    {FsError::kIllegalArgument, "org.apache.hadoop.HadoopIllegalArgumentException"},
    {FsError::kAlreadyBeingCreated, "org.apache.hadoop.hdfs.protocol.AlreadyBeingCreatedException"},
    {FsError::kRecoveryInProgress, "org.apache.hadoop.hdfs.protocol.RecoveryInProgressException"},
    {FsError::kLeaseExpired, "org.apache.hadoop.hdfs.server.namenode.LeaseExpiredException"},
    {FsError::kNotReplicatedYet,
     "org.apache.hadoop.hdfs.server.namenode.NotReplicatedYetException"},
    {FsError::kSafeMode, "org.apache.hadoop.hdfs.server.namenode.SafeModeException"},
    {FsError::kUnsupported, "java.lang.UnsupportedOperationException"},
    {FsError::kNameTooLong,
     "org.apache.hadoop.hdfs.protocol.FSLimitException$PathComponentTooLongException"},
    {FsError::kTooManyEntries,
     "org.apache.hadoop.hdfs.protocol.FSLimitException$MaxDirectoryItemsExceededException"},
    {FsError::kNamespaceQuota, "org.apache.hadoop.hdfs.protocol.NSQuotaExceededException"},
    {FsError::kSpaceQuota, "org.apache.hadoop.hdfs.protocol.DSQuotaExceededException"},
    {FsError::kSpaceQuota, "org.apache.hadoop.hdfs.protocol.QuotaByStorageTypeExceededException"},
    {FsError::kReplicaNotFound, "org.apache.hadoop.hdfs.server.datanode.ReplicaNotFoundException"},
    {FsError::kStandby, "org.apache.hadoop.ipc.StandbyException"},
    {FsError::kStandby, "org.apache.hadoop.ipc.ObserverRetryOnActiveException"},
    {FsError::kRetriable, "org.apache.hadoop.ipc.RetriableException"},
    {FsError::kIo, "java.io.IOException"},
    {FsError::kNoSuchMethod, "org.apache.hadoop.ipc.RpcNoSuchMethodException"},
    {FsError::kNoSuchProtocol, "org.apache.hadoop.ipc.RpcNoSuchProtocolException"},
    {FsError::kAcl, "org.apache.hadoop.hdfs.protocol.AclException"},
    {FsError::kAuthorization, kAuthorizationException},
    {FsError::kInvalidToken, "org.apache.hadoop.security.token.SecretManager$InvalidToken"},
    {FsError::kJavaIllegalArgument, "java.lang.IllegalArgumentException"},
    {FsError::kListingStartGone,
     "org.apache.hadoop.fs.DirectoryListingStartAfterNotFoundException"},
    {FsError::kSnapshot, "org.apache.hadoop.hdfs.protocol.SnapshotException"},
    {FsError::kChanged, "java.util.ConcurrentModificationException"},
    {FsError::kNoErasurePolicySet, "org.apache.hadoop.hdfs.protocol.NoECPolicySetException"},
};

absl::string_view ClassOf(FsError error) {
  for (const Row& row : kRows) {
    if (row.error == error) return row.class_name;
  }
  return "java.io.IOException";
}

// What a status that names no FsError comes closest to.
FsError ErrorOfCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kNotFound:
      return FsError::kFileNotFound;
    case absl::StatusCode::kAlreadyExists:
      return FsError::kFileAlreadyExists;
    case absl::StatusCode::kPermissionDenied:
      return FsError::kAccessControl;
    case absl::StatusCode::kUnauthenticated:
      return FsError::kAccessControl;
    case absl::StatusCode::kInvalidArgument:
      return FsError::kIllegalArgument;
    case absl::StatusCode::kUnimplemented:
      return FsError::kUnsupported;
    case absl::StatusCode::kUnavailable:
      return FsError::kRetriable;
    default:
      return FsError::kIo;
  }
}

RpcErrorCode CodeOfError(FsError error) {
  switch (error) {
    case FsError::kNoSuchMethod:
      return RpcErrorCode::kNoSuchMethod;
    case FsError::kNoSuchProtocol:
      return RpcErrorCode::kNoSuchProtocol;
    default:
      return RpcErrorCode::kApplication;
  }
}

// A Java server appends its stack trace, and prefixes the class in some releases.
absl::string_view MessageOf(absl::string_view class_name, absl::string_view text) {
  text = text.substr(0, text.find("\n\tat "));
  text = absl::StripTrailingAsciiWhitespace(text);
  absl::string_view rest = text;
  const bool prefixed = absl::ConsumePrefix(&rest, class_name) && absl::ConsumePrefix(&rest, ": ");
  return prefixed ? rest : text;
}

const absl::flat_hash_map<absl::string_view, FsError>& ErrorsByClass() {
  static const auto* const kMap = [] {
    auto* map = new absl::flat_hash_map<absl::string_view, FsError>();
    for (const Row& row : kRows) map->emplace(row.class_name, row.error);
    return map;
  }();
  return *kMap;
}

}  // namespace

RemoteException ToRemoteException(const absl::Status& error) {
  CHECK(!error.ok()) << "an OK status is no exception";
  FsError kind = GetFsError(error);
  if (kind == FsError::kNone) kind = ErrorOfCode(error.code());
  std::string text = ToUtf8(error.message().substr(0, kMaxErrorTextBytes));
  text.push_back('\n');
  return {ClassOf(kind), std::move(text), CodeOfError(kind)};
}

absl::Status FromRemoteException(absl::string_view class_name, absl::string_view text) {
  const absl::string_view message = MessageOf(class_name, text);
  const auto found = ErrorsByClass().find(class_name);
  if (found != ErrorsByClass().end()) return MakeFsError(found->second, message);
  if (class_name.empty()) return MakeFsError(FsError::kIo, message);
  return MakeFsError(FsError::kIo, absl::StrCat(class_name, ": ", message));
}

}  // namespace cairn::rpc
