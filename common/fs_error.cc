#include "common/fs_error.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace cairn {
namespace {

constexpr absl::string_view kPayloadUrl = "cairn/FsError";
constexpr uint32_t kLastFsError = static_cast<uint32_t>(FsError::kNoErasurePolicySet);

}  // namespace

absl::StatusCode CodeOf(FsError error) {
  switch (error) {
    case FsError::kFileNotFound:
    case FsError::kReplicaNotFound:
    case FsError::kListingStartGone:
      return absl::StatusCode::kNotFound;
    case FsError::kFileAlreadyExists:
      return absl::StatusCode::kAlreadyExists;
    case FsError::kParentNotDirectory:
    case FsError::kNotEmptyDirectory:
    case FsError::kAlreadyBeingCreated:
    case FsError::kSafeMode:
    case FsError::kSnapshot:
    case FsError::kNoErasurePolicySet:
      return absl::StatusCode::kFailedPrecondition;
    case FsError::kAccessControl:
    case FsError::kAuthorization:
      return absl::StatusCode::kPermissionDenied;
    case FsError::kInvalidPath:
    case FsError::kIllegalArgument:
    case FsError::kNameTooLong:
    case FsError::kAcl:
    case FsError::kJavaIllegalArgument:
      return absl::StatusCode::kInvalidArgument;
    case FsError::kRecoveryInProgress:
    case FsError::kNotReplicatedYet:
    case FsError::kStandby:
    case FsError::kRetriable:
      return absl::StatusCode::kUnavailable;
    case FsError::kLeaseExpired:
    case FsError::kChanged:
      return absl::StatusCode::kAborted;
    case FsError::kUnsupported:
    case FsError::kNoSuchMethod:
    case FsError::kNoSuchProtocol:
      return absl::StatusCode::kUnimplemented;
    case FsError::kTooManyEntries:
    case FsError::kNamespaceQuota:
    case FsError::kSpaceQuota:
      return absl::StatusCode::kResourceExhausted;
    case FsError::kInvalidToken:
      return absl::StatusCode::kUnauthenticated;
    case FsError::kNone:
    case FsError::kIo:
      return absl::StatusCode::kInternal;
  }
  return absl::StatusCode::kInternal;
}

absl::Status MakeFsError(FsError error, absl::string_view message) {
  absl::Status status(CodeOf(error), message);
  if (error != FsError::kNone) {
    status.SetPayload(kPayloadUrl, absl::Cord(absl::StrCat(static_cast<uint32_t>(error))));
  }
  return status;
}

FsError GetFsError(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value()) return FsError::kNone;
  // It may have come from a peer that is newer than we: a number we do not know is no FsError.
  uint32_t number = 0;
  if (!absl::SimpleAtoi(std::string(*payload), &number) || number > kLastFsError) {
    return FsError::kNone;
  }
  return static_cast<FsError>(number);
}

}  // namespace cairn
