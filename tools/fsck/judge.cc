#include "tools/fsck/judge.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "tools/block_counts.h"
#include "tools/hadoop_text.h"

namespace cairn::tools {
namespace {

using client::BlockReport;
using client::ReplicaReport;
using client::Standing;
using client::StorageType;

// HDFS's default placement: two racks, if there are two and more than one replica is wanted.
constexpr uint32_t kRacks = 2;

struct Policy {
  uint32_t id;
  const char* name;
  StorageType first, rest;  // where the first replica belongs, and the others
};

// HDFS's policies, by their ids.
constexpr Policy kPolicies[] = {
    {2, "COLD", StorageType::kArchive, StorageType::kArchive},
    {5, "WARM", StorageType::kDisk, StorageType::kArchive},
    {7, "HOT", StorageType::kDisk, StorageType::kDisk},
    {10, "ONE_SSD", StorageType::kSsd, StorageType::kDisk},
    {12, "ALL_SSD", StorageType::kSsd, StorageType::kSsd},
    {15, "LAZY_PERSIST", StorageType::kRamDisk, StorageType::kDisk},
};
constexpr uint32_t kDefaultPolicy = 7;

const Policy& PolicyOf(uint32_t id) {
  for (const Policy& policy : kPolicies) {
    if (policy.id == (id == 0 ? kDefaultPolicy : id)) return policy;
  }
  return kPolicies[2];
}

PolicyUse UseOf(const client::FileReport& file, const BlockReport& block) {
  const Policy& policy = PolicyOf(file.storage_policy);
  std::map<StorageType, uint32_t> have, want;
  for (const ReplicaReport& replica : block.replicas) ++have[replica.storage_type];
  if (!block.replicas.empty()) ++want[policy.first];
  if (block.replicas.size() > 1) {
    want[policy.rest] += static_cast<uint32_t>(block.replicas.size()) - 1;
  }
  PolicyUse use{.policy = policy.name, .matches = have == want};
  for (const auto& [type, count] : have) {
    absl::StrAppend(&use.storages, use.storages.empty() ? "" : ",", StorageTypeName(type), ":",
                    count);
  }
  return use;
}

uint32_t RacksShort(const BlockReport& block, const BlockVerdict& verdict,
                    const FsckCluster& cluster) {
  if (verdict.total() == 0) return 0;
  std::set<std::string> racks;
  for (const ReplicaReport& replica : block.replicas) {
    const bool stands = replica.standing != Standing::kCorrupt &&
                        replica.standing != Standing::kDead &&
                        replica.standing != Standing::kAwaited;
    if (stands) racks.insert(replica.rack);
  }
  const auto current = static_cast<uint32_t>(racks.size());
  const uint32_t wanted = std::min({kRacks, block.wanted, cluster.racks});
  return current < wanted ? wanted - current : 0;
}

BlockVerdict JudgeBlock(const BlockReport& block, const FsckCluster& cluster) {
  BlockVerdict v;
  v.live = block.live() + block.Count(Standing::kAwaited);
  v.decommissioned = block.Count(Standing::kDecommissioned);
  v.decommissioning = block.Count(Standing::kDecommissioning);
  v.maintenance = block.Count(Standing::kMaintenance);
  if (block.under_construction) {
    v.live = static_cast<uint32_t>(block.replicas.size());
    v.counted = false;
    v.missing = IsOpenAndUnreadable(block);
    return v;
  }
  v.corrupt = block.corrupt;
  const bool readable = v.total() > 0 || block.Count(Standing::kExcess) > 0;
  v.missing = !readable && !v.corrupt;
  v.under_replicated = v.total() < block.wanted && readable;
  v.surplus = v.live > block.wanted ? v.live - block.wanted : 0;
  v.racks_short = RacksShort(block, v, cluster);
  return v;
}

}  // namespace

FileVerdict Judge(const client::FileReport& file, const FsckCluster& cluster) {
  FileVerdict verdict;
  for (const BlockReport& block : file.blocks) {
    const BlockVerdict& v = verdict.blocks.emplace_back(JudgeBlock(block, cluster));
    if (v.missing) {
      ++verdict.missing;
      verdict.missing_bytes += block.length;
    }
    if (v.corrupt) {
      ++verdict.corrupt;
      verdict.corrupt_bytes += block.length;
    }
    if (v.under_replicated) ++verdict.under_replicated;
    if (v.racks_short > 0) ++verdict.mis_replicated;
  }
  return verdict;
}

void FsckTotals::AddOpen(const client::FileReport& file) {
  ++open_files;
  open_bytes += file.length;
  open_blocks += file.blocks.size();
  complete_knowledge &= file.complete_knowledge;
}

void FsckTotals::Add(const client::FileReport& file, const FileVerdict& verdict,
                     const FsckCluster& cluster) {
  ++files;
  bytes += file.length;
  blocks += file.blocks.size();
  complete_knowledge &= file.complete_knowledge;
  if (verdict.lost()) ++corrupt_files;
  for (size_t i = 0; i < file.blocks.size(); ++i) {
    const BlockReport& block = file.blocks[i];
    const BlockVerdict& v = verdict.blocks[i];
    if (v.missing) {
      ++missing_blocks;
      missing_bytes += block.length;
    }
    if (!v.counted) continue;
    replicas += v.total();
    expected_replicas += block.wanted;
    decommissioned += v.decommissioned;
    decommissioning += v.decommissioning;
    maintenance += v.maintenance;
    if (v.total() >= cluster.min_replication) {
      ++min_replicated;
    } else {
      ++under_min;
    }
    if (v.surplus > 0) ++over;
    if (v.under_replicated) {
      ++under;
      missing_replicas += block.wanted - v.total();
    }
    if (v.racks_short > 0) ++mis;
    if (v.corrupt) {
      ++corrupt_blocks;
      corrupt_bytes += block.length;
    }
    if (block.repair.has_value()) ++queued;
    ++policies[UseOf(file, block)];
  }
}

}  // namespace cairn::tools
