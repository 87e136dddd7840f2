#include "common/logging.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace cairn {
namespace {

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

spdlog::logger* NewLogger(const std::string& program, spdlog::sink_ptr sink) {
  auto* const logger = new spdlog::logger(program, std::move(sink));
  logger->set_level(spdlog::level::trace);  // LogEnabled has judged already
  logger->flush_on(spdlog::level::trace);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %L %n[%P:%t] %s:%# %v",
                      spdlog::pattern_time_type::utc);
  return logger;
}

// Replaced, but never freed: another thread may be writing to the old one.
std::atomic<spdlog::logger*>& CurrentLogger() {
  static std::atomic<spdlog::logger*> logger{
      NewLogger("cairn", std::make_shared<spdlog::sinks::stderr_sink_mt>())};
  return logger;
}

void Replace(spdlog::logger* logger) {
  static Mutex* const mu = new Mutex;
  static std::vector<spdlog::logger*>* const retired = new std::vector<spdlog::logger*>;
  MutexLock lock(*mu);
  retired->push_back(CurrentLogger().exchange(logger));
}

std::atomic<bool> goes_to_file{false};

bool IsControl(unsigned char c) { return c < 0x20 || c == 0x7f; }

void AppendEscaped(std::string& out, unsigned char c) {
  if (c == '\n') {
    out += "\\n";
  } else if (c == '\t') {
    out += "\\t";
  } else {
    absl::StrAppendFormat(&out, "\\x%02x", c);
  }
}

// Length of the UTF-8 sequence at the front of `text`, 0 if there is none. C1 control characters,
// which terminals obey, count as none, like overlong forms and surrogates.
size_t Utf8Length(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (first == 0xc2 && byte(1) < 0xa0) return 0;
  if (first == 0xe0 && byte(1) < 0xa0) return 0;
  if (first == 0xed && byte(1) >= 0xa0) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) >= 0x90) return 0;
  return length;
}

absl::string_view BaseName(absl::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

absl::Status InitLogging(const LoggingOptions& options) {
  spdlog::sink_ptr sink;
  if (options.file.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    try {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
    } catch (const spdlog::spdlog_ex& error) {  // spdlog's only way to say so
      return absl::InvalidArgumentError(
          absl::StrCat("log file ", options.file, ": ", error.what()));
    }
  }
  Replace(NewLogger(options.program, std::move(sink)));
  goes_to_file = !options.file.empty();
  SetLogLevel(options.level);
  return absl::OkStatus();
}

void SetLogLevel(LogLevel level) {
  logging_internal::min_level.store(level, std::memory_order_relaxed);
}

bool LogGoesToFile() { return goes_to_file; }

absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view text) {
  if (text == "debug") return LogLevel::kDebug;
  if (text == "info") return LogLevel::kInfo;
  if (text == "warn") return LogLevel::kWarn;
  if (text == "error") return LogLevel::kError;
  return absl::InvalidArgumentError(
      absl::StrCat("log level \"", EscapeForLog(text), "\": expected debug, info, warn or error"));
}

std::string EscapeForLog(absl::string_view text, size_t limit) {
  const bool cut = text.size() > limit;
  if (cut) text = text.substr(0, limit);
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text.front());
    size_t length = Utf8Length(text);
    if (c == '\\') {
      out += "\\\\";
    } else if (length == 0 || IsControl(c)) {
      AppendEscaped(out, c);
      length = 1;
    } else {
      out.append(text.data(), length);
    }
    text.remove_prefix(length);
  }
  if (cut) out += "...";
  return out;
}

std::string Escaped(absl::string_view text) {
  std::string escaped = EscapeForLog(text, text.size());
  // Backslashes alone do no harm, and HDFS prints them as they are.
  std::string plain = absl::StrReplaceAll(escaped, {{"\\\\", "\\"}});
  return plain == text ? plain : escaped;
}

namespace logging_internal {

constinit std::atomic<LogLevel> min_level{LogLevel::kInfo};

void Write(LogLevel level, const char* file, int line, absl::string_view message) {
  std::string clean;
  for (const char c : message) {
    if (IsControl(static_cast<unsigned char>(c))) {
      AppendEscaped(clean, static_cast<unsigned char>(c));
    } else {
      clean.push_back(c);
    }
  }
  const std::string name(BaseName(file));
  CurrentLogger().load()->log(spdlog::source_loc{name.c_str(), line, ""}, SpdlogLevel(level),
                              spdlog::string_view_t(clean.data(), clean.size()));
}

bool Limiter::Allow(double seconds, uint64_t* suppressed) {
  const int64_t now = absl::ToInt64Nanoseconds(SystemClock().Monotonic());
  int64_t next = next_ns_.load(std::memory_order_relaxed);
  const int64_t new_next = now + static_cast<int64_t>(seconds * 1e9);
  // Of several threads that find the time come, one wins.
  if (now < next || !next_ns_.compare_exchange_strong(next, new_next)) {
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  *suppressed = suppressed_.exchange(0, std::memory_order_relaxed);
  return true;
}

void WriteLimited(LogLevel level, const char* file, int line, std::string message,
                  uint64_t suppressed) {
  if (suppressed > 0)
    absl::StrAppend(&message, " (", suppressed, " more since the last such line)");
  Write(level, file, line, message);
}

}  // namespace logging_internal
}  // namespace cairn
