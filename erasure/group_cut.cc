#include "erasure/group_cut.h"

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "common/check.h"

namespace cairn::erasure {
namespace {

bool Has(uint64_t unit_bytes, uint64_t part) {
  return unit_bytes != kMissingUnit && unit_bytes >= part;
}

// Stripes of which k units have their whole cells. The last of them may be short all the same:
// parity is as long as its first cell. Cells are written in order, so it is whole if its last data
// cell is, or if a unit goes on behind it.
uint64_t WholeStripes(const Layout& layout, const std::vector<uint64_t>& unit_bytes) {
  std::vector<uint64_t> there;
  for (const uint64_t bytes : unit_bytes) {
    if (bytes != kMissingUnit) there.push_back(bytes);
  }
  const uint32_t k = layout.data_units();
  if (there.size() < k) return 0;
  std::sort(there.begin(), there.end(), std::greater<>());
  const uint64_t stripes = there[k - 1] / layout.cell_bytes();
  const uint64_t end = stripes * layout.cell_bytes();
  const bool whole = stripes == 0 || there.front() > end || Has(unit_bytes[k - 1], end);
  return whole ? stripes : stripes - 1;
}

GroupCut AtStripe(const Layout& layout, const std::vector<uint64_t>& unit_bytes, uint64_t stripes) {
  GroupCut cut{.bytes = stripes * layout.stripe_bytes(), .keep = {}};
  for (const uint64_t bytes : unit_bytes) {
    cut.keep.push_back(Has(bytes, stripes * layout.cell_bytes()));
  }
  return cut;
}

// The group ended here, with its parity, when that was acknowledged.
GroupCut AtFlush(const Layout& layout, const std::vector<uint64_t>& unit_bytes, uint64_t bytes) {
  GroupCut cut{.bytes = bytes, .keep = {}};
  const bool inside = bytes % layout.stripe_bytes() != 0;
  for (uint32_t unit = 0; unit < layout.units(); ++unit) {
    const uint64_t part = layout.UnitBytes(bytes, unit);
    const bool parity = unit >= layout.data_units();
    // Longer parity is of another end of the stripe.
    const bool fits = inside && parity ? unit_bytes[unit] == part : Has(unit_bytes[unit], part);
    cut.keep.push_back(part != 0 && fits);
  }
  return cut;
}

// Of the first stripe, what the data units have without a gap.
GroupCut OfDataAlone(const Layout& layout, const std::vector<uint64_t>& unit_bytes) {
  GroupCut cut{.bytes = 0, .keep = std::vector<bool>(layout.units())};
  for (uint32_t unit = 0; unit < layout.data_units(); ++unit) {
    if (unit_bytes[unit] == kMissingUnit || unit_bytes[unit] == 0) break;
    const uint64_t bytes = std::min<uint64_t>(unit_bytes[unit], layout.cell_bytes());
    cut.keep[unit] = true;
    cut.bytes += bytes;
    if (bytes < layout.cell_bytes()) break;
  }
  return cut;
}

// Units that count: those kept, and data units that hold nothing, which are zeros.
uint32_t CountGiven(const Layout& layout, const GroupCut& cut) {
  uint32_t given = 0;
  for (uint32_t unit = 0; unit < layout.units(); ++unit) {
    given += cut.keep[unit] || layout.UnitBytes(cut.bytes, unit) == 0;
  }
  return given;
}

}  // namespace

absl::StatusOr<GroupCut> PlanGroupCut(const Layout& layout, const std::vector<uint64_t>& unit_bytes,
                                      uint64_t acknowledged) {
  CHECK(unit_bytes.size() == layout.units());
  const uint64_t stripes = WholeStripes(layout, unit_bytes);
  if (stripes != 0 && stripes * layout.stripe_bytes() >= acknowledged) {
    return AtStripe(layout, unit_bytes, stripes);
  }
  if (acknowledged != 0) {
    GroupCut cut = AtFlush(layout, unit_bytes, acknowledged);
    if (CountGiven(layout, cut) >= layout.data_units()) return cut;
    return absl::DataLossError(absl::StrCat("the units that are there give ",
                                            stripes * layout.stripe_bytes(), " of ", acknowledged,
                                            " acknowledged bytes"));
  }
  const auto told = unit_bytes.size() - static_cast<size_t>(std::count(
                                            unit_bytes.begin(), unit_bytes.end(), kMissingUnit));
  if (told < layout.data_units()) {
    return absl::DataLossError(absl::StrCat(told, " units of a group are there, and ",
                                            layout.data_units(), " are needed"));
  }
  return OfDataAlone(layout, unit_bytes);
}

}  // namespace cairn::erasure
