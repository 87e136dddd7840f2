#include "erasure/layout.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/check.h"

namespace cairn::erasure {

uint64_t Layout::UnitBytes(uint64_t group_bytes, uint32_t unit) const {
  const uint64_t whole = group_bytes / stripe_bytes();
  const uint64_t rest = group_bytes % stripe_bytes();
  const uint64_t before = unit < data_ ? uint64_t{unit} * cell_ : 0;  // parity: as the first cell
  return whole * cell_ + (rest > before ? std::min<uint64_t>(rest - before, cell_) : 0);
}

Layout::Place Layout::PlaceOf(uint64_t offset) const {
  return {.unit = static_cast<uint32_t>(offset / cell_ % data_),
          .offset = offset / stripe_bytes() * cell_ + offset % cell_};
}

uint64_t Layout::OffsetOf(const Place& place) const {
  return place.offset / cell_ * stripe_bytes() + uint64_t{place.unit} * cell_ +
         place.offset % cell_;
}

void Layout::ForEachPiece(uint64_t offset, uint64_t bytes,
                          const std::function<void(const Piece&)>& use) const {
  for (uint64_t at = 0; at < bytes;) {
    const uint64_t left = cell_ - (offset + at) % cell_;
    const Piece piece = {
        .place = PlaceOf(offset + at), .at = at, .bytes = std::min(left, bytes - at)};
    use(piece);
    at += piece.bytes;
  }
}

std::vector<Layout::Extent> Layout::UnitExtents(uint64_t offset, uint64_t bytes) const {
  std::vector<Extent> out(data_);
  for (uint32_t unit = 0; unit < data_; ++unit) {
    // Of all bytes before a border of the range, those that lie in this unit.
    out[unit] = {.begin = UnitBytes(offset, unit), .end = UnitBytes(offset + bytes, unit)};
  }
  return out;
}

absl::StatusOr<uint64_t> Layout::SafeGroupBytes(const std::vector<uint64_t>& unit_bytes) const {
  CHECK(unit_bytes.size() == units());
  std::vector<uint64_t> there;
  for (const uint64_t bytes : unit_bytes) {
    if (bytes != kMissing) there.push_back(bytes);
  }
  if (there.size() < data_) {
    return absl::DataLossError(
        absl::StrCat(there.size(), " units of a group are there, and ", data_, " are needed"));
  }
  // Stripes of which k units have their whole cells: all of their bytes can be had.
  std::sort(there.begin(), there.end(), std::greater<>());
  const uint64_t stripes = there[data_ - 1] / cell_;
  uint64_t safe = stripes * stripe_bytes();
  // Of the stripe after them only what the data units have themselves, without a gap.
  for (uint32_t unit = 0; unit < data_; ++unit) {
    if (unit_bytes[unit] == kMissing || unit_bytes[unit] <= stripes * cell_) break;
    const uint64_t cell = std::min<uint64_t>(unit_bytes[unit] - stripes * cell_, cell_);
    safe += cell;
    if (cell < cell_) break;
  }
  return safe;
}

bool Layout::Give(uint64_t group_bytes, const std::vector<uint64_t>& unit_bytes) const {
  CHECK(unit_bytes.size() == units());
  uint32_t have = 0;
  for (uint32_t unit = 0; unit < units(); ++unit) {
    const uint64_t part = UnitBytes(group_bytes, unit);
    have += part == 0 || (unit_bytes[unit] != kMissing && unit_bytes[unit] >= part);
  }
  return have >= data_;
}

}  // namespace cairn::erasure
