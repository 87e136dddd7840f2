#include "client/read_interrupt.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <thread>

#include "common/check.h"
#include "common/testing/status_matchers.h"

namespace cairn::client {
namespace {

constexpr std::byte kByte{7};

class ReadInterruptTest : public ::testing::Test {
 protected:
  ReadInterruptTest() {
    int fds[2];
    CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    const SocketOptions patient = {.read_timeout = absl::InfiniteDuration()};
    ours_.emplace(fds[0], "peer", patient);
    theirs_.emplace(fds[1], "client", patient);
  }

  absl::Status Receive() { return ours_->Receive(room_); }

  ReadInterrupt interrupt_;
  std::optional<Socket> ours_, theirs_;
  std::array<std::byte, 1> room_{};
};

TEST_F(ReadInterruptTest, AWaitEndsThatHasBegunOrBeginsLater) {
  ASSERT_OK(interrupt_.Watch(*ours_));
  Socket moved = *std::move(ours_);
  ours_ = std::move(moved);
  std::thread ends([this] { interrupt_.End(); });
  EXPECT_THAT(Receive(), StatusIs(absl::StatusCode::kUnavailable));
  ends.join();
  EXPECT_TRUE(interrupt_.has_ended());
}

TEST_F(ReadInterruptTest, NothingBeginsAfterTheEnd) {
  interrupt_.End();
  EXPECT_THAT(interrupt_.Watch(*ours_), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ReadInterruptTest, WhatHasBeenReleasedGoesOn) {
  ASSERT_OK(interrupt_.Watch(*ours_));
  EXPECT_TRUE(interrupt_.Release());
  interrupt_.End();
  EXPECT_FALSE(interrupt_.Release());
  ASSERT_OK(theirs_->Send(std::span(&kByte, 1)));
  ASSERT_OK(Receive());
  EXPECT_EQ(room_[0], kByte);
}

// The reader's number may be another file's by then.
TEST_F(ReadInterruptTest, TheSocketMayBeClosedBefore) {
  ASSERT_OK(interrupt_.Watch(*ours_));
  const int number = ours_->fd();
  ours_.reset();
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  Socket other(fds[0], "peer", {}), its_peer(fds[1], "client", {});
  ASSERT_EQ(other.fd(), number);
  interrupt_.End();
  ASSERT_OK(its_peer.Send(std::span(&kByte, 1)));
  ASSERT_OK(other.Receive(room_));
}

}  // namespace
}  // namespace cairn::client
