#include "common/mount_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "common/testing/status_matchers.h"

namespace cairn {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kAnswer[] =
    R"({"version": "0.1.0", "source": "hdfs://h:1/a\nb", "uptime_s": 3661.5,
  "open_files": 3, "files_open_for_writing": 1, "rpc_retries": 6, "latency_bounds_s": [0.001, 0.01],
  "operations": {"read": {"calls": 100, "total_s": 0.5, "buckets": [90, 8, 2]},
                 "write": {"calls": 1, "total_s": 20, "buckets": [0, 0, 1]}},
  "errors": {"ENOENT": 7}, "stage": {"directory": "/var/tmp/x", "used": 10, "max": 99}})";

MountReport Parsed() {
  absl::StatusOr<MountReport> report = ParseMountReport(kAnswer);
  EXPECT_OK(report.status());
  return *report;
}

TEST(MountReportTest, QuantilesAreTheBoundsWithinWhichTheCallsLie) {
  const MountReport report = Parsed();
  const MountReport::Operation& read = report.operations.at("read");
  EXPECT_EQ(Quantile(report, read, 0.5), 0.001);
  EXPECT_EQ(Quantile(report, read, 0.90), 0.001);
  EXPECT_EQ(Quantile(report, read, 0.98), 0.01);
  EXPECT_TRUE(std::isinf(Quantile(report, read, 0.99)));
}

TEST(MountReportTest, ShowsItsNumbers) {
  std::ostringstream out;
  ShowMountReport(Parsed(), out);
  EXPECT_EQ(out.str(), R"(hdfs://h:1/a\nb
mounted for 1h1m1s
open files: 3, of these for writing 1
staged: 10 bytes of at most 99 in /var/tmp/x
calls sent again: 6

operation           calls       mean    50 % in    99 % in
read                  100     5.0 ms     1.0 ms       more
write                   1     20.0 s       more       more

answered with an error: ENOENT 7
)");
}

TEST(MountReportTest, WithoutAStageItSaysSo) {
  MountReport report = Parsed();
  report.stage.reset();
  std::ostringstream text, metrics;
  ShowMountReport(report, text);
  ShowMountMetrics(report, metrics);
  EXPECT_THAT(text.str(), HasSubstr("files are written at their end only"));
  EXPECT_THAT(metrics.str(), Not(HasSubstr("stage")));
}

TEST(MountReportTest, MetricsAreCumulativeAndTheirLabelsEscaped) {
  std::ostringstream out;
  ShowMountMetrics(Parsed(), out);
  for (
      const char* line : {
          R"(cairn_fuse_open_files{source="hdfs://h:1/a\nb"} 3)",
          R"(cairn_fuse_operation_seconds_bucket{source="hdfs://h:1/a\nb",operation="read",le="0.001"} 90)",
          R"(cairn_fuse_operation_seconds_bucket{source="hdfs://h:1/a\nb",operation="read",le="0.01"} 98)",
          R"(cairn_fuse_operation_seconds_bucket{source="hdfs://h:1/a\nb",operation="read",le="+Inf"} 100)",
          R"(cairn_fuse_operation_seconds_count{source="hdfs://h:1/a\nb",operation="read"} 100)",
          R"(cairn_fuse_rpc_retries_total{source="hdfs://h:1/a\nb"} 6)",
          R"(cairn_fuse_errors_total{source="hdfs://h:1/a\nb",errno="ENOENT"} 7)",
      }) {
    EXPECT_THAT(out.str(), HasSubstr(std::string(line) + "\n"));
  }
}

TEST(MountReportTest, MetricsOfLongMountsAreNotRounded) {
  MountReport report = Parsed();
  report.uptime_seconds = 12345678.5;
  report.operations.at("read").seconds = 1234567.000125;
  std::ostringstream out;
  ShowMountMetrics(report, out);
  EXPECT_THAT(out.str(), HasSubstr("\"} 12345678.5\n"));
  EXPECT_THAT(out.str(), HasSubstr("\"} 1234567.000125\n"));
  EXPECT_THAT(out.str(), Not(HasSubstr("e+")));
}

// A mount lives for months while the command is upgraded.
TEST(MountReportTest, AnOlderMountTellsNoRetries) {
  std::string older(kAnswer);
  const std::string field = "\"rpc_retries\": 6, ";
  older.erase(older.find(field), field.size());
  const absl::StatusOr<MountReport> report = ParseMountReport(older);
  ASSERT_OK(report);
  EXPECT_EQ(report->rpc_retries, 0u);
}

TEST(MountReportTest, AnAnswerThatIsNotUnderstoodSaysWhatIsWrong) {
  EXPECT_THAT(ParseMountReport("").status().message(), HasSubstr("not understood"));
  EXPECT_THAT(ParseMountReport("{}").status().message(), HasSubstr("source"));
  std::string cut(kAnswer);
  cut.replace(cut.find("[90, 8, 2]"), 10, "[90, 8]");
  EXPECT_THAT(ParseMountReport(cut).status().message(), HasSubstr("2 buckets of 3"));
}

}  // namespace
}  // namespace cairn
