#include "client/peer_cache.h"

#include <utility>

namespace cairn::client {

PeerCache::PeerCache(int capacity, absl::Duration expiry, Clock& clock)
    : capacity_(static_cast<size_t>(capacity)), expiry_(expiry), clock_(clock) {}

void PeerCache::DropExpired() {
  const absl::Duration now = clock_.Monotonic();
  while (!idle_.empty() && now - idle_.front().since >= expiry_) idle_.pop_front();
}

std::optional<Socket> PeerCache::Take(const std::string& peer) {
  MutexLock lock(mu_);
  DropExpired();
  for (size_t i = idle_.size(); i-- > 0;) {
    if (idle_[i].socket.peer() != peer) continue;
    Socket found = std::move(idle_[i].socket);
    idle_.erase(idle_.begin() + static_cast<ptrdiff_t>(i));
    if (!found.IsStale()) return found;
  }
  return std::nullopt;
}

void PeerCache::Put(Socket socket) {
  if (capacity_ == 0) return;
  MutexLock lock(mu_);
  DropExpired();
  if (idle_.size() == capacity_) idle_.pop_front();
  idle_.push_back({std::move(socket), clock_.Monotonic()});
}

}  // namespace cairn::client
