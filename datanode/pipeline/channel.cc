#include "datanode/pipeline/channel.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "boost/asio/connect.hpp"
#include "boost/asio/ip/address.hpp"
#include "boost/asio/post.hpp"
#include "common/check.h"
#include "common/net/congestion.h"
#include "common/net/domain_socket.h"
#include "wire/transfer/op.h"

namespace cairn::datanode {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr size_t kReadMoreBytes = 4096;
constexpr size_t kMaxAreas = 4;
// For a reader that was starved to take bytes that have come in time.
constexpr std::chrono::seconds kLateLook{1};
// Bounds of what a wait for many bytes waits for.
constexpr size_t kMinLowWater = size_t{16} << 10;
constexpr size_t kMaxLowWater = size_t{256} << 10;

}  // namespace

Channel::Channel(Socket socket, absl::Duration idle_limit)
    : socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      idle_limit_(absl::ToChronoNanoseconds(idle_limit)) {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  const auto endpoint = socket_.remote_endpoint(ignored);
  takes_descriptors_ = endpoint.protocol().family() == AF_UNIX;
  if (takes_descriptors_) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    const bool known =
        ::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    peer_uid_ = known ? peer.uid : static_cast<uid_t>(-1);
    peer_ = known ? absl::StrCat("process ", peer.pid, " of uid ", peer.uid) : "a local process";
  } else {
    tcp::endpoint address;
    address.resize(endpoint.size());
    std::memcpy(address.data(), endpoint.data(), endpoint.size());
    peer_ = absl::StrCat(address.address().to_string(), ":", address.port());
  }
}

awaitable<absl::StatusOr<std::shared_ptr<Channel>>> Channel::Connect(std::string ip, uint16_t port,
                                                                     absl::Duration connect_limit,
                                                                     absl::Duration idle_limit,
                                                                     std::stop_token stop) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(ip, error);
  if (error) {
    co_return absl::InvalidArgumentError(absl::StrCat("\"", ip, "\" is no numeric address"));
  }
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  // Who gives up late finds no socket, or one that is closed since a channel has taken its place.
  const auto socket = std::make_shared<tcp::socket>(executor);
  const auto give_up = [weak = std::weak_ptr<tcp::socket>(socket)] {
    boost::system::error_code ignored;
    if (const auto left = weak.lock()) left->close(ignored);
  };
  asio::steady_timer timer(executor, absl::ToChronoNanoseconds(connect_limit));
  timer.async_wait([give_up](const boost::system::error_code& cancelled) {
    if (!cancelled) give_up();
  });
  const std::stop_callback stopped(stop, [executor, give_up] { asio::post(executor, give_up); });
  const tcp::endpoint endpoint(address, port);
  co_await socket->async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
  timer.cancel();
  if (error || !socket->is_open()) {
    co_return absl::UnavailableError(
        absl::StrCat("connect to ", ip, ":", port, ": ", error ? error.message() : "timed out"));
  }
  auto channel = std::make_shared<Channel>(std::move(*socket), idle_limit);
  channel->AbortWhen(stop);
  co_return channel;
}

// Whoever requests the stop never holds the channel, and so does not destroy it.
void Channel::AbortWhen(const std::stop_token& stop) {
  abort_when_.emplace(stop, [executor = executor(), weak = weak_from_this()] {
    asio::post(executor, [weak] {
      if (const auto self = weak.lock()) self->Close();
    });
  });
}

void Channel::SetIdleLimit(absl::Duration limit) {
  idle_limit_ = absl::ToChronoNanoseconds(limit);
  total_limit_ = false;
  Progress();
  // A timer that sleeps for the old limit would come too late for a shorter one.
  if (timer_running_) timer_.cancel();
}

void Channel::SetTotalLimit(absl::Duration limit) {
  SetIdleLimit(limit);
  total_limit_ = true;
}

void Channel::Tune(const std::string& congestion_control) {
  boost::system::error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  SetCongestionControl(socket_.native_handle(), congestion_control);
}

absl::Status Channel::Failure(const char* call, int error) const {
  if (timed_out_) {
    return absl::DeadlineExceededError(absl::StrCat(peer_, ": ", call, ": the peer was silent"));
  }
  return absl::UnavailableError(absl::StrCat(peer_, ": ", call, ": ", strerror(error)));
}

