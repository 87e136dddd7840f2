// wire/rpc/remote_exception.h - file-system errors as Java exceptions, and back.
//
// HDFS clients decide what to do by the exception's class name, so the names must be exact. This is
// the only place in the program that knows them.
//   server   status -> class name, text, error code        client   class name, text -> status
// A round trip keeps the FsError and the message.
// Source: the exception classes that Hadoop clients unwrap or compare.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/fs_error.h"
#include "wire/rpc/frame.h"

namespace cairn::rpc {

// Classes that the RPC layer itself raises.
inline constexpr absl::string_view kRpcServerException = "org.apache.hadoop.ipc.RpcServerException";
inline constexpr absl::string_view kIpcException = "org.apache.hadoop.ipc.IpcException";
inline constexpr absl::string_view kVersionMismatch = "org.apache.hadoop.ipc.RPC$VersionMismatch";
inline constexpr absl::string_view kSaslException = "javax.security.sasl.SaslException";
inline constexpr absl::string_view kAccessControlException =
    "org.apache.hadoop.security.AccessControlException";
inline constexpr absl::string_view kAuthorizationException =
    "org.apache.hadoop.security.authorize.AuthorizationException";

// A longer text is cut: a client shows the first line.
inline constexpr size_t kMaxErrorTextBytes = 16 * 1024;

struct RemoteException {
  absl::string_view class_name;  // static storage
  std::string text;              // message and a newline, as clients expect; valid UTF-8
  RpcErrorCode code;
};

// `error` is not OK. A status without FsError is judged by its code; what has no class of its own
// becomes java.io.IOException.
RemoteException ToRemoteException(const absl::Status& error);

// What a server's exception means here: a status with FsError payload and the message's first line,
// without the Java stack trace. A class not known here becomes kIo with text "class: message",
// which is what Java shells print.
absl::Status FromRemoteException(absl::string_view class_name, absl::string_view text);

}  // namespace cairn::rpc
