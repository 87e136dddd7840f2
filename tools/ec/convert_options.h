// tools/ec/convert_options.h - the arguments of `cairn ec -convert`.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/ec/converter.h"
#include "tools/ec/ec_command.h"

namespace cairn::tools {

struct ConvertArguments {
  ConvertOptions options;
  bool as_json = false;
  std::vector<std::string> paths;  // at least one
};

// Takes all of them. An error ends the command (EndWith): neither or both of -policy and
// -replicate, no path, or a number that is none.
absl::StatusOr<ConvertArguments> TakeConvertArguments(EcCall& call);

}  // namespace cairn::tools
