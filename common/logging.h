// common/logging.h - the daemon's log: one line per event, to a file or stderr, through spdlog.
//
//   LOG_INFO("volume {}: {} replicas found", path, count);            // fmt syntax
//   LOG_EVERY_SECONDS(kWarn, 10, "peer {}: {}", address, status);     // at most one per 10 s here
//
// Works before InitLogging (to stderr). No message spans lines: control characters in it are
// written as \xNN, so that text from users cannot forge a line; to keep such text apart from ours
// as well, pass it through EscapeForLog. Every line is written out at once: a log that a kill -9
// can cut short helps nobody. Thread-safe. Do not log per request on a hot path.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };

struct LoggingOptions {
  std::string program;  // in front of each line
  LogLevel level = LogLevel::kInfo;
  std::string file;  // appended to; empty: stderr
};

// The file's error when it cannot be opened; the log then goes where it went before. May be called
// again.
absl::Status InitLogging(const LoggingOptions& options);
void SetLogLevel(LogLevel level);
// Whether what is logged does not show on stderr.
bool LogGoesToFile();
// "debug", "info", "warn" or "error".
absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view text);

// `text` with control characters, backslashes and invalid UTF-8 written as \n, \t, \\ or \xNN; cut
// off with "..." after `limit` bytes of input.
std::string EscapeForLog(absl::string_view text, size_t limit = 1024);
// `text` as it is, unless it has control characters or is no UTF-8, so that it could forge a line
// or steer a terminal: then these, and backslashes, are written as EscapeForLog does.
std::string Escaped(absl::string_view text);

namespace logging_internal {

extern std::atomic<LogLevel> min_level;
void Write(LogLevel level, const char* file, int line, absl::string_view message);

// Lets one event per period through and counts the others.
class Limiter {
 public:
  // Whether to log now; `suppressed` is then how many were not logged since the last time.
  bool Allow(double seconds, uint64_t* suppressed);

 private:
  std::atomic<int64_t> next_ns_{0};  // monotonic time before which nothing passes
  std::atomic<uint64_t> suppressed_{0};
};

void WriteLimited(LogLevel level, const char* file, int line, std::string message,
                  uint64_t suppressed);

}  // namespace logging_internal

inline bool LogEnabled(LogLevel level) {
  return level >= logging_internal::min_level.load(std::memory_order_relaxed);
}

}  // namespace cairn

// Abseil as Debian builds it has string_view types of its own.
template <>
struct fmt::formatter<absl::string_view> : fmt::formatter<fmt::string_view> {
  template <typename Context>
  auto format(absl::string_view text, Context& context) const {
    return fmt::formatter<fmt::string_view>::format(fmt::string_view(text.data(), text.size()),
                                                    context);
  }
};

template <>
struct fmt::formatter<absl::Status> : fmt::formatter<fmt::string_view> {
  template <typename Context>
  auto format(const absl::Status& status, Context& context) const {
    return fmt::formatter<fmt::string_view>::format(status.ToString(), context);
  }
};

#define CAIRN_LOG_(level, ...)                                                                 \
  do {                                                                                         \
    if (::cairn::LogEnabled(level)) {                                                          \
      ::cairn::logging_internal::Write(level, __FILE__, __LINE__, ::fmt::format(__VA_ARGS__)); \
    }                                                                                          \
  } while (false)

// Not the numbers of <syslog.h>, which has the same names.
#undef LOG_DEBUG
#undef LOG_INFO
#define LOG_DEBUG(...) CAIRN_LOG_(::cairn::LogLevel::kDebug, __VA_ARGS__)
#define LOG_INFO(...) CAIRN_LOG_(::cairn::LogLevel::kInfo, __VA_ARGS__)
#define LOG_WARN(...) CAIRN_LOG_(::cairn::LogLevel::kWarn, __VA_ARGS__)
#define LOG_ERROR(...) CAIRN_LOG_(::cairn::LogLevel::kError, __VA_ARGS__)

// `level` is the name of a LogLevel. The limit is per place in the code.
#define LOG_EVERY_SECONDS(level, seconds, ...)                                              \
  do {                                                                                      \
    static ::cairn::logging_internal::Limiter log_limiter_;                                 \
    uint64_t log_suppressed_ = 0;                                                           \
    if (::cairn::LogEnabled(::cairn::LogLevel::level) &&                                    \
        log_limiter_.Allow(seconds, &log_suppressed_)) {                                    \
      ::cairn::logging_internal::WriteLimited(::cairn::LogLevel::level, __FILE__, __LINE__, \
                                              ::fmt::format(__VA_ARGS__), log_suppressed_); \
    }                                                                                       \
  } while (false)
