#include "common/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "common/check.h"

namespace cairn {
namespace {

bool IsMetricName(absl::string_view name) {
  if (name.empty() || absl::ascii_isdigit(name.front())) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == ':';
  });
}

prometheus::ClientMetric::Histogram Snapshot(const Histogram& histogram) {
  prometheus::ClientMetric::Histogram out;
  const std::vector<double>& bounds = histogram.upper_bounds();
  uint64_t cumulative = 0;
  for (size_t i = 0; i <= bounds.size(); ++i) {
    cumulative += histogram.bucket(i);
    out.bucket.push_back(
        {.cumulative_count = cumulative,
         .upper_bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity()});
  }
  // The sum of the buckets rather than a counter of its own: the two could never disagree.
  out.sample_count = cumulative;
  out.sample_sum = histogram.sum();
  return out;
}

}  // namespace

Histogram::Histogram(std::vector<double> upper_bounds)
    : upper_bounds_(std::move(upper_bounds)),
      counts_(std::make_unique<std::atomic<uint64_t>[]>(upper_bounds_.size() + 1)) {
  CHECK(std::is_sorted(upper_bounds_.begin(), upper_bounds_.end()));
}

void Histogram::Observe(double value) {
  const auto bucket = std::lower_bound(upper_bounds_.begin(), upper_bounds_.end(), value);
  counts_[static_cast<size_t>(bucket - upper_bounds_.begin())].fetch_add(1,
                                                                         std::memory_order_relaxed);
  double sum = sum_.load(std::memory_order_relaxed);
  while (!sum_.compare_exchange_weak(sum, sum + value, std::memory_order_relaxed)) {
  }
}

std::vector<double> LatencyBuckets() {
  return {1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1, 3, 10, 30};
}

Metrics::Metric& Metrics::Find(Kind kind, absl::string_view name, absl::string_view help,
                               const Labels& labels) {
  CHECK(IsMetricName(name)) << name;
  for (const auto& [label, value] : labels) CHECK(IsMetricName(label)) << name << " " << label;
  const auto [family, is_new] =
      families_.try_emplace(std::string(name), Family{kind, std::string(help), {}});
  CHECK(family->second.kind == kind) << name << " is a metric of another kind";
  return family->second.metrics[labels];
}

Counter& Metrics::AddCounter(absl::string_view name, absl::string_view help, const Labels& labels) {
  MutexLock lock(mu_);
  Metric& metric = Find(Kind::kCounter, name, help, labels);
  if (metric.counter == nullptr) metric.counter = std::make_unique<Counter>();
  return *metric.counter;
}

Gauge& Metrics::AddGauge(absl::string_view name, absl::string_view help, const Labels& labels) {
  MutexLock lock(mu_);
  Metric& metric = Find(Kind::kGauge, name, help, labels);
  CHECK(metric.read == nullptr) << name << " is read from a function";
  if (metric.gauge == nullptr) metric.gauge = std::make_unique<Gauge>();
  return *metric.gauge;
}

void Metrics::AddGaugeFunction(absl::string_view name, absl::string_view help,
                               std::function<double()> read, const Labels& labels) {
  MutexLock lock(mu_);
  Metric& metric = Find(Kind::kGauge, name, help, labels);
  CHECK(metric.gauge == nullptr) << name << " is set, not read from a function";
  metric.read = std::move(read);
}

Histogram& Metrics::AddHistogram(absl::string_view name, absl::string_view help,
                                 std::vector<double> upper_bounds, const Labels& labels) {
  MutexLock lock(mu_);
  Metric& metric = Find(Kind::kHistogram, name, help, labels);
  if (metric.histogram == nullptr) {
    metric.histogram = std::make_unique<Histogram>(std::move(upper_bounds));
  }
  return *metric.histogram;
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> out;
  {
    MutexLock lock(mu_);
    for (const auto& [name, family] : families_) {
      prometheus::MetricFamily& to = out.emplace_back();
      to.name = name;
      to.help = family.help;
      for (const auto& [labels, metric] : family.metrics) {
        prometheus::ClientMetric& value = to.metric.emplace_back();
        for (const auto& [label, text] : labels) value.label.push_back({label, text});
        switch (family.kind) {
          case Kind::kCounter:
            to.type = prometheus::MetricType::Counter;
            value.counter.value = static_cast<double>(metric.counter->value());
            break;
          case Kind::kGauge:
            to.type = prometheus::MetricType::Gauge;
            value.gauge.value =
                metric.read ? metric.read() : static_cast<double>(metric.gauge->value());
            break;
          case Kind::kHistogram:
            to.type = prometheus::MetricType::Histogram;
            value.histogram = Snapshot(*metric.histogram);
            break;
        }
      }
    }
  }
  return prometheus::TextSerializer().Serialize(out);
}

}  // namespace cairn
