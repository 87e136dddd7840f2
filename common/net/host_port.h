// common/net/host_port.h - addresses as the configuration writes them. Each error names key and
// file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/config.h"

namespace cairn {

struct HostPort {
  std::string host;  // without the brackets around an IPv6 address
  uint16_t port = 0;
};

// `text` is "host:port", "[ipv6]:port" or, with a default port, a host alone; it is the value of
// `key` or a part of it. kInvalidArgument: none of these.
absl::StatusOr<HostPort> ParseHostPort(const Config& config, absl::string_view key,
                                       absl::string_view text,
                                       std::optional<uint16_t> default_port = {});

// A cluster's name with its scheme, as Hadoop takes fs.defaultFS: what has no slash is a host of
// HDFS ("nn", "nn:8020"), "local" is file:///. Whether it names anything is not looked at.
std::string WithDefaultScheme(absl::string_view cluster);

// The numeric form of a name, an IPv4 address; numeric addresses of both kinds stay as they are.
// Asks the system's resolver and may wait for it. "": it knows none.
std::string ResolveHost(const std::string& host);
// The same for a host that `key` names. kInvalidArgument: it cannot be resolved.
absl::StatusOr<std::string> ResolveHost(const Config& config, absl::string_view key,
                                        const std::string& host);

}  // namespace cairn
