#include "tools/fsck/print.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/hadoop_text.h"

namespace cairn::tools {
namespace {

using client::BlockReport;
using client::FileReport;
using client::ReplicaReport;
using client::Standing;

std::string Address(const ReplicaReport& replica) {
  return absl::StrCat(replica.ip, ":", replica.transfer_port);
}

// Replicas that HDFS would list: on storages that are there.
bool IsListed(const ReplicaReport& replica) { return replica.standing != Standing::kDead; }

const char* DetailText(Standing standing, const FsckOptions& o) {
  switch (standing) {
    case Standing::kDecommissioned:
      return "DECOMMISSIONED";
    case Standing::kDecommissioning:
      return "DECOMMISSIONING";
    case Standing::kMaintenance:
      return o.maintenance ? "IN MAINTENANCE" : "LIVE";
    case Standing::kCorrupt:
      return "CORRUPT";
    case Standing::kExcess:
      return "EXCESS";
    case Standing::kStale:
      return "STALE_NODE";
    case Standing::kAwaited:
      return "STALE_BLOCK_CONTENT";
    case Standing::kDead:
      return "DEAD";
    case Standing::kLive:
    case Standing::kBeingWritten:
      break;
  }
  return "LIVE";
}

// Each replica after `prefix`.
void AppendReplicas(const BlockReport& block, const std::string& prefix, const FsckOptions& o,
                    std::string* text) {
  for (const ReplicaReport& replica : block.replicas) {
    if (!IsListed(replica)) continue;
    absl::StrAppend(text, text->empty() ? "" : ", ", prefix);
    if (o.racks) {
      absl::StrAppend(text, replica.rack, "/", Address(replica));
    } else {
      absl::StrAppend(text, "DatanodeInfoWithStorage[", Address(replica), ",", replica.storage_uuid,
                      ",", StorageTypeName(replica.storage_type), "]");
    }
    if (o.upgrade_domains) absl::StrAppend(text, "(ud=undefined)");
    if (o.replica_details) absl::StrAppend(text, "(", DetailText(replica.standing, o), ")");
  }
}

std::string IdText(const BlockReport& block) {
  return absl::StrCat("blk_", static_cast<int64_t>(block.id));
}

std::string ReplicaList(const BlockReport& block, const FsckOptions& o) {
  if (!o.locations && !o.racks && !o.replica_details && !o.upgrade_domains) return "";
  std::string text;
  AppendReplicas(block, "", o, &text);
  for (const BlockReport& unit : block.units) {
    // HDFS names the units of whole groups only.
    AppendReplicas(unit, block.under_construction ? "" : IdText(unit) + ":", o, &text);
  }
  return absl::StrCat("  [", text, "]");
}

std::string BlockLines(const FileReport& file, const FileVerdict& verdict, const FsckOptions& o) {
  std::string text;
  size_t number = 0;
  for (size_t i = 0; i < file.blocks.size(); ++i) {
    const BlockReport& block = file.blocks[i];
    const BlockVerdict& v = verdict.blocks[i];
    if (!v.counted) {
      absl::StrAppend(&text, "\nUnder Construction Block:\n", number, ". ", BlockName(file, block),
                      " len=", block.length, v.missing ? " MISSING!" : "",
                      " Expected_repl=", v.live, ReplicaList(block, o));
      continue;
    }
    absl::StrAppend(&text, number++, ". ", BlockName(file, block), " len=", block.length);
    if (v.missing) absl::StrAppend(&text, " MISSING!");
    // What is left of a group is told, though it is not enough.
    if (!v.missing || block.is_group()) {
      absl::StrAppend(&text, " Live_repl=", v.live, ReplicaList(block, o));
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

void PrintTrouble(const FileReport& file, const BlockReport& block, const BlockVerdict& v,
                  const FsckCluster& cluster, const FsckOptions& o, bool first_in_file,
                  std::ostream& out) {
  if (v.corrupt) {
    out << "\n"
        << Escaped(file.path) << ": CORRUPT blockpool " << file.block_pool << " block "
        << IdText(block) << "\n";
  }
  if (v.under_replicated) {
    if (!o.files) out << "\n" << Escaped(file.path) << ": ";
    out << " Under replicated " << BlockName(file, block) << ". Target Replicas is " << block.wanted
        << " but found " << v.live << " live replica(s), " << v.decommissioned
        << " decommissioned replica(s), " << v.decommissioning << " decommissioning replica(s)";
    if (o.maintenance) {
      out << ", 0 entering maintenance replica(s) and " << v.maintenance
          << " in maintenance replica(s)";
    }
    out << ".\n";
  }
  if (v.racks_short > 0) {
    if (!o.files) {
      if (first_in_file) out << "\n";
      out << Escaped(file.path) << ": ";
    }
    out << " Replica placement policy is violated for " << BlockName(file, block)
        << ". Block should be additionally replicated on " << v.racks_short
        << " more rack(s). Total number of racks in the cluster: " << cluster.racks << "\n";
  }
}

void PrintFindings(const FileReport& file, const FileVerdict& verdict, const FsckOptions& o,
                   std::ostream& out) {
  const std::string begin = o.files ? "" : absl::StrCat("\n", Escaped(file.path), ":");
  for (size_t i = 0; i < verdict.findings.size(); ++i) {
    const std::optional<client::GroupFinding>& finding = verdict.findings[i];
    const bool says_something =
        finding.has_value() && finding->state != client::GroupFinding::State::kChanged;
    if (says_something) PrintFinding(file, file.blocks[i], *finding, begin, out);
  }
}

void PrintLost(const FileReport& file, const FileVerdict& verdict, const FsckOptions& o,
               std::ostream& out) {
  const auto print = [&](const char* what, uint32_t blocks, uint64_t bytes) {
    if (blocks == 0) return;
    if (!o.files) out << "\n" << Escaped(file.path) << ":";
    out << " " << what << " " << blocks << " blocks of total size " << bytes << " B"
        << (o.files ? "\n" : ".");
  };
  print("MISSING", verdict.missing, verdict.missing_bytes);
  print("CORRUPT", verdict.corrupt, verdict.corrupt_bytes);
}

void PrintPolicies(const FsckTotals& totals, std::ostream& out) {
  uint64_t all = 0;
  for (const auto& [use, count] : totals.policies) all += count;
  const auto share = [&](uint64_t count) {
    return absl::StrFormat("%.4f%%", 100.0 * static_cast<double>(count) /
                                         static_cast<double>(std::max<uint64_t>(all, 1)));
  };
  // The most frequent ones first.
  std::vector<std::pair<PolicyUse, uint64_t>> rows(totals.policies.begin(), totals.policies.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  out << "\nBlocks satisfying the specified storage policy:"
         "\nStorage Policy                  # of blocks       % of blocks\n";
  bool all_match = true;
  for (const auto& [use, count] : rows) {
    all_match &= use.matches;
    if (!use.matches) continue;
    out << absl::StreamFormat("%-25s %10d  %20s\n",
                              absl::StrCat(use.storages, "(", use.policy, ")"), count,
                              share(count));
  }
  if (all_match) {
    out << "\nAll blocks satisfy specified storage policy.\n";
    return;
  }
  out << "\nBlocks NOT satisfying the specified storage policy:"
         "\nStorage Policy                  Specified Storage Policy      # of blocks       "
         "% of blocks\n";
  for (const auto& [use, count] : rows) {
    if (use.matches) continue;
    out << absl::StreamFormat("%-35s %-20s %10d  %20s\n", use.storages, use.policy, count,
                              share(count));
  }
}

// HDFS's words where a section is about blocks, or about block groups.
struct SectionWords {
  const char* block;  // "block"
  const char* upper;  // "BLOCKS"
};
constexpr SectionWords kBlocks{"block", "BLOCKS"};
constexpr SectionWords kGroups{"block group", "BLOCK GROUPS"};

// How much there is.
void PrintExtent(const BlockTotals& t, const SectionWords& words, std::ostream& out) {
  out << " Total size:\t" << t.bytes << " B";
  if (t.open_bytes > 0) out << " (Total open files size: " << t.open_bytes << " B)";
  out << "\n Total files:\t" << t.files;
  if (t.open_files > 0) out << " (Files currently being written: " << t.open_files << ")";
  out << "\n Total " << words.block << "s (validated):\t" << t.blocks;
  if (t.blocks > 0) out << " (avg. " << words.block << " size " << t.bytes / t.blocks << " B)";
  if (t.open_blocks > 0) {
    out << " (Total open file " << words.block << "s (not validated): " << t.open_blocks << ")";
  }
}

// What stands between two lines of stars: nothing of it in a whole file system. `under_min`: what
// is said of blocks that have too few replicas.
void PrintDamage(const BlockTotals& t, const SectionWords& words, const std::string& under_min,
                 std::ostream& out) {
  if (t.corrupt_files == 0 && t.under_min == 0) return;
  constexpr char kStars[] = "\n  ********************************";
  out << kStars;
  if (t.under_min > 0) out << under_min;
  if (t.corrupt_files > 0) {
    out << "\n  CORRUPT FILES:\t" << t.corrupt_files;
    if (t.missing_bytes > 0) {
      out << "\n  MISSING " << words.upper << ":\t" << t.missing_blocks << "\n  MISSING SIZE:\t\t"
          << t.missing_bytes << " B";
    }
    if (t.corrupt_blocks > 0) {
      out << "\n  CORRUPT " << words.upper << ": \t" << t.corrupt_blocks << "\n  CORRUPT SIZE:\t\t"
          << t.corrupt_bytes << " B";
    }
  }
  out << kStars;
}

std::string AverageReplicas(const BlockTotals& t) {
  return JavaFloat(t.blocks == 0 ? 0.0f
                                 : static_cast<float>(t.replicas) / static_cast<float>(t.blocks));
}

std::string MissingReplicas(const BlockTotals& t) {
  return CountWithShare(t.missing_replicas, t.replicas > 0 ? t.expected_replicas : 0);
}

void PrintReplicated(const BlockTotals& t, const FsckCluster& cluster, std::ostream& out) {
  out << "\nReplicated Blocks:\n";
  PrintExtent(t, kBlocks, out);
  PrintDamage(t, kBlocks,
              absl::StrCat("\n  UNDER MIN REPL'D BLOCKS:\t", CountWithShare(t.under_min, t.blocks),
                           "\n  MINIMAL BLOCK REPLICATION:\t", cluster.min_replication),
              out);
  out << "\n Minimally replicated blocks:\t" << CountWithShare(t.min_replicated, t.blocks)
      << "\n Over-replicated blocks:\t" << CountWithShare(t.over, t.blocks)
      << "\n Under-replicated blocks:\t" << CountWithShare(t.under, t.blocks)
      << "\n Mis-replicated blocks:\t\t" << CountWithShare(t.mis, t.blocks)
      << "\n Default replication factor:\t" << cluster.default_replication
      << "\n Average block replication:\t" << AverageReplicas(t) << "\n Missing blocks:\t\t"
      << t.missing_blocks << "\n Corrupt blocks:\t\t" << t.corrupt_blocks
      << "\n Missing replicas:\t\t" << MissingReplicas(t);
  if (t.decommissioned > 0) out << "\n DecommissionedReplicas:\t" << t.decommissioned;
  if (t.decommissioning > 0) out << "\n DecommissioningReplicas:\t" << t.decommissioning;
  if (t.maintenance > 0) out << "\n InMaintenanceReplicas:\t" << t.maintenance;
  out << "\n Blocks queued for replication:\t" << t.queued << "\n";
}

// Their "average size" is HDFS's: how many units they have.
void PrintBlockGroups(const BlockTotals& t, std::ostream& out) {
  out << "\nErasure Coded Block Groups:\n";
  PrintExtent(t, kGroups, out);
  PrintDamage(
      t, kGroups,
      absl::StrCat("\n  UNRECOVERABLE BLOCK GROUPS:\t", CountWithShare(t.under_min, t.blocks)),
      out);
  out << "\n Minimally erasure-coded block groups:\t" << CountWithShare(t.min_replicated, t.blocks)
      << "\n Over-erasure-coded block groups:\t" << CountWithShare(t.over, t.blocks)
      << "\n Under-erasure-coded block groups:\t" << CountWithShare(t.under, t.blocks)
      << "\n Unsatisfactory placement block groups:\t" << CountWithShare(t.mis, t.blocks)
      << "\n Average block group size:\t" << AverageReplicas(t) << "\n Missing block groups:\t\t"
      << t.missing_blocks << "\n Corrupt block groups:\t\t" << t.corrupt_blocks
      << "\n Missing internal blocks:\t" << MissingReplicas(t);
  if (t.decommissioned > 0) out << "\n Decommissioned internal blocks:\t" << t.decommissioned;
  if (t.decommissioning > 0) out << "\n Decommissioning internal blocks:\t" << t.decommissioning;
  if (t.maintenance > 0) out << "\n InMaintenanceReplicas:\t" << t.maintenance;
  out << "\n Blocks queued for replication:\t" << t.queued << "\n";
}

// The last line of -blockId and its exit code.
struct StandingText {
  const char* text;
  int exit_code;
};

StandingText TextOf(Standing standing, const FsckOptions& o) {
  switch (standing) {
    case Standing::kCorrupt:
      return {"is CORRUPT", 1};
    case Standing::kDead:
      return {"is DEAD", 255};
    case Standing::kDecommissioned:
      return {"is DECOMMISSIONED", 2};
    case Standing::kDecommissioning:
      return {"is DECOMMISSIONING", 3};
    case Standing::kMaintenance:
      if (o.maintenance) return {"is IN MAINTENANCE", 4};
      break;
    case Standing::kStale:
    case Standing::kAwaited:
      return {"is STALE", 6};
    case Standing::kExcess:
      return {"is EXCESS", 0};
    case Standing::kLive:
    case Standing::kBeingWritten:
      break;
  }
  return {"is HEALTHY", 0};
}

}  // namespace

std::string BlockName(const FileReport& file, const BlockReport& block) {
  return absl::StrCat(file.block_pool, ":blk_", static_cast<int64_t>(block.id), "_", block.stamp);
}

void PrintFsckFile(const FileReport& file, const FileVerdict& verdict, const FsckCluster& cluster,
                   const FsckOptions& o, std::ostream& out) {
  if (o.files || (o.open_for_write && file.open)) {
    const std::string redundancy =
        file.erasure_policy.empty() ? absl::StrCat("replicated: replication=", file.replication)
                                    : absl::StrCat("erasure-coded: policy=", file.erasure_policy);
    out << Escaped(file.path) << " " << file.length << " bytes, " << Escaped(redundancy) << ", "
        << file.blocks.size() << " block(s)"
        << (o.open_for_write && file.open ? ", OPENFORWRITE: " : ": ");
  }
  uint32_t under = 0;
  for (size_t i = 0; i < file.blocks.size(); ++i) {
    if (verdict.blocks[i].under_replicated) ++under;
    PrintTrouble(file, file.blocks[i], verdict.blocks[i], cluster, o, under == 0, out);
  }
  PrintFindings(file, verdict, o, out);
  PrintLost(file, verdict, o, out);
  if (!o.files) return;
  if (verdict.ok()) out << " OK\n";
  if (o.blocks) out << BlockLines(file, verdict, o) << "\n";
}

void PrintFsckTotals(const FsckTotals& t, const FsckCluster& cluster, const FsckOptions& o,
                     std::ostream& out) {
  out << "\nStatus: " << (t.healthy() ? "HEALTHY" : "CORRUPT") << "\n Number of data-nodes:\t"
      << cluster.live_nodes << "\n Number of racks:\t\t" << cluster.racks << "\n Total dirs:\t\t\t"
      << t.dirs << "\n Total symlinks:\t\t" << t.symlinks << "\n";
  PrintReplicated(t.replicated, cluster, out);
  PrintBlockGroups(t.coded, out);
  PrintVerificationTotals(t.verification, out);
  if (o.storage_policies) PrintPolicies(t, out);
}

void PrintFsckBlock(const std::string& name, const client::OwnedBlock* found, const FsckOptions& o,
                    std::ostream& out) {
  if (found == nullptr) {
    out << "Block " << name << " does not exist\n";
    return;
  }
  const BlockReport& block = found->block;
  const auto count = [&](const char* what, uint64_t number) {
    out << "No. of " << what << " Replica: " << number << "\n";
  };
  out << "Block Id: " << name << "\nBlock belongs to: " << Escaped(found->path) << "\n";
  count("Expected", block.wanted);
  count("live", block.live());
  count("excess", block.Count(Standing::kExcess));
  count("stale", block.Count(Standing::kStale) + block.Count(Standing::kAwaited));
  count("decommissioned", block.Count(Standing::kDecommissioned));
  count("decommissioning", block.Count(Standing::kDecommissioning));
  if (o.maintenance) {
    count("entering maintenance", 0);
    count("in maintenance", block.Count(Standing::kMaintenance));
  }
  count("corrupted", block.Count(Standing::kCorrupt));
  for (const ReplicaReport& replica : block.replicas) {
    out << "Block replica on datanode/rack: " << replica.host << replica.rack << " "
        << TextOf(replica.standing, o).text << "\n";
  }
}

int FsckBlockExitCode(const client::OwnedBlock* found, const FsckOptions& o) {
  if (found == nullptr) return 0;
  // HDFS goes by the last line that is printed; without a replica that is a count.
  if (found->block.replicas.empty()) return 255;
  return TextOf(found->block.replicas.back().standing, o).exit_code;
}

}  // namespace cairn::tools
