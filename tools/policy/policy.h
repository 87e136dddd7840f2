// tools/policy/policy.h - `cairn policy`: rules that convert files as they age, and who carries
// them out (docs/decisions/0021-policy-rules.md).
#pragma once

#include "tools/command.h"

namespace cairn::tools {

int RunPolicy(CommandContext& ctx);

}  // namespace cairn::tools
