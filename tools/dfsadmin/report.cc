#include "tools/dfsadmin/report.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "tools/dfs/format.h"
#include "tools/dfs/shell.h"
#include "tools/dfsadmin/commands.h"

namespace cairn::tools {
namespace {

using client::BlockStats;
using client::DatanodeAdminState;
using client::DatanodeKind;
using client::DatanodeReport;

std::string Bytes(uint64_t bytes) {
  return absl::StrCat(bytes, " (", HumanSize(bytes, "B", 2), ")");
}

std::string Percent(uint64_t part, uint64_t whole, double of_nothing) {
  const double share =
      whole == 0 ? of_nothing : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return absl::StrFormat("%.2f%%", share);
}

std::string DateText(absl::Time time) {
  return absl::FormatTime("%a %b %d %H:%M:%S %Z %E4Y", time, absl::LocalTimeZone());
}

const char* StateText(DatanodeAdminState state) {
  switch (state) {
    case DatanodeAdminState::kNormal:
      return "Normal";
    case DatanodeAdminState::kDecommissioning:
      return "Decommission in progress";
    case DatanodeAdminState::kDecommissioned:
      return "Decommissioned";
    case DatanodeAdminState::kEnteringMaintenance:
      return "Entering Maintenance";
    case DatanodeAdminState::kInMaintenance:
      return "In Maintenance";
  }
  return "Normal";
}

void PrintNode(const DatanodeReport& n, std::ostream& out) {
  const std::string address = absl::StrCat(n.ip, ":", n.transfer_port);
  out << "Name: " << address << (n.host.empty() ? "" : absl::StrCat(" (", n.host, ")")) << "\n"
      << "Hostname: " << n.host << "\n";
  if (!n.rack.empty() && n.rack != "/default-rack") out << "Rack: " << n.rack << "\n";
  const uint64_t cache_left = n.cache_capacity > n.cache_used ? n.cache_capacity - n.cache_used : 0;
  out << "Decommission Status : " << StateText(n.admin_state) << "\n"
      << "Configured Capacity: " << Bytes(n.capacity) << "\n"
      << "DFS Used: " << Bytes(n.dfs_used) << "\n"
      << "Non DFS Used: " << Bytes(n.non_dfs_used) << "\n"
      << "DFS Remaining: " << Bytes(n.remaining) << "\n"
      << "DFS Used%: " << Percent(n.dfs_used, n.capacity, 100) << "\n"
      << "DFS Remaining%: " << Percent(n.remaining, n.capacity, 0) << "\n"
      << "Configured Cache Capacity: " << Bytes(n.cache_capacity) << "\n"
      << "Cache Used: " << Bytes(n.cache_used) << "\n"
      << "Cache Remaining: " << Bytes(cache_left) << "\n"
      << "Cache Used%: " << Percent(n.cache_used, n.cache_capacity, 100) << "\n"
      << "Cache Remaining%: " << Percent(cache_left, n.cache_capacity, 0) << "\n"
      << "Xceivers: " << n.transfers << "\n"
      << "Last contact: " << DateText(n.last_heartbeat) << "\n";
  if (n.last_block_report == absl::UnixEpoch()) {
    out << "Last Block Report: Never\n";
  } else {
    out << "Last Block Report: " << DateText(n.last_block_report) << "\n";
  }
  out << "Num of Blocks: " << n.block_count << "\n\n\n";
}

// A server that cannot tell sends -1.
int64_t Count(uint64_t count) { return static_cast<int64_t>(count); }

void PrintBlockStats(const ClusterReport& report, std::ostream& out) {
  if (report.replicated.has_value()) {
    const BlockStats& s = *report.replicated;
    out << "Replicated Blocks:\n"
        << "\tUnder replicated blocks: " << Count(s.low_redundancy) << "\n"
        << "\tBlocks with corrupt replicas: " << Count(s.corrupt) << "\n"
        << "\tMissing blocks: " << Count(s.missing) << "\n"
        << "\tMissing blocks (with replication factor 1): " << Count(s.missing_single_replica)
        << "\n";
    if (s.highest_priority_low_redundancy.has_value()) {
      out << "\tLow redundancy blocks with highest priority to recover: "
          << Count(*s.highest_priority_low_redundancy) << "\n";
    }
    out << "\tPending deletion blocks: " << Count(s.pending_deletion) << "\n";
  }
  if (report.block_groups.has_value()) {
    const BlockStats& s = *report.block_groups;
    out << "Erasure Coded Block Groups: \n"
        << "\tLow redundancy block groups: " << Count(s.low_redundancy) << "\n"
        << "\tBlock groups with corrupt internal blocks: " << Count(s.corrupt) << "\n"
        << "\tMissing block groups: " << Count(s.missing) << "\n";
    if (s.highest_priority_low_redundancy.has_value()) {
      out << "\tLow redundancy blocks with highest priority to recover: "
          << Count(*s.highest_priority_low_redundancy) << "\n";
    }
    out << "\tPending deletion blocks: " << Count(s.pending_deletion) << "\n";
  }
}

// Absent when the server does not know the method.
absl::StatusOr<std::optional<BlockStats>> IfKnown(absl::StatusOr<BlockStats> stats) {
  if (stats.ok()) return std::optional<BlockStats>(*stats);
  if (GetFsError(stats.status()) == FsError::kNoSuchMethod) return std::optional<BlockStats>();
  return stats.status();
}

}  // namespace

absl::StatusOr<ClusterReport> FetchReport(client::FileSystem& fs, const ReportFilter& filter) {
  ClusterReport report;
  ASSIGN_OR_RETURN(report.stats, fs.GetFsStats());
  ASSIGN_OR_RETURN(report.safe_mode, fs.SetSafeMode(client::SafeModeAction::kGet));
  ASSIGN_OR_RETURN(report.replicated, IfKnown(fs.GetReplicatedBlockStats()));
  ASSIGN_OR_RETURN(report.block_groups, IfKnown(fs.GetBlockGroupStats()));
  const auto add = [&](bool wanted, const char* title, DatanodeKind kind) -> absl::Status {
    if (!wanted && !filter.all()) return absl::OkStatus();
    ASSIGN_OR_RETURN(auto nodes, fs.GetDatanodeReport(kind));
    report.sections.push_back({title, wanted || kind == DatanodeKind::kLive, std::move(nodes)});
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(add(filter.live, "Live", DatanodeKind::kLive));
  RETURN_IF_ERROR(add(filter.dead, "Dead", DatanodeKind::kDead));
  RETURN_IF_ERROR(add(filter.decommissioning, "Decommissioning", DatanodeKind::kDecommissioning));
  RETURN_IF_ERROR(
      add(filter.entering_maintenance, "Entering maintenance", DatanodeKind::kEnteringMaintenance));
  RETURN_IF_ERROR(add(filter.in_maintenance, "In maintenance", DatanodeKind::kInMaintenance));
  return report;
}

void PrintReport(const ClusterReport& report, std::ostream& out) {
  const client::FsStats& s = report.stats;
  const uint64_t present = s.used + s.remaining;
  if (report.safe_mode) out << "Safe mode is ON\n";
  out << "Configured Capacity: " << Bytes(s.capacity) << "\n"
      << "Present Capacity: " << Bytes(present) << "\n"
      << "DFS Remaining: " << Bytes(s.remaining) << "\n"
      << "DFS Used: " << Bytes(s.used) << "\n"
      << "DFS Used%: " << (present == 0 ? "NaN%" : Percent(s.used, present, 0)) << "\n";
  PrintBlockStats(report, out);
  out << "\n-------------------------------------------------\n";
  for (const ClusterReport::Section& section : report.sections) {
    if (section.nodes.empty() && !section.always) continue;
    out << section.title << " datanodes (" << section.nodes.size() << "):\n\n";
    for (const DatanodeReport& node : section.nodes) PrintNode(node, out);
  }
}

absl::Status RunAdminReport(AdminCall& call) {
  ReportFilter filter;
  filter.live = call.TakeFlag("-live");
  filter.dead = call.TakeFlag("-dead");
  filter.decommissioning = call.TakeFlag("-decommissioning");
  filter.entering_maintenance = call.TakeFlag("-enteringmaintenance");
  filter.in_maintenance = call.TakeFlag("-inmaintenance");
  RETURN_IF_ERROR(call.CheckArguments(0, 0));
  ASSIGN_OR_RETURN(client::FileSystem* const fs, call.Cluster());
  ASSIGN_OR_RETURN(const ClusterReport report, FetchReport(*fs, filter));
  PrintReport(report, call.out);
  return absl::OkStatus();
}

}  // namespace cairn::tools
