// namenode/offline/json_text.h - bytes as JSON, for people and tools.
#pragma once

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/utf8.h"
#include "nlohmann/json.hpp"

namespace cairn::namenode {

using Json = nlohmann::ordered_json;

// Text as a string. What is no text, as a name may be, as {"base64": "..."}: nothing is lost.
inline Json BytesToJson(absl::string_view bytes) {
  if (IsUtf8(bytes)) return std::string(bytes);
  return Json{{"base64", absl::Base64Escape(bytes)}};
}

inline std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

}  // namespace cairn::namenode
