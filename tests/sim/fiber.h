// tests/sim/fiber.h - a function that can be left in the middle and come back to, so that a
// simulated client or datanode is plain code: it calls, waits, and goes on.
//
// One thread runs all fibers; a fiber runs until it suspends itself. Nothing is preempted, so code
// between two suspensions is atomic. A fiber that is destroyed before its end is unwound: Suspend()
// throws Unwound through its stack, and its destructors run. They must not suspend.
#pragma once

#include <functional>
#include <memory>

namespace cairn::sim {

class Fiber {
 public:
  // `body` starts with the first Resume. What it throws ends it; only Unwound may leave it.
  explicit Fiber(std::function<void()> body);
  // Not from within itself.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // From outside of any fiber; returns when the body suspends or has ended.
  void Resume();
  bool ended() const;

  // From inside: back to who called Resume.
  static void Suspend();
  // The one that is running; null outside.
  static Fiber* Current();

  struct Unwound {};

  struct Context;  // the machine's side: stacks and registers

 private:
  std::unique_ptr<Context> context_;
};

}  // namespace cairn::sim
