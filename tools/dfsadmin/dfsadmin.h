// tools/dfsadmin/dfsadmin.h - `cairn dfsadmin`: the cluster's state, with `hdfs dfsadmin`'s output.
#pragma once

#include <ostream>
#include <vector>

#include "absl/status/statusor.h"
#include "client/file_system.h"
#include "tools/command.h"

namespace cairn::tools {

// Exit codes: 0; 255 for bad usage and for failures, as Hadoop's.
int RunDfsAdmin(CommandContext& ctx);

// What -report shows, fetched before any of it is printed.
struct ClusterReport {
  client::FsStats stats;
  bool safe_mode = false;
  std::optional<client::BlockStats> replicated;    // absent: an old server
  std::optional<client::BlockStats> block_groups;  // the same
  struct Section {
    const char* title;  // "Live", "Dead", ...
    bool always;        // printed even when empty
    std::vector<client::DatanodeReport> nodes;
  };
  std::vector<Section> sections;
};

struct ReportFilter {
  bool live = false;
  bool dead = false;
  bool decommissioning = false;
  bool entering_maintenance = false;
  bool in_maintenance = false;
  bool all() const {
    return !live && !dead && !decommissioning && !entering_maintenance && !in_maintenance;
  }
};

absl::StatusOr<ClusterReport> FetchReport(client::FileSystem& fs, const ReportFilter& filter);
void PrintReport(const ClusterReport& report, std::ostream& out);

}  // namespace cairn::tools
