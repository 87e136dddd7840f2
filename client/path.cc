#include "client/path.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/net/host_port.h"

namespace cairn::client {

std::string NormalizePath(absl::string_view path) {
  const bool absolute = !path.empty() && path.front() == '/';
  std::vector<absl::string_view> kept;
  for (absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    if (part == "..") {
      if (!kept.empty() && kept.back() != "..") {
        kept.pop_back();
        continue;
      }
      if (absolute) continue;
    }
    kept.push_back(part);
  }
  return absl::StrCat(absolute ? "/" : "", absl::StrJoin(kept, "/"));
}

std::string JoinPath(absl::string_view dir, absl::string_view name) {
  if (!name.empty() && name.front() == '/') return std::string(name);
  if (dir.empty()) return std::string(name);
  if (name.empty()) return std::string(dir);
  return absl::StrCat(dir, dir.back() == '/' ? "" : "/", name);
}

std::string ParentPath(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos || slash == 0) return "/";
  return std::string(path.substr(0, slash));
}

absl::string_view BaseName(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

absl::StatusOr<PathUri> ParsePathUri(absl::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError("Can not create a Path from an empty string");
  PathUri uri;
  const size_t colon = text.find(':');
  const size_t slash = text.find('/');
  // A colon after the first slash belongs to the path.
  if (colon != absl::string_view::npos && (slash == absl::string_view::npos || colon < slash)) {
    if (colon == 0) {
      return absl::InvalidArgumentError(absl::StrCat("no scheme name before the colon: ", text));
    }
    const absl::string_view scheme = text.substr(0, colon);
    for (char c : scheme) {
      if (!absl::ascii_isalnum(c) && c != '+' && c != '-' && c != '.') {
        uri.path = std::string(text);
        return uri;
      }
    }
    uri.scheme = absl::AsciiStrToLower(scheme);
    text.remove_prefix(colon + 1);
  }
  if (text.substr(0, 2) == "//" && text.size() > 2) {
    text.remove_prefix(2);
    const size_t end = text.find('/');
    uri.authority = std::string(text.substr(0, end));
    text = end == absl::string_view::npos ? absl::string_view() : text.substr(end);
  }
  uri.path = text.empty() ? "/" : std::string(text);
  return uri;
}

absl::StatusOr<std::string> DefaultUri(absl::string_view text) {
  if (text.empty()) return std::string();
  std::string uri = WithDefaultScheme(text);
  const absl::StatusOr<PathUri> parsed = ParsePathUri(uri);
  const auto is_of_host = [](char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("-._:[]", c);
  };
  bool usable = parsed.ok() && !parsed->scheme.empty();
  if (usable && parsed->scheme == "hdfs") {
    usable = ParseHostPort(parsed->authority, 1).ok() &&
             std::all_of(parsed->authority.begin(), parsed->authority.end(), is_of_host);
  }
  if (usable) return uri;
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" names no cluster: expected hdfs://host:port"));
}

absl::StatusOr<HostPort> ParseHostPort(absl::string_view text, uint16_t default_port) {
  HostPort result{.host = std::string(text), .port = default_port};
  size_t colon = text.rfind(':');
  if (!text.empty() && text.front() == '[') {
    const size_t close = text.find(']');
    if (close == absl::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat("no ']' in address ", text));
    }
    result.host = std::string(text.substr(1, close - 1));
    colon = close + 1 < text.size() && text[close + 1] == ':' ? close + 1 : absl::string_view::npos;
  } else if (colon != absl::string_view::npos) {
    result.host = std::string(text.substr(0, colon));
  }
  if (colon != absl::string_view::npos) {
    uint32_t port = 0;
    if (!absl::SimpleAtoi(text.substr(colon + 1), &port) || port == 0 || port > 65535) {
      return absl::InvalidArgumentError(absl::StrCat("not a port in ", text));
    }
    result.port = static_cast<uint16_t>(port);
  }
  if (result.host.empty()) return absl::InvalidArgumentError(absl::StrCat("no host in ", text));
  return result;
}

}  // namespace cairn::client
