// client/socket.h - one connection to a datanode, used by one thread at a time.
//
// Blocking, because a stream is driven by the thread that reads or writes it: no queue, no wake-up
// of another core. Waits are bounded by the time-outs given at connecting; an exceeded one is
// kUnavailable, as is every failure of the peer, since the answer to all is to try another node.
#pragma once

#include <netdb.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace cairn::client {

struct SocketOptions {
  absl::Duration connect_timeout = absl::Seconds(20);
  absl::Duration read_timeout = absl::Seconds(60);
  absl::Duration write_timeout = absl::Seconds(480);
  std::string congestion_control;  // common/net/congestion.h
};

class Socket {
 public:
  Socket() = default;
  Socket(int fd, std::string peer, const SocketOptions& options);  // takes a connected `fd`
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();

  // `host` is an address or a name.
  static absl::StatusOr<Socket> Connect(const std::string& host, uint16_t port,
                                        const SocketOptions& options);

  // A UNIX socket. `path` is at most 107 bytes long.
  static absl::StatusOr<Socket> ConnectLocally(const std::string& path,
                                               const SocketOptions& options);

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  const std::string& peer() const { return peer_; }  // host:port, for messages
  void Close();
  // Ends both directions: a thread inside a call here returns. May be called from another thread
  // while the socket stays open.
  void Shutdown();

  // In place of SocketOptions::read_timeout.
  void SetReadTimeout(absl::Duration timeout);

  // All of it, or an error and the connection is of no more use.
  absl::Status Send(std::span<const std::byte> data);
  absl::Status Receive(std::span<std::byte> out);
  // Fills all buffers, in order, with as few calls as possible. Changes `buffers`.
  absl::Status ReceiveAll(std::span<iovec> buffers);
  // At least one byte; kUnavailable at the end of the stream.
  absl::StatusOr<size_t> ReceiveSome(std::span<std::byte> out);

  // How many bytes a wait for more waits for; only as long as so many are bound to come. Larger
  // steps save wake-ups. Limited to a quarter of the receive buffer as it is now.
  void SetLowWater(size_t bytes);

  // Without waiting: how much was taken or was there; 0 when it would wait. ReceiveNow returns
  // kUnavailable at the end of the stream.
  absl::StatusOr<size_t> SendNow(std::span<iovec> buffers);
  absl::StatusOr<size_t> ReceiveNow(std::span<std::byte> out);
  // Waits until bytes can be received, or also until some can be sent. False: `timeout` passed.
  absl::StatusOr<bool> Wait(bool or_writable, absl::Duration timeout);

  // Both ends are on one machine.
  bool IsLocal() const;
  // True when the peer has closed, or has sent what nobody asked for.
  bool IsStale() const;

 private:
  absl::Status Error(const char* what, int error) const;

  int fd_ = -1;
  int low_water_ = 1;
  std::string peer_;
};

// A connection that is coming about, for whoever makes several at once. A host's addresses are
// tried one after the other; how long to wait for it is the owner's business.
class PendingSocket {
 public:
  // Waits for nothing but the look-up of a name.
  PendingSocket(const std::string& host, uint16_t port, const SocketOptions& options);
  PendingSocket(const PendingSocket&) = delete;
  PendingSocket& operator=(const PendingSocket&) = delete;
  ~PendingSocket();

  // nullopt: it is still on its way; fd() can be written to when there is more to say.
  // kUnavailable: no address is left. Not to be called after either of the others.
  absl::StatusOr<std::optional<Socket>> Move();
  int fd() const { return fd_; }
  const std::string& peer() const { return peer_; }  // host:port, for messages

 private:
  void Drop(int error);

  const std::string peer_;
  const SocketOptions options_;
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses_;
  const addrinfo* next_ = nullptr;
  int fd_ = -1;
  std::string why_;  // the last address failed, or the name
};

}  // namespace cairn::client
