// -convert: files that are there in another form.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/erasure_admin.h"
#include "client/file_system.h"
#include "common/config_values.h"
#include "common/status_macros.h"
#include "tools/dfs/format.h"
#include "tools/ec/commands.h"
#include "tools/ec/convert_options.h"
#include "tools/ec/print.h"
#include "tools/hadoop_text.h"
#include "tools/json.h"

namespace cairn::tools {
namespace {

constexpr int kThreads = 4;
constexpr int64_t kMaxThreads = 256;

struct Failure {
  std::string path;
  std::string why;
};

// Each policy that is named is enabled, or every file would fail.
absl::Status CheckPolicy(const EcCall& call, const EcPath& path, const std::string& name) {
  if (name.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto admin, call.Admin(path));
  ASSIGN_OR_RETURN(const auto policies, admin->ListPolicies());
  const bool enabled = std::any_of(policies.begin(), policies.end(), [&](const auto& policy) {
    return policy.name == name && policy.state == client::ErasurePolicyState::kEnabled;
  });
  if (enabled) return absl::OkStatus();
  return IllegalArgument(absl::StrCat("Policy '", Escaped(name), "' is not an enabled policy"));
}

void AddTo(ConvertTotals& sum, const ConvertTotals& more) {
  sum.converted += more.converted;
  sum.bytes += more.bytes;
  sum.already += more.already;
  sum.passed += more.passed;
  sum.written += more.written;
  sum.changed += more.changed;
  sum.failed += more.failed;
}

void Print(const ConvertTotals& totals, const std::string& policy, std::ostream& out) {
  out << "Converted " << totals.converted << " files (" << HumanSize(totals.bytes, "B") << ") to "
      << (policy.empty() ? "replication" : Escaped(policy));
  const std::pair<uint64_t, const char*> others[] = {
      {totals.already, "were so already"},
      {totals.passed, "are too small or too new"},
      {totals.written, "are being written"},
      {totals.changed, "were changed meanwhile"},
      {totals.failed, "failed"},
  };
  for (const auto& [count, what] : others) {
    if (count > 0) out << "; " << count << " " << what;
  }
  out << "\n";
}

void Write(const ConvertTotals& totals, const std::vector<Failure>& failures, std::ostream& out) {
  JsonWriter json(out);
  json.BeginObject();
  json.Field("converted", totals.converted);
  json.Field("converted_bytes", totals.bytes);
  json.Field("already", totals.already);
  json.Field("passed_over", totals.passed);
  json.Field("being_written", totals.written);
  json.Field("changed", totals.changed);
  json.Field("failed", totals.failed);
  json.Key("failures");
  json.BeginArray();
  for (const Failure& failure : failures) {
    json.BeginObject();
    json.Field("path", failure.path);
    json.Field("why", failure.why);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

absl::Status ConvertBelow(EcCall& call, const EcPath& path, const ConvertArguments& arguments,
                          ConvertTotals& totals, std::vector<Failure>& failures) {
  RETURN_IF_ERROR(CheckPolicy(call, path, arguments.options.policy));
  client::ClientOptions options = call.options;
  // Where a data unit is lost there is no sum of the file to compare the copy with.
  options.verify_local = true;
  ASSIGN_OR_RETURN(const auto fs, client::FileSystem::Connect(path.uri, std::move(options)));
  ASSIGN_OR_RETURN(const bool can, fs->CanConvertFiles());
  if (!can) {
    return EndWith(kExitEcFailed, absl::StrCat("-", call.command.name, ": ", Escaped(path.uri),
                                               " cannot convert files: it is an Apache HDFS, or an "
                                               "older Cairn"));
  }
  const auto on_failure = [&](const std::string& file, const absl::Status& why) {
    if (arguments.as_json) {
      failures.push_back({file, FailureText(call.command.name, why)});
    } else {
      call.err << Escaped(file) << ": " << FailureText(call.command.name, why) << "\n";
    }
  };
  Converter converter(*fs, arguments.options, on_failure);
  const absl::Status added = converter.Add(path.path);
  AddTo(totals, converter.Finish());
  return added;
}

}  // namespace

absl::StatusOr<ConvertArguments> TakeConvertArguments(EcCall& call) {
  ConvertArguments arguments;
  ConvertOptions& options = arguments.options;
  options.threads = kThreads;
  ASSIGN_OR_RETURN(const std::optional<std::string> policy, call.TakeOption("-policy"));
  const bool replicate = call.TakeFlag("-replicate");
  arguments.as_json = call.TakeFlag("--json");
  if (policy.has_value() == replicate || (policy.has_value() && policy->empty())) {
    return call.Misused("Please specify either -policy or -replicate.");
  }
  options.policy = policy.value_or("");
  ASSIGN_OR_RETURN(const std::optional<std::string> parallel, call.TakeOption("-parallel"));
  if (parallel.has_value()) {
    const std::optional<int64_t> threads = ParseConfigInt(*parallel);
    if (!threads.has_value() || *threads < 1 || *threads > kMaxThreads) {
      return IllegalArgument(
          absl::StrCat("-parallel ", *parallel, " is no number from 1 to ", kMaxThreads));
    }
    options.threads = static_cast<int>(*threads);
  }
  RETURN_IF_ERROR(call.TakeSize("-bandwidth", &options.bytes_per_second));
  RETURN_IF_ERROR(call.TakeSize("-minSize", &options.min_bytes));
  ASSIGN_OR_RETURN(const std::optional<std::string> age, call.TakeOption("-olderThan"));
  if (age.has_value()) {
    const std::optional<absl::Duration> time = ParseConfigDuration(*age, absl::Seconds(1));
    if (!time.has_value() || *time < absl::ZeroDuration()) {
      return IllegalArgument(absl::StrCat("-olderThan ", *age, " is no time"));
    }
    options.min_age = *time;
  }
  arguments.paths = std::exchange(call.args, {});
  const auto option = std::find_if(arguments.paths.begin(), arguments.paths.end(),
                                   [](const auto& word) { return absl::StartsWith(word, "-"); });
  if (option != arguments.paths.end()) {
    return call.Misused(absl::StrCat("-", call.command.name, ": Unknown option ", *option));
  }
  if (arguments.paths.empty()) return call.Misused("Please specify a path.");
  return arguments;
}

absl::Status RunEcConvert(EcCall& call) {
  ASSIGN_OR_RETURN(const ConvertArguments arguments, TakeConvertArguments(call));
  std::vector<EcPath> paths;
  for (const std::string& text : arguments.paths) {
    ASSIGN_OR_RETURN(EcPath path, call.Resolve(text));
    paths.push_back(std::move(path));
  }
  ConvertTotals totals;
  std::vector<Failure> failures;
  absl::Status stopped;
  for (const EcPath& path : paths) {
    stopped = ConvertBelow(call, path, arguments, totals, failures);
    if (!stopped.ok()) break;
  }
  arguments.as_json ? Write(totals, failures, call.out)
                    : Print(totals, arguments.options.policy, call.out);
  RETURN_IF_ERROR(stopped);
  if (totals.failed + totals.written + totals.changed > 0) call.exit_code = kExitEcFailed;
  return absl::OkStatus();
}

}  // namespace cairn::tools
