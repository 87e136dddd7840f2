// -getPolicy, -setPolicy and -unsetPolicy: what holds at a path.
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/file_system.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "tools/ec/commands.h"
#include "tools/ec/print.h"
#include "tools/hadoop_text.h"
#include "tools/json.h"

namespace cairn::tools {
namespace {

constexpr char kReplication[] = "replication";  // the name under which HDFS sets no policy

absl::StatusOr<bool> HasChildren(const EcCall& call, const EcPath& path) {
  ASSIGN_OR_RETURN(const auto fs, client::FileSystem::Connect(path.uri, call.options));
  client::DirectoryIterator children = fs->List(path.path);
  ASSIGN_OR_RETURN(const auto first, children.Next());
  return first.has_value();
}

// The policy that the arguments name; nullopt: the cluster's default.
absl::StatusOr<std::optional<std::string>> TakePolicy(EcCall& call) {
  ASSIGN_OR_RETURN(std::optional<std::string> policy, call.TakeOption("-policy"));
  const bool replicate = call.TakeFlag("-replicate");
  RETURN_IF_ERROR(call.CheckNoMore());
  if (!replicate) return policy;
  if (!policy.has_value()) return kReplication;
  return EndWith(kExitEcFailed, absl::StrCat("-", call.command.name,
                                             ": -replicate and -policy cannot been used at the "
                                             "same time"));
}

void WritePolicyOf(const EcPath& path, const std::optional<client::ErasurePolicy>& policy,
                   std::ostream& out) {
  JsonWriter json(out);
  json.BeginObject();
  json.Field("path", path.path);
  json.Key("policy");
  policy.has_value() ? json.String(policy->name) : json.Null();
  json.EndObject();
}

}  // namespace

absl::Status RunEcGetPolicy(EcCall& call) {
  ASSIGN_OR_RETURN(const std::string text,
                   call.RequireOption("-path", "Please specify the path with -path."));
  const bool as_json = call.TakeFlag("--json");
  RETURN_IF_ERROR(call.CheckNoMore());
  ASSIGN_OR_RETURN(const EcPath path, call.Resolve(text));
  ASSIGN_OR_RETURN(const auto admin, call.Admin(path));
  ASSIGN_OR_RETURN(const auto policy, admin->GetPolicy(path.path));
  if (as_json) {
    WritePolicyOf(path, policy, call.out);
  } else if (policy.has_value()) {
    call.out << Escaped(policy->name) << "\n";
  } else {
    call.out << "The erasure coding policy of " << Escaped(text) << " is unspecified\n";
  }
  return absl::OkStatus();
}

absl::Status RunEcSetPolicy(EcCall& call) {
  ASSIGN_OR_RETURN(
      const std::string text,
      call.RequireOption("-path", "Please specify the path for setting the EC policy."));
  ASSIGN_OR_RETURN(const std::optional<std::string> policy, TakePolicy(call));
  ASSIGN_OR_RETURN(const EcPath path, call.Resolve(text));
  ASSIGN_OR_RETURN(const auto admin, call.Admin(path));
  RETURN_IF_ERROR(admin->SetPolicy(path.path, policy));
  const std::string name = Escaped(policy.value_or("default"));
  call.out << "Set " << name << " erasure coding policy on " << Escaped(text) << "\n";
  ASSIGN_OR_RETURN(const bool has_children, HasChildren(call, path));
  if (has_children) {
    call.out << "Warning: setting erasure coding policy on a non-empty directory will not "
                "automatically convert existing files to "
             << name << " erasure coding policy\n";
  }
  return absl::OkStatus();
}

absl::Status RunEcUnsetPolicy(EcCall& call) {
  ASSIGN_OR_RETURN(const std::string text, call.RequireOption("-path", "Please specify a path."));
  RETURN_IF_ERROR(call.CheckNoMore());
  ASSIGN_OR_RETURN(const EcPath path, call.Resolve(text));
  ASSIGN_OR_RETURN(const auto admin, call.Admin(path));
  const absl::Status unset = admin->UnsetPolicy(path.path);
  if (GetFsError(unset) == FsError::kNoErasurePolicySet) {
    return EndWith(kExitEcFailed,
                   absl::StrCat(FailureText(call.command.name, unset),
                                "\nUse '-setPolicy -path <PATH> -replicate' to enforce default "
                                "replication policy irrespective of EC policy defined on parent."));
  }
  RETURN_IF_ERROR(unset);
  call.out << "Unset erasure coding policy from " << Escaped(text) << "\n";
  ASSIGN_OR_RETURN(const bool has_children, HasChildren(call, path));
  if (has_children) {
    call.out << "Warning: unsetting erasure coding policy on a non-empty directory will not "
                "automatically convert existing files to replicated data.\n";
  }
  return absl::OkStatus();
}

}  // namespace cairn::tools
