// tests/sim/process.h - one life of a simulated program: of the namenode, a datanode or a client.
//
// A process owns its fibers and timers. When it is killed they are gone at once, wherever they
// were; what comes next is another Process. A paused one (SIGSTOP, a long pause of its machine)
// does nothing until it goes on, and then does late what was due meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "tests/sim/fiber.h"
#include "tests/sim/world.h"

namespace cairn::sim {

// Thrown by a simulated disk whose machine has just lost power: nothing after that call happens.
// The process that it leaves is killed.
struct PowerCut {};

class Process {
 public:
  // `on_power_cut` is called, from no fiber, after a PowerCut has left one of the process' events.
  Process(World& world, std::string name, std::function<void()> on_power_cut = nullptr);
  ~Process();  // Kill()
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  World& world() { return world_; }
  const std::string& name() const { return name_; }

  // Not from one of its own fibers.
  void Kill();
  bool alive() const { return life_->alive; }
  void Pause(absl::Duration time);

  // Runs `event` after `delay`, unless the process is dead by then; later if it is paused.
  void After(absl::Duration delay, std::function<void()> event);
  // A fiber that begins soon.
  void Spawn(std::function<void()> body);
  // For events that come from elsewhere (messages): runs it in this process, now if it can.
  void Run(std::function<void()> event) { After(absl::ZeroDuration(), std::move(event)); }

  // ---- from one of its fibers
  void Sleep(absl::Duration time);

  // What one fiber waits for and an event sends, once.
  template <typename T>
  class Answer {
   public:
    bool has_value() const { return state_->value.has_value(); }
    // Only the first one counts.
    void Set(T value) const {
      if (state_->value.has_value()) return;
      state_->value.emplace(std::move(value));
      if (state_->wake) std::exchange(state_->wake, nullptr)();
    }

   private:
    friend class Process;
    struct State {
      std::optional<T> value;
      std::function<void()> wake;
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();
  };

  // nullopt: the limit has passed.
  template <typename T>
  std::optional<T> Await(const Answer<T>& answer, absl::Duration limit) {
    if (!answer.has_value()) {
      const std::function<void()> wake = MakeWaker();
      answer.state_->wake = wake;
      After(limit, wake);
      Fiber::Suspend();
      answer.state_->wake = nullptr;
    }
    return answer.state_->value;
  }

 private:
  struct Life {
    bool alive = true;
    absl::Duration paused_until;
  };

  // Resumes the running fiber, once, if its process lives.
  std::function<void()> MakeWaker();
  void RunGuarded(const std::function<void()>& event);

  World& world_;
  const std::string name_;
  const std::function<void()> on_power_cut_;
  std::shared_ptr<Life> life_ = std::make_shared<Life>();
  std::vector<std::unique_ptr<Fiber>> fibers_;
};

}  // namespace cairn::sim
