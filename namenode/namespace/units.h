// namenode/namespace/units.h - what datanodes hold of a file's blocks.
//
// Of a replicated file they hold each block, several times. Of an erasure-coded one a block is a
// group, which nobody holds: they hold its units, once each. A unit is a block of its own wherever
// replicas are reported, counted and deleted, with the id that follows from its group's, the
// group's stamp, and the length that follows from the group's (erasure/layout.h).
//
// Pure. Guarded as the inode is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "common/ids.h"
#include "namenode/namespace/inode.h"

namespace cairn::namenode {

// As datanodes know it. `unit` is below UnitCount; of a replicated file it is 0.
BlockVersion UnitVersion(const Inode& file, const BlockVersion& block, uint32_t unit);

// Of one block: 1, or the group's data and parity units.
inline uint32_t UnitCount(const Inode& file) {
  return file.erasure == nullptr ? 1 : file.erasure->schema.units();
}

// So many of its units must be there for all bytes to be: the data units that hold any. Of a
// replicated block: 1.
uint32_t UnitsNeeded(const Inode& file, const BlockVersion& block);

// Most bytes that one of its blocks may hold: the block size, which a group has in each data unit.
inline uint64_t MaxBlockBytes(const Inode& file) {
  return file.erasure == nullptr ? file.file->block_bytes
                                 : file.file->block_bytes * file.erasure->schema.data_units;
}

// The block's length is final: it is not the last of an open file, or was committed.
bool IsFinal(const Inode& file, const BlockVersion& block);

// Of a group that is final, a unit of no bytes does not exist.
inline bool Exists(const BlockVersion& unit, bool final) {
  return !final || !IsGrouped(unit.id) || unit.length != 0;
}

// The blocks that hold the file's bytes, and the last one that is being written; not the group that
// is written in place of one that a truncation cuts.
std::span<const BlockVersion> BlocksToRead(const Inode& file);

// The block in which the byte `offset` of the file is, and where that begins. Behind the end: how
// many blocks there are, and the file's length.
struct BlockPlace {
  size_t index = 0;
  uint64_t start = 0;
};
BlockPlace PlaceOfByte(const FileData& file, uint64_t offset);

// The block of the file that `id` names, or the group of the unit. nullopt: the file does not have
// it (any more).
std::optional<BlockVersion> FindBlock(const Inode& file, BlockId id);

// The block of the file that `id` names, or the unit of one of its groups. nullopt: the file does
// not have it (any more).
std::optional<BlockVersion> FindUnit(const Inode& file, BlockId id);

// The id under which the namespace knows what datanodes know as `id`.
inline BlockId OwnedId(BlockId id) { return IsGrouped(id) ? GroupOf(id) : id; }

// A digest of all its blocks to read and their stamps. Ids are never used twice and what a block
// holds under one stamp never changes: as long as it is the same, so are the bytes. 0: it has no
// blocks.
uint64_t ContentsOf(const Inode& file);

// Whether it is the file `id`, and the blocks that hold bytes are these: then a caller who was told
// of them knows every byte.
bool HasBlocks(const Inode& file, InodeId id, std::span<const BlockVersion> expected);

// For each of the block's units that exist.
template <typename Use>
void ForEachUnit(const Inode& file, const BlockVersion& block, bool final, Use use) {
  for (uint32_t unit = 0; unit < UnitCount(file); ++unit) {
    const BlockVersion version = UnitVersion(file, block, unit);
    if (Exists(version, final)) use(unit, version);
  }
}

}  // namespace cairn::namenode
