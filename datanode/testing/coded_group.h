// datanode/testing/coded_group.h - a block group of random bytes, as the units that datanodes hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/check.h"
#include "common/ids.h"
#include "datanode/testing/transfer_client.h"
#include "erasure/coder.h"
#include "erasure/layout.h"

namespace cairn::datanode::testing {

struct CodedGroup {
  CodedGroup(BlockId id, const erasure::Schema& schema, uint32_t cell_bytes, uint64_t bytes)
      : group(id), layout(schema, cell_bytes), length(bytes), units(layout.units()) {
    const std::string data = Pattern(bytes, static_cast<uint32_t>(ToInt(id)));
    layout.ForEachPiece(0, bytes, [&](const erasure::Layout::Piece& piece) {
      units[piece.place.unit] += data.substr(piece.at, piece.bytes);
    });
    // Beyond their ends units count as zeros.
    std::vector<std::string> padded = units;
    for (std::string& unit : padded) unit.resize(layout.UnitBytes(bytes, 0));
    std::vector<const std::byte*> in;
    std::vector<std::byte*> out;
    for (uint32_t unit = 0; unit < layout.units(); ++unit) {
      auto* const place = reinterpret_cast<std::byte*>(padded[unit].data());
      if (unit < layout.data_units()) {
        in.push_back(place);
      } else {
        out.push_back(place);
      }
    }
    auto coder = erasure::Coder::Create(schema);
    CHECK(coder.ok()) << coder.status();
    (*coder)->Encode(in, out, padded[0].size());
    for (uint32_t unit = layout.data_units(); unit < layout.units(); ++unit) {
      units[unit] = padded[unit];
    }
  }

  TestBlock Block(uint32_t unit) const {
    return {.id = ToInt(UnitOf(group, unit)), .length = units[unit].size()};
  }

  BlockId group;
  erasure::Layout layout;
  uint64_t length;
  std::vector<std::string> units;  // by number; a data unit of no bytes has no block
};

}  // namespace cairn::datanode::testing
