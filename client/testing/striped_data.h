// client/testing/striped_data.h - block groups as bytes, for tests of what reads them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "erasure/policy.h"

namespace cairn::client {

// Reed-Solomon with cells of 1 KiB, under an id that no system policy has.
erasure::Policy SmallCells(uint32_t data_units, uint32_t parity_units);

// What each unit of a group with `data` holds, by number.
std::vector<std::string> MakeUnits(const erasure::Policy& policy, absl::string_view data);

}  // namespace cairn::client
