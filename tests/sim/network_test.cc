#include "tests/sim/network.h"

#include <vector>

#include "gtest/gtest.h"

namespace cairn::sim {
namespace {

constexpr Host kA = 1, kB = 2;

class NetworkTest : public ::testing::Test {
 protected:
  NetworkTest() {
    network_.SetProcess(kA, &a_);
    network_.SetProcess(kB, &b_);
    network_.SetSlowest(absl::Seconds(1));
    network_.Listen(kB, [this](std::shared_ptr<Stream> stream) {
      at_b_ = std::move(stream);
      at_b_->Listen(
          [this](const Message& message) { heard_.push_back(std::get<Packet>(message).seqno); },
          [this] { closed_ = true; });
    });
  }
  static Packet Number(int64_t seqno) { return {.seqno = seqno}; }

  World world_{1, false};
  Network network_{world_};
  Process a_{world_, "a"}, b_{world_, "b"};
  std::shared_ptr<Stream> at_b_;
  std::vector<int64_t> heard_;
  bool closed_ = false;
};

TEST_F(NetworkTest, AStreamKeepsItsOrderAcrossACut) {
  const auto stream = network_.Connect(kA, kB);
  std::vector<int64_t> sent;
  for (int64_t i = 0; i < 100; ++i) {
    if (i == 20) network_.Cut(kA, kB);
    if (i == 60) network_.Mend(kA, kB);
    stream->Send(Number(i));
    sent.push_back(i);
    world_.RunUntil(world_.now() + absl::Milliseconds(50));
  }
  world_.RunUntil(world_.now() + absl::Seconds(10));
  EXPECT_EQ(heard_, sent);
}

TEST_F(NetworkTest, TheOtherEndHearsOfAKillButNotOfAPowerCut) {
  const auto stream = network_.Connect(kA, kB);
  world_.RunUntil(absl::Seconds(5));
  a_.Kill();
  world_.RunUntil(absl::Seconds(10));
  EXPECT_FALSE(closed_);
  network_.CloseStreamsOf(&a_);
  world_.RunUntil(absl::Seconds(15));
  EXPECT_TRUE(closed_);
}

TEST_F(NetworkTest, ACallToNobodyIsNotAnswered) {
  bool answered = true;
  network_.SetProcess(kB, nullptr);
  a_.Spawn([&] {
    answered = network_
                   .Call<int>(a_, kA, kB, absl::Seconds(3),
                              [](const std::function<void(int)>& reply) { reply(1); })
                   .has_value();
  });
  world_.RunUntil(absl::Seconds(5));
  EXPECT_FALSE(answered);
}

}  // namespace
}  // namespace cairn::sim
