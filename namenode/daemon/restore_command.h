// namenode/daemon/restore_command.h - `cairn namenode -restore` and `-recover`.
#pragma once

#include <istream>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "common/config.h"

namespace cairn::namenode {

struct RestoreFlags {
  bool rollback = false;  // to what was before an upgrade, VERSION and all
  bool recover = false;   // as far as the journal reads, from the store as it is if that can be
  std::string to;         // a txid or a time; empty: as far as the journal reads
  std::string from;       // another directory to take it all from
  bool dry_run = false;
  bool yes = false;
};

// Says what would be done and lost on `out`, asks on `in` unless told yes, does it. OK after a dry
// run, and when -recover finds nothing damaged. kCancelled: the answer was no; nothing was changed.
absl::Status RunRestore(const Config& config, const RestoreFlags& flags, std::istream& in,
                        std::ostream& out);

}  // namespace cairn::namenode
