#include "client/wrong_unit.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/check.h"
#include "common/status_macros.h"

namespace cairn::client {
namespace {

using Pointers = std::array<const std::byte*, erasure::kMaxUnits>;

// Where one of the units is first not what the k lowest ones say; nullopt: nowhere.
absl::StatusOr<std::optional<size_t>> FirstDifference(const erasure::Coder& coder,
                                                      std::span<const std::byte* const> units,
                                                      size_t bytes,
                                                      std::vector<std::byte>& scratch) {
  Pointers sources = {};
  uint32_t chosen = 0;
  std::vector<uint32_t> spare;
  for (uint32_t unit = 0; unit < units.size(); ++unit) {
    if (units[unit] == nullptr) continue;
    if (chosen < coder.schema().data_units) {
      sources[unit] = units[unit];
      ++chosen;
    } else {
      spare.push_back(unit);
    }
  }
  if (spare.empty()) return std::nullopt;
  if (scratch.size() < spare.size() * bytes) scratch.resize(spare.size() * bytes);
  std::vector<std::byte*> said;
  for (size_t i = 0; i < spare.size(); ++i) said.push_back(scratch.data() + i * bytes);
  RETURN_IF_ERROR(coder.Rebuild(std::span(sources).first(units.size()), spare, said, bytes));
  size_t first = bytes;
  for (size_t i = 0; i < spare.size(); ++i) {
    const std::byte* const is = units[spare[i]];
    if (std::memcmp(said[i], is, first) == 0) continue;
    first = static_cast<size_t>(std::mismatch(is, is + first, said[i]).first - is);
  }
  if (first == bytes) return std::nullopt;
  return first;
}

}  // namespace

absl::StatusOr<UnitsAgreement> FindWrongUnit(const erasure::Coder& coder,
                                             std::span<const std::byte* const> units, size_t bytes,
                                             std::vector<std::byte>& scratch) {
  CHECK(units.size() == coder.schema().units());
  const auto missing = std::count(units.begin(), units.end(), nullptr);
  const auto known = static_cast<uint32_t>(units.size() - static_cast<size_t>(missing));
  UnitsAgreement found;
  if (known <= coder.schema().data_units) return found;
  found.spare = known - coder.schema().data_units;
  ASSIGN_OR_RETURN(found.differ_at, FirstDifference(coder, units, bytes, scratch));
  if (!found.differ_at.has_value()) return found;
  std::vector<const std::byte*> others(units.begin(), units.end());
  for (uint32_t unit = 0; unit < units.size(); ++unit) {
    if (units[unit] == nullptr) continue;
    others[unit] = nullptr;
    ASSIGN_OR_RETURN(const std::optional<size_t> differ_at,
                     FirstDifference(coder, others, bytes, scratch));
    others[unit] = units[unit];
    if (!differ_at.has_value()) found.suspects |= 1u << unit;
  }
  return found;
}

}  // namespace cairn::client
