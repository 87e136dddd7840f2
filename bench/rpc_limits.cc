#include "bench/rpc_limits.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "absl/container/flat_hash_map.h"
#include "bench/commit_file.h"
#include "bench/rpc_load.h"
#include "common/check.h"
#include "wire/rpc/frame.h"
#include "wire/rpc/wire_reader.h"

namespace cairn::bench {
namespace {

// Where Load's call ids are.
//   request   length 4 | length of header 1 | kind 2 | op 2 | tag 1 | id 4
//   answer    length 4 | length of header 1 | tag 1 | id 4
constexpr size_t kIdInCall = 10;
constexpr size_t kIdInAnswer = 6;
constexpr size_t kIdBytes = 4;

// What the forked process does, until it is killed.
class RawLoop {
 public:
  RawLoop(int listener, absl::string_view message)
      : listener_(listener), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    const std::string client_id(16, 'c');
    CHECK(rpc::EncodeResponseBytes({.call_id = kFirstCallId, .client_id = client_id}, message,
                                   rpc::kMaxResponseBytes, &answer_));
    Watch(listener_);
  }

  [[noreturn]] void Run() {
    absl::flat_hash_map<int, std::string> unread;  // the start of a call, by socket
    std::array<epoll_event, 64> events;
    for (;;) {
      const int ready = ::epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < ready; ++i) {
        const int fd = events[static_cast<size_t>(i)].data.fd;
        if (fd == listener_) {
          Accept();
        } else if (!Serve(fd, &unread[fd])) {
          unread.erase(fd);
          ::close(fd);
        }
      }
    }
  }

 private:
  void Watch(int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0) << std::strerror(errno);
  }

  void Accept() {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int one = 1;
    CHECK(::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
    Watch(client);
  }

  // False: the client has left. Sending blocks, which is safe as Load always reads on.
  bool Serve(int fd, std::string* unread) {
    const ssize_t count = ::recv(fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (count <= 0) return false;
    unread->append(buffer_.data(), static_cast<size_t>(count));
    absl::string_view bytes = *unread;
    for (;;) {
      const rpc::FrameScan frame = rpc::ScanFrame(bytes, rpc::kMaxRequestBytes);
      if (frame.result != rpc::FrameScan::kComplete) break;
      Answer(bytes.substr(0, frame.bytes));
      bytes.remove_prefix(frame.bytes);
    }
    unread->erase(0, unread->size() - bytes.size());
    while (!out_.empty()) {
      const ssize_t sent = ::send(fd, out_.view().data(), out_.size(), MSG_NOSIGNAL);
      if (sent < 0) {
        out_.Clear();
        return false;
      }
      out_.RemovePrefix(static_cast<size_t>(sent));
    }
    return true;
  }

  void Answer(absl::string_view call) {
    rpc::WireReader id(call.substr(kIdInCall, kIdBytes));
    uint64_t zigzag = 0;
    CHECK(id.ReadVarint(&zigzag) && id.AtEnd()) << "not a call of Load's";
    char* const at = out_.Extend(answer_.size());
    std::memcpy(at, answer_.view().data(), answer_.size());
    rpc::PutVarint(zigzag / 2, at + kIdInAnswer);
  }

  const int listener_;
  const int epoll_;
  rpc::OutBuffer answer_;
  rpc::OutBuffer out_;
  std::array<char, size_t{64} << 10> buffer_;
};

}  // namespace

RawServer::RawServer(absl::string_view message, pid_t like) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  CHECK(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  CHECK(::listen(listener, SOMAXCONN) == 0);
  CHECK(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  pid_ = ::fork();
  CHECK(pid_ >= 0) << std::strerror(errno);
  if (pid_ == 0) {
    SetCpus(CpusOf(like));
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // should this program be stopped half-way
    RawLoop(listener, message).Run();
  }
  ::close(listener);
}

RawServer::~RawServer() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace cairn::bench
