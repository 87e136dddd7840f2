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

uint32_t Layout::UnitsNeeded(uint64_t group_bytes) const {
  const uint64_t cells = group_bytes / cell_ + (group_bytes % cell_ != 0);
  return static_cast<uint32_t>(std::min<uint64_t>(cells, data_));
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

}  // namespace cairn::erasure
