// tools/policy/policy_commands.h - the functions behind `cairn policy -NAME`; their rows are in
// commands.cc. Arguments and ends are those of `cairn ec` (tools/ec/ec_command.h).
#pragma once

#include <memory>
#include <ostream>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/conversion_admin.h"
#include "tools/ec/ec_command.h"

namespace cairn::tools {

absl::Status RunPolicyHelp(EcCall& call);    // policy.cc
absl::Status RunPolicyList(EcCall& call);    // rules.cc
absl::Status RunPolicyRemove(EcCall& call);  // rules.cc
absl::Status RunPolicyRun(EcCall& call);     // policy_run.cc
absl::Status RunPolicySet(EcCall& call);     // rules.cc
absl::Status RunPolicyShow(EcCall& call);    // rules.cc

// `path.uri` leads to the cluster.
absl::StatusOr<std::unique_ptr<client::ConversionAdmin>> ConnectToRules(const EcCall& call,
                                                                        const EcPath& path);
// Says so, if the status is that the server keeps no rules.
absl::Status ExplainNoRules(const EcCall& call, const EcPath& path, const absl::Status& status);

std::span<const EcCommand> PolicyCommands();
const EcCommand* FindPolicyCommand(absl::string_view name);
void PrintPolicyUsage(std::ostream& out);

}  // namespace cairn::tools
