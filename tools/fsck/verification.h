// tools/fsck/verification.h - `cairn fsck -ec-verify`: the sums over what was found of block
// groups, and its text and JSON. Pure.
//
// Each group is counted once, under the worst that was found of it:
//   contradicting   its units contradict each other: some bytes of it, or its parity, are wrong
//   unrecoverable   too few units could be read to have its bytes
//   unreadable      a replica of a unit does not match its checksums
//   lost            a unit was not to be had
//   verified        all of its units were read, and agree
// The first two are no healthy file system. The others have all their bytes, as an under-replicated
// file has.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/admin_types.h"
#include "client/group_verifier.h"
#include "tools/json.h"

namespace cairn::tools {

// By block of a file; none for groups that are being written, and are not looked at.
using GroupFindings = std::vector<std::optional<client::GroupFinding>>;

struct VerificationTotals {
  bool asked = false;  // else nothing was verified, and nothing is said of it
  uint64_t verified = 0, contradicting = 0, unrecoverable = 0, unreadable = 0, lost = 0;
  uint64_t wrong_units = 0;          // that are named, of contradicting groups
  uint64_t not_wholly_compared = 0;  // whatever else was found
  uint64_t being_written = 0, changed = 0;

  bool healthy() const { return contradicting == 0 && unrecoverable == 0; }
  void Add(const GroupFindings& findings);
};

// All groups that were looked at are verified.
bool AreVerified(const GroupFindings& findings);

// Of one group that is not verified: a line for each trouble, after `begin`.
void PrintFinding(const client::FileReport& file, const client::BlockReport& group,
                  const client::GroupFinding& finding, absl::string_view begin, std::ostream& out);
void PrintVerificationTotals(const VerificationTotals& totals, std::ostream& out);

// An object. `finding` is none: the group is being written.
void WriteFinding(const client::BlockReport& group,
                  const std::optional<client::GroupFinding>& finding, JsonWriter& json);
void WriteVerificationTotals(const VerificationTotals& totals, JsonWriter& json);

}  // namespace cairn::tools
