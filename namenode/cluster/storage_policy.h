// namenode/cluster/storage_policy.h - on which kinds of storage the replicas of a file belong.
//
// Names, ids and lists are HDFS's (BlockStoragePolicySuite): clients show and compare them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/strings/string_view.h"

namespace cairn::namenode {

// StorageTypeProto's values; they reach disk and wire.
enum class StorageType : uint32_t {
  kDisk = 1,
  kSsd = 2,
  kArchive = 3,
  kRamDisk = 4,
  kProvided = 5,
  kNvdimm = 6,
};
inline constexpr uint32_t kMaxStorageType = 6;

struct StoragePolicy {
  uint32_t id;
  absl::string_view name;
  // The type of the first replica, the second, ...; the last one counts for all that follow.
  std::span<const StorageType> creation;
  // Taken, in this order, when no storage of the wanted type has room: for a new block ...
  std::span<const StorageType> creation_fallback;
  // ... and for a further replica of an old one.
  std::span<const StorageType> replication_fallback;
};

inline constexpr uint32_t kHotPolicy = 7;
inline constexpr uint32_t kUnspecifiedPolicy = 0;  // inherited; HOT at the root

// By id, ascending.
std::span<const StoragePolicy> StoragePolicies();
// nullptr: there is none.
const StoragePolicy* FindStoragePolicy(uint32_t id);
// Upper and lower case are one, as in HDFS.
const StoragePolicy* FindStoragePolicy(absl::string_view name);

// The types of `replicas` replicas under `policy`.
std::vector<StorageType> TypesFor(const StoragePolicy& policy, uint32_t replicas);

}  // namespace cairn::namenode
