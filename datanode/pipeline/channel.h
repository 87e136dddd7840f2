// datanode/pipeline/channel.h - one connection of the data transfer port, for coroutines.
//
// Reads and writes go straight to the caller's memory; nothing is buffered here but a few bytes
// that were read together with an operation's header. Every wait has a limit: when no byte has
// moved for `idle_limit`, the socket is closed and the operation fails with kDeadlineExceeded. A
// connection that the peer closed or reset gives kUnavailable. Bytes that have come count even if
// this process, stopped or starved, did not look in time.
//
// One thread: that of the socket's executor; Close may be posted there from elsewhere by Abort.
#pragma once

#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "boost/asio/any_io_executor.hpp"
#include "boost/asio/generic/stream_protocol.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/steady_timer.hpp"
#include "datanode/pipeline/async.h"

namespace cairn::datanode {

class Channel : public std::enable_shared_from_this<Channel> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;  // TCP's or a UNIX socket
  Channel(Socket socket, absl::Duration idle_limit);

  // Connects to a numeric address. kInvalidArgument: not one. kUnavailable: refused or unreachable,
  // or `stop` was requested. That aborts the channel as well, for as long as there is one.
  static awaitable<absl::StatusOr<std::shared_ptr<Channel>>> Connect(std::string ip, uint16_t port,
                                                                     absl::Duration connect_limit,
                                                                     absl::Duration idle_limit,
                                                                     std::stop_token stop);

  void SetIdleLimit(absl::Duration limit);
  // From now on reads and writes fail `limit` after this call, however many bytes move: against a
  // peer that drips. Ends with the next SetIdleLimit.
  void SetTotalLimit(absl::Duration limit);
  // Best effort: TCP_NODELAY, and the congestion control (common/net/congestion.h).
  void Tune(const std::string& congestion_control);

  // Reads what is there into the areas in turn without waiting; 0: nothing now.
  absl::StatusOr<size_t> TryRead(std::span<const iovec> areas);
  // Waits for bytes or the end of the stream. `coming`: bytes that the peer is bound to send; the
  // wait may go on until a good part of them is here, which saves wake-ups.
  awaitable<absl::Status> WaitReadable(size_t coming = 1);
  // At least one byte.
  awaitable<absl::StatusOr<size_t>> ReadSome(std::span<std::byte> out);

  // Sends all of it. `more`: to be joined with what comes next.
  awaitable<absl::Status> Write(std::span<const iovec> areas, bool more = false);
  awaitable<absl::Status> WriteBytes(std::span<const std::byte> bytes);
  // Sends `count` bytes of a file. kDataLoss: the file ended before.
  awaitable<absl::Status> SendFile(int fd, uint64_t offset, size_t count);

  // Sends a byte with copies of at most kMaxPassedDescriptors descriptors. takes_descriptors().
  awaitable<absl::Status> WriteDescriptors(std::byte byte, std::span<const int> fds);

  // A length-delimited message of at most `limit_bytes`, through the buffer of read-ahead bytes.
  awaitable<absl::StatusOr<std::string>> ReadDelimited(size_t limit_bytes);
  // Bytes read ahead by ReadDelimited or ReadMore and not yet taken.
  std::vector<std::byte>& pending() { return pending_; }
  // Appends at least one byte to pending().
  awaitable<absl::Status> ReadMore();
  // True: the stream ended cleanly before any byte came. Waits for the first byte else.
  awaitable<absl::StatusOr<bool>> AtEnd();

  // Closing this one closes `next` from now on, at once if it is closed already: whoever is busy
  // with the one then notices the end of the other. One such channel; on the same executor.
  void CloseWith(const std::shared_ptr<Channel>& next);
  void Close();
  void Abort();  // any thread
  bool closed() const { return closed_; }
  // Over a UNIX socket: the peer is on this machine, and can be sent descriptors.
  bool takes_descriptors() const { return takes_descriptors_; }
  uid_t peer_uid() const { return peer_uid_; }  // takes_descriptors(); as it was at connecting
  bool HasUnreadOutput() const;                 // takes_descriptors(); sent, and not taken yet
  std::string PeerName() const;
  boost::asio::any_io_executor executor() { return socket_.get_executor(); }

 private:
  absl::Status Failure(const char* call, int error) const;
  awaitable<absl::Status> WaitWritable();
  void SetLowWater(size_t coming);
  void AbortWhen(const std::stop_token& stop);
  void Progress();  // a byte moved, or a wait began
  void ArmTimer();
  bool HasBytes() const;

  Socket socket_;
  boost::asio::steady_timer timer_;
  std::chrono::steady_clock::duration idle_limit_;
  std::chrono::steady_clock::time_point deadline_;
  int waiting_ = 0;
  int reading_ = 0;  // of those, for bytes
  bool total_limit_ = false;
  bool timer_running_ = false;
  bool timed_out_ = false;
  bool late_look_ = false;  // the reader has got a little more time for what came in time
  bool closed_ = false;
  bool takes_descriptors_ = false;
  uid_t peer_uid_ = 0;
  int low_water_ = 1;  // bytes that make the socket readable
  std::vector<std::byte> pending_;
  std::weak_ptr<Channel> close_with_;
  std::optional<std::stop_callback<std::function<void()>>> abort_when_;
  std::string peer_;
};

}  // namespace cairn::datanode
