// datanode/rebuild/rebuild_order.h - the namenode's order to rebuild units of a block group,
// checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "common/logging.h"
#include "erasure/layout.h"
#include "proto/cairn/datanode.pb.h"

namespace cairn::datanode {

// A datanode's data transfer port.
struct TransferAddress {
  std::string ip;  // numeric
  uint16_t port = 0;
  // It is waited for no longer than this at a time, nor than TransferOptions say. Orders do not
  // have it; who knows of one that is slow does.
  absl::Duration patience = absl::InfiniteDuration();
};

struct UnitSource {
  uint32_t unit = 0;
  TransferAddress address;
};

struct UnitTarget {
  uint32_t unit = 0;
  TransferAddress address;
  std::string storage_uuid;
  uint32_t storage_type = 0;  // StorageTypeProto, or no known one
};

struct LongerGroup {
  BlockId group{};
  GenerationStamp stamp{};
  uint64_t bytes = 0;
};

struct RebuildOrder {
  BlockId group{};
  GenerationStamp stamp{};
  uint64_t group_bytes = 0;  // of data
  erasure::Schema schema;
  uint32_t cell_bytes = 0;
  std::vector<UnitSource> sources;  // in the order in which they are to be used
  std::vector<UnitTarget> targets;
  // A client asks, and may as often as it likes, with units that make no sense.
  bool for_client = false;
  // Set: the sources have units of this group, of the same schema and cells, which begins with all
  // bytes of `group` and is longer; nobody has a unit of `group` yet.
  std::optional<LongerGroup> cut_from = {};

  erasure::Layout layout() const { return erasure::Layout(schema, cell_bytes); }
  uint64_t UnitBytes(uint32_t unit) const { return layout().UnitBytes(group_bytes, unit); }
  // ---- of the group that the sources are of
  BlockId source_group() const { return cut_from ? cut_from->group : group; }
  GenerationStamp source_stamp() const { return cut_from ? cut_from->stamp : stamp; }
  uint64_t SourceBytes(uint32_t unit) const {
    return layout().UnitBytes(cut_from ? cut_from->bytes : group_bytes, unit);
  }
  std::string GroupName() const;  // for messages
  // So many sources say what all other units of theirs are: one for each data unit that holds any
  // bytes. The other data units are known: they count as zeros.
  uint32_t SourcesNeeded() const;
};

// A line in the log about what becomes of the order; of clients' orders there are few.
void LogAbout(const RebuildOrder& order, LogLevel level, absl::string_view text);

// What holds of whatever is asked about a group. kInvalidArgument: it is the id of none, or of a
// unit, or none has so many bytes.
absl::Status CheckGroup(BlockId group, uint64_t group_bytes);
// kInvalidArgument: not a numeric address, or no port.
absl::StatusOr<TransferAddress> CheckAddress(const std::string& ip, uint32_t port);

// kInvalidArgument: names the field that makes no sense. Every unit is one of the group and holds
// bytes, none is named twice, and there are sources enough, and a target. (A group that is cut from
// another one may have as a target the unit that the other has as a source.)
absl::StatusOr<RebuildOrder> CheckRebuild(const internal::RebuildUnits& order);
// The same of an order without targets; whatever it says of those is passed over.
absl::StatusOr<RebuildOrder> CheckSources(const internal::RebuildUnits& order);

// How the namenode is told that the order's target number `target` has not got its unit; the order
// need not have passed CheckRebuild. nullopt: it names no unit of a group, or no datanode that the
// namenode would take, which refuses the whole heartbeat then.
std::optional<internal::FailedCopy> FailureOf(const internal::RebuildUnits& order, int target);

// How the namenode is told that what a source of the order has of `unit` is wrong; without a
// reason. nullopt: the order names no such source, or no datanode that the namenode would take.
std::optional<internal::WrongUnit> WrongUnitOf(const internal::RebuildUnits& order, uint32_t unit);

}  // namespace cairn::datanode
