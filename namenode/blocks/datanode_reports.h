// namenode/blocks/datanode_reports.h - what datanodes tell the namenode and what it answers, free
// of any protocol. service/grpc calls it, ops/report_replicas.cc implements it.
//
// Contract with the datanode, on top of proto/cairn/datanode.proto:
// - Reports (changes and full) of a session carry 1, 2, 3, ... and are sent one at a time, each
//   again with its number until it is answered. A number left out means "register again".
// - A full report begins right after its list was taken: no report of changes goes between the
//   taking and part 0. Changes that happen later may be reported between the parts; the namenode
//   does not judge by the list any block that was reported since part 0.
//
// Threads: any. A call may wait for the journal (Register, for a storage that is new).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "erasure/policy.h"
#include "namenode/blocks/replica.h"
#include "namenode/blocks/replica_digests.h"
#include "namenode/cluster/datanode_info.h"
#include "namenode/namespace/types.h"

namespace cairn::namenode {

// The layout of a datanode's directories that this namenode works with.
inline constexpr uint32_t kDatanodeLayoutVersion = 1;

struct DatanodeRegistration {
  std::string cluster_id, block_pool_id;  // empty: a new datanode, takes the namenode's
  uint32_t layout_version = 0;
  std::string software_version;
  std::string datanode_uuid;
  DatanodeAddress address;
  std::vector<StorageInfo> storages;
};

struct DatanodeWelcome {
  std::string cluster_id, block_pool_id;
  uint64_t session = 0;
  absl::Duration heartbeat_interval;
  bool full_report = true;
  uint32_t digest_shift = 0;  // the width of digests' buckets; 0: send lists
};

// Orders, carried by the answers to heartbeats.
struct InvalidateCommand {
  std::vector<BlockVersion> blocks;  // replicas with this stamp or an older one
};
struct ReplicaTarget {
  DatanodeAddress address;
  std::string datanode_uuid, storage_uuid;
  uint32_t storage_type = 1;
};
struct ReplicateCommand {
  BlockVersion block;
  std::vector<ReplicaTarget> targets;
  // Not 0: a copy for the sake of balance. It is sent no faster, and takes its share of what the
  // datanode may spend on such copies.
  uint64_t balance_bytes_per_second = 0;
};
// What the datanode may spend on copies for the sake of balance.
struct BalanceBandwidthCommand {
  uint64_t bytes_per_second = 0;
};
struct RecoverCommand {
  BlockVersion block;
  GenerationStamp new_stamp{};
  std::vector<ReplicaTarget> replicas;
  // No other datanode that is there, or may come back in time, can have a replica.
  bool all_asked = false;
};
struct FullReportCommand {};
struct TruncateCommand {
  BlockVersion block;
  GenerationStamp new_stamp{};
  uint64_t new_length = 0;
};
// Somebody doubts the replica: read it from disk, and report it if it is bad, or not there.
struct VerifyCommand {
  BlockVersion block;
};
// Compute units that are lost, and send each to its target.
struct RebuildCommand {
  struct Source {
    uint32_t unit = 0;
    DatanodeAddress address;
    std::string datanode_uuid;
  };
  struct Target {
    uint32_t unit = 0;
    ReplicaTarget at;
  };
  BlockVersion group;  // its length is that of its data
  erasure::Schema schema;
  uint32_t cell_bytes = 0;
  // At least as many as data units hold bytes of the group. The first ones are read; one more has
  // the result compared with it, the others take the place of those that fail, and help to find one
  // that is wrong.
  std::vector<Source> sources;
  std::vector<Target> targets;
  // Set: the group is new, and gets the first bytes of this one, of which the sources are units.
  std::optional<BlockVersion> cut_from = {};
};
// Read all units of a group, and say whether they agree.
struct VerifyGroupCommand {
  uint64_t number = 0;  // by which the verdict names it
  BlockVersion group;   // its length is that of its data
  erasure::Schema schema;
  uint32_t cell_bytes = 0;
  std::vector<RebuildCommand::Source> sources;  // all units that hold bytes
  uint64_t bytes_per_second = 0;                // of all units together; 0: no limit
};
using DatanodeCommand = std::variant<InvalidateCommand, ReplicateCommand, RecoverCommand,
                                     FullReportCommand, TruncateCommand, VerifyCommand,
                                     BalanceBandwidthCommand, RebuildCommand, VerifyGroupCommand>;

// A copy that the datanode was ordered to make, or a unit to rebuild, and could not.
struct FailedCopy {
  BlockId block{};
  GenerationStamp stamp{};
  std::vector<std::string> target_uuids;  // datanodes
  std::string reason;                     // one line, printable
};

// A unit that matches its checksums and is wrong by what all others of its group say.
struct WrongUnit {
  BlockId block{};
  GenerationStamp stamp{};
  std::string datanode_uuid;  // that has it
  std::string reason;         // one line, printable
};

// What a datanode found that was ordered to verify a group.
struct GroupVerdict {
  enum class Result : uint8_t {
    kCouldNot = 0,
    kAgree = 1,
    kOneIsWrong = 2,  // all others say the same to their end, and contradict `unit`
    kContradict = 3,  // no single unit explains it
  };
  BlockId group{};
  GenerationStamp stamp{};
  uint64_t number = 0;  // the order's
  Result result = Result::kCouldNot;
  uint32_t unit = 0;        // its number
  std::string reason = {};  // one line, printable
};

struct DatanodeHeartbeat {
  std::string datanode_uuid;
  uint64_t session = 0;
  std::vector<StorageInfo> storages;
  uint32_t transfers = 0;
  std::vector<FailedCopy> failed_copies;          // since the last one
  std::vector<WrongUnit> wrong_units;             // likewise
  std::vector<GroupVerdict> group_verdicts = {};  // likewise
};

struct StorageChanges {
  std::string storage_uuid;
  std::vector<ReportedReplica> replicas;  // in the order in which they happened
};

struct ChangesReport {
  std::string datanode_uuid;
  uint64_t session = 0, sequence = 0;
  std::vector<StorageChanges> storages;
};

struct BlockRange {
  BlockId first{}, last{};  // both are in it
};

struct ReplicasReport {
  std::string datanode_uuid;
  uint64_t session = 0, sequence = 0;
  std::string storage_uuid;
  uint64_t report_id = 0;
  uint32_t part = 0;
  bool last = false;
  std::vector<ReportedReplica> replicas;  // ascending block ids over all parts
  // Not empty: the part is of these ids alone, and has all replicas among them; ascending, without
  // overlap. Else it is of all ids up to its last replica, `last` of all the rest.
  std::vector<BlockRange> ranges;
};

struct DigestReport {
  std::string datanode_uuid;
  uint64_t session = 0, sequence = 0;
  std::string storage_uuid;
  uint32_t shift = 0;
  std::vector<ReplicaDigests::Bucket> buckets;  // of finalized replicas; ascending
  std::vector<ReportedReplica> others;          // those that are not finalized
};

struct DigestAnswer {
  enum class Result {
    kCompared = 0,
    kLater = 1,  // the namenode is still reading its records: tell digests anew, soon
    kList = 2,   // a list of the whole storage is needed
  };
  Result result = Result::kCompared;
  std::vector<uint64_t> differing;  // buckets to list, ascending; none: all is equal
};

class OrderWait;  // order_bell.h

// Every call: kAborted means "register again", kUnavailable "try the same again".
class DatanodeReports {
 public:
  virtual ~DatanodeReports() = default;
  // kFailedPrecondition: another cluster's datanode, or another layout; names both values.
  // kAlreadyExists: a live datanode has this uuid or one of these storages; names both.
  virtual absl::StatusOr<DatanodeWelcome> Register(const DatanodeRegistration& node) = 0;
  virtual absl::StatusOr<std::vector<DatanodeCommand>> Heartbeat(
      const DatanodeHeartbeat& heartbeat) = 0;
  // Answers `wait` once, from any thread, perhaps before this returns: when there are orders for
  // the datanode, when a bounded time is over, or when the session has ended.
  virtual void AwaitOrders(absl::string_view datanode_uuid, uint64_t session,
                           std::shared_ptr<OrderWait> wait) = 0;
  // Answers all waits, and those that come later, with kUnavailable: the namenode stops.
  virtual void EndWaits() = 0;
  virtual absl::Status ReportChanges(const ChangesReport& report) = 0;
  // One storage, in full or as far as digests differ; the digests were made as a part 0 is.
  // kAborted also when it was answered before: it is not sent again, but begun anew.
  virtual absl::StatusOr<DigestAnswer> ReportDigests(const DigestReport& report) = 0;
  // kInvalidArgument: ids are not ascending. kAborted: a part is missing.
  virtual absl::Status ReportReplicas(const ReplicasReport& report) = 0;
};

}  // namespace cairn::namenode
