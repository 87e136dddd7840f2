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
    if (shift == 28) return absl::UnavailableError(socket.peer() + ": sent a malformed length");
  }
  if (length > transfer::kMaxReplyBytes) {
    return absl::UnavailableError(
        absl::StrCat(socket.peer(), ": sent a message of ", length, " bytes"));
  }
  std::string body(length, '\0');
  RETURN_IF_ERROR(socket.Receive(std::as_writable_bytes(std::span(body))));
  if (!ParseMessage(body, &message)) {
    return absl::UnavailableError(socket.peer() + ": sent a malformed message");
  }
  return absl::OkStatus();
}

}  // namespace cairn::client
