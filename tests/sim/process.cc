#include "tests/sim/process.h"

#include "common/check.h"

namespace cairn::sim {

Process::Process(World& world, std::string name, std::function<void()> on_power_cut)
    : world_(world), name_(std::move(name)), on_power_cut_(std::move(on_power_cut)) {}

Process::~Process() { Kill(); }

void Process::Kill() {
  life_->alive = false;
  fibers_.clear();
}

void Process::Pause(absl::Duration time) { life_->paused_until = world_.now() + time; }

void Process::RunGuarded(const std::function<void()>& event) {
  const std::shared_ptr<Life> life = life_;
  try {
    event();
  } catch (const PowerCut&) {
    life->alive = false;
    world_.After(absl::ZeroDuration(), on_power_cut_);
  }
}

void Process::After(absl::Duration delay, std::function<void()> event) {
  world_.After(delay, [this, life = life_, event = std::move(event)] {
    if (!life->alive) return;
    if (life->paused_until > world_.now()) {
      return After(life->paused_until - world_.now(), event);
    }
    RunGuarded(event);
  });
}

void Process::Spawn(std::function<void()> body) {
  After(absl::ZeroDuration(), [this, body = std::move(body)] {
    std::erase_if(fibers_, [](const auto& fiber) { return fiber->ended(); });
    fibers_.push_back(std::make_unique<Fiber>([this, body] { RunGuarded(body); }));
    fibers_.back()->Resume();
  });
}

void Process::Sleep(absl::Duration time) {
  After(time, MakeWaker());
  Fiber::Suspend();
}

std::function<void()> Process::MakeWaker() {
  Fiber* const fiber = Fiber::Current();
  CHECK(fiber != nullptr) << name_ << ": only a fiber can wait";
  const auto done = std::make_shared<bool>(false);
  return [this, fiber, done, life = life_] {
    if (*done || !life->alive) return;
    *done = true;
    // Never from within another fiber.
    After(absl::ZeroDuration(), [fiber] { fiber->Resume(); });
  };
}

}  // namespace cairn::sim
