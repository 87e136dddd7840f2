// What operations ask of a file's blocks, whether they are replicated or groups of units.
#include "namenode/namespace/units.h"

#include "namenode/core/namenode_impl.h"

namespace cairn::namenode {

bool NamenodeImpl::IsResident(const Inode& file, const BlockVersion& block, View& view) {
  bool resident = true;
  ForEachUnit(file, block, IsFinal(file, block), [&](uint32_t, const BlockVersion& unit) {
    if (blocks_->Find(unit.id) != nullptr) return;
    view.wanted().blocks.push_back(unit.id);
    resident = false;
  });
  return resident;
}

bool NamenodeImpl::IsUnderConstruction(const Inode& file, const BlockVersion& block, View& view) {
  if (file.erasure != nullptr) return IsResident(file, block, view) && !IsFinal(file, block);
  const BlockMap::Entry* const entry = blocks_->Find(block.id);
  if (entry == nullptr) {
    view.wanted().blocks.push_back(block.id);
    return false;
  }
  return entry->state() == BlockMap::State::kUnderConstruction;
}

bool NamenodeImpl::HasMinimum(const Inode& file, const BlockVersion& block) const {
  if (file.erasure == nullptr) return blocks_->HasMinimum(block.id);
  uint32_t there = 0;
  ForEachUnit(file, block, /*final=*/true, [&](uint32_t, const BlockVersion& unit) {
    there += blocks_->LiveCount(unit.id) > 0;
  });
  return there >= UnitsNeeded(file, block);
}

bool NamenodeImpl::WouldHaveMinimum(const Inode& file, const BlockVersion& last) const {
  if (file.erasure == nullptr) {
    return blocks_->CountMatching(last) >= blocks_->min_replication(last.id);
  }
  uint32_t there = 0;
  ForEachUnit(file, last, /*final=*/true, [&](uint32_t, const BlockVersion& unit) {
    there += blocks_->CountMatching(unit) > 0;
  });
  return there >= UnitsNeeded(file, last);
}

void NamenodeImpl::AddExpected(const Inode& file, LocatedBlock* out) const {
  out->erasure = file.erasure;
  ForEachUnit(file, out->block, /*final=*/false, [&](uint32_t number, const BlockVersion& unit) {
    const BlockMap::Entry* const entry = blocks_->Find(unit.id);
    if (entry == nullptr) return;
    for (const uint32_t storage : entry->expected()) {
      out->storages.push_back(storage);
      if (file.erasure != nullptr) out->units.push_back(static_cast<uint8_t>(number));
    }
  });
}

}  // namespace cairn::namenode
