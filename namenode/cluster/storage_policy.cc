#include "namenode/cluster/storage_policy.h"

#include "absl/strings/match.h"

namespace cairn::namenode {
namespace {

using enum StorageType;

constexpr StorageType kOnlyDisk[] = {kDisk};
constexpr StorageType kOnlySsd[] = {kSsd};
constexpr StorageType kOnlyArchive[] = {kArchive};
constexpr StorageType kOnlyNvdimm[] = {kNvdimm};
constexpr StorageType kDiskArchive[] = {kDisk, kArchive};
constexpr StorageType kSsdDisk[] = {kSsd, kDisk};
constexpr StorageType kProvidedDisk[] = {kProvided, kDisk};
constexpr StorageType kRamDiskDisk[] = {kRamDisk, kDisk};

constexpr StoragePolicy kPolicies[] = {
    {1, "PROVIDED", kProvidedDisk, kProvidedDisk, kProvidedDisk},
    {2, "COLD", kOnlyArchive, {}, {}},
    {5, "WARM", kDiskArchive, kDiskArchive, kDiskArchive},
    {7, "HOT", kOnlyDisk, {}, kOnlyArchive},
    {10, "ONE_SSD", kSsdDisk, kSsdDisk, kSsdDisk},
    {12, "ALL_SSD", kOnlySsd, kOnlyDisk, kOnlyDisk},
    {14, "ALL_NVDIMM", kOnlyNvdimm, kOnlyDisk, kOnlyDisk},
    {15, "LAZY_PERSIST", kRamDiskDisk, kOnlyDisk, kOnlyDisk},
};

}  // namespace

std::span<const StoragePolicy> StoragePolicies() { return kPolicies; }

const StoragePolicy* FindStoragePolicy(uint32_t id) {
  for (const StoragePolicy& policy : kPolicies) {
    if (policy.id == id) return &policy;
  }
  return nullptr;
}

const StoragePolicy* FindStoragePolicy(absl::string_view name) {
  for (const StoragePolicy& policy : kPolicies) {
    if (absl::EqualsIgnoreCase(policy.name, name)) return &policy;
  }
  return nullptr;
}

std::vector<StorageType> TypesFor(const StoragePolicy& policy, uint32_t replicas) {
  std::vector<StorageType> types;
  types.reserve(replicas);
  for (uint32_t i = 0; i < replicas; ++i) {
    types.push_back(i < policy.creation.size() ? policy.creation[i] : policy.creation.back());
  }
  return types;
}

}  // namespace cairn::namenode
