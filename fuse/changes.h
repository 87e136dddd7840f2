// fuse/changes.h - whether what the cluster has told may be older than a change that was made
// through this mount: such a change is to show at once.
//
// Only begun and ended changes are counted, whatever they change. What is written counts when the
// file is completed: until then it is among the open files.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "common/clock.h"

namespace cairn::fuse {

class Changes {
 public:
  // Lives from before the cluster is asked for a change until after it has answered.
  class UnderWay {
   public:
    explicit UnderWay(Changes& changes) : changes_(changes) { ++changes_.begun_; }
    ~UnderWay() { ++changes_.ended_; }
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;

   private:
    Changes& changes_;
  };

  // Before the cluster is asked something.
  struct Moment {
    bool quiet = false;  // nothing was under way
    uint64_t begun = 0;
    absl::Duration at;  // monotonic
  };
  Moment Now() const {
    const uint64_t ended = ended_;  // first: what ends in between is taken for under way
    const uint64_t begun = begun_;
    return {.quiet = begun == ended, .begun = begun, .at = SystemClock().Monotonic()};
  }
  // Whether the answer is what the cluster would say now, as far as this mount is concerned.
  bool NoneSince(const Moment& moment) const { return moment.quiet && begun_ == moment.begun; }

 private:
  std::atomic<uint64_t> begun_ = 0;
  std::atomic<uint64_t> ended_ = 0;
};

}  // namespace cairn::fuse
