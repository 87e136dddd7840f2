// -listPolicies, -listCodecs, -addPolicies, -removePolicy, -enablePolicy and -disablePolicy: what
// the cluster has.
#include "common/status_macros.h"
#include "tools/ec/commands.h"
#include "tools/ec/policy_file.h"
#include "tools/ec/print.h"
#include "tools/hadoop_text.h"

namespace cairn::tools {
namespace {

absl::StatusOr<std::string> TakePolicyName(EcCall& call) {
  ASSIGN_OR_RETURN(std::string name,
                   call.RequireOption("-policy", "Please specify the policy name."));
  RETURN_IF_ERROR(call.CheckNoMore());
  return name;
}

void Say(EcCall& call, absl::string_view name, const char* what) {
  call.out << "Erasure coding policy " << Escaped(name) << " is " << what << "\n";
}

}  // namespace

absl::Status RunEcListPolicies(EcCall& call) {
  const bool as_json = call.TakeFlag("--json");
  RETURN_IF_ERROR(call.CheckNoMore());
  ASSIGN_OR_RETURN(const auto admin, call.Admin());
  ASSIGN_OR_RETURN(const auto policies, admin->ListPolicies());
  as_json ? WritePolicies(policies, call.out) : PrintPolicies(policies, call.out);
  return absl::OkStatus();
}

absl::Status RunEcListCodecs(EcCall& call) {
  const bool as_json = call.TakeFlag("--json");
  RETURN_IF_ERROR(call.CheckNoMore());
  ASSIGN_OR_RETURN(const auto admin, call.Admin());
  ASSIGN_OR_RETURN(const auto codecs, admin->ListCodecs());
  as_json ? WriteCodecs(codecs, call.out) : PrintCodecs(codecs, call.out);
  return absl::OkStatus();
}

absl::Status RunEcAddPolicies(EcCall& call) {
  ASSIGN_OR_RETURN(const std::string file,
                   call.RequireOption("-policyFile", "Please specify the path with -policyFile."));
  RETURN_IF_ERROR(call.CheckNoMore());
  const absl::StatusOr<std::vector<client::ErasurePolicy>> policies = ReadPolicyFile(file);
  if (!policies.ok()) return IllegalArgument(policies.status().message());
  if (policies->empty()) {
    call.out << "No EC policy parsed out from " << Escaped(file) << "\n";
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const auto admin, call.Admin());
  ASSIGN_OR_RETURN(const auto added, admin->AddPolicies(*policies));
  PrintAdded(added, call.out);
  return absl::OkStatus();
}

absl::Status RunEcRemovePolicy(EcCall& call) {
  ASSIGN_OR_RETURN(const std::string name, TakePolicyName(call));
  ASSIGN_OR_RETURN(const auto admin, call.Admin());
  RETURN_IF_ERROR(admin->RemovePolicy(name));
  Say(call, name, "removed");
  return absl::OkStatus();
}

absl::Status RunEcEnablePolicy(EcCall& call) {
  ASSIGN_OR_RETURN(const std::string name, TakePolicyName(call));
  ASSIGN_OR_RETURN(const auto admin, call.Admin());
  RETURN_IF_ERROR(admin->EnablePolicy(name));
  Say(call, name, "enabled");
  ASSIGN_OR_RETURN(const client::ErasureTopology topology, admin->CheckTopology({name}));
  if (!topology.supported) {
    call.err << "Warning: The cluster setup does not support EC policy " << Escaped(name)
             << ". Reason: " << Escaped(topology.message) << "\n";
  }
  return absl::OkStatus();
}

absl::Status RunEcDisablePolicy(EcCall& call) {
  ASSIGN_OR_RETURN(const std::string name, TakePolicyName(call));
  ASSIGN_OR_RETURN(const auto admin, call.Admin());
  RETURN_IF_ERROR(admin->DisablePolicy(name));
  Say(call, name, "disabled");
  return absl::OkStatus();
}

}  // namespace cairn::tools
