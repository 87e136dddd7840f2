#include "client/group_units.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/costly_nodes.h"
#include "client/remote_replicas.h"

namespace cairn::client {
namespace {

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
    if (unit.located.b().numbytes() == 0) continue;
    if (number < layout.data_units()) ++needed_;
    if (file_.ChooseNode(unit.located) != nullptr) {
      unit.usable = true;
      ++usable_;
    } else if (!unit.located.locs().empty()) {
      SetAside(unit, kHasFailed);
    }
  }
  if (attempt_.is_first) SetCostlyAside();
}

void GroupUnits::SetAside(Unit& unit, absl::string_view why) {
  if (std::exchange(unit.usable, false)) --usable_;
  unit.located.clear_locs();
  unit.absence = why;
}

void GroupUnits::SetCostlyAside() {
  for (Unit& unit : units_) {
    if (!HasSpare()) return;
    const hdfs::DatanodeInfoProto* const best =
        unit.usable ? file_.ChooseNode(unit.located) : nullptr;
    if (best == nullptr) continue;
    if (context_.costly_nodes.Until(best->id().datanodeuuid()) > absl::ZeroDuration()) {
      SetAside(unit, "its datanode cost another read seconds");
    }
  }
}

absl::StatusOr<std::unique_ptr<BlockReader>> GroupUnits::Open(uint32_t number, uint64_t offset,
                                                              uint64_t bytes) {
  Unit& unit = units_[number];
  unit.has_stream = false;
  const hdfs::DatanodeInfoProto* const node = file_.ChooseNode(unit.located);
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
  if (file_.ChooseNode(unit.located) != nullptr) return true;
  SetAside(unit, kHasFailed);
  return false;
}

void GroupUnits::Finished(BlockReader& stream) { KeepConnection(context_, stream); }

}  // namespace cairn::client
