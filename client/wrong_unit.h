// client/wrong_unit.h - whether the same bytes of a block group's units agree, and which unit is
// wrong if they do not. Pure.
//
// Any k units say what the others are: each one that is known beyond k is spare, and is compared.
//   no spare    any bytes are some group's: nothing can be said
//   one         it shows that a unit is wrong. Each of them may be
//   two, more   a single wrong unit is told: without it the others agree, and a wrong one among
//               them would show, since one spare is left. Two units that are wrong at the same
//               place leave nobody without whom the others agree, or, about once in 250 bytes where
//               they are so, somebody else: a range of many such bytes tells
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "erasure/coder.h"

namespace cairn::client {

struct UnitsAgreement {
  uint32_t spare = 0;
  std::optional<size_t> differ_at;  // the first byte at which they do; absent: they agree
  // Then, a bit each: units without which the others agree, or have nothing that could differ.
  uint32_t suspects = 0;
};

// `units`: by number, k + m pointers to `bytes` bytes, null for what is not known. `scratch` is
// used for the comparison, and grows to `bytes` for each spare unit. Errors are the coder's: of a
// code that is none.
absl::StatusOr<UnitsAgreement> FindWrongUnit(const erasure::Coder& coder,
                                             std::span<const std::byte* const> units, size_t bytes,
                                             std::vector<std::byte>& scratch);

}  // namespace cairn::client
