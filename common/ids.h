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

inline constexpr InodeId kRootInode{16385};
inline constexpr InodeId kNoInode{0};
inline constexpr TxId kNoTx{0};

// The number inside an id: for encoding, printing and arithmetic at the place that allocates.
template <typename Id>
requires std::is_enum_v<Id>
constexpr uint64_t ToInt(Id id) { return static_cast<uint64_t>(id); }

}  // namespace cairn
