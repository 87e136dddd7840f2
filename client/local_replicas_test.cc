#include "client/local_replicas.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/transfer_reply.h"
#include "common/check.h"
#include "common/mutex.h"
#include "common/net/domain_socket.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "proto/hdfs/data_transfer.pb.h"
#include "wire/transfer/meta_file.h"
#include "wire/transfer/op.h"

namespace cairn::client {
namespace {

constexpr uint32_t kPort = 9866;

// Answers operations at a UNIX socket as a datanode would, or as the test says.
class Datanode {
 public:
  explicit Datanode(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    CHECK(::listen(listener_, 8) == 0);
    thread_ = std::thread([this] { Run(); });
  }
  ~Datanode() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

  // What becomes of a request; false: the connection is closed.
  using Answer = std::function<bool(Socket&)>;
  void AnswerBy(Answer answer) {
    MutexLock lock(mu_);
    answer_ = std::move(answer);
  }
  std::atomic<int> requests = 0, connections = 0;

 private:
  void Run() {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      ++connections;
      Socket socket(fd, "client", {});
      while (true) {
        std::array<std::byte, 3> head;  // version and opcode
        if (!socket.Receive(head).ok()) break;
        hdfs::OpRequestShortCircuitAccessProto op;
        if (!ReceiveDelimited(socket, op).ok()) break;
        ++requests;
        if (!TheAnswer()(socket)) break;
      }
    }
  }

  Answer TheAnswer() {
    MutexLock lock(mu_);
    return answer_;
  }

