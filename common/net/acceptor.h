// common/net/acceptor.h - a TCP port whose connections somebody else serves.
//
// For a library that can be handed connections, and whose own listener is not to be trusted: that
// of gRPC before 1.58 never accepts again once accept(2) has failed for want of a descriptor. This
// one tries again until it is stopped; who comes meanwhile waits in the kernel's queue.
//
// Who serves a connection closes it, and need not say so: what is still open is counted when the
// most there may be are reached.
//
// Threads: one of its own accepts, and calls `take`. Methods are for the owner's thread, but for
// accept_errors() and refused().
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace cairn {

class Acceptor {
 public:
  // Owns `fd` from then on: connected, non-blocking, closed on exec, without Nagle's delay.
  using Take = std::function<void(int fd)>;

  // Binds and listens; nothing is accepted before Start. `address`: "1.2.3.4:port" or
  // "[ipv6]:port"; 0.0.0.0 and [::] both mean all addresses of either kind; port 0 is a free one.
  // More than `max_connections` are closed at once. A connection whose peer acknowledges nothing of
  // what was sent to it for `most_silence` is broken; zero: when the system thinks so, which takes
  // a quarter of an hour mostly. kInvalidArgument: no such address. Else what the system says,
  // kUnavailable.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Listen(
      absl::string_view address, int max_connections,
      absl::Duration most_silence = absl::ZeroDuration());
  ~Acceptor();  // Stop()
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  uint16_t port() const { return port_; }
  // Accepts from now on, on a thread of this name. Once.
  void Start(const std::string& thread_name, Take take);
  // Closes the port and waits for a running `take`. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  uint64_t accept_errors() const { return accept_errors_.load(std::memory_order_relaxed); }
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }  // too many

 private:
  Acceptor(int listener, uint16_t port, int max_connections, absl::Duration most_silence)
      : listener_(listener),
        port_(port),
        max_connections_(max_connections),
        most_silence_(most_silence) {}

  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  void Admit(int fd);
  bool HasRoom();
  bool Pause() ABSL_LOCKS_EXCLUDED(mu_);  // false: stopped
  bool stopping() ABSL_LOCKS_EXCLUDED(mu_);

  int listener_;  // -1: closed
  const uint16_t port_;
  const int max_connections_;
  const absl::Duration most_silence_;
  Take take_;
  std::thread thread_;
  std::atomic<uint64_t> accept_errors_{0}, refused_{0};
  // Of the thread: the sockets that were handed on, and when they may be counted again.
  absl::flat_hash_map<int, ino_t> handed_on_;
  absl::Duration next_count_ = absl::ZeroDuration();

  Mutex mu_;
  CondVar stopped_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cairn
