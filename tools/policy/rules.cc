// -set, -remove, -list and -show: the rules that the namenode keeps.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/file_system.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "tools/hadoop_text.h"
#include "tools/policy/cluster_world.h"
#include "tools/policy/policy_commands.h"
#include "tools/policy/print.h"
#include "tools/policy/rule_options.h"

namespace cairn::tools {
namespace {

// -show looks at all that is below a directory, and should not be noticed either.
constexpr absl::Duration kShowPause = absl::Milliseconds(10);

// What is due below a directory by its rule, or whether the file is.
absl::Status Look(const EcCall& call, const EcPath& path, client::ConversionAdmin& admin,
                  const client::ConversionRules& rules, ShownRule& shown) {
  ASSIGN_OR_RETURN(const auto fs, client::FileSystem::Connect(path.uri, call.options));
  ASSIGN_OR_RETURN(const client::FileStatus status, fs->Stat(path.path));
  if (!shown.rule) return absl::OkStatus();
  const client::ConversionRule& rule = shown.rule->rule;
  if (!status.is_directory()) {
    shown.tally.Add(Judge(status, rule, absl::Now()), status.length);
    return absl::OkStatus();
  }
  absl::flat_hash_set<uint64_t> ruled;
  for (const client::PlacedConversionRule& placed : rules.rules) ruled.insert(placed.inode);
  ClusterWorld world(*fs, admin);
  return WalkRule(
      [&](const std::string& directory) { return world.Open(directory); }, path.path,
      {.on_file =
           [&](const client::FileStatus& file) {
             shown.tally.Add(Judge(file, rule, absl::Now()), file.length);
             return true;
           },
       .has_own_rule =
           [&](const client::FileStatus& directory) { return ruled.contains(directory.inode); },
       .on_unreadable = [&](const std::string&, const absl::Status&) { ++shown.unreadable; },
       .on_page =
           [&] {
             world.Sleep(kShowPause);
             return true;
           }});
}

}  // namespace

absl::StatusOr<std::unique_ptr<client::ConversionAdmin>> ConnectToRules(const EcCall& call,
                                                                        const EcPath& path) {
  auto admin = client::ConversionAdmin::Connect(path.uri, call.options);
  if (absl::IsInvalidArgument(admin.status())) return IllegalArgument(admin.status().message());
  return admin;
}

absl::Status ExplainNoRules(const EcCall& call, const EcPath& path, const absl::Status& status) {
  const FsError error = GetFsError(status);
  if (error != FsError::kNoSuchProtocol && error != FsError::kNoSuchMethod) return status;
  return EndWith(kExitEcFailed,
                 absl::StrCat("-", call.command.name, ": ", Escaped(path.uri),
                              " keeps no rules: it is an Apache HDFS, or an older Cairn"));
}

absl::Status RunPolicySet(EcCall& call) {
  ASSIGN_OR_RETURN(const SetRuleArguments arguments, TakeSetRuleArguments(call));
  ASSIGN_OR_RETURN(const EcPath path, call.Resolve(arguments.path));
  ASSIGN_OR_RETURN(const auto admin, ConnectToRules(call, path));
  RETURN_IF_ERROR(ExplainNoRules(call, path, admin->Set(path.path, arguments.rule)));
  call.out << "Set rule on " << Escaped(path.text) << ": " << RuleText(arguments.rule) << "\n";
  const absl::StatusOr<client::ConversionRules> rules = admin->List();
  if (rules.ok() && (rules->run.ended || rules->run.holder.empty())) {
    call.out << "Warning: nobody carries rules out now: cairn policy -run\n";
  }
  return absl::OkStatus();
}

absl::Status RunPolicyRemove(EcCall& call) {
  ASSIGN_OR_RETURN(const std::string text, RequireOnlyPath(call));
  ASSIGN_OR_RETURN(const EcPath path, call.Resolve(text));
  ASSIGN_OR_RETURN(const auto admin, ConnectToRules(call, path));
  const absl::StatusOr<bool> removed = admin->Remove(path.path);
  RETURN_IF_ERROR(ExplainNoRules(call, path, removed.status()));
  if (!*removed) {
    return EndWith(kExitEcFailed, absl::StrCat("-", call.command.name, ": No rule is set on ",
                                               Escaped(text), " itself"));
  }
  call.out << "Removed rule from " << Escaped(text) << "\n";
  return absl::OkStatus();
}

absl::Status RunPolicyList(EcCall& call) {
  const bool as_json = call.TakeFlag("--json");
  ASSIGN_OR_RETURN(const std::optional<std::string> text, TakeOnlyPath(call));
  ASSIGN_OR_RETURN(const EcPath path, call.Resolve(text.value_or("/")));
  ASSIGN_OR_RETURN(const auto admin, ConnectToRules(call, path));
  absl::StatusOr<client::ConversionRules> rules = admin->List();
  RETURN_IF_ERROR(ExplainNoRules(call, path, rules.status()));
  std::erase_if(rules->rules, [&](const auto& rule) { return !IsAtOrBelow(rule.path, path.path); });
  std::sort(rules->rules.begin(), rules->rules.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  as_json ? WriteRules(*rules, call.out) : PrintRules(*rules, call.out);
  return absl::OkStatus();
}

absl::Status RunPolicyShow(EcCall& call) {
  const bool as_json = call.TakeFlag("--json");
  ASSIGN_OR_RETURN(const std::string text, RequireOnlyPath(call));
  ASSIGN_OR_RETURN(const EcPath path, call.Resolve(text));
  ASSIGN_OR_RETURN(const auto admin, ConnectToRules(call, path));
  const absl::StatusOr<client::ConversionRules> rules = admin->List();
  RETURN_IF_ERROR(ExplainNoRules(call, path, rules.status()));
  ShownRule shown;
  shown.path = path.path;
  shown.run = rules->run;
  const client::PlacedConversionRule* const nearest = NearestRule(rules->rules, path.path);
  if (nearest != nullptr) shown.rule = *nearest;
  RETURN_IF_ERROR(Look(call, path, *admin, *rules, shown));
  as_json ? WriteShown(shown, call.out) : PrintShown(shown, call.out);
  return absl::OkStatus();
}

}  // namespace cairn::tools
