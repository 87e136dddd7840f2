#include "client/testing/striped_data.h"

#include <memory>
#include <utility>

#include "common/check.h"
#include "erasure/coder.h"
#include "erasure/layout.h"

namespace cairn::client {

erasure::Policy SmallCells(uint32_t data_units, uint32_t parity_units) {
  const erasure::Schema schema = {.codec = erasure::Codec::kReedSolomon,
                                  .data_units = data_units,
                                  .parity_units = parity_units};
  return {
      .id = 64, .name = erasure::ComposeName(schema, 1024), .schema = schema, .cell_bytes = 1024};
}

std::vector<std::string> MakeUnits(const erasure::Policy& policy, absl::string_view data) {
  const erasure::Layout layout(policy.schema, policy.cell_bytes);
  const auto coder = erasure::Coder::Create(policy.schema);
  CHECK(coder.ok()) << coder.status();
  std::vector<std::string> units(layout.units());
  layout.ForEachPiece(0, data.size(), [&](const erasure::Layout::Piece& piece) {
    units[piece.place.unit].append(data.data() + piece.at, piece.bytes);
  });
  // Parity is as long as the first unit, the longest; what the others lack counts as zeros.
  const size_t length = units[0].size();
  std::vector<std::string> whole = units;
  std::vector<const std::byte*> from;
  std::vector<std::byte*> to;
  for (size_t unit = 0; unit < units.size(); ++unit) {
    whole[unit].resize(length);
    auto* const bytes = reinterpret_cast<std::byte*>(whole[unit].data());
    if (unit < layout.data_units()) {
      from.push_back(bytes);
    } else {
      to.push_back(bytes);
    }
  }
  (*coder)->Encode(from, to, length);
  for (size_t unit = layout.data_units(); unit < units.size(); ++unit) {
    units[unit] = std::move(whole[unit]);
  }
  return units;
}

}  // namespace cairn::client
