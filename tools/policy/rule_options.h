// tools/policy/rule_options.h - the arguments of `cairn policy -set` and `-run`.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/conversion_admin.h"
#include "tools/ec/ec_command.h"
#include "tools/policy/policy_runner.h"

namespace cairn::tools {

struct SetRuleArguments {
  std::string path;
  client::ConversionRule rule;
};

struct RunArguments {
  RunSettings settings;
  bool once = false;
  absl::Duration interval = absl::Hours(1);  // between the rounds' ends and beginnings
  bool as_json = false;
};

// They take all that there is. An error ends the command (EndWith).
absl::StatusOr<SetRuleArguments> TakeSetRuleArguments(EcCall& call);
absl::StatusOr<RunArguments> TakeRunArguments(EcCall& call);
// The one path that is left; nullopt: there is none.
absl::StatusOr<std::optional<std::string>> TakeOnlyPath(EcCall& call);
absl::StatusOr<std::string> RequireOnlyPath(EcCall& call);

}  // namespace cairn::tools
