#include "common/mount_report.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "common/logging.h"

namespace cairn {
namespace {

std::string ShowSeconds(double seconds) {
  if (std::isinf(seconds)) return "more";
  if (seconds < 1e-3) return absl::StrFormat("%.0f us", seconds * 1e6);
  return seconds < 1 ? absl::StrFormat("%.1f ms", seconds * 1e3)
                     : absl::StrFormat("%.1f s", seconds);
}

// A sum of seconds that has grown for weeks still shows what a call adds to it.
std::string Exactly(double value) { return absl::StrFormat("%.15g", value); }

std::string Label(absl::string_view value) {
  return absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}});
}

MountReport::Operation ToOperation(const nlohmann::json& in, size_t bounds) {
  MountReport::Operation out = {
      .calls = in.at("calls"), .seconds = in.at("total_s"), .buckets = in.at("buckets")};
  if (out.buckets.size() != bounds + 1) {
    throw std::invalid_argument(absl::StrCat(out.buckets.size(), " buckets of ", bounds + 1));
  }
  return out;
}

}  // namespace

absl::StatusOr<MountReport> ParseMountReport(absl::string_view json) {
  try {
    const auto in = nlohmann::json::parse(json.begin(), json.end());
    MountReport out = {.source = in.at("source"),
                       .uptime_seconds = in.at("uptime_s"),
                       .open_files = in.at("open_files"),
                       .files_open_for_writing = in.at("files_open_for_writing"),
                       .rpc_retries = in.value("rpc_retries", uint64_t{0}),
                       .stage = std::nullopt,
                       .bounds = in.at("latency_bounds_s"),
                       .operations = {},
                       .errors = in.at("errors")};
    if (const auto stage = in.find("stage"); stage != in.end()) {
      out.stage = {
          .directory = stage->at("directory"), .used = stage->at("used"), .most = stage->at("max")};
    }
    for (const auto& [name, operation] : in.at("operations").items()) {
      out.operations[name] = ToOperation(operation, out.bounds.size());
    }
    return out;
  } catch (const std::exception& error) {  // what nlohmann's calls, and ours, report
    return absl::InvalidArgumentError(
        absl::StrCat("the mount's answer is not understood: ", error.what()));
  }
}

double Quantile(const MountReport& report, const MountReport::Operation& operation, double share) {
  uint64_t calls = 0;
  for (size_t i = 0; i < report.bounds.size(); ++i) {
    calls += operation.buckets[i];
    if (static_cast<double>(calls) >= share * static_cast<double>(operation.calls)) {
      return report.bounds[i];
    }
  }
  return std::numeric_limits<double>::infinity();
}

void ShowMountReport(const MountReport& report, std::ostream& out) {
  out << Escaped(report.source) << "\nmounted for "
      << absl::FormatDuration(absl::Trunc(absl::Seconds(report.uptime_seconds), absl::Seconds(1)))
      << "\nopen files: " << report.open_files << ", of these for writing "
      << report.files_open_for_writing << "\n";
  if (report.stage.has_value()) {
    out << "staged: " << report.stage->used << " bytes of at most " << report.stage->most << " in "
        << Escaped(report.stage->directory) << "\n";
  } else {
    out << "staged: nothing can be: files are written at their end only\n";
  }
  out << "calls sent again: " << report.rpc_retries << "\n";
  out << absl::StrFormat("\n%-12s %12s %10s %10s %10s\n", "operation", "calls", "mean", "50 % in",
                         "99 % in");
  for (const auto& [name, operation] : report.operations) {
    if (operation.calls == 0) continue;
    out << absl::StrFormat("%-12s %12d %10s %10s %10s\n", Escaped(name), operation.calls,
                           ShowSeconds(operation.seconds / static_cast<double>(operation.calls)),
                           ShowSeconds(Quantile(report, operation, 0.5)),
                           ShowSeconds(Quantile(report, operation, 0.99)));
  }
  if (report.errors.empty()) return;
  out << "\nanswered with an error:";
  for (const auto& [name, count] : report.errors) out << " " << Escaped(name) << " " << count;
  out << "\n";
}

void ShowMountMetrics(const MountReport& report, std::ostream& out) {
  const std::string source = absl::StrCat("source=\"", Label(report.source), "\"");
  const auto gauge = [&](absl::string_view name, absl::string_view help, auto value) {
    out << "# HELP " << name << " " << help << "\n# TYPE " << name << " gauge\n"
        << name << "{" << source << "} " << value << "\n";
  };
  gauge("cairn_fuse_uptime_seconds", "Since the mount began.", Exactly(report.uptime_seconds));
  gauge("cairn_fuse_open_files", "Files that somebody has open.", report.open_files);
  gauge("cairn_fuse_files_open_for_writing", "Of the open files.", report.files_open_for_writing);
  if (report.stage.has_value()) {
    gauge("cairn_fuse_staged_bytes", "Changed bytes that wait on the client's disk.",
          report.stage->used);
    gauge("cairn_fuse_stage_limit_bytes", "How many there may be.", report.stage->most);
  }
  constexpr absl::string_view kRetries = "cairn_fuse_rpc_retries_total";
  out << "# HELP " << kRetries << " Calls to the cluster that were sent again.\n# TYPE " << kRetries
      << " counter\n"
      << kRetries << "{" << source << "} " << report.rpc_retries << "\n";
  constexpr absl::string_view kSeconds = "cairn_fuse_operation_seconds";
  out << "# HELP " << kSeconds << " How long the kernel waited for an answer.\n# TYPE " << kSeconds
      << " histogram\n";
  for (const auto& [name, operation] : report.operations) {
    const std::string labels = absl::StrCat("{", source, ",operation=\"", Label(name), "\"");
    uint64_t calls = 0;
    for (size_t i = 0; i <= report.bounds.size(); ++i) {
      calls += operation.buckets[i];
      const std::string bound =
          i < report.bounds.size() ? absl::StrFormat("%g", report.bounds[i]) : "+Inf";
      out << kSeconds << "_bucket" << labels << ",le=\"" << bound << "\"} " << calls << "\n";
    }
    out << kSeconds << "_sum" << labels << "} " << Exactly(operation.seconds) << "\n"
        << kSeconds << "_count" << labels << "} " << calls << "\n";
  }
  constexpr absl::string_view kErrors = "cairn_fuse_errors_total";
  out << "# HELP " << kErrors << " Answers that were an error.\n# TYPE " << kErrors << " counter\n";
  for (const auto& [name, count] : report.errors) {
    out << kErrors << "{" << source << ",errno=\"" << Label(name) << "\"} " << count << "\n";
  }
}

}  // namespace cairn