void Channel::Progress() {
  if (!total_limit_) deadline_ = std::chrono::steady_clock::now() + idle_limit_;
}

// One timer serves all waits: it looks at the deadline when it fires, and sleeps on if that has
// moved.
void Channel::ArmTimer() {
  if (timer_running_ || closed_) return;
  timer_running_ = true;
  timer_.expires_at(deadline_);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code&) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->timer_running_ = false;
    if (self->closed_ || self->waiting_ == 0) return;
    if (std::chrono::steady_clock::now() >= self->deadline_) {
      if (!self->late_look_ && self->reading_ > 0 && !self->total_limit_ && self->HasBytes()) {
        self->late_look_ = true;
        self->deadline_ = std::chrono::steady_clock::now() + kLateLook;
        return self->ArmTimer();
      }
      self->timed_out_ = true;
      self->Close();
    } else {
      self->ArmTimer();
    }
  });
}

bool Channel::HasBytes() const {
  std::byte first;
  return ::recv(const_cast<Socket&>(socket_).native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT) >
         0;
}

bool Channel::HasUnreadOutput() const {
  int bytes = 0;
  return ::ioctl(const_cast<Socket&>(socket_).native_handle(), SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

void Channel::SetLowWater(size_t coming) {
  int wanted = 1;
  if (coming >= kMinLowWater) {
    int receive_buffer = 0;
    socklen_t size = sizeof(receive_buffer);
    // More than a part of the buffer would make the kernel fix the window at that size.
    if (::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, &size) == 0) {
      wanted = static_cast<int>(std::min(coming, kMaxLowWater));
      wanted = std::max(std::min(wanted, receive_buffer / 4), 1);
    }
  }
  if (wanted == low_water_) return;
  const bool set =
      ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof(wanted)) == 0;
  if (set) low_water_ = wanted;
}

awaitable<absl::Status> Channel::WaitReadable(size_t coming) {
  if (closed_) co_return Failure("read", EPIPE);
  SetLowWater(coming);
  Progress();
  late_look_ = false;
  ++waiting_;
  ++reading_;
  ArmTimer();
  boost::system::error_code error;
  co_await socket_.async_wait(Socket::wait_read, asio::redirect_error(asio::use_awaitable, error));
  --waiting_;
  --reading_;
  if (error || closed_) co_return Failure("read", error ? error.value() : EPIPE);
  co_return absl::OkStatus();
}

awaitable<absl::Status> Channel::WaitWritable() {
  if (closed_) co_return Failure("write", EPIPE);
  Progress();
  ++waiting_;
  ArmTimer();
  boost::system::error_code error;
  co_await socket_.async_wait(Socket::wait_write, asio::redirect_error(asio::use_awaitable, error));
  --waiting_;
  if (error || closed_) co_return Failure("write", error ? error.value() : EPIPE);
  co_return absl::OkStatus();
}

absl::StatusOr<size_t> Channel::TryRead(std::span<const iovec> areas) {
  if (closed_) return Failure("read", EPIPE);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(areas.data());
  message.msg_iovlen = areas.size();
  while (true) {
    const ssize_t count = ::recvmsg(socket_.native_handle(), &message, MSG_DONTWAIT);
    if (count > 0) return static_cast<size_t>(count);
    if (count == 0) return absl::UnavailableError(absl::StrCat(peer_, ": closed by the peer"));
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return size_t{0};
    return Failure("read", errno);
  }
}

awaitable<absl::StatusOr<size_t>> Channel::ReadSome(std::span<std::byte> out) {
  const iovec area{.iov_base = out.data(), .iov_len = out.size()};
  while (true) {
    absl::StatusOr<size_t> count = TryRead(std::span(&area, 1));
    if (!count.ok() || *count > 0) co_return count;
    CO_RETURN_IF_ERROR(co_await WaitReadable());
  }
}

