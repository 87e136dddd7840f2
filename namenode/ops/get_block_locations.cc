#include <algorithm>

#include "namenode/cluster/placement.h"
#include "namenode/core/healer.h"
#include "namenode/core/run.h"
#include "namenode/namespace/units.h"

namespace cairn::namenode {
namespace {

// Of a block that is being written it is not known how long it is: its datanodes tell.
bool IsSomeBlockNowhere(const LocatedBlocks& located) {
  if (located.last && !located.last_complete && located.last->storages.empty()) return true;
  return std::any_of(located.blocks.begin(), located.blocks.end(), [](const LocatedBlock& block) {
    return block.storages.empty() && block.block.length != 0;
  });
}

}  // namespace

LocatedBlock NamenodeImpl::Locate(const Inode& file, const BlockVersion& block, uint64_t offset,
                                  absl::string_view reader_ip, const ClusterView& cluster,
                                  View& view) {
  LocatedBlock out;
  out.block = block;
  out.offset = offset;
  out.erasure = file.erasure;
  if (!IsResident(file, block, view)) return out;
  uint32_t readable = 0;
  ForEachUnit(file, block, IsFinal(file, block), [&](uint32_t number, const BlockVersion& unit) {
    mu_.AssertReaderHeld();
    bool corrupt = false;
    std::vector<uint32_t> storages = blocks_->Locations(unit.id, &corrupt);
    if (corrupt && file.erasure != nullptr) storages.clear();  // it is computed
    healer_->HideLeaving(unit.id, cluster, &storages);
    storages = OrderForReader(cluster, storages, reader_ip, RandomBits());
    readable += !storages.empty() && !corrupt;
    out.corrupt |= corrupt;
    out.storages.insert(out.storages.end(), storages.begin(), storages.end());
    if (file.erasure != nullptr) {
      out.units.resize(out.storages.size(), static_cast<uint8_t>(number));
    }
  });
  // A group is read without the units that are bad, as long as there are enough others.
  if (file.erasure != nullptr) out.corrupt &= readable < UnitsNeeded(file, block);
  return out;
}

LocatedBlocks NamenodeImpl::LocateAll(const Inode& file, uint64_t offset, uint64_t length,
                                      absl::string_view reader_ip, View& view) {
  const FileData& data = *file.file;
  const std::shared_ptr<const ClusterView> cluster = cluster_.View();
  LocatedBlocks out;
  out.under_construction = file.is_open();
  out.erasure = file.erasure;
  out.file_length = data.length;
  out.contents = ContentsOf(file);
  out.converted_from = data.converted_from;
  const uint64_t end = length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
  uint64_t at = 0;
  const std::span<const BlockVersion> blocks = BlocksToRead(file);
  for (size_t i = 0; i < blocks.size(); ++i) {
    const BlockVersion& block = blocks[i];
    const bool last = i + 1 == blocks.size();
    const bool open = last && file.is_open() && IsUnderConstruction(file, block, view);
    if (open) out.file_length -= block.length;
    const bool overlaps = at < end && at + block.length > offset && !open;
    if (overlaps || last) {
      LocatedBlock located = Locate(file, block, at, reader_ip, *cluster, view);
      if (last) {
        out.last = located;
        out.last_complete = !open;
      }
      if (overlaps) out.blocks.push_back(std::move(located));
    }
    at += block.length;
  }
  return out;
}

Outcome<LocatedBlocks> NamenodeImpl::GetBlockLocations(const Caller& caller, absl::string_view text,
                                                       uint64_t offset, uint64_t length) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Read<LocatedBlocks>(caller, [&](View& view) -> absl::StatusOr<LocatedBlocks> {
    mu_.AssertReaderHeld();
    ASSIGN_OR_RETURN(const Resolved at, view.ResolveFile(*path));
    RETURN_IF_ERROR(view.Check(*at.target(), kRead));
    LocatedBlocks located = LocateAll(*at.target(), offset, length, caller.remote_ip, view);
    if (safe_mode_.temporary() && IsSomeBlockNowhere(located)) {
      return MakeFsError(
          FsError::kRetriable,
          absl::StrCat("Zero blocklocations for ", ForMessage(text),
                       ". Name node is in safe mode.\n", safe_mode_.Describe(clock_.Monotonic())));
    }
    if (IsAccessDue(*at.target())) located.access_due = at.target()->id;
    return located;
  });
}

Outcome<LocatedBlocks> NamenodeImpl::LocateById(const Caller& caller, InodeId id) {
  return Read<LocatedBlocks>(caller, [&](View& view) -> absl::StatusOr<LocatedBlocks> {
    mu_.AssertReaderHeld();
    ASSIGN_OR_RETURN(const Inode* const file, view.FindById(id));
    if (file == nullptr || file->is_directory()) {
      return MakeFsError(FsError::kFileNotFound, absl::StrCat("inode ", ToInt(id)));
    }
    return LocateAll(*file, 0, UINT64_MAX, caller.remote_ip, view);
  });
}

}  // namespace cairn::namenode
