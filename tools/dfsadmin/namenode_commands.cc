// Orders to the namenode that Apache HDFS knows; a Cairn namenode says that it does not, yet.
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "tools/dfs/shell.h"
#include "tools/dfsadmin/commands.h"

namespace cairn::tools {
namespace {

absl::Status OrNotSupported(const absl::Status& status) {
  if (GetFsError(status) != FsError::kNoSuchMethod) return status;
  return absl::UnimplementedError("not supported yet by this namenode");
}

}  // namespace

absl::Status RunMetaSave(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(1, 1));
  ASSIGN_OR_RETURN(client::ClusterAdmin* const admin, call.Admin());
  RETURN_IF_ERROR(OrNotSupported(admin->MetaSave(call.args[0])));
  call.out << "Created metasave file " << call.args[0]
           << " in the log directory of namenode hdfs://" << admin->authority() << "\n";
  return absl::OkStatus();
}

absl::Status RunSetBalancerBandwidth(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(1, 1));
  int64_t bandwidth = 0;
  if (!absl::SimpleAtoi(call.args[0], &bandwidth)) {
    return UsageStatus(
        absl::StrCat("NumberFormatException: For input string: \"", call.args[0], "\""));
  }
  if (bandwidth < 0) return UsageStatus("Bandwidth should be a non-negative integer");
  ASSIGN_OR_RETURN(client::ClusterAdmin* const admin, call.Admin());
  RETURN_IF_ERROR(OrNotSupported(admin->SetBalancerBandwidth(static_cast<uint64_t>(bandwidth))));
  call.out << "Balancer bandwidth is set to " << bandwidth << "\n";
  return absl::OkStatus();
}

}  // namespace cairn::tools
