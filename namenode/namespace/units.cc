#include "namenode/namespace/units.h"

#include <algorithm>

#include "common/replica_digest.h"
#include "erasure/layout.h"

namespace cairn::namenode {

BlockVersion UnitVersion(const Inode& file, const BlockVersion& block, uint32_t unit) {
  if (file.erasure == nullptr) return block;
  const erasure::Layout layout(file.erasure->schema, file.erasure->cell_bytes);
  return {UnitOf(block.id, unit), block.stamp, layout.UnitBytes(block.length, unit)};
}

uint32_t UnitsNeeded(const Inode& file, const BlockVersion& block) {
  if (file.erasure == nullptr) return 1;
  return erasure::Layout(file.erasure->schema, file.erasure->cell_bytes).UnitsNeeded(block.length);
}

bool IsFinal(const Inode& file, const BlockVersion& block) {
  return !file.is_open() || file.file->last_committed || file.file->blocks.back().id != block.id;
}

std::span<const BlockVersion> BlocksToRead(const Inode& file) {
  const FileData& data = *file.file;
  const bool rewriting = data.truncate_to != 0 && !data.last_committed;
  return std::span(data.blocks).first(data.blocks.size() - (rewriting ? 1 : 0));
}

BlockPlace PlaceOfByte(const FileData& file, uint64_t offset) {
  BlockPlace place;
  while (place.index < file.blocks.size() &&
         place.start + file.blocks[place.index].length <= offset) {
    place.start += file.blocks[place.index++].length;
  }
  return place;
}

std::optional<BlockVersion> FindBlock(const Inode& file, BlockId id) {
  const BlockId owned = OwnedId(id);
  const std::vector<BlockVersion>& blocks = file.file->blocks;
  const auto found = std::find_if(blocks.rbegin(), blocks.rend(),
                                  [owned](const BlockVersion& block) { return block.id == owned; });
  if (found == blocks.rend()) return std::nullopt;
  return *found;
}

std::optional<BlockVersion> FindUnit(const Inode& file, BlockId id) {
  const std::optional<BlockVersion> found = FindBlock(file, id);
  if (!found || !IsGrouped(id)) return found;
  const uint32_t unit = UnitNumber(id);
  if (unit >= UnitCount(file)) return std::nullopt;
  const BlockVersion version = UnitVersion(file, *found, unit);
  if (!Exists(version, IsFinal(file, *found))) return std::nullopt;
  return version;
}

bool HasBlocks(const Inode& file, InodeId id, std::span<const BlockVersion> expected) {
  if (file.id != id) return false;
  size_t next = 0;
  for (const BlockVersion& block : file.file->blocks) {
    if (block.length == 0) continue;  // nobody is told of it
    if (next == expected.size()) return false;
    const BlockVersion& told = expected[next++];
    if (block.id != told.id || block.stamp != told.stamp || block.length != told.length) {
      return false;
    }
  }
  return next == expected.size();
}

uint64_t ContentsOf(const Inode& file) {
  uint64_t digest = 0;
  for (const BlockVersion& block : BlocksToRead(file)) {
    digest = ReplicaDigest::Mix(digest ^ ToInt(block.id));
    digest = ReplicaDigest::Mix(digest ^ ToInt(block.stamp));
  }
  return digest;
}

}  // namespace cairn::namenode
