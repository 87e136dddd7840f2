#include "tools/policy/rule_options.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/config_values.h"
#include "common/status_macros.h"
#include "tools/policy/policy_commands.h"

namespace cairn::tools {
namespace {

constexpr int64_t kMostRunThreads = 256;
constexpr absl::Duration kDefaultAge = absl::Hours(24);
constexpr absl::Duration kShortestInterval = absl::Seconds(1);

absl::Status TakeTime(EcCall& call, absl::string_view option, absl::Duration* out) {
  ASSIGN_OR_RETURN(const std::optional<std::string> text, call.TakeOption(option));
  if (!text.has_value()) return absl::OkStatus();
  const std::optional<absl::Duration> time = ParseConfigDuration(*text, absl::Seconds(1));
  if (!time.has_value() || *time < absl::ZeroDuration()) {
    return IllegalArgument(absl::StrCat(option, " ", *text, " is no time"));
  }
  *out = *time;
  return absl::OkStatus();
}

absl::Status CheckNoOption(const EcCall& call) {
  const auto option = std::find_if(call.args.begin(), call.args.end(),
                                   [](const auto& word) { return absl::StartsWith(word, "-"); });
  if (option == call.args.end()) return absl::OkStatus();
  return call.Misused(absl::StrCat("-", call.command.name, ": Unknown option ", *option));
}

}  // namespace

absl::StatusOr<std::optional<std::string>> TakeOnlyPath(EcCall& call) {
  RETURN_IF_ERROR(CheckNoOption(call));
  if (call.args.empty()) return std::nullopt;
  std::string path = std::move(call.args.front());
  call.args.erase(call.args.begin());
  RETURN_IF_ERROR(call.CheckNoMore());
  return path;
}

absl::StatusOr<std::string> RequireOnlyPath(EcCall& call) {
  ASSIGN_OR_RETURN(std::optional<std::string> path, TakeOnlyPath(call));
  if (path.has_value()) return *std::move(path);
  return call.Misused("Please specify a path.");
}

absl::StatusOr<SetRuleArguments> TakeSetRuleArguments(EcCall& call) {
  SetRuleArguments arguments;
  client::ConversionRule& rule = arguments.rule;
  rule.older_than = kDefaultAge;
  ASSIGN_OR_RETURN(const std::optional<std::string> policy, call.TakeOption("-erasure"));
  const bool replicated = call.TakeFlag("-replicated");
  if (policy.has_value() == replicated || (policy.has_value() && policy->empty())) {
    return call.Misused("Please specify either -erasure or -replicated.");
  }
  rule.policy = policy.value_or("");
  RETURN_IF_ERROR(TakeTime(call, "-olderThan", &rule.older_than));
  RETURN_IF_ERROR(TakeTime(call, "-unreadFor", &rule.unread_for));
  RETURN_IF_ERROR(call.TakeSize("-largerThan", &rule.larger_than_bytes));
  ASSIGN_OR_RETURN(arguments.path, RequireOnlyPath(call));
  return arguments;
}

absl::StatusOr<RunArguments> TakeRunArguments(EcCall& call) {
  RunArguments arguments;
  arguments.once = call.TakeFlag("-once");
  arguments.as_json = call.TakeFlag("--json");
  ASSIGN_OR_RETURN(const std::optional<std::string> parallel, call.TakeOption("-parallel"));
  if (parallel.has_value()) {
    const std::optional<int64_t> threads = ParseConfigInt(*parallel);
    if (!threads.has_value() || *threads < 1 || *threads > kMostRunThreads) {
      return IllegalArgument(
          absl::StrCat("-parallel ", *parallel, " is no number from 1 to ", kMostRunThreads));
    }
    arguments.settings.threads = static_cast<int>(*threads);
  }
  RETURN_IF_ERROR(call.TakeSize("-bandwidth", &arguments.settings.bytes_per_second));
  RETURN_IF_ERROR(TakeTime(call, "-interval", &arguments.interval));
  RETURN_IF_ERROR(TakeTime(call, "-pause", &arguments.settings.page_pause));
  if (arguments.interval < kShortestInterval) {
    return IllegalArgument("-interval is at least a second");
  }
  RETURN_IF_ERROR(CheckNoOption(call));
  RETURN_IF_ERROR(call.CheckNoMore());
  return arguments;
}

}  // namespace cairn::tools
