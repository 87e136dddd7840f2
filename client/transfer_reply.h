// client/transfer_reply.h - what a datanode answers to an operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/socket.h"
#include "google/protobuf/message_lite.h"

namespace cairn::client {

// How a datanode refused, or did not: kUnauthenticated for a token it does not take (ask the
// namenode for a new one), else kUnavailable; `what` says who was asked for what.
absl::Status FromTransferStatus(int status, const std::string& message, const std::string& what);

// Reads one length-delimited message. kUnavailable: the connection ended, or the peer sent what is
// no such message.
absl::Status ReceiveDelimited(Socket& socket, google::protobuf::MessageLite& message);

// The same without waiting, for one message after the other.
class DelimitedReceiver {
 public:
  // True: `message` is whole. False: more has to come.
  absl::StatusOr<bool> Receive(Socket& socket, google::protobuf::MessageLite& message);

 private:
  // kUnavailable: it is malformed. True: the length is whole.
  absl::StatusOr<bool> TakeLength(std::byte byte, const Socket& socket);

  uint64_t length_ = 0;
  int shift_ = 0;
  bool has_length_ = false;
  std::string body_;
  size_t received_ = 0;
};

}  // namespace cairn::client
