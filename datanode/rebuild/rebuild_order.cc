#include "datanode/rebuild/rebuild_order.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace cairn::datanode {
namespace {

constexpr uint32_t kMaxPort = 65535;
constexpr size_t kMaxUuidBytes = 128;  // as the namenode takes it
// Sums of lengths stay far from overflow.
constexpr uint64_t kMaxGroupBytes = uint64_t{1} << 60;

absl::Status Bad(absl::string_view field, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("rebuild order: ", field, ": ", why));
}

bool IsUuid(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxUuidBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

absl::StatusOr<TransferAddress> AddressFrom(const internal::Address& from) {
  absl::StatusOr<TransferAddress> address = CheckAddress(from.ip(), from.transfer_port());
  if (!address.ok()) return Bad("address", address.status().message());
  return address;
}

// Of a group of so many bytes. Notes the unit in `seen`, a bit each.
absl::Status CheckUnit(const RebuildOrder& order, uint64_t group_bytes, uint32_t unit,
                       uint32_t* seen) {
  if (unit >= order.schema.units()) {
    return Bad("unit", absl::StrCat(unit, " of a group of ", order.schema.units()));
  }
  if (order.layout().UnitBytes(group_bytes, unit) == 0) {
    return Bad("unit", absl::StrCat(unit, " holds no bytes"));
  }
  if ((*seen & (1u << unit)) != 0) return Bad("unit", absl::StrCat(unit, " is there twice"));
  *seen |= 1u << unit;
  return absl::OkStatus();
}

bool IsGroup(BlockId id) { return IsGrouped(id) && UnitNumber(id) == 0; }

absl::Status GroupFrom(const internal::RebuildUnits& from, RebuildOrder* order) {
  order->group = BlockId{from.group().block_id()};
  order->stamp = GenerationStamp{from.group().generation_stamp()};
  order->group_bytes = from.group().length();
  const absl::Status is_group = CheckGroup(order->group, order->group_bytes);
  if (!is_group.ok()) return Bad("group", is_group.message());
  const absl::StatusOr<erasure::Codec> codec = erasure::ParseCodec(from.codec());
  if (!codec.ok()) return Bad("codec", "is unknown");
  order->schema = {
      .codec = *codec, .data_units = from.data_units(), .parity_units = from.parity_units()};
  order->cell_bytes = from.cell_bytes();
  RETURN_IF_ERROR(erasure::CheckSchema(order->schema));
  return erasure::CheckCell(order->cell_bytes);
}

absl::Status OriginFrom(const internal::BlockRef& from, RebuildOrder* order) {
  LongerGroup& origin = order->cut_from.emplace();
  origin.group = BlockId{from.block_id()};
  origin.stamp = GenerationStamp{from.generation_stamp()};
  origin.bytes = from.length();
  if (!IsGroup(origin.group) || origin.group == order->group) {
    return Bad("cut_from", absl::StrCat(ToSigned(origin.group), " is no other block group"));
  }
  if (origin.bytes <= order->group_bytes || origin.bytes > kMaxGroupBytes) {
    return Bad("cut_from", absl::StrCat("a length of ", origin.bytes, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace

void LogAbout(const RebuildOrder& order, LogLevel level, absl::string_view text) {
  if (order.for_client) {
    LOG_EVERY_SECONDS(kInfo, 10, "for a client: {}", text);
  } else if (level == LogLevel::kError) {
    LOG_ERROR("{}", text);
  } else if (level == LogLevel::kWarn) {
    LOG_WARN("{}", text);
  } else {
    LOG_INFO("{}", text);
  }
}

absl::Status CheckGroup(BlockId group, uint64_t group_bytes) {
  if (!IsGroup(group)) {
    return absl::InvalidArgumentError(absl::StrCat(ToSigned(group), " is no block group"));
  }
  if (group_bytes == 0 || group_bytes > kMaxGroupBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("block group ", ToSigned(group), " of ", group_bytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<TransferAddress> CheckAddress(const std::string& ip, uint32_t port) {
  unsigned char binary[sizeof(in6_addr)];
  const bool numeric =
      ip.find('\0') == std::string::npos &&
      (inet_pton(AF_INET, ip.c_str(), binary) == 1 || inet_pton(AF_INET6, ip.c_str(), binary) == 1);
  if (!numeric) return absl::InvalidArgumentError("not a numeric address");
  if (port == 0 || port > kMaxPort) {
    return absl::InvalidArgumentError(absl::StrCat(port, " is no port"));
  }
  return TransferAddress{.ip = ip, .port = static_cast<uint16_t>(port)};
}

std::string RebuildOrder::GroupName() const {
  const std::string name = absl::StrCat("block group ", ToSigned(group));
  if (!cut_from) return name;
  return absl::StrCat(name, ", the beginning of ", ToSigned(cut_from->group));
}

uint32_t RebuildOrder::SourcesNeeded() const {
  uint32_t needed = 0;
  while (needed < schema.data_units && SourceBytes(needed) > 0) ++needed;
  return needed;
}

absl::StatusOr<RebuildOrder> CheckSources(const internal::RebuildUnits& from) {
  RebuildOrder order;
  RETURN_IF_ERROR(GroupFrom(from, &order));
  if (from.has_cut_from()) RETURN_IF_ERROR(OriginFrom(from.cut_from(), &order));
  const uint64_t source_bytes = order.cut_from ? order.cut_from->bytes : order.group_bytes;
  uint32_t seen = 0;
  for (const internal::RebuildUnits::Source& source : from.sources()) {
    RETURN_IF_ERROR(CheckUnit(order, source_bytes, source.unit(), &seen));
    UnitSource& out = order.sources.emplace_back();
    out.unit = source.unit();
    ASSIGN_OR_RETURN(out.address, AddressFrom(source.address()));
  }
  const uint32_t needed = order.SourcesNeeded();
  if (order.sources.size() < needed) {
    return Bad("sources", absl::StrCat(order.sources.size(), " units of a group are there, and ",
                                       needed, " are needed"));
  }
  return order;
}

absl::StatusOr<RebuildOrder> CheckRebuild(const internal::RebuildUnits& from) {
  ASSIGN_OR_RETURN(RebuildOrder order, CheckSources(from));
  uint32_t seen = 0;
  if (!order.cut_from) {
    for (const UnitSource& source : order.sources) seen |= 1u << source.unit;
  }
  for (const internal::RebuildUnits::Target& target : from.targets()) {
    RETURN_IF_ERROR(CheckUnit(order, order.group_bytes, target.unit(), &seen));
    if (!IsUuid(target.at().datanode_uuid())) return Bad("datanode_uuid", "is none");
    UnitTarget& out = order.targets.emplace_back();
    out.unit = target.unit();
    ASSIGN_OR_RETURN(out.address, AddressFrom(target.at().address()));
    out.storage_uuid = target.at().storage_uuid();
    out.storage_type = target.at().storage_type();
  }
  if (order.targets.empty()) return Bad("targets", "there is none");
  return order;
}

std::optional<internal::FailedCopy> FailureOf(const internal::RebuildUnits& order, int target) {
  const internal::RebuildUnits::Target& from = order.targets(target);
  const std::string& uuid = from.at().datanode_uuid();
  const BlockId group{order.group().block_id()};
  if (!IsGroup(group) || from.unit() >= erasure::kMaxUnits || !IsUuid(uuid)) return std::nullopt;
  internal::FailedCopy failed;
  failed.set_block_id(ToInt(UnitOf(group, from.unit())));
  failed.set_generation_stamp(order.group().generation_stamp());
  failed.add_target_uuids(uuid);
  return failed;
}

std::optional<internal::WrongUnit> WrongUnitOf(const internal::RebuildUnits& order, uint32_t unit) {
  for (const internal::RebuildUnits::Source& source : order.sources()) {
    if (source.unit() != unit) continue;
    if (!IsUuid(source.datanode_uuid())) return std::nullopt;
    internal::WrongUnit wrong;
    wrong.set_block_id(ToInt(UnitOf(BlockId{order.group().block_id()}, unit)));
    wrong.set_generation_stamp(order.group().generation_stamp());
    wrong.set_datanode_uuid(source.datanode_uuid());
    return wrong;
  }
  return std::nullopt;
}

}  // namespace cairn::datanode
