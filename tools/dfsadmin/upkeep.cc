// -saveNamespace and -rollEdits: care of what the namenode keeps on its disks.
#include "common/status_macros.h"
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

}  // namespace cairn::tools
