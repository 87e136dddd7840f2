// client/unit_comparison.h - all units of one block group, read and compared with one another.
//
// Checksums tell that bytes are as they were written, not that they were right; units that are
// there beyond those that it takes to read the group tell that, too. All units are gone through in
// step, since bytes at the same offset belong together, whatever the cells are. Of a group that is
// not being written any more: its parity goes as far as its first unit, and what a data unit lacks
// of that counts as zeros.
//
//   offset       0                        cell       a group of 1 1/3 cells
//   unit 0       |########################|
//   unit 1       |########|0000000000000000          zeros are known: they are not read
//   unit 2        0000000000000000000000000          nor are those of a unit without bytes
//   parity       |########################|
//                  window   window ...               none goes over the end of a unit
//
// A unit that cannot be read is left out from there on; the others are read to their ends all the
// same, which checks their checksums.
//
// Memory: a piece for each unit, and once more for zeros. What a datanode sends beyond a piece, as
// it does from where pieces end inside its packets, is held by the unit's reader: a packet, of 128
// KiB from Cairn's datanodes. With RS-6-3 that is 2.5 MiB, and 3.7 MiB at most; with the 16 units
// that a group has at most, 4.3 and 6.3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/striped_block_reader.h"
#include "client/striping.h"
#include "common/clock.h"

namespace cairn::client {

struct LostUnit {
  uint32_t unit = 0;
  absl::Status why;
};

struct UnitComparison {
  std::vector<LostUnit> lost;  // in the order in which they were lost
  uint64_t unit_bytes = 0;     // of the longest unit
  // Of these, so many where there was a unit more than it takes.
  uint64_t compared_bytes = 0;
  std::optional<uint64_t> differ_at;  // the first offset in the units; absent: nothing contradicts
  // The only unit without which all others agree. Absent: it cannot be told, or there are several.
  std::optional<uint32_t> wrong;
};

// Of each unit in memory at a time.
inline constexpr size_t kComparedPieceBytes = size_t{256} << 10;

// Of a group with `group_bytes` > 0 of data. Each unit is read from one of its replicas, from
// another one where that fails. kUnauthenticated: Open's. What cannot be read is no error.
absl::StatusOr<UnitComparison> CompareUnits(const Striping& striping, uint64_t group_bytes,
                                            UnitSource& source, Clock& clock,
                                            size_t piece_bytes = kComparedPieceBytes);

}  // namespace cairn::client
