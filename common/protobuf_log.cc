#include "common/protobuf_log.h"

#include <google/protobuf/stubs/logging.h>

#include <string>

#include "common/logging.h"

namespace cairn {
namespace {

constexpr double kLogSeconds = 10;
// It may list every field that is missing.
constexpr size_t kShownBytes = 256;

void Handle(google::protobuf::LogLevel level, const char* file, int line,
            const std::string& message) {
  if (level == google::protobuf::LOGLEVEL_FATAL) {  // the end of the program
    LOG_ERROR("protobuf: {}:{}: {}", file, line, EscapeForLog(message));
    return;
  }
  if (level == google::protobuf::LOGLEVEL_INFO) return;
  LOG_EVERY_SECONDS(kWarn, kLogSeconds, "protobuf: {}", EscapeForLog(message, kShownBytes));
}

}  // namespace

void LogProtobufErrors() { google::protobuf::SetLogHandler(&Handle); }

}  // namespace cairn
