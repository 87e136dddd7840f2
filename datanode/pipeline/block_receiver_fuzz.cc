// Any bytes as what comes from upstream during a write, and from the next node. Whatever they are,
// the receiver ends, keeps nothing of the pools, and what it calls good matches its checksums.
//
//   u8 kind     bits 0-1 the client's checksums: none, a CRC32C for 512, 64 or 1 bytes;
//               4: there is a next node; 8: no acknowledgements; 16: the replica stays open
//   u8 piece    the stream comes in pieces of 16 times that, and 1
//   u8 replies  so many of the bytes that follow come from the next node, if there is one
//   ...         the stream
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <semaphore>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/string_view.h"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/generic/stream_protocol.hpp"
#include "boost/asio/io_context.hpp"
#include "common/check.h"
#include "common/logging.h"
#include "datanode/pipeline/block_receiver.h"
#include "datanode/testing/test_store.h"

namespace cairn::datanode {
namespace {

constexpr BlockId kBlock{1};
constexpr GenerationStamp kStamp{1001};

// A connection, of which this end is the fuzzer's.
class Line {
 public:
  explicit Line(boost::asio::io_context& io) {
    int ends[2];
    CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    fd_ = ends[1];
    Channel::Socket socket(io, boost::asio::generic::stream_protocol(AF_UNIX, 0), ends[0]);
    channel = std::make_shared<Channel>(std::move(socket), absl::Minutes(1));
  }
  ~Line() { ::close(fd_); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  // Sends the first bytes of *out, at most `most`; what there is no room for stays.
  void Send(absl::string_view* out, size_t most) const {
    const ssize_t sent =
        ::send(fd_, out->data(), std::min(most, out->size()), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) out->remove_prefix(static_cast<size_t>(sent));
  }
  void End() const { ::shutdown(fd_, SHUT_WR); }
  void Drain() const {
    char bytes[65536];
    while (::recv(fd_, bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
    }
  }

  std::shared_ptr<Channel> channel;

 private:
  int fd_ = -1;
};

transfer::DataChecksum ClientChecksum(uint8_t kind) {
  using transfer::ChecksumType;
  constexpr uint32_t kChunks[] = {512, 512, 64, 1};
  const bool none = (kind & 3) == 0;
  return {none ? ChecksumType::kNull : ChecksumType::kCrc32c, kChunks[kind & 3]};
}

void FuzzOne(uint8_t kind, size_t piece_bytes, absl::string_view replies,
             absl::string_view stream) {
  static DiskPool& disk = *new DiskPool(1);
  static BufferPool& buffers = *new BufferPool(kWriteBufferBytes, 2);
  static BufferPool& checksum_buffers = *new BufferPool(kWriteBufferBytes, 1);
  const bool has_next = (kind & 4) != 0;
  const bool answers = (kind & 8) == 0;
  const bool finalizes = (kind & 16) == 0;
  testing::TestStore store({"/v1"});
  boost::asio::io_context io;
  // A job holds on to `io` until it is destroyed, which is after it has told its end.
  const absl::Cleanup disk_is_idle = [] {
    std::binary_semaphore done(0);
    disk.Run([&done] { done.release(); });
    done.acquire();
  };
  const Line client(io);
  const Line next(io);
  std::atomic<int> waiters{0};
  std::atomic<int> checksum_waiters{0};
  auto writer = store->Create({.block = kBlock, .stamp = kStamp, .temporary = !finalizes});
  CHECK_OK(writer.status());
  CHECK_OK(BlockReceiver::CheckChecksums((*writer)->checksum(), ClientChecksum(kind)));
  const auto receiver = BlockReceiver::Create({.disk = &disk,
                                               .buffers = &buffers,
                                               .checksum_buffers = &checksum_buffers,
                                               .buffer_waiters = &waiters,
                                               .checksum_waiters = &checksum_waiters,
                                               .upstream = client.channel,
                                               .mirror = has_next ? next.channel : nullptr,
                                               .writer = *std::move(writer),
                                               .client_checksum = ClientChecksum(kind),
                                               .send_acks = answers,
                                               .finalize = finalizes,
                                               .flush_delay = absl::ZeroDuration()});
  bool ended = false;
  absl::Status outcome;
  boost::asio::co_spawn(
      io.get_executor(), [receiver] { return receiver->Run(); },
      [&](const std::exception_ptr& thrown, absl::Status status) {
        CHECK(thrown == nullptr);
        ended = true;
        outcome = std::move(status);
      });
  const auto step = [&](std::chrono::milliseconds wait) {
    io.restart();
    io.poll();
    if (wait.count() > 0 && !ended) io.run_one_for(wait);
    client.Drain();
    next.Drain();
  };
  next.Send(&replies, replies.size());
  while (!stream.empty() && !ended && !client.channel->closed()) {
    client.Send(&stream, piece_bytes);
    step(std::chrono::milliseconds(0));
  }
  client.End();
  next.End();
  while (!ended) step(std::chrono::milliseconds(10));

  CHECK_EQ(buffers.taken(), 0u);
  CHECK_EQ(checksum_buffers.taken(), 0u);
  CHECK_EQ(receiver->own_bytes(), 0u);
  CHECK_EQ(waiters.load(), 0);
  if (!outcome.ok()) return;
  const auto info = store->Find(kBlock);
  CHECK(info.has_value());
  CHECK_EQ(info->length, receiver->received_bytes());
  CHECK(info->state == (finalizes ? ReplicaState::kFinalized : ReplicaState::kBeingWritten));
  // Behind others a node does not look at what it passes on.
  if (finalizes && !has_next) CHECK_OK(store->Verify(kBlock, kStamp));
}

}  // namespace
}  // namespace cairn::datanode

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cairn::SetLogLevel(cairn::LogLevel::kError);
  if (size < 3) return 0;
  const absl::string_view all(reinterpret_cast<const char*>(data), size);
  const absl::string_view rest = all.substr(3);
  const size_t replies = (data[0] & 4) == 0 ? 0 : std::min<size_t>(data[2], rest.size());
  cairn::datanode::FuzzOne(data[0], size_t{data[1]} * 16 + 1, rest.substr(0, replies),
                           rest.substr(replies));
  return 0;
}
