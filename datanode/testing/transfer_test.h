// datanode/testing/transfer_test.h - what the tests of the data transfer port share.
#pragma once

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "common/check.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "datanode/testing/test_node.h"

namespace cairn::datanode::testing {

// A next node that takes connections and then, after a good reply if it is asked for one, says and
// reads nothing more: as one that was stopped.
class SilentNode {
 public:
  explicit SilentNode(bool replies, bool promises_signs = false)
      : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const int size = 4096;  // of what it takes in without reading
    CHECK(::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    CHECK(::bind(listener_, any, length) == 0 && ::listen(listener_, 8) == 0);
    CHECK(::getsockname(listener_, any, &length) == 0);
    port_ = ntohs(address.sin_port);
    if (!replies) return;
    thread_ = std::thread([this, promises_signs] {
      const int fd = ::accept(listener_, nullptr, nullptr);
      hdfs::BlockOpResponseProto reply;
      reply.set_status(hdfs::STATUS_SUCCESS);
      reply.set_signsoflife(promises_signs);
      reply.set_firstbadlink("");
      const std::string bytes = transfer::EncodeDelimited(reply);
      CHECK(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0);
      connection_ = fd;
    });
  }
  // What it was sent first, and would not read otherwise.
  std::string Received() {
    if (thread_.joinable()) thread_.join();
    std::string bytes(4096, '\0');
    const ssize_t got = ::recv(connection_, bytes.data(), bytes.size(), 0);
    bytes.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
    return bytes;
  }
  ~SilentNode() {
    if (thread_.joinable()) thread_.join();
    if (connection_ >= 0) ::close(connection_);
    ::close(listener_);
  }
  SilentNode(const SilentNode&) = delete;
  SilentNode& operator=(const SilentNode&) = delete;
  uint16_t port() const { return port_; }
  // Waits until somebody has connected and sent something. Once; not with replies.
  void WaitForBytes() {
    connection_ = ::accept(listener_, nullptr, nullptr);
    char byte = 0;
    CHECK(::recv(connection_, &byte, 1, MSG_PEEK) == 1);
  }

 private:
  const int listener_;
  int connection_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

// Over real sockets and, unless a test says otherwise, a real directory.
class TransferTest : public ::testing::Test {
 protected:
  // Writes a whole new block through `nodes` in order.
  static absl::Status Write(const std::vector<TestNode*>& nodes, const TestBlock& block,
                            absl::string_view data, size_t packet_bytes = 65536) {
    TransferClient client(nodes[0]->port());
    std::vector<uint16_t> targets;
    for (size_t i = 1; i < nodes.size(); ++i) targets.push_back(nodes[i]->port());
    client.SendOp(transfer::Opcode::kWriteBlock, WriteOp(block, targets));
    ASSIGN_OR_RETURN(const auto reply, client.ReadReply());
    if (reply.status() != hdfs::STATUS_SUCCESS || !reply.has_firstbadlink()) {
      return absl::FailedPreconditionError(reply.ShortDebugString());
    }
    return client.WriteRest(0, data, packet_bytes);
  }
  static absl::StatusOr<std::string> Read(TestNode& node, const TestBlock& block, uint64_t offset,
                                          uint64_t length) {
    return TransferClient(node.port()).ReadBlock(block, offset, length);
  }

  // Opens a pipeline and gets its good reply.
  static void SetUp(TransferClient& client, const hdfs::OpWriteBlockProto& op) {
    ASSERT_TRUE(client.SendOp(transfer::Opcode::kWriteBlock, op));
    ASSERT_OK_AND_ASSIGN(const auto reply, client.ReadReply());
    ASSERT_EQ(reply.status(), hdfs::STATUS_SUCCESS) << reply.ShortDebugString();
  }
  static void ExpectAck(TransferClient& client, int64_t seqno) {
    ASSERT_OK_AND_ASSIGN(const auto ack, client.ReadAck());
    EXPECT_EQ(ack.seqno, seqno);
    EXPECT_TRUE(ack.AllSucceeded());
  }

  // Flips a bit of a replica's data, as a rotten disk would.
  static void Rot(TestNode& node, const TestBlock& block, std::streamoff offset) {
    const ReplicaInfo info = *node.store->Find(BlockId{block.id});
    const std::string path = PathsIn(node.store->volumes()[0]->DirectoryOf(info.block, info.state),
                                     info.block, info.stamp)
                                 .data;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(offset);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(offset);
    file.put(byte);
    ASSERT_TRUE(file.flush());
  }
  static TransferOptions Impatient() {
    TransferOptions options;
    options.next_node_limit = absl::Milliseconds(200);
    options.next_node_extra = absl::Milliseconds(200);
    return options;
  }

  TempDir dir_;
};

}  // namespace cairn::datanode::testing
