// bench/measure.h - clocks, memory, order statistics and flags, as all benchmark programs here use
// them.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

namespace cairn::bench {

inline double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of the whole process, user and system, in seconds.
inline double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

// Of another process, all its threads; 0 when there is none.
inline double CpuSecondsOf(pid_t pid) {
  clockid_t clock;
  timespec time{};
  if (pid == 0 || clock_getcpuclockid(pid, &clock) != 0) return 0;
  if (clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Of the calling thread.
inline double ThreadCpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Resident memory now, not the highest.
inline uint64_t ResidentBytes() {
  unsigned long size = 0, resident = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  const bool read = std::fscanf(file, "%lu %lu", &size, &resident) == 2;
  std::fclose(file);
  return read ? uint64_t{resident} * 4096 : 0;
}

inline double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// "median (min..max)", each times `scale`; `values` is not empty.
inline std::string Spread(const std::vector<double>& values, int digits, double scale = 1) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return absl::StrFormat("%.*f (%.*f..%.*f)", digits, Median(values) * scale, digits, *low * scale,
                         digits, *high * scale);
}

// The flags of a benchmark: `-name value` pairs. False: one is unknown, or a number is none or 0.
using TextFlags = std::vector<std::pair<const char*, std::string*>>;
using NumberFlags = std::vector<std::pair<const char*, uint64_t*>>;
inline bool ParseFlagPairs(int argc, char** argv, const TextFlags& texts,
                           const NumberFlags& numbers) {
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) return false;
    bool known = false;
    for (const auto& [name, value] : texts) {
      if (std::strcmp(argv[i], name) != 0) continue;
      *value = argv[i + 1];
      known = true;
    }
    for (const auto& [name, value] : numbers) {
      if (std::strcmp(argv[i], name) != 0) continue;
      known = absl::SimpleAtoi(argv[i + 1], value) && *value > 0;
    }
    if (!known) return false;
  }
  return true;
}

// Seconds; `values` is sorted by it.
class Latencies {
 public:
  explicit Latencies(std::vector<float> values) : values_(std::move(values)) {
    std::sort(values_.begin(), values_.end());
  }
  double At(double quantile) const {
    if (values_.empty()) return 0;
    const auto last = static_cast<double>(values_.size() - 1);
    return values_[static_cast<size_t>(quantile * last)];
  }
  double Mean() const {
    double sum = 0;
    for (const float value : values_) sum += value;
    return values_.empty() ? 0 : sum / static_cast<double>(values_.size());
  }

 private:
  std::vector<float> values_;
};

}  // namespace cairn::bench
