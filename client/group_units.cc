#include "client/group_units.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/costly_nodes.h"
#include "client/open_replica.h"
#include "client/remote_replicas.h"

namespace cairn::client {
namespace {

constexpr absl::string_view kNobodyHasIt = "no datanode is known that has it";
constexpr absl::string_view kIsCostly = "its datanode cost another read seconds";
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
    : context_(context),
      file_(file),
      path_(path),
      group_(group),
      layout_(layout),
      attempt_(attempt),
      units_(layout.units()),
      needed_(layout.UnitsNeeded(group.b().numbytes())) {
  for (uint32_t number = 0; number < units_.size(); ++number) units_[number].number = number;
  if (attempt_.is_first) HoldCostlyBack();
}

hdfs::LocatedBlockProto& GroupUnits::Located(Unit& unit) const {
  if (!unit.located.has_value()) {
    unit.located = LocateUnit(group_, layout_, unit.number);
    unit.absence = unit.located->locs().empty() ? kNobodyHasIt : kHasFailed;
  }
  return *unit.located;
}

bool GroupUnits::IsCostly(const hdfs::DatanodeInfoProto& node) const {
  return context_.costly_nodes.Until(node.id().datanodeuuid()) > absl::ZeroDuration();
}

const hdfs::DatanodeInfoProto* GroupUnits::InHand(Unit& unit) const {
  if (!attempt_.locally || unit.not_locally) return nullptr;
  const hdfs::LocatedBlockProto& located = Located(unit);
  for (const hdfs::DatanodeInfoProto& node : located.locs()) {
    if (context_.local_replicas.Has(node.id(), located.b())) return &node;
  }
  return nullptr;
}

const hdfs::DatanodeInfoProto* GroupUnits::NodeOf(Unit& unit) const {
  const bool has_turn = unit.turn == Turn::kFirst || unit.turn == Turn::kRecalled;
  if (!has_turn) return nullptr;
  const hdfs::LocatedBlockProto& located = Located(unit);
  if (located.b().numbytes() == 0) return nullptr;
  const hdfs::DatanodeInfoProto* const chosen = file_.ChooseNode(located);
  if (chosen != nullptr && !IsCostly(*chosen)) return chosen;
  const hdfs::DatanodeInfoProto* const in_hand = InHand(unit);
  return in_hand != nullptr ? in_hand : chosen;
}

bool GroupUnits::HasSpareFor(const Unit& unit) {
  const auto counts = [&](Unit& other) {
    return NodeOf(other) != nullptr ||
           (unit.turn == Turn::kRecalled && other.turn == Turn::kHeldBack);
  };
  return std::count_if(units_.begin(), units_.end(), counts) > needed_;
}

void GroupUnits::HoldCostlyBack() {
  if (!context_.costly_nodes.Any()) return;
  for (Unit& unit : units_) {
    const hdfs::DatanodeInfoProto* const best = NodeOf(unit);
    if (best == nullptr || !IsCostly(*best) || InHand(unit) == best) continue;
    if (!HasSpareFor(unit)) return;
    unit.turn = Turn::kHeldBack;
    unit.absence = kIsCostly;
  }
}

absl::StatusOr<std::unique_ptr<BlockReader>> GroupUnits::Open(uint32_t number, uint64_t offset,
                                                              uint64_t bytes) {
  Unit& unit = units_[number];
  unit.has_stream = unit.is_local = false;
  const hdfs::DatanodeInfoProto* const node = NodeOf(unit);
  if (node == nullptr) {
    unit.node.reset();
    return absl::UnavailableError(unit.absence);
  }
  unit.node = *node;
  const ClientOptions& options = context_.options;
  const hdfs::LocatedBlockProto& located = Located(unit);
  RemoteBlockReader::Request request{.block = located.b(),
                                     .token = located.blocktoken(),
                                     .offset = offset,
                                     .length = bytes,
                                     .client_name = context_.client_name,
                                     .verify = options.verify_checksums};
  if (attempt_.locally && !unit.not_locally) {
    if (auto local = OpenByFiles(context_, node->id(), request)) {
      unit.has_stream = unit.is_local = true;
      return local;
    }
  }
  const bool soon = attempt_.is_first && HasSpareFor(unit);
  request.silence_limit = ReadSilenceLimit(options, soon);
  absl::StatusOr<std::unique_ptr<RemoteBlockReader>> stream =
      OpenRemote(context_, node->id(), request,
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
    if (unit.turn != Turn::kHeldBack) unit.turn = Turn::kOver;
    return false;
  }
  hdfs::LocatedBlockProto& located = Located(unit);
  if (std::exchange(unit.is_local, false)) {
    // They may have been changed under us, which the datanode knows.
    context_.local_replicas.Reject(node->id(), located.b());
    unit.not_locally = true;
    return true;
  }
  if (MayReopen(unit, why, took)) {
    unit.was_reopened = true;
    return true;
  }
  context_.costly_nodes.Failed(node->id().datanodeuuid(), took);
  if (absl::IsDataLoss(why)) {
    file_.NoteBad(node->id(), located.b().blockid());
    ReportBadReplica(context_, path_, located, *node);
  } else {
    file_.NoteDead(node->id(), CostlyNodes::kLife);
  }
  RemoveLocation(located, *node);
  if (NodeOf(unit) != nullptr) return true;
  unit.turn = Turn::kOver;
  return false;
}

bool GroupUnits::Recall(uint32_t number) {
  Unit& unit = units_[number];
  if (unit.turn != Turn::kHeldBack) return false;
  unit.turn = Turn::kRecalled;
  unit.absence = kHasFailed;
  return true;
}

void GroupUnits::Finished(BlockReader& stream) { KeepConnection(context_, stream); }

}  // namespace cairn::client
