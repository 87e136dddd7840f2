#include "common/net/own_addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include "absl/strings/match.h"

namespace cairn {

absl::flat_hash_set<std::string> OwnAddresses() {
  absl::flat_hash_set<std::string> addresses;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return addresses;
  for (const ifaddrs* i = all; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr) continue;
    const int family = i->ifa_addr->sa_family;
    const void* address = nullptr;
    if (family == AF_INET) {
      address = &reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr;
    } else if (family == AF_INET6) {
      address = &reinterpret_cast<const sockaddr_in6*>(i->ifa_addr)->sin6_addr;
    }
    char text[INET6_ADDRSTRLEN] = {};
    if (address != nullptr && ::inet_ntop(family, address, text, sizeof(text)) != nullptr) {
      addresses.insert(text);
    }
  }
  ::freeifaddrs(all);
  return addresses;
}

bool IsOwnAddress(const std::string& ip, const absl::flat_hash_set<std::string>& own) {
  return absl::StartsWith(ip, "127.") || own.contains(ip);
}

}  // namespace cairn
