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

// Of a block, or of all units of a group.
std::vector<const ReplicaReport*> ReplicasOf(const BlockReport& block) {
  std::vector<const ReplicaReport*> all;
  for (const ReplicaReport& replica : block.replicas) all.push_back(&replica);
  for (const BlockReport& unit : block.units) {
    for (const ReplicaReport& replica : unit.replicas) all.push_back(&replica);
  }
  return all;
}

PolicyUse UseOf(const client::FileReport& file, const BlockReport& block) {
  const Policy& policy = PolicyOf(file.storage_policy);
  std::map<StorageType, uint32_t> have, want;
  const std::vector<const ReplicaReport*> replicas = ReplicasOf(block);
  for (const ReplicaReport* replica : replicas) ++have[replica->storage_type];
  if (!replicas.empty()) ++want[policy.first];
  if (replicas.size() > 1) want[policy.rest] += static_cast<uint32_t>(replicas.size()) - 1;
  PolicyUse use{.policy = policy.name, .matches = have == want};
  for (const auto& [type, count] : have) {
    absl::StrAppend(&use.storages, use.storages.empty() ? "" : ",", StorageTypeName(type), ":",
                    count);
  }
  return use;
}

// A rack has an even share of a group's units, as long as they allow.
uint32_t RacksWanted(const BlockReport& block, const BlockVerdict& verdict, uint32_t racks) {
  if (!block.is_group()) return std::min({kRacks, block.wanted, racks});
  const auto shares = [](uint32_t units, uint32_t each) { return (units + each - 1) / each; };
  const uint32_t share = shares(std::max(block.wanted, 1u), std::max(racks, 1u));
  return shares(verdict.total(), share);
}

uint32_t RacksShort(const BlockReport& block, const BlockVerdict& verdict,
                    const FsckCluster& cluster) {
  if (verdict.total() == 0) return 0;
  std::set<std::string> racks;
  for (const ReplicaReport* replica : ReplicasOf(block)) {
    const bool stands = replica->standing != Standing::kCorrupt &&
                        replica->standing != Standing::kDead &&
                        replica->standing != Standing::kAwaited;
    if (stands) racks.insert(replica->rack);
  }
  const auto current = static_cast<uint32_t>(racks.size());
  const uint32_t wanted = RacksWanted(block, verdict, cluster.racks);
  return current < wanted ? wanted - current : 0;
}

void CountReplicas(const BlockReport& block, BlockVerdict& v) {
  v.live = block.live() + block.Count(Standing::kAwaited);
  v.decommissioned = block.Count(Standing::kDecommissioned);
  v.decommissioning = block.Count(Standing::kDecommissioning);
  v.maintenance = block.Count(Standing::kMaintenance);
  v.surplus = v.live > block.wanted ? v.live - block.wanted : 0;
}

// A unit with several replicas is counted once, where its best one stands.
void CountUnits(const BlockReport& group, BlockVerdict& v) {
  for (const BlockReport& unit : group.units) {
    BlockVerdict of_unit;
    CountReplicas(unit, of_unit);
    v.surplus += of_unit.surplus;
    if (of_unit.live > 0) {
      ++v.live;
    } else if (of_unit.decommissioning > 0) {
      ++v.decommissioning;
    } else if (of_unit.decommissioned > 0) {
      ++v.decommissioned;
    } else if (of_unit.maintenance > 0) {
      ++v.maintenance;
    }
  }
}

bool IsReadable(const BlockReport& block, const BlockVerdict& v) {
  if (block.is_group()) return block.GoodUnits() >= block.units_needed;
  return v.total() > 0 || block.Count(Standing::kExcess) > 0;
}

BlockVerdict JudgeBlock(const BlockReport& block, const FsckCluster& cluster) {
  BlockVerdict v;
  block.is_group() ? CountUnits(block, v) : CountReplicas(block, v);
  if (block.under_construction) {
    v.live = static_cast<uint32_t>(ReplicasOf(block).size());
    v.counted = false;
    v.missing = IsOpenAndUnreadable(block);
    return v;
  }
  v.corrupt = block.corrupt;
  v.enough = v.total() >= (block.is_group() ? block.units_needed : cluster.min_replication);
  const bool readable = IsReadable(block, v);
  v.missing = !readable && !v.corrupt;
  v.under_replicated = v.total() < block.wanted && readable;
  v.racks_short = RacksShort(block, v, cluster);
  return v;
}

bool IsQueued(const BlockReport& block) {
  return block.repair.has_value() ||
         std::any_of(block.units.begin(), block.units.end(),
                     [](const BlockReport& unit) { return unit.repair.has_value(); });
}

void AddBlock(const BlockReport& block, const BlockVerdict& v, BlockTotals& t) {
  if (v.missing) {
    ++t.missing_blocks;
    t.missing_bytes += block.length;
  }
  if (!v.counted) return;
  t.replicas += v.total();
  t.expected_replicas += block.wanted;
  t.decommissioned += v.decommissioned;
  t.decommissioning += v.decommissioning;
  t.maintenance += v.maintenance;
  ++(v.enough ? t.min_replicated : t.under_min);
  if (v.surplus > 0) ++t.over;
  if (v.under_replicated) {
    ++t.under;
    t.missing_replicas += block.wanted - v.total();
  }
  if (v.racks_short > 0) ++t.mis;
  if (v.corrupt) {
    ++t.corrupt_blocks;
    t.corrupt_bytes += block.length;
  }
  if (IsQueued(block)) ++t.queued;
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
  BlockTotals& t = Of(file);
  ++t.open_files;
  t.open_bytes += file.length;
  t.open_blocks += file.blocks.size();
  complete_knowledge &= file.complete_knowledge;
}

void FsckTotals::Add(const client::FileReport& file, const FileVerdict& verdict) {
  BlockTotals& t = Of(file);
  ++t.files;
  t.bytes += file.length;
  t.blocks += file.blocks.size();
  complete_knowledge &= file.complete_knowledge;
  if (verdict.lost()) ++t.corrupt_files;
  verification.Add(verdict.findings);
  for (size_t i = 0; i < file.blocks.size(); ++i) {
    AddBlock(file.blocks[i], verdict.blocks[i], t);
    if (verdict.blocks[i].counted) ++policies[UseOf(file, file.blocks[i])];
  }
}

}  // namespace cairn::tools
