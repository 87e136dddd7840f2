// tests/sim/faults.h - what goes wrong, and when. The plan is made from the seed alone, before
// anything happens, so that a history can be run again with some of its faults left out.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/sim/world.h"

namespace cairn::sim {

struct Fault {
  enum class Kind {
    kKillDatanode,        // and start again after `time`
    kPowerCutDatanode,    // at once
    kPowerCutInDatanode,  // in the middle of the `number`th change on its disk
    kPauseDatanode,       // for `time`
    kDiskError,           // the `number`th write, sync or rename fails
    kFlipBit,             // in a replica that is one of several
    kPowerCutNamenode,
    kPauseNamenode,
    kPowerCutAll,  // namenode and datanodes at one moment
    kCut,          // from `host` to `other`, one way
    kIsolate,      // `host` from all others, both ways
    kSlow,         // all messages
    kKillWriter,
    kPauseWriter,
  };
  Kind kind = Kind::kKillDatanode;
  absl::Duration when;
  absl::Duration time;  // how long it lasts
  int host = 0;
  int other = 0;
  int number = 0;

  std::string ToString() const;
};

struct Setting {
  int datanodes = 3;
  int writers = 1;
  absl::Duration length;  // until everything is mended
  std::vector<Fault> faults;
};

Setting MakeSetting(uint64_t seed);

}  // namespace cairn::sim
