#include "client/stream_keeper.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "common/thread.h"

namespace cairn::client {

StreamKeeper::~StreamKeeper() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void StreamKeeper::Add(KeptStream& stream) {
  streams_.Add(stream);
  MutexLock lock(mu_);
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void StreamKeeper::Want() {
  if (wanted_.load(std::memory_order_relaxed) || wanted_.exchange(true)) return;
  // Under the lock the thread either has not looked at wanted_ yet, or is waiting.
  MutexLock lock(mu_);
  changed_.NotifyAll();
}

void StreamKeeper::Run() {
  SetThreadName("stream-keeper");
  while (WaitForNext()) {
    // Before the look: what is wanted during it calls for another one.
    wanted_.store(false);
    bool unsent = false;
    streams_.ForEach([&](KeptStream& stream) { unsent |= stream.Serve(); });
    if (unsent) wanted_.store(true);
  }
}

bool StreamKeeper::WaitForNext() {
  const absl::Time began = absl::Now();
  MutexLock lock(mu_);
  while (!stopping_) {
    // A tick even after being woken: the application may be about to call again.
    const absl::Time until = began + (wanted_.load() ? std::min(kTick, period_) : period_);
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) return true;
    changed_.WaitFor(mu_, absl::ToChronoMilliseconds(left) + std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace cairn::client
