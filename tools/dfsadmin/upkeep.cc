// -saveNamespace, -rollEdits, -upgrade and -finalizeUpgrade: care of what the namenode keeps on its
// disks.
#include "absl/strings/match.h"
#include "common/status_macros.h"
#include "tools/dfs/shell.h"
#include "tools/dfsadmin/commands.h"

namespace cairn::tools {
namespace {

// What -beforeShutdown takes for recent: twice the period between checkpoints, and as many edits as
// lie between two, both as they are by default.
constexpr absl::Duration kRecent = absl::Hours(2);
constexpr uint64_t kFewEdits = 1000000;

}  // namespace

absl::Status RunSaveNamespace(AdminCall& call) {
  const bool before_shutdown = call.TakeFlag("-beforeShutdown");
  RETURN_IF_ERROR(call.CheckArguments(0, 0));
  ASSIGN_OR_RETURN(client::FileSystem* const fs, call.Cluster());
  ASSIGN_OR_RETURN(const bool saved, before_shutdown ? fs->SaveNamespace(kRecent, kFewEdits)
                                                     : fs->SaveNamespace(absl::ZeroDuration(), 0));
  call.out << (saved ? "Save namespace successful\n"
                     : "No checkpoint was made: there is a recent one\n");
  return absl::OkStatus();
}

absl::Status RunRollEdits(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(0, 0));
  ASSIGN_OR_RETURN(client::FileSystem* const fs, call.Cluster());
  ASSIGN_OR_RETURN(const uint64_t txid, fs->RollEdits());
  call.out << "Successfully rolled edit logs.\nNew segment starts at txid " << txid << "\n";
  return absl::OkStatus();
}

absl::Status RunFinalizeUpgrade(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(0, 0));
  ASSIGN_OR_RETURN(client::ClusterAdmin* const admin, call.Admin());
  RETURN_IF_ERROR(admin->FinalizeUpgrade());
  call.out << "Finalize upgrade successful\n";
  return absl::OkStatus();
}

absl::Status RunUpgrade(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(1, 1));
  if (absl::EqualsIgnoreCase(call.args[0], "finalize")) {
    call.args.clear();
    return RunFinalizeUpgrade(call);
  }
  if (!absl::EqualsIgnoreCase(call.args[0], "query")) return UsageStatus("");
  ASSIGN_OR_RETURN(client::ClusterAdmin* const admin, call.Admin());
  ASSIGN_OR_RETURN(const bool is_final, admin->IsUpgradeFinal());
  call.out << (is_final ? "Upgrade finalized\n" : "Upgrade not finalized\n");
  return absl::OkStatus();
}

}  // namespace cairn::tools
