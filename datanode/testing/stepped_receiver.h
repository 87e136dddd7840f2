// datanode/testing/stepped_receiver.h - a BlockReceiver that goes on only when its test says so.
//
//   client ---packets---> receiver ---packets---> a next node that reads nothing
//                           | a disk whose jobs wait until ReleaseDisk()
//                           v
//                         a new replica in a node's store
//
// Everything but the disk's jobs runs on the test's thread, in Poll(). So a test can say what comes
// between two packets, or while a packet is on its way to the next node.
#pragma once

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <latch>
#include <memory>
#include <string>
#include <utility>

#include "boost/asio/co_spawn.hpp"
#include "boost/asio/generic/stream_protocol.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "common/check.h"
#include "common/testing/eventually.h"
#include "datanode/pipeline/block_receiver.h"
#include "datanode/testing/test_node.h"
#include "datanode/testing/transfer_client.h"

namespace cairn::datanode::testing {

class SteppedReceiver {
 public:
  SteppedReceiver(TestNode& node, const TestBlock& block, bool mirror_gives_signs = false) {
    disk_.Run([this] { held_.wait(); });
    int ends[2];
    CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const int size = 16384;  // of what is on its way
    CHECK(::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0);
    next_node_ = ends[1];
    Channel::Socket mirror(io_, boost::asio::generic::stream_protocol(AF_UNIX, 0), ends[0]);
    auto writer =
        node.store->Create({.block = BlockId{block.id}, .stamp = GenerationStamp{block.stamp}});
    CHECK(writer.ok()) << writer.status();
    receiver_ = BlockReceiver::Create(
        {.disk = &disk_,
         .buffers = &node.buffers,
         .checksum_buffers = &node.context->checksum_buffers,
         .buffer_waiters = &node.context->buffer_waiters,
         .checksum_waiters = &node.context->checksum_waiters,
         .upstream = std::make_shared<Channel>(acceptor_.accept(), absl::Minutes(1)),
         .mirror = std::make_shared<Channel>(std::move(mirror), absl::Minutes(1)),
         .writer = *std::move(writer),
         .mirror_gives_signs = mirror_gives_signs});
    boost::asio::co_spawn(
        io_.get_executor(), [receiver = receiver_] { return receiver->Run(); },
        [this](const std::exception_ptr&, const absl::Status&) { ended_ = true; });
  }
  ~SteppedReceiver() {
    client.Close();
    ::close(next_node_);
    ReleaseDisk();
    EXPECT_TRUE(Eventually([this] { return Poll().ended_; }));
  }
  SteppedReceiver(const SteppedReceiver&) = delete;
  SteppedReceiver& operator=(const SteppedReceiver&) = delete;

  // Everything that can be done now.
  SteppedReceiver& Poll() {
    io_.restart();
    io_.poll();
    return *this;
  }
  BlockReceiver& receiver() { return *receiver_; }
  void ReleaseDisk() {
    if (!std::exchange(released_, true)) held_.count_down();
  }
  bool ended() const { return ended_; }
  template <typename... Seqnos>
  void AcknowledgeFromNextNode(Seqnos... seqnos) const {
    std::string acks;
    for (const int64_t seqno : {int64_t{seqnos}...}) {
      transfer::AppendAck({.seqno = seqno, .statuses = {hdfs::STATUS_SUCCESS}}, acks);
    }
    CHECK(::send(next_node_, acks.data(), acks.size(), 0) == static_cast<ssize_t>(acks.size()));
  }
  int UnreadByNextNode() const {  // bytes
    int bytes = 0;
    CHECK(::ioctl(next_node_, FIONREAD, &bytes) == 0);
    return bytes;
  }
  int UnreadFromNextNode() const {  // 0: the receiver has read all that it was sent
    int bytes = 0;
    CHECK(::ioctl(next_node_, SIOCOUTQ, &bytes) == 0);
    return bytes;
  }
  SteppedReceiver& ReadByNextNode() {  // all that has come
    char bytes[4096];
    while (::recv(next_node_, bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
    }
    return *this;
  }

 private:
  using tcp = boost::asio::ip::tcp;
  boost::asio::io_context io_;
  tcp::acceptor acceptor_{io_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  std::latch held_{1};
  bool released_ = false;
  bool ended_ = false;
  DiskPool disk_{1};
  int next_node_ = -1;
  std::shared_ptr<BlockReceiver> receiver_;

 public:
  TransferClient client{acceptor_.local_endpoint().port()};
};

}  // namespace cairn::datanode::testing
