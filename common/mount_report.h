// common/mount_report.h - a mount's word on itself (common/mount_status.h), taken apart and shown:
// by `cairn mount status`, and by the mount in its virtual files. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn {

struct MountReport {
  struct Operation {
    uint64_t calls = 0;
    double seconds = 0;             // all of them together
    std::vector<uint64_t> buckets;  // as many as bounds, and one for what took longer
  };
  struct Stage {
    std::string directory;
    uint64_t used = 0;
    uint64_t most = 0;
  };
  std::string source;
  double uptime_seconds = 0;
  uint64_t open_files = 0;
  uint64_t files_open_for_writing = 0;
  uint64_t rpc_retries = 0;    // calls that were sent again; an older mount does not tell
  std::optional<Stage> stage;  // nullopt: files are written at their end only
  std::vector<double> bounds;  // seconds, ascending
  std::map<std::string, Operation> operations;
  std::map<std::string, uint64_t> errors;
};

// kInvalidArgument: what is missing or of another kind; it is another version's.
absl::StatusOr<MountReport> ParseMountReport(absl::string_view json);

// The least bound within which `share` (0..1) of the calls were answered; infinity: the last
// bucket.
double Quantile(const MountReport& report, const MountReport::Operation& operation, double share);

void ShowMountReport(const MountReport& report, std::ostream& out);
// Prometheus's text format 0.0.4, for its node exporter's textfile collector.
void ShowMountMetrics(const MountReport& report, std::ostream& out);

}  // namespace cairn
