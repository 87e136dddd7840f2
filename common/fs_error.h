// common/fs_error.h - what went wrong, in the words of a file system.
//
// An absl::StatusCode tells the caller what to do next; HDFS's clients decide by exception class,
// which is finer (three different classes mean "a file is in the way"). A status made here carries
// both: the code, and an FsError as payload. wire/rpc/remote_exception.h turns an FsError into the
// Java class name and back, at the edge; nothing inside knows class names.
// Source of the distinctions: the exception classes that Hadoop clients unwrap.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace cairn {

// Values travel inside the cluster (gRPC status payload): explicit, never reused.
enum class FsError : uint8_t {
  kNone = 0,                  // a status without payload: judge by its code
  kFileNotFound = 1,          // kNotFound
  kFileAlreadyExists = 2,     // kAlreadyExists
  kParentNotDirectory = 3,    // kFailedPrecondition: an ancestor is a file (create, mkdirs, rename)
  kNotEmptyDirectory = 4,     // kFailedPrecondition: non-recursive delete
  kAccessControl = 5,         // kPermissionDenied: also "path component is a file" of other calls
  kInvalidPath = 6,           // kInvalidArgument: path syntax
  kIllegalArgument = 7,       // kInvalidArgument: HadoopIllegalArgumentException
  kAlreadyBeingCreated = 8,   // kFailedPrecondition: another writer holds the lease
  kRecoveryInProgress = 9,    // kUnavailable: lease recovery has begun, ask again
  kLeaseExpired = 10,         // kAborted: the caller does not hold the lease (any more)
  kNotReplicatedYet = 11,     // kUnavailable: an earlier block lacks its minimum of replicas
  kSafeMode = 12,             // kFailedPrecondition
  kUnsupported = 13,          // kUnimplemented: UnsupportedOperationException
  kNameTooLong = 14,          // kInvalidArgument: component over 255 bytes
  kTooManyEntries = 15,       // kResourceExhausted: directory is full
  kNamespaceQuota = 16,       // kResourceExhausted
  kSpaceQuota = 17,           // kResourceExhausted
  kReplicaNotFound = 18,      // kNotFound: datanode has no such replica
  kStandby = 19,              // kUnavailable: not the active namenode
  kRetriable = 20,            // kUnavailable: starting up, or overloaded
  kIo = 21,                   // kInternal: plain java.io.IOException with a text
  kNoSuchMethod = 22,         // kUnimplemented: RPC layer
  kNoSuchProtocol = 23,       // kUnimplemented: RPC layer
  kAcl = 24,                  // kInvalidArgument
  kAuthorization = 25,        // kPermissionDenied: service level (proxy user refused)
  kInvalidToken = 26,         // kUnauthenticated
  kJavaIllegalArgument = 27,  // kInvalidArgument: java.lang.IllegalArgumentException
  kListingStartGone = 28,     // kNotFound: DirectoryListingStartAfterNotFoundException
  kSnapshot = 29,             // kFailedPrecondition
  kChanged = 30,              // kAborted: the file is not any more what the caller takes it for
  kNoErasurePolicySet = 31,   // kFailedPrecondition: there is none to unset
};

// The absl code that goes with `error`, as listed above.
absl::StatusCode CodeOf(FsError error);

// A status with CodeOf(error), `message` and the payload.
absl::Status MakeFsError(FsError error, absl::string_view message);

// kNone when `status` is OK or carries no payload.
FsError GetFsError(const absl::Status& status);

}  // namespace cairn
