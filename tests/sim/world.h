// tests/sim/world.h - virtual time and the queue of what happens in it.
//
// Everything in a simulated cluster is an event: a message arrives, a disk has written, a timer
// fires, the power goes. The world takes the earliest event, sets the clock to its time, and runs
// it. All chance comes from one seed, so a seed is a history: the same program run again with it
// does the same, to the last byte. What happens is traced; a hash of the trace tells two histories
// apart.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/testing/fake_clock.h"

namespace cairn::sim {

class World {
 public:
  World(uint64_t seed, bool verbose) : random_(seed), verbose_(verbose) {}

  FakeClock& clock() { return clock_; }
  absl::Duration now() const { return now_; }  // since the history began

  // Runs `event` after `delay`; of events at one time, the one put first is first.
  void After(absl::Duration delay, std::function<void()> event);
  // Runs what is due until then. False: the history has failed and ends here.
  bool RunUntil(absl::Duration time);

  // ---- chance
  uint64_t Random(uint64_t below) { return below == 0 ? 0 : random_() % below; }
  uint64_t Between(uint64_t least, uint64_t most) { return least + Random(most - least + 1); }
  bool OneIn(uint64_t n) { return Random(n) == 0; }
  absl::Duration Between(absl::Duration least, absl::Duration most);
  std::mt19937_64& random() { return random_; }

  // ---- what happened
  template <typename... Args>
  void Trace(const absl::FormatSpec<Args...>& format, const Args&... args) {
    TraceText(absl::StrFormat(format, args...));
  }
  uint64_t trace_hash() const { return hash_; }
  uint64_t events() const { return events_; }
  // A promise was broken. The first one is kept, and ends the history.
  void Fail(std::string what);
  const std::string& failure() const { return failure_; }

 private:
  struct Event {
    absl::Duration time;
    uint64_t number;
    std::function<void()> run;
    bool operator<(const Event& other) const {  // for a heap whose top is the earliest
      return time != other.time ? time > other.time : number > other.number;
    }
  };

  void TraceText(const std::string& text);

  FakeClock clock_;
  absl::Duration now_;
  std::vector<Event> queue_;  // a heap
  uint64_t numbers_ = 0;
  uint64_t events_ = 0;
  std::mt19937_64 random_;
  const bool verbose_;
  uint64_t hash_ = 14695981039346656037u;  // FNV-1a
  std::string failure_;
};

}  // namespace cairn::sim
