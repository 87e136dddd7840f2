// tools/dfsadmin/report.h - `cairn dfsadmin -report`: fetched first, printed afterwards.
#pragma once

#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cluster_admin.h"
#include "client/file_system.h"

namespace cairn::tools {

// What -report shows.
struct ClusterReport {
  client::FsStats stats;
  bool safe_mode = false;
  std::optional<client::BlockStats> replicated;    // absent: an old server
  std::optional<client::BlockStats> block_groups;  // the same
  struct Section {
    const char* title;  // "Live", "Dead", ...
    const char* key;    // the same in JSON
    bool always;        // printed even when empty
    std::vector<client::DatanodeReport> nodes;
  };
  std::vector<Section> sections;
  // Of datanodes that are to leave, by uuid; an Apache HDFS does not tell.
  std::map<std::string, client::LeaveFacts> leaving;
};

struct ReportFilter {
  bool live = false;
  bool dead = false;
  bool decommissioning = false;
  bool entering_maintenance = false;
  bool in_maintenance = false;
  bool slow = false;
  bool all() const {
    return !live && !dead && !decommissioning && !entering_maintenance && !in_maintenance && !slow;
  }
};

absl::StatusOr<ClusterReport> FetchReport(client::FileSystem& fs, client::ClusterAdmin& admin,
                                          const ReportFilter& filter);
void PrintReport(const ClusterReport& report, std::ostream& out);
void WriteReport(const ClusterReport& report, std::ostream& out);  // as JSON

}  // namespace cairn::tools
