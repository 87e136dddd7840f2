#include "common/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace cairn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(MetricsTest, TextHoldsEachMetricWithHelpTypeAndLabels) {
  Metrics metrics;
  metrics.AddCounter("ops_total", "calls answered", {{"op", "mkdirs"}}).Increment(3);
  metrics.AddGauge("open_files", "files being written").Set(-2);
  metrics.AddGaugeFunction("uptime", "seconds", [] { return 1.5; });
  EXPECT_THAT(metrics.Text(),
              AllOf(HasSubstr("# HELP ops_total calls answered\n# TYPE ops_total counter\n"
                              "ops_total{op=\"mkdirs\"} 3"),
                    HasSubstr("# TYPE open_files gauge\nopen_files -2"), HasSubstr("uptime 1.5")));
}

TEST(MetricsTest, HistogramBucketsAreCumulativeAndBoundsInclusive) {
  Metrics metrics;
  Histogram& histogram = metrics.AddHistogram("latency", "seconds", {0.5, 1});
  histogram.Observe(0.5);
  histogram.Observe(absl::Milliseconds(750));
  histogram.Observe(8);
  EXPECT_THAT(metrics.Text(), AllOf(HasSubstr("latency_count 3"), HasSubstr("latency_sum 9.25"),
                                    HasSubstr("latency_bucket{le=\"0.5\"} 1"),
                                    HasSubstr("latency_bucket{le=\"1\"} 2"),
                                    HasSubstr("latency_bucket{le=\"+Inf\"} 3")));
}

TEST(MetricsTest, SameNameAndLabelsGiveTheSameHandle) {
  Metrics metrics;
  Counter& first = metrics.AddCounter("x_total", "x");
  EXPECT_EQ(&first, &metrics.AddCounter("x_total", "x"));
  EXPECT_NE(&first, &metrics.AddCounter("x_total", "x", {{"a", "b"}}));
}

TEST(MetricsTest, NoUpdateIsLostBetweenThreads) {
  Metrics metrics;
  Counter& counter = metrics.AddCounter("x_total", "x");
  Histogram& histogram = metrics.AddHistogram("y", "y", {1});
  const auto work = [&] {
    for (int i = 0; i < 10'000; ++i) {
      counter.Increment();
      histogram.Observe(1);
    }
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_EQ(counter.value(), 20'000u);
  EXPECT_EQ(histogram.bucket(0), 20'000u);
  EXPECT_EQ(histogram.sum(), 20'000);
}

TEST(MetricsDeathTest, OneNameForTwoKindsIsABug) {
  Metrics metrics;
  metrics.AddCounter("x", "x");
  EXPECT_DEATH(metrics.AddGauge("x", "x"), "another kind");
  EXPECT_DEATH(metrics.AddGauge("1 bad", "x"), "1 bad");
}

}  // namespace
}  // namespace cairn
