#include "tests/sim/fiber.h"

#include <vector>

#include "gtest/gtest.h"
#include "tests/sim/process.h"

namespace cairn::sim {
namespace {

TEST(FiberTest, GoesOnWhereItWasLeft) {
  std::vector<int> order;
  Fiber fiber([&] {
    order.push_back(1);
    Fiber::Suspend();
    order.push_back(3);
  });
  fiber.Resume();
  order.push_back(2);
  EXPECT_FALSE(fiber.ended());
  fiber.Resume();
  EXPECT_TRUE(fiber.ended());
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(FiberTest, OneThatIsDestroyedIsUnwound) {
  const auto held = std::make_shared<int>(0);
  {
    Fiber fiber([copy = held] {
      const std::shared_ptr<int> local = copy;
      Fiber::Suspend();
      FAIL() << "must not go on";
    });
    fiber.Resume();
    EXPECT_EQ(held.use_count(), 3);
  }
  EXPECT_EQ(held.use_count(), 1);
}

class ProcessTest : public ::testing::Test {
 protected:
  World world_{1, false};
};

TEST_F(ProcessTest, AnAnswerWakesAndALimitEndsTheWaiting) {
  Process process(world_, "p");
  const Process::Answer<int> answer, never;
  std::optional<int> got, nothing = 0;
  process.Spawn([&] {
    got = process.Await(answer, absl::Seconds(5));
    nothing = process.Await(never, absl::Seconds(5));
  });
  world_.After(absl::Seconds(1), [&] { answer.Set(7); });
  world_.RunUntil(absl::Seconds(2));
  EXPECT_EQ(got, 7);
  EXPECT_EQ(nothing, 0);
  world_.RunUntil(absl::Seconds(7));
  EXPECT_EQ(nothing, std::nullopt);
}

TEST_F(ProcessTest, NothingOfAKilledProcessHappens) {
  bool timer = false, fiber = false;
  Process process(world_, "p");
  process.After(absl::Seconds(2), [&] { timer = true; });
  process.Spawn([&] {
    process.Sleep(absl::Seconds(2));
    fiber = true;
  });
  world_.After(absl::Seconds(1), [&] { process.Kill(); });
  world_.RunUntil(absl::Seconds(10));
  EXPECT_FALSE(timer);
  EXPECT_FALSE(fiber);
}

TEST_F(ProcessTest, APausedProcessDoesLaterWhatWasDue) {
  absl::Duration when;
  Process process(world_, "p");
  process.After(absl::Seconds(1), [&] { when = world_.now(); });
  process.Pause(absl::Seconds(5));
  world_.RunUntil(absl::Seconds(10));
  EXPECT_EQ(when, absl::Seconds(5));
}

}  // namespace
}  // namespace cairn::sim
