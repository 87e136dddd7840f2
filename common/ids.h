// common/ids.h - distinct integer types for the things that HDFS numbers, so that a block id cannot
// be passed for an inode id. Explicit values reach disk and wire; none is ever reused.
#pragma once

#include <cstdint>
#include <type_traits>

namespace cairn {

enum class InodeId : uint64_t {};  // root is 16385, as in HDFS; 0 means "not known"
enum class BlockId : uint64_t {};  // replicated block: bit 63 clear; block group: bit 63 set
enum class GenerationStamp : uint64_t {
};                              // raised at each pipeline or block recovery; first is 1001
enum class TxId : uint64_t {};  // number of an edit; the first edit is 1, 0 is "before all"

// A block group is told as one block; its units have the ids that follow its own, by their numbers.
// Both kinds are numbered by one counter: the n-th id given out is n, or n of a group in
// bits 4..62.
inline constexpr uint64_t kGroupBit = uint64_t{1} << 63;
inline constexpr int kUnitBits = 4;

inline constexpr InodeId kRootInode{16385};
inline constexpr InodeId kNoInode{0};
inline constexpr TxId kNoTx{0};

// The number inside an id: for encoding, printing and arithmetic at the place that allocates.
template <typename Id>
requires std::is_enum_v<Id>
constexpr uint64_t ToInt(Id id) { return static_cast<uint64_t>(id); }

// Of a group, or of one of its units.
constexpr bool IsGrouped(BlockId block) { return (ToInt(block) & kGroupBit) != 0; }
constexpr BlockId MakeGroupId(uint64_t counter) {
  return BlockId{kGroupBit | counter << kUnitBits};
}
// The group's id from that of a unit, or of the group itself.
constexpr BlockId GroupOf(BlockId unit) {
  return BlockId{ToInt(unit) & ~((uint64_t{1} << kUnitBits) - 1)};
}
constexpr uint32_t UnitNumber(BlockId unit) {
  return static_cast<uint32_t>(ToInt(unit) & ((uint64_t{1} << kUnitBits) - 1));
}
constexpr BlockId UnitOf(BlockId group, uint32_t unit) { return BlockId{ToInt(group) | unit}; }
// As HDFS prints a block's id, and names its files: a group's is negative.
constexpr int64_t ToSigned(BlockId block) { return static_cast<int64_t>(ToInt(block)); }
// The counter's value when the block, or its group, was given its id.
constexpr uint64_t CounterOf(BlockId block) {
  return IsGrouped(block) ? (ToInt(block) & ~kGroupBit) >> kUnitBits : ToInt(block);
}

}  // namespace cairn
