#include "common/net/congestion.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace cairn {
namespace {

class CongestionTest : public ::testing::Test {
 protected:
  CongestionTest() {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_, any, size), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    EXPECT_EQ(::getsockname(listener_, any, &size), 0);
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(socket_, any, size), 0);
  }
  ~CongestionTest() override {
    ::close(socket_);
    ::close(listener_);
  }
  std::string Name() const {
    char name[16] = {};
    socklen_t size = sizeof(name);
    EXPECT_EQ(::getsockopt(socket_, IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
    return name;
  }

  int listener_, socket_;
};

TEST_F(CongestionTest, AConnectionWithinTheMachineIsNotPaced) {
  SetCongestionControl(socket_, "");
  EXPECT_EQ(Name(), "reno");
}

TEST_F(CongestionTest, WhatIsNotThereLeavesTheSystemsChoice) {
  const std::string before = Name();
  SetCongestionControl(socket_, "no such thing");
  EXPECT_EQ(Name(), before);
}

TEST_F(CongestionTest, TheConfiguredOneIsTaken) {
  SetCongestionControl(socket_, "cubic");
  const std::string name = Name();
  SetCongestionControl(socket_, "reno");
  EXPECT_EQ(Name(), "reno") << "after " << name;
}

}  // namespace
}  // namespace cairn
