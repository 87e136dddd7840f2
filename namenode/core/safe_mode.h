// namenode/core/safe_mode.h - the time in which the namenode reads but changes nothing.
//
// At start-up it lasts until enough datanodes have come back, or until there is nothing to wait
// for; an administrator can ask for it at any time. Guarded by the namespace lock.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace cairn::namenode {

class SafeModeState {
 public:
  void EnterManually() { manual_ = true; }
  void Leave() { manual_ = startup_ = false; }
  // Start-up: waits for `expected` datanodes, at most until `until` (monotonic clock).
  void EnterAtStartup(int expected, absl::Duration until) {
    startup_ = expected > 0;
    expected_ = expected;
    until_ = until;
  }
  // Start-up only: ends it when all expected datanodes are there or the time is over.
  void Update(int live, absl::Duration now) {
    live_ = live;
    if (startup_ && (live >= expected_ || now >= until_)) startup_ = false;
  }

  bool on() const { return manual_ || startup_; }
  bool startup() const { return startup_; }
  // On, and ends by itself: whoever was refused may try again.
  bool temporary() const { return startup_ && !manual_; }

  std::string Describe(absl::Duration now) const {
    if (manual_)
      return "It was turned on manually. Use \"cairn dfsadmin -safemode leave\" to turn it off.";
    if (!startup_) return "";
    return absl::StrCat(live_, " of ", expected_,
                        " known datanodes have registered. Safe mode ends when all have, or in ",
                        absl::FormatDuration(absl::Ceil(until_ - now, absl::Seconds(1))), ".");
  }

 private:
  bool manual_ = false;
  bool startup_ = false;
  int expected_ = 0;
  int live_ = 0;
  absl::Duration until_;
};

}  // namespace cairn::namenode
