// client/path.h - path text: from what people type to what the namenode takes.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::client {

// Without "//", "." and ".." components and without a slash at the end (except "/" itself). ".."
// above the root stays at the root for an absolute path.
std::string NormalizePath(absl::string_view path);

// dir + "/" + name, without doubling the slash of "/". An absolute `name` stands alone.
std::string JoinPath(absl::string_view dir, absl::string_view name);

// "/a" of "/a/b"; "/" of "/a" and of "/".
std::string ParentPath(absl::string_view path);

// "b" of "/a/b"; "" of "/".
absl::string_view BaseName(absl::string_view path);

// "hdfs://host:port/a/b" taken apart. Without a scheme, `path` is all of it.
struct PathUri {
  std::string scheme;     // empty: none was given
  std::string authority;  // host:port, or empty
  std::string path;       // as written, not normalized
};
// kInvalidArgument: an empty text or an empty scheme.
absl::StatusOr<PathUri> ParsePathUri(absl::string_view text);

// What fs.defaultFS (or -fs) means, with a scheme: "nn" and "nn:8020" are of HDFS, "local" is
// file:///, as Hadoop takes them; "" stays empty. kInvalidArgument: HDFS without a host, or no name
// of a cluster.
absl::StatusOr<std::string> DefaultUri(absl::string_view text);

inline constexpr uint16_t kDefaultNamenodePort = 8020;  // of a URI that names none

struct HostPort {
  std::string host;
  uint16_t port = 0;
};
// "host", "host:port", "[::1]:port". kInvalidArgument: no host, or not a port.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view text, uint16_t default_port);

}  // namespace cairn::client