awaitable<absl::Status> Channel::Write(std::span<const iovec> areas, bool more) {
  iovec left[kMaxAreas];
  CHECK(areas.size() <= kMaxAreas);
  std::copy(areas.begin(), areas.end(), left);
  size_t first = 0;
  const size_t end = areas.size();
  while (true) {
    while (first < end && left[first].iov_len == 0) ++first;
    if (first == end) co_return absl::OkStatus();
    if (closed_) co_return Failure("write", EPIPE);
    msghdr message{};
    message.msg_iov = left + first;
    message.msg_iovlen = end - first;
    const ssize_t count = ::sendmsg(socket_.native_handle(), &message,
                                    MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) co_return Failure("write", errno);
      CO_RETURN_IF_ERROR(co_await WaitWritable());
      continue;
    }
    size_t sent = static_cast<size_t>(count);
    while (first < end && sent >= left[first].iov_len) sent -= left[first++].iov_len;
    if (first < end) {
      left[first].iov_base = static_cast<char*>(left[first].iov_base) + sent;
      left[first].iov_len -= sent;
    }
  }
}

awaitable<absl::Status> Channel::WriteBytes(std::span<const std::byte> bytes) {
  const iovec area{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  co_return co_await Write(std::span(&area, 1));
}

awaitable<absl::Status> Channel::SendFile(int fd, uint64_t offset, size_t count) {
  auto position = static_cast<off_t>(offset);
  while (count > 0) {
    if (closed_) co_return Failure("write", EPIPE);
    const ssize_t sent = ::sendfile(socket_.native_handle(), fd, &position, count);
    if (sent > 0) {
      count -= static_cast<size_t>(sent);
    } else if (sent == 0) {
      co_return absl::DataLossError("the data file ended early");
    } else if (errno == EIO) {
      co_return absl::DataLossError("the data file cannot be read");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      CO_RETURN_IF_ERROR(co_await WaitWritable());
    } else if (errno != EINTR) {
      co_return Failure("write", errno);
    }
  }
  co_return absl::OkStatus();
}

awaitable<absl::Status> Channel::WriteDescriptors(std::byte byte, std::span<const int> fds) {
  while (true) {
    if (closed_) co_return Failure("write", EPIPE);
    if (SendDescriptors(socket_.native_handle(), byte, fds) == 1) co_return absl::OkStatus();
    if (errno != EAGAIN && errno != EWOULDBLOCK) co_return Failure("write", errno);
    CO_RETURN_IF_ERROR(co_await WaitWritable());
  }
}

awaitable<absl::Status> Channel::ReadMore() {
  const size_t old_size = pending_.size();
  pending_.resize(old_size + kReadMoreBytes);
  const absl::StatusOr<size_t> count = co_await ReadSome(std::span(pending_).subspan(old_size));
  pending_.resize(old_size + (count.ok() ? *count : 0));
  co_return count.status();
}

awaitable<absl::StatusOr<bool>> Channel::AtEnd() {
  if (!pending_.empty()) co_return false;
  std::byte first;
  while (true) {
    const ssize_t count =
        closed_ ? 0 : ::recv(socket_.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (count == 0) co_return true;
    if (count > 0) co_return false;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) co_return Failure("read", errno);
    CO_RETURN_IF_ERROR(co_await WaitReadable());
  }
}

awaitable<absl::StatusOr<std::string>> Channel::ReadDelimited(size_t limit_bytes) {
  while (true) {
    const auto frame = transfer::TakeDelimited(pending_, limit_bytes);
    if (!frame.ok()) co_return frame.status();
    if (frame->has_value()) {
      std::string body((*frame)->body);
      pending_.erase(pending_.begin(),
                     pending_.begin() + static_cast<std::ptrdiff_t>((*frame)->consumed));
      co_return body;
    }
    CO_RETURN_IF_ERROR(co_await ReadMore());
  }
}

void Channel::Close() {
  if (closed_) return;
  closed_ = true;
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.close(ignored);
  timer_.cancel();
  if (const auto next = close_with_.lock()) next->Close();
}

void Channel::CloseWith(const std::shared_ptr<Channel>& next) {
  close_with_ = next;
  if (closed_) next->Close();
}

void Channel::Abort() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->Close(); });
}

std::string Channel::PeerName() const { return peer_; }

}  // namespace cairn::datanode
