#include "client/group_units.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/costly_nodes.h"
#include "client/remote_replicas.h"

namespace cairn::client {
namespace {

constexpr absl::string_view kNobodyHasIt = "no datanode is known that has it";
constexpr absl::string_view kHasFailed = "its datanode has failed before";

void RemoveLocation(hdfs::LocatedBlockProto& located, const hdfs::DatanodeInfoProto& node) {
  for (int i = located.locs_size() - 1; i >= 0; --i) {
    if (located.locs(i).id().datanodeuuid() != node.id().datanodeuuid()) continue;
    located.mutable_locs()->DeleteSubrange(i, 1);
    if (i < located.storageids_size()) located.mutable_storageids()->DeleteSubrange(i, 1);
    if (i < located.storagetypes_size()) {
      located.mutable_storagetypes()->erase(located.storagetypes().begin() + i);
    }
  }
}

}  // namespace

GroupUnits::GroupUnits(ClientContext& context, LocatedFile& file, const std::string& path,
                       const hdfs::LocatedBlockProto& group, const erasure::Layout& layout,
                       const Attempt& attempt)
    : context_(context), file_(file), path_(path), attempt_(attempt), units_(layout.units()) {
  for (uint32_t number = 0; number < units_.size(); ++number) {
    Unit& unit = units_[number];
    unit.located = LocateUnit(group, layout, number);
    unit.absence = unit.located.locs().empty() ? kNobodyHasIt : kHasFailed;
    if (number < layout.data_units() && unit.located.b().numbytes() > 0) ++needed_;
  }
  if (attempt_.is_first) SetCostlyAside();
}

const hdfs::DatanodeInfoProto* GroupUnits::NodeOf(const Unit& unit) const {
  const bool has_bytes = unit.located.b().numbytes() > 0;
  return has_bytes && !unit.is_aside ? file_.ChooseNode(unit.located) : nullptr;
}

bool GroupUnits::HasSpare() const {
  return std::count_if(units_.begin(), units_.end(),
                       [this](const Unit& unit) { return NodeOf(unit) != nullptr; }) > needed_;
}

void GroupUnits::SetAside(Unit& unit, absl::string_view why) {
  unit.is_aside = true;
  unit.absence = why;
}

void GroupUnits::SetCostlyAside() {
  for (Unit& unit : units_) {
    const hdfs::DatanodeInfoProto* const best = NodeOf(unit);
    if (best == nullptr) continue;
    if (context_.costly_nodes.Until(best->id().datanodeuuid()) == absl::ZeroDuration()) continue;
    if (!HasSpare()) return;
    SetAside(unit, "its datanode cost another read seconds");
  }
}

absl::StatusOr<std::unique_ptr<BlockReader>> GroupUnits::Open(uint32_t number, uint64_t offset,
                                                              uint64_t bytes) {
  Unit& unit = units_[number];
  unit.has_stream = false;
  const hdfs::DatanodeInfoProto* const node = NodeOf(unit);
  if (node == nullptr) {
    unit.node.reset();
    return absl::UnavailableError(unit.absence);
  }
  unit.node = *node;
  const ClientOptions& options = context_.options;
  const bool soon = attempt_.is_first && HasSpare();
  const bool bounded = soon && options.read_silence_limit > absl::ZeroDuration();
  absl::StatusOr<std::unique_ptr<RemoteBlockReader>> stream = OpenRemote(
      context_, node->id(),
      {.block = unit.located.b(),
       .token = unit.located.blocktoken(),
       .offset = offset,
       .length = bytes,
       .client_name = context_.client_name,
       .verify = options.verify_checksums,
       .silence_limit = bounded ? std::min(options.read_silence_limit, options.read_timeout)
                                : options.read_timeout},
      soon ? options.read_connect_timeout : absl::InfiniteDuration());
  if (absl::IsUnauthenticated(stream.status()) && attempt_.token_renewed) {
    return absl::UnavailableError(stream.status().message());
  }
  unit.has_stream = stream.ok();
  return stream;
}

bool GroupUnits::MayReopen(const Unit& unit, const absl::Status& why, absl::Duration took) {
  return unit.has_stream && !unit.was_reopened && !absl::IsDataLoss(why) &&
         took < CostlyNodes::kCostly;
}

bool GroupUnits::Failed(uint32_t number, const absl::Status& why, absl::Duration took) {
  Unit& unit = units_[number];
  const std::optional<hdfs::DatanodeInfoProto> node = std::exchange(unit.node, std::nullopt);
  if (!node.has_value()) {
    SetAside(unit, unit.absence);
    return false;
  }
  if (MayReopen(unit, why, took)) {
    unit.was_reopened = true;
    return true;
  }
  context_.costly_nodes.Failed(node->id().datanodeuuid(), took);
  if (absl::IsDataLoss(why)) {
    file_.NoteBad(node->id(), unit.located.b().blockid());
    ReportBadReplica(context_, path_, unit.located, *node);
  } else {
    file_.NoteDead(node->id(), CostlyNodes::kLife);
  }
  RemoveLocation(unit.located, *node);
  if (NodeOf(unit) != nullptr) return true;
  SetAside(unit, kHasFailed);
  return false;
}

void GroupUnits::Finished(BlockReader& stream) { KeepConnection(context_, stream); }

}  // namespace cairn::client
