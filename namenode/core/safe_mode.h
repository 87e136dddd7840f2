// namenode/core/safe_mode.h - the time in which the namenode reads but changes nothing.
//
// At start-up it lasts until the datanodes that are awaited have come back, or until the time for
// that is over; an administrator can ask for it at any time. Guarded by the namespace lock.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "namenode/cluster/cluster_state.h"

namespace cairn::namenode {

class SafeModeState {
 public:
  static constexpr size_t kMostNamed = 3;  // of those who are missing

  void EnterManually() { manual_ = true; }
  void Leave() { manual_ = startup_ = false; }
  // Start-up: waits for the `awaited` datanodes, at most until `until` (monotonic clock).
  void EnterAtStartup(ClusterState::Awaited awaited, absl::Duration until) {
    startup_ = awaited.known > 0;
    awaited_ = std::move(awaited);
    until_ = until;
  }
  // Start-up only: ends it when all of them are there or the time is over.
  void Update(ClusterState::Awaited awaited, absl::Duration now) {
    awaited_ = std::move(awaited);
    if (startup_ && (awaited_.registered >= awaited_.known || now >= until_)) startup_ = false;
  }

  bool on() const { return manual_ || startup_; }
  bool startup() const { return startup_; }
  // On, and ends by itself: whoever was refused may try again.
  bool temporary() const { return startup_ && !manual_; }

  // One line: what is known, what is missing, when it ends. Empty when it is off.
  std::string Describe(absl::Duration now) const {
    if (manual_) {
      return "It was turned on manually. Use \"cairn dfsadmin -safemode leave\" to turn safe mode "
             "off.";
    }
    if (!startup_) return "";
    const int missing = awaited_.known - awaited_.registered;
    const int named = static_cast<int>(awaited_.missing.size());
    std::string out = absl::StrCat(awaited_.registered, " of ", awaited_.known,
                                   " known datanodes have registered, ", awaited_.reported,
                                   " of them have told all their replicas");
    if (named > 0) absl::StrAppend(&out, "; missing: ", absl::StrJoin(awaited_.missing, ", "));
    if (named > 0 && missing > named) absl::StrAppend(&out, " and ", missing - named, " more");
    const absl::Duration left = std::max(until_ - now, absl::ZeroDuration());
    absl::StrAppend(
        &out, ". Safe mode will be turned off automatically when all have registered, in ",
        absl::ToInt64Seconds(absl::Ceil(left, absl::Seconds(1))), " seconds at the latest.");
    return out;
  }

 private:
  bool manual_ = false;
  bool startup_ = false;
  ClusterState::Awaited awaited_;
  absl::Duration until_;
};

}  // namespace cairn::namenode
