// client/transfer_reply.h - what a datanode answers to an operation.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "client/socket.h"
#include "google/protobuf/message_lite.h"

namespace cairn::client {

// How a datanode refused, or did not: kUnauthenticated for a token it does not take (ask the
// namenode for a new one), else kUnavailable; `what` says who was asked for what.
absl::Status FromTransferStatus(int status, const std::string& message, const std::string& what);

// Reads one length-delimited message. kUnavailable: the connection ended, or the peer sent what is
// no such message.
absl::Status ReceiveDelimited(Socket& socket, google::protobuf::MessageLite& message);

}  // namespace cairn::client
