// wire/parse_message.h - how bytes from another machine become a message.
#pragma once

#include <limits>

#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"

namespace cairn {

// Whether `bytes` are a `message` with its required fields. The plain parse functions write a line
// to the log for each message that lacks one, with the names of all that it lacks: at a hostile
// peer's will, and it may lack millions.
inline bool ParseMessage(absl::string_view bytes, google::protobuf::MessageLite* message) {
  return bytes.size() <= static_cast<size_t>(std::numeric_limits<int>::max()) &&
         message->ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
         message->IsInitialized();
}

}  // namespace cairn
