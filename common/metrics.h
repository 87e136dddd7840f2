// common/metrics.h - counters, gauges and histograms, read as Prometheus's text format.
//
// The handles are what hot code holds: an update is one relaxed atomic addition (prometheus-cpp's
// own counters spin on a double, and its histograms take a lock), so a reader may see one metric a
// moment before another. prometheus-cpp does the text. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace cairn {

// Only ever grows. By convention its name ends in _total.
class Counter {
 public:
  void Increment(uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(int64_t by) { value_.fetch_add(by, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

class Histogram {
 public:
  // Bucket i counts what is at most upper_bounds[i] (ascending); one more takes the rest.
  explicit Histogram(std::vector<double> upper_bounds);

  void Observe(double value);
  void Observe(absl::Duration value) { Observe(absl::ToDoubleSeconds(value)); }

  const std::vector<double>& upper_bounds() const { return upper_bounds_; }
  uint64_t bucket(size_t i) const { return counts_[i].load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::vector<double> upper_bounds_;
  const std::unique_ptr<std::atomic<uint64_t>[]> counts_;  // upper_bounds_.size() + 1
  std::atomic<double> sum_{0};
};

// 10 us to 30 s, in steps of about three: for anything that waits for a disk or a peer.
std::vector<double> LatencyBuckets();

// Owns the metrics; handles live as long as it does. Asking again for the same name and labels
// gives the same handle; the same name as another kind, or a name that Prometheus does not allow,
// is a bug and stops the program.
class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;

  Counter& AddCounter(absl::string_view name, absl::string_view help, const Labels& labels = {});
  Gauge& AddGauge(absl::string_view name, absl::string_view help, const Labels& labels = {});
  // `read` is called by Text(), with the registry's lock held.
  void AddGaugeFunction(absl::string_view name, absl::string_view help,
                        std::function<double()> read, const Labels& labels = {});
  // `upper_bounds` counts only when the metric is new.
  Histogram& AddHistogram(absl::string_view name, absl::string_view help,
                          std::vector<double> upper_bounds = LatencyBuckets(),
                          const Labels& labels = {});

  // Prometheus text exposition format 0.0.4.
  std::string Text() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  enum class Kind { kCounter, kGauge, kHistogram };
  struct Metric {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::function<double()> read;
    std::unique_ptr<Histogram> histogram;
  };
  struct Family {
    Kind kind;
    std::string help;
    std::map<Labels, Metric> metrics;  // nodes do not move: handles stay valid
  };

  Metric& Find(Kind kind, absl::string_view name, absl::string_view help, const Labels& labels)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  std::map<std::string, Family> families_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn
