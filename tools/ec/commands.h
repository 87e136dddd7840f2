// tools/ec/commands.h - the functions behind `cairn ec -NAME`; their rows are in commands.cc.
#pragma once

#include "absl/status/status.h"
#include "tools/ec/ec_command.h"

namespace cairn::tools {

absl::Status RunEcAddPolicies(EcCall& call);         // policies.cc
absl::Status RunEcConvert(EcCall& call);             // convert.cc
absl::Status RunEcDisablePolicy(EcCall& call);       // policies.cc
absl::Status RunEcEnablePolicy(EcCall& call);        // policies.cc
absl::Status RunEcGetPolicy(EcCall& call);           // paths.cc
absl::Status RunEcHelp(EcCall& call);                // help.cc
absl::Status RunEcListCodecs(EcCall& call);          // policies.cc
absl::Status RunEcListPolicies(EcCall& call);        // policies.cc
absl::Status RunEcRemovePolicy(EcCall& call);        // policies.cc
absl::Status RunEcSetPolicy(EcCall& call);           // paths.cc
absl::Status RunEcUnsetPolicy(EcCall& call);         // paths.cc
absl::Status RunEcVerifyClusterSetup(EcCall& call);  // topology.cc

}  // namespace cairn::tools
