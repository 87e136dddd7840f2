// client/read_interrupt.h - lets one thread end what another one waits for on a connection.
//
// Thread-safe.
#pragma once

#include "absl/status/status.h"
#include "client/socket.h"
#include "common/mutex.h"

namespace cairn::client {

class ReadInterrupt {
 public:
  ReadInterrupt() = default;
  ~ReadInterrupt() { Release(); }
  ReadInterrupt(const ReadInterrupt&) = delete;
  ReadInterrupt& operator=(const ReadInterrupt&) = delete;

  // End ends waits on this connection from now on, and no longer those on the one before. The
  // socket may be moved or closed meanwhile. kCancelled: End has been called.
  absl::Status Watch(const Socket& socket) ABSL_LOCKS_EXCLUDED(mu_);
  // The connection is for others to use now. False: End was faster, and it is of no use.
  bool Release() ABSL_LOCKS_EXCLUDED(mu_);
  // What waits fails, and so does all that is begun on the connection, or would be on another one.
  void End() ABSL_LOCKS_EXCLUDED(mu_);
  bool has_ended() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  // A descriptor of our own: the reader's number may be another file's by the time of End.
  int fd_ ABSL_GUARDED_BY(mu_) = -1;
};

}  // namespace cairn::client
