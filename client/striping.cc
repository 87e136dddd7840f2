#include "client/striping.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace cairn::client {
namespace {

bool IsSound(const hdfs::LocatedBlockProto& group, uint32_t units) {
  if (group.b().blockid() % erasure::kMaxUnits != 0) return false;
  const size_t locations = static_cast<size_t>(group.locs_size());
  if (group.blockindices().size() != locations) return false;
  for (const char index : group.blockindices()) {
    if (static_cast<uint8_t>(index) >= units) return false;
  }
  return group.blocktokens().empty() || group.blocktokens_size() == group.locs_size();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Striping>> Striping::Create(const erasure::Policy& policy) {
  ASSIGN_OR_RETURN(std::unique_ptr<const erasure::Coder> coder,
                   erasure::Coder::Create(policy.schema));
  RETURN_IF_ERROR(erasure::CheckCell(policy.cell_bytes));
  return std::shared_ptr<const Striping>(new Striping(policy, std::move(coder)));
}

Striping::Striping(const erasure::Policy& policy, std::unique_ptr<const erasure::Coder> coder)
    : layout_(policy.schema, policy.cell_bytes), coder_(std::move(coder)) {}

bool Striping::IsLaidOutAs(const erasure::Policy& policy) const {
  return coder_->schema() == policy.schema && layout_.cell_bytes() == policy.cell_bytes;
}

absl::Status CheckGroup(const hdfs::LocatedBlockProto& group, uint32_t units,
                        absl::string_view path) {
  if (IsSound(group, units)) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(path, ": the server sent a block group whose units make no sense"));
}

absl::Status CheckGroups(const hdfs::LocatedBlocksProto& found, const erasure::Policy& policy,
                         absl::string_view path) {
  const uint32_t units = policy.schema.units();
  if (found.has_lastblock()) RETURN_IF_ERROR(CheckGroup(found.lastblock(), units, path));
  for (const hdfs::LocatedBlockProto& group : found.blocks()) {
    RETURN_IF_ERROR(CheckGroup(group, units, path));
  }
  return absl::OkStatus();
}

hdfs::LocatedBlockProto LocateUnit(const hdfs::LocatedBlockProto& group,
                                   const erasure::Layout& layout, uint32_t unit) {
  hdfs::LocatedBlockProto located;
  *located.mutable_b() = group.b();
  located.mutable_b()->set_blockid(group.b().blockid() + unit);
  located.mutable_b()->set_numbytes(layout.UnitBytes(group.b().numbytes(), unit));
  located.set_offset(group.offset());
  located.set_corrupt(false);
  *located.mutable_blocktoken() = group.blocktoken();
  for (int i = 0; i < group.locs_size(); ++i) {
    if (static_cast<uint8_t>(group.blockindices()[static_cast<size_t>(i)]) != unit) continue;
    *located.add_locs() = group.locs(i);
    if (i < group.storageids_size()) located.add_storageids(group.storageids(i));
    if (i < group.storagetypes_size()) located.add_storagetypes(group.storagetypes(i));
    if (i < group.blocktokens_size()) *located.mutable_blocktoken() = group.blocktokens(i);
  }
  return located;
}

}  // namespace cairn::client
