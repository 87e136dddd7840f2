#include "common/net/host_port.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cairn {
namespace {

bool IsNumeric(const std::string& host) {
  in6_addr address;  // has room for both
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

absl::StatusOr<HostPort> ParseHostPort(const Config& config, absl::string_view key,
                                       absl::string_view text,
                                       std::optional<uint16_t> default_port) {
  const size_t colon = text.rfind(':');
  const bool has_port = colon != absl::string_view::npos && text.back() != ']';
  absl::string_view host = has_port ? text.substr(0, colon) : text;
  uint32_t port = default_port.value_or(0);
  const bool port_is_good = has_port
                                ? absl::SimpleAtoi(text.substr(colon + 1), &port) && port <= 65535
                                : default_port.has_value();
  if (absl::ConsumePrefix(&host, "[") && !absl::ConsumeSuffix(&host, "]")) host = "";
  if (host.empty() || !port_is_good) {
    return config.Reject(key, default_port ? "expected host or host:port" : "expected host:port");
  }
  return HostPort{std::string(host), static_cast<uint16_t>(port)};
}

std::string WithDefaultScheme(absl::string_view cluster) {
  if (cluster == "local") return "file:///";
  const bool is_host = !cluster.empty() && !absl::StrContains(cluster, '/');
  return is_host ? absl::StrCat("hdfs://", cluster) : std::string(cluster);
}

std::string ResolveHost(const std::string& host) {
  if (IsNumeric(host)) return host;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_family = AF_INET;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return "";
  char text[INET_ADDRSTRLEN] = {};
  const auto* const address = reinterpret_cast<const sockaddr_in*>(found->ai_addr);
  ::inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text));
  ::freeaddrinfo(found);
  return text;
}

absl::StatusOr<std::string> ResolveHost(const Config& config, absl::string_view key,
                                        const std::string& host) {
  std::string address = ResolveHost(host);
  if (!address.empty()) return address;
  return config.Reject(key, absl::StrCat("host name ", host, " cannot be resolved"));
}

}  // namespace cairn