  int listener_;
  Mutex mu_;
  Answer answer_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

class LocalReplicasTest : public ::testing::Test {
 protected:
  LocalReplicasTest() : datanode_(dir_.Path("dn.9866")) {
    datanode_.AnswerBy([this](Socket& socket) { return HandOver(socket); });
    node_.set_ipaddr("127.0.0.1");
    node_.set_xferport(kPort);
    node_.set_datanodeuuid("dn-1");
    block_.set_poolid("BP-1");
    block_.set_blockid(7);
    block_.set_generationstamp(1007);
    token_.set_identifier("");
    token_.set_password("");
    token_.set_kind("");
    token_.set_service("");
    Put("blk", "bytes");
    std::string meta(transfer::kMetaHeaderBytes, '\0');
    transfer::EncodeMetaHeader({}, std::as_writable_bytes(std::span(meta)).first<7>());
    Put("blk.meta", meta);
  }
  void Put(const std::string& name, const std::string& bytes) {
    const int fd = ::open(dir_.Path(name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    ::close(fd);
  }
  static bool Reply(Socket& socket, hdfs::Status status, bool version) {
    hdfs::BlockOpResponseProto reply;
    reply.set_status(status);
    reply.set_message("because");
    if (version) reply.set_shortcircuitaccessversion(1);
    const std::string bytes = transfer::EncodeDelimited(reply);
    return socket.Send(std::as_bytes(std::span(bytes))).ok();
  }
  bool HandOver(Socket& socket) {
    const std::array<int, 2> fds = {::open(dir_.Path("blk").c_str(), O_RDONLY | O_CLOEXEC),
                                    ::open(dir_.Path("blk.meta").c_str(), O_RDONLY | O_CLOEXEC)};
    const bool sent = Reply(socket, hdfs::STATUS_SUCCESS, true) &&
                      SendDescriptors(socket.fd(), std::byte{0}, fds) == 1;
    for (const int fd : fds) ::close(fd);
    return sent;
  }
  std::shared_ptr<const LocalReplica> Get() { return local_.Get(node_, block_, token_); }

  TempDir dir_;
  Datanode datanode_;
  FakeClock clock_;
  PeerCache peers_{4, absl::Seconds(3), clock_};
  LocalReplicas local_{
      {.socket_path = dir_.Path("dn._PORT"), .capacity = 2, .expiry = absl::Minutes(5)},
      peers_,
      clock_};
  hdfs::DatanodeIDProto node_;
  hdfs::ExtendedBlockProto block_;
  hdfs::TokenProto token_;
};

TEST_F(LocalReplicasTest, AReplicaIsAskedForOnceAndKept) {
  const auto replica = Get();
  ASSERT_NE(replica, nullptr);
  EXPECT_EQ(replica->length(), 5u);
  EXPECT_EQ(Get(), replica);
  EXPECT_EQ(datanode_.requests, 1);
  block_.set_generationstamp(1008);  // another version is another replica
  EXPECT_NE(Get(), replica);
  EXPECT_EQ(datanode_.requests, 2);
  EXPECT_EQ(datanode_.connections, 1) << "it was kept for the next request";
  // So is that of a cluster that took the place of another one, or of another datanode.
  block_.set_generationstamp(1007);
  block_.set_poolid("BP-2");
  EXPECT_NE(Get(), replica);
  block_.set_poolid("BP-1");
  node_.set_datanodeuuid("dn-2");
  EXPECT_NE(Get(), replica);
  EXPECT_EQ(datanode_.requests, 4);
}

TEST_F(LocalReplicasTest, TheLeastRecentlyUsedGoesFirst) {
  const auto replica = Get();
  block_.set_blockid(8);
  Get();
  block_.set_blockid(7);
  EXPECT_EQ(Get(), replica);
  block_.set_blockid(9);
  Get();
  EXPECT_EQ(datanode_.requests, 3);
  block_.set_blockid(7);
  EXPECT_EQ(Get(), replica);
  EXPECT_EQ(datanode_.requests, 3);
  block_.set_blockid(8);
  Get();
  EXPECT_EQ(datanode_.requests, 4);
}

TEST_F(LocalReplicasTest, WhatIsKeptIsKnownWithoutAQuestion) {
  EXPECT_FALSE(local_.Has(node_, block_));
  EXPECT_EQ(datanode_.requests, 0);
  Get();
  EXPECT_TRUE(local_.Has(node_, block_));
  clock_.Advance(absl::Minutes(5));
  EXPECT_FALSE(local_.Has(node_, block_)) << "Get would ask";
  Get();
  local_.Reject(node_, block_);
  EXPECT_FALSE(local_.Has(node_, block_));
}

// Streams hold what they read, however many there are of them.
TEST_F(LocalReplicasTest, WhatStreamsHoldIsBoundedToo) {
  LocalReplicas few({.socket_path = dir_.Path("dn._PORT"), .capacity = 2, .most_open = 3}, peers_,
                    clock_);
  const auto get = [&](uint64_t block) {
    block_.set_blockid(block);
    return few.Get(node_, block_, token_);
  };
  std::vector<std::shared_ptr<const LocalReplica>> held;
  for (uint64_t block = 1; block <= 3; ++block) {
    held.push_back(get(block));
    ASSERT_NE(held.back(), nullptr);
  }
  EXPECT_EQ(get(4), nullptr);
  held.pop_back();
  EXPECT_NE(get(4), nullptr);
  EXPECT_NE(get(5), nullptr) << "what is only kept makes room";
  held.push_back(get(6));
  EXPECT_NE(held.back(), nullptr);
  EXPECT_EQ(get(7), nullptr);
}

TEST_F(LocalReplicasTest, AfterSomeTimeItIsAskedForAgain) {
  ASSERT_NE(Get(), nullptr);
  clock_.Advance(absl::Minutes(4));
  ASSERT_NE(Get(), nullptr);
  clock_.Advance(absl::Minutes(4));
  ASSERT_NE(Get(), nullptr) << "it is in use";
  EXPECT_EQ(datanode_.requests, 1);
  clock_.Advance(absl::Minutes(5));
  ASSERT_NE(Get(), nullptr);
  EXPECT_EQ(datanode_.requests, 2);
}

TEST_F(LocalReplicasTest, WhatIsRefusedOrRejectedIsNotAskedForAtOnceAgain) {
  datanode_.AnswerBy([](Socket& socket) {
    return Reply(socket, hdfs::STATUS_ERROR_UNSUPPORTED, /*version=*/true);
  });
  EXPECT_EQ(Get(), nullptr);
  EXPECT_EQ(Get(), nullptr);
  EXPECT_EQ(datanode_.requests, 1);
  datanode_.AnswerBy([this](Socket& socket) { return HandOver(socket); });
  block_.set_blockid(8);
  EXPECT_NE(Get(), nullptr) << "the others may be had";
  local_.Reject(node_, block_);
  EXPECT_EQ(Get(), nullptr);
  clock_.Advance(absl::Seconds(6));
  EXPECT_NE(Get(), nullptr);
  block_.set_blockid(7);
  EXPECT_NE(Get(), nullptr);
  EXPECT_EQ(datanode_.connections, 1 + 1) << "the idle one had expired";
}

TEST_F(LocalReplicasTest, ASocketThatDoesNotDoIsLeftAloneForAWhile) {
  const std::function<bool(Socket&)> bad[] = {
      [](Socket&) { return false; },
      [](Socket& socket) { return Reply(socket, hdfs::STATUS_ERROR_UNSUPPORTED, false); },
      [](Socket& socket) {  // no descriptors follow
        return Reply(socket, hdfs::STATUS_SUCCESS, true) &&
               socket.Send(std::as_bytes(std::span("x", 1))).ok();
      },
      [](Socket& socket) {
        const std::string garbage = "\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
        return socket.Send(std::as_bytes(std::span(garbage))).ok();
      }};
  for (const auto& answer : bad) {
    datanode_.AnswerBy(answer);
    const int before = datanode_.requests;
    EXPECT_EQ(Get(), nullptr);
    EXPECT_EQ(datanode_.requests, before + 1);
    block_.set_blockid(block_.blockid() + 1);
    EXPECT_EQ(Get(), nullptr);
    EXPECT_EQ(datanode_.requests, before + 1);
    clock_.Advance(absl::Minutes(1));
  }
  datanode_.AnswerBy([this](Socket& socket) { return HandOver(socket); });
  EXPECT_NE(Get(), nullptr);
}

TEST_F(LocalReplicasTest, FilesThatAreNoReplicaAreNotTaken) {
  ASSERT_EQ(::truncate(dir_.Path("blk.meta").c_str(), 3), 0);
  EXPECT_EQ(Get(), nullptr);
}

TEST_F(LocalReplicasTest, OthersAreNotAsked) {
  node_.set_ipaddr("192.0.2.1");  // of documentation's, nobody's
  EXPECT_EQ(Get(), nullptr);
  node_.set_ipaddr("127.0.0.1");
  node_.set_xferport(1);
  EXPECT_EQ(Get(), nullptr) << "nobody listens there";
  node_.set_xferport(70'000);
  EXPECT_EQ(Get(), nullptr);
  EXPECT_EQ(datanode_.connections, 0);
}

TEST_F(LocalReplicasTest, ASocketThatOthersMayReplaceIsNotUsed) {
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0777), 0);
  EXPECT_EQ(Get(), nullptr);
  EXPECT_EQ(datanode_.connections, 0);
}

}  // namespace
}  // namespace cairn::client
