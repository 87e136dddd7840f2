// client/peer_cache.h - idle connections to datanodes, kept a few seconds for the next read.
//
// A datanode closes an idle connection after 4 s, so ours go earlier. Thread-safe; a connection is
// owned either by the cache or by the one who took it.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "client/socket.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace cairn::client {

class PeerCache {
 public:
  // `clock` outlives this.
  PeerCache(int capacity, absl::Duration expiry, Clock& clock);

  // The most recently used connection to `peer` that still looks alive.
  std::optional<Socket> Take(const std::string& peer) ABSL_LOCKS_EXCLUDED(mu_);
  // The oldest go when there is no room.
  void Put(Socket socket) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Idle {
    Socket socket;
    absl::Duration since;
  };
  void DropExpired() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const size_t capacity_;
  const absl::Duration expiry_;
  Clock& clock_;
  Mutex mu_;
  std::deque<Idle> idle_ ABSL_GUARDED_BY(mu_);  // oldest first
};

}  // namespace cairn::client
