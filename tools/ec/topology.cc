// -verifyClusterSetup: are there datanodes and racks enough?
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "tools/command.h"
#include "tools/ec/commands.h"
#include "tools/hadoop_text.h"

namespace cairn::tools {
namespace {

// After -policy: at least one name, and no other option before them.
absl::Status CheckNames(const std::vector<std::string>& names) {
  if (names.empty()) {
    return EndWith(kExitHadoopFailed,
                   "NotEnoughArgumentsException: Not enough arguments: expected 1 but got 0");
  }
  if (names[0].size() > 1 && absl::StartsWith(names[0], "-")) {
    return EndWith(kExitHadoopFailed,
                   absl::StrCat("UnknownOptionException: Illegal option ", names[0]));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunEcVerifyClusterSetup(EcCall& call) {
  if (call.TakeFlag("-policy")) {
    RETURN_IF_ERROR(CheckNames(call.args));
  } else {
    RETURN_IF_ERROR(call.CheckNoMore());
  }
  ASSIGN_OR_RETURN(const auto admin, call.Admin());
  const absl::StatusOr<client::ErasureTopology> topology = admin->CheckTopology(call.args);
  if (GetFsError(topology.status()) == FsError::kIllegalArgument) {
    return EndWith(kExitHadoopFailed, absl::StrCat("HadoopIllegalArgumentException: ",
                                                   Escaped(topology.status().message())));
  }
  RETURN_IF_ERROR(topology.status());
  call.out << Escaped(topology->message) << "\n";
  if (!topology->supported) call.exit_code = kExitEcFailed;
  return absl::OkStatus();
}

}  // namespace cairn::tools
