#include "namenode/daemon/restore_command.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/io/file_system.h"
#include "common/status_macros.h"
#include "namenode/daemon/storage.h"
#include "namenode/offline/restore.h"
#include "namenode/offline/upgrade.h"

namespace cairn::namenode {
namespace {

// A transaction, or a time: in UTC or another zone if it says so, else of this machine.
absl::Status ParseTarget(const std::string& text, RestoreRequest* request) {
  if (text.empty()) return absl::OkStatus();
  if (uint64_t txid; absl::SimpleAtoi(text, &txid)) {
    request->to_txid = TxId{txid};
    return absl::OkStatus();
  }
  absl::Time time;
  for (const char* const format :
       {"%Y-%m-%d%ET%H:%M:%E*S%Ez", "%Y-%m-%d %H:%M:%E*S%Ez", "%Y-%m-%d%ET%H:%M:%E*S",
        "%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    if (absl::ParseTime(format, text, absl::LocalTimeZone(), &time, nullptr)) {
      request->to_time = time;
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--to ", text, ": expected a txid or a time such as \"2026-11-29 08:15:00\""));
}

bool Confirm(std::istream& in, std::ostream& out) {
  out << "Type yes to go on: " << std::flush;
  std::string answer;
  return std::getline(in, answer) && answer == "yes";
}

}  // namespace

absl::Status RunRestore(const Config& config, const RestoreFlags& flags, std::istream& in,
                        std::ostream& out) {
  FileSystem& fs = PosixFileSystem();
  RestoreRequest request;
  request.source = flags.from;
  request.from_store = flags.recover;
  RETURN_IF_ERROR(ParseTarget(flags.to, &request));
  ASSIGN_OR_RETURN(request.directory, StorageDirectory(config));
  ASSIGN_OR_RETURN(request.journals, JournalDirectories(config));
  ASSIGN_OR_RETURN(request.journal_segment_bytes, JournalSegmentBytes(config));
  if (!fs.Exists(VersionFile(request.directory)) && !IsRestoreDecided(fs, request.directory)) {
    return ReadVersion(fs, request.directory).status();  // not formatted
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<File> lock, fs.Lock(LockFile(request.directory)));
  ASSIGN_OR_RETURN(const std::vector<std::unique_ptr<File>> others,
                   LockJournals(fs, request.directory, request.journals));
  const std::string previous = PreviousDirectory(request.directory);
  const bool had_previous = fs.Exists(previous);
  ASSIGN_OR_RETURN(const bool finished, FinishRestore(fs, request.directory));
  if (finished) out << "a restore that had been cut off was completed first\n";
  if (flags.rollback) {
    request.source = previous;
    if (!fs.Exists(previous)) {
      if (had_previous) return absl::OkStatus();  // it was this rollback
      return absl::FailedPreconditionError(
          absl::StrCat("there is no ", previous, ": nothing to go back to"));
    }
    ASSIGN_OR_RETURN(request.version, VersionText(fs, previous));
  }
  // To go back, the older program need not understand what is there now.
  ASSIGN_OR_RETURN(const StorageVersion version,
                   ReadVersion(fs, flags.rollback ? request.source : request.directory));
  request.cluster_id = version.cluster_id;
  request.block_pool_id = version.block_pool_id;
  request.layout_version = version.layout;

  ASSIGN_OR_RETURN(const RestorePlan plan, PlanRestore(fs, request));
  if (flags.recover && plan.sound) {
    out << "nothing is damaged: the journal can be read up to edit " << ToInt(plan.target) << "\n";
    return absl::OkStatus();
  }
  out << DescribeRestore(plan);
  if (flags.rollback) out << "also lost:   everything that was changed since the upgrade\n";
  if (flags.dry_run) {
    out << "nothing was changed: this was a dry run\n";
    return absl::OkStatus();
  }
  if (!flags.yes && !Confirm(in, out)) return absl::CancelledError("nothing was changed");
  ASSIGN_OR_RETURN(const std::string aside, Restore(fs, SystemClock(), request, plan));
  out << "done. The state before lies in " << aside
      << "; to go back to it: cairn namenode -restore --from " << aside << "\n";
  return absl::OkStatus();
}

}  // namespace cairn::namenode
