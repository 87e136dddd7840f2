#include "common/net/acceptor.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/check.h"
#include "common/mutex.h"
#include "common/testing/eventually.h"
#include "common/testing/few_descriptors.h"
#include "common/testing/status_matchers.h"
#include "common/testing/tcp_client.h"

namespace cairn {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

class AcceptorTest : public testing::Test {
 protected:
  static constexpr absl::Duration kMostSilence = absl::Seconds(7);

  ~AcceptorTest() override {
    acceptor_.reset();
    for (const int fd : fds()) ::close(fd);
  }

  void Start(int max_connections = 100, absl::string_view address = "127.0.0.1:0") {
    ASSERT_OK_AND_ASSIGN(acceptor_, Acceptor::Listen(address, max_connections, kMostSilence));
    acceptor_->Start("acceptor", [this](int fd) {
      {
        MutexLock lock(mu_);
        fds_.push_back(fd);
      }
      CHECK_EQ(::write(fd, "!", 1), 1);
    });
  }
  std::vector<int> fds() {
    MutexLock lock(mu_);
    return fds_;
  }
  // As the one who serves it would.
  void CloseOldest() {
    MutexLock lock(mu_);
    ::close(fds_.front());
    fds_.erase(fds_.begin());
  }

  Mutex mu_;
  std::vector<int> fds_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Acceptor> acceptor_;
};

// -1: not known.
int TcpOption(int fd, int option) {
  int value = -1;
  socklen_t bytes = sizeof(value);
  return ::getsockopt(fd, IPPROTO_TCP, option, &value, &bytes) == 0 ? value : -1;
}

TEST_F(AcceptorTest, ConnectionsAreHandedOnAsGrpcWouldHaveMadeThem) {
  Start();
  TcpClient client(acceptor_->port());
  EXPECT_TRUE(client.GetsAByte());
  ASSERT_EQ(fds().size(), 1u);
  EXPECT_TRUE(::fcntl(fds()[0], F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(::fcntl(fds()[0], F_GETFD) & FD_CLOEXEC);
  EXPECT_GT(TcpOption(fds()[0], TCP_NODELAY), 0);
  EXPECT_EQ(TcpOption(fds()[0], TCP_USER_TIMEOUT), absl::ToInt64Milliseconds(kMostSilence));
}

TEST_F(AcceptorTest, WhoComesBeforeTheStartWaits) {
  ASSERT_OK_AND_ASSIGN(acceptor_, Acceptor::Listen("127.0.0.1:0", 100));
  TcpClient early(acceptor_->port());
  acceptor_->Start("acceptor", [](int fd) { ::close(fd); });
  EXPECT_TRUE(early.IsClosedByServer());
}

TEST_F(AcceptorTest, AWildcardTakesBothKindsOfAddresses) {
  for (const char* const address : {"0.0.0.0:0", "[::]:0"}) {
    Start(100, address);
    EXPECT_TRUE(TcpClient(acceptor_->port()).GetsAByte()) << address;
    acceptor_.reset();
  }
}

TEST_F(AcceptorTest, LackOfDescriptorsIsWaitedFor) {
  Start();
  // Room for the client's own socket, none for the server's end of it.
  std::optional<FewDescriptors> few(1);
  TcpClient late(acceptor_->port());
  EVENTUALLY(acceptor_->accept_errors() > 1);
  EXPECT_TRUE(fds().empty());
  few.reset();
  EXPECT_TRUE(late.GetsAByte());
  EXPECT_TRUE(TcpClient(acceptor_->port()).GetsAByte());
}

TEST_F(AcceptorTest, OneTooManyIsClosedAndThereIsRoomAgainWhenOneHasGone) {
  Start(2);
  TcpClient a(acceptor_->port()), b(acceptor_->port());
  EXPECT_TRUE(a.GetsAByte());
  EXPECT_TRUE(b.GetsAByte());
  EXPECT_TRUE(TcpClient(acceptor_->port()).IsClosedByServer());
  EXPECT_EQ(fds().size(), 2u);
  EXPECT_EQ(acceptor_->refused(), 1u);
  CloseOldest();
  EVENTUALLY(TcpClient(acceptor_->port()).GetsAByte());
  EXPECT_EQ(fds().size(), 2u);
  EXPECT_FALSE(TcpClient(acceptor_->port()).GetsAByte());
}

TEST_F(AcceptorTest, AStoppedOneRefusesAndItsPortIsFree) {
  Start();
  const std::string address = absl::StrCat("127.0.0.1:", acceptor_->port());
  TcpClient served(acceptor_->port());
  EXPECT_TRUE(served.GetsAByte());
  EXPECT_THAT(Acceptor::Listen(address, 1),
              StatusIs(StatusCode::kUnavailable, HasSubstr("in use")));
  acceptor_->Stop();
  acceptor_->Stop();
  EXPECT_OK(Acceptor::Listen(address, 1).status());
}

TEST_F(AcceptorTest, OnlyNumericAddressesWithAPortAreTaken) {
  for (const char* const bad : {"", "127.0.0.1", "localhost:1", "127.0.0.1:65536", ":1", "::1:1",
                                "[127.0.0.1]:1", "[::1]", "[::1:1"}) {
    EXPECT_THAT(Acceptor::Listen(bad, 1), StatusIs(StatusCode::kInvalidArgument)) << bad;
  }
}

}  // namespace
}  // namespace cairn
