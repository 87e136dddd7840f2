#include "common/net/congestion.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>

namespace cairn {
namespace {

constexpr char kWithoutPacing[] = "reno";

bool IsOnThisMachine(int fd) {
  sockaddr_in local{}, peer{};
  socklen_t local_size = sizeof(local), peer_size = sizeof(peer);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &local_size) != 0) return false;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0) return false;
  if (local.sin_family != AF_INET || peer.sin_family != AF_INET) return false;
  const bool loopback = (ntohl(peer.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
  return loopback || local.sin_addr.s_addr == peer.sin_addr.s_addr;
}

}  // namespace

void SetCongestionControl(int fd, const std::string& configured) {
  const std::string name =
      configured.empty() && IsOnThisMachine(fd) ? std::string(kWithoutPacing) : configured;
  if (name.empty()) return;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(),
                     static_cast<socklen_t>(name.size()));
}

}  // namespace cairn
