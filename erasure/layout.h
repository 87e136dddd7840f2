// erasure/layout.h - which byte of a block group lies where.
//
// The bytes of a group go to its k data units in turn, a cell at a time; k cells are a stripe, and
// each parity unit has a cell for it. Only the last stripe may be short: what its data cells lack
// counts as zeros, and its parity cells are as long as its first cell. Source: HDFS's
// StripedBlockUtil. Pure.
//
//   unit 0   unit 1   unit 2   parity
//   0..c     c..2c    2c..3c   c bytes      stripe 0
//   3c..4c   4c..L    -        c bytes      stripe 1, of a group of L < 5c bytes
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "erasure/policy.h"

namespace cairn::erasure {

class Layout {
 public:
  // Both have been checked: CheckSchema, CheckCell.
  Layout(const Schema& schema, uint32_t cell_bytes)
      : data_(schema.data_units), parity_(schema.parity_units), cell_(cell_bytes) {}

  uint32_t data_units() const { return data_; }
  uint32_t units() const { return data_ + parity_; }
  uint32_t cell_bytes() const { return cell_; }
  uint64_t stripe_bytes() const { return uint64_t{data_} * cell_; }

  // How long `unit`, data or parity, is in a group that holds `group_bytes` of data. A data unit
  // of no bytes has no block.
  uint64_t UnitBytes(uint64_t group_bytes, uint32_t unit) const;
  // So many units give back such a group: as many as data units hold bytes of it.
  uint32_t UnitsNeeded(uint64_t group_bytes) const;

  struct Place {
    uint32_t unit = 0;    // of the data units
    uint64_t offset = 0;  // in it
    bool operator==(const Place&) const = default;
  };
  Place PlaceOf(uint64_t offset) const;
  // The inverse; `unit` is a data unit.
  uint64_t OffsetOf(const Place& place) const;

  // A part of a range of the group that lies in one cell.
  struct Piece {
    Place place;
    uint64_t at = 0;  // of the range's bytes, where this begins
    uint64_t bytes = 0;
    bool operator==(const Piece&) const = default;
  };
  // In the order of the group's bytes.
  void ForEachPiece(uint64_t offset, uint64_t bytes,
                    const std::function<void(const Piece&)>& use) const;

  struct Extent {
    uint64_t begin = 0;
    uint64_t end = 0;
    bool operator==(const Extent&) const = default;
  };
  // What of each data unit a range of the group takes; begin == end: nothing. It is one piece of
  // the unit, without gaps.
  std::vector<Extent> UnitExtents(uint64_t offset, uint64_t bytes) const;

 private:
  uint32_t data_;
  uint32_t parity_;
  uint32_t cell_;
};

}  // namespace cairn::erasure
