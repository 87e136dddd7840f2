#include "client/transfer_reply.h"

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "proto/hdfs/data_transfer.pb.h"
#include "wire/parse_message.h"
#include "wire/transfer/op.h"

namespace cairn::client {
namespace {

absl::Status MalformedLength(const Socket& socket) {
  return absl::UnavailableError(socket.peer() + ": sent a malformed length");
}

absl::Status CheckLength(uint64_t length, const Socket& socket) {
  if (length <= transfer::kMaxReplyBytes) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(socket.peer(), ": sent a message of ", length, " bytes"));
}

absl::Status Parse(const std::string& body, google::protobuf::MessageLite& message,
                   const Socket& socket) {
  if (ParseMessage(body, &message)) return absl::OkStatus();
  return absl::UnavailableError(socket.peer() + ": sent a malformed message");
}

}  // namespace

absl::Status FromTransferStatus(int status, const std::string& message, const std::string& what) {
  if (status == hdfs::STATUS_SUCCESS) return absl::OkStatus();
  const std::string text = absl::StrCat(
      what, ": ", message.empty() ? absl::StrCat("transfer status ", status) : message);
  if (status == hdfs::STATUS_ERROR_ACCESS_TOKEN) return absl::UnauthenticatedError(text);
  return absl::UnavailableError(text);
}

absl::Status ReceiveDelimited(Socket& socket, google::protobuf::MessageLite& message) {
  // The length byte by byte, so that nothing after the message is taken from the socket.
  uint64_t length = 0;
  for (int shift = 0;; shift += 7) {
    std::byte byte;
    RETURN_IF_ERROR(socket.Receive(std::span(&byte, 1)));
    length |= static_cast<uint64_t>(byte & std::byte{0x7F}) << shift;
    if ((byte & std::byte{0x80}) == std::byte{0}) break;
    if (shift == 28) return MalformedLength(socket);
  }
  RETURN_IF_ERROR(CheckLength(length, socket));
  std::string body(length, '\0');
  RETURN_IF_ERROR(socket.Receive(std::as_writable_bytes(std::span(body))));
  return Parse(body, message, socket);
}

absl::StatusOr<bool> DelimitedReceiver::TakeLength(std::byte byte, const Socket& socket) {
  length_ |= static_cast<uint64_t>(byte & std::byte{0x7F}) << shift_;
  if ((byte & std::byte{0x80}) == std::byte{0}) {
    RETURN_IF_ERROR(CheckLength(length_, socket));
    return true;
  }
  if (shift_ == 28) return MalformedLength(socket);
  shift_ += 7;
  return false;
}

absl::StatusOr<bool> DelimitedReceiver::Receive(Socket& socket,
                                                google::protobuf::MessageLite& message) {
  while (!has_length_) {
    std::byte byte;
    ASSIGN_OR_RETURN(const size_t got, socket.ReceiveNow(std::span(&byte, 1)));
    if (got == 0) return false;
    ASSIGN_OR_RETURN(has_length_, TakeLength(byte, socket));
    if (has_length_) body_.resize(length_);
  }
  while (received_ < body_.size()) {
    const auto rest = std::as_writable_bytes(std::span(body_)).subspan(received_);
    ASSIGN_OR_RETURN(const size_t got, socket.ReceiveNow(rest));
    if (got == 0) return false;
    received_ += got;
  }
  RETURN_IF_ERROR(Parse(body_, message, socket));
  *this = {};
  return true;
}

}  // namespace cairn::client
