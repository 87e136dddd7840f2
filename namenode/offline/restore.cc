// Carrying out a restore: everything is made beside the old state, then moved into its place.
#include "namenode/offline/restore.h"

#include <atomic>
#include <limits>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/crash_point.h"
#include "common/io/whole_files.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "namenode/core/namenode_impl.h"
#include "namenode/journal/journal.h"
#include "namenode/offline/name_directory.h"
#include "namenode/offline/upgrade.h"
#include "namenode/store/store.h"

namespace cairn::namenode {
namespace {

constexpr absl::string_view kAsideKey = "aside=";

std::string WorkDirectory(const std::string& directory) { return directory + "/restore.tmp"; }
std::string DecisionFile(const std::string& directory) { return directory + "/RESTORE"; }
std::string RollbackMark(const std::string& work) { return work + "/ROLLBACK"; }

// Applies the journal's edits to the store in `work`, and writes down where numbering goes on.
absl::Status Replay(FileSystem& files, Clock& clock, const RestorePlan& plan,
                    const std::string& work) {
  // Declared in the order of a running namenode: the store's thread calls into the namenode.
  std::atomic<NamenodeImpl*> view{nullptr};
  std::unique_ptr<NamenodeImpl> namenode;
  ClusterState cluster({}, clock);
  StoreOptions options;
  options.directory = StoreDirectory(work);
  options.files = &files;
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store,
                   Store::Open(
                       options, [] { return TxId{std::numeric_limits<uint64_t>::max()}; },
                       [&](const std::function<void()>& body) { view.load()->WithLock(body); }));
  namenode = std::make_unique<NamenodeImpl>(NamenodeOptions(), clock, *store, cluster);
  view = namenode.get();
  RETURN_IF_ERROR(namenode->OpenStore());
  TxId reached = store->applied();
  if (plan.target > reached) {
    const absl::Status end = absl::CancelledError("all that is wanted");
    const JournalVisitor visitor{
        .on_edit = [&](const JournalEdit& edit) -> absl::Status {
          if (edit.txid > plan.target) return end;
          RETURN_IF_ERROR(namenode->Replay(edit.txid, edit.data));
          reached = edit.txid;
          return absl::OkStatus();
        },
        .on_damage =
            [&](const JournalDamage& damage) {
              return reached == plan.target ? end : absl::DataLossError(damage.Describe());
            }};
    const auto read = ReadJournalDirectory(files, plan.journal, TxId{ToInt(reached) + 1}, visitor);
    if (!read.ok() && read.status() != end) return read.status();
  }
  if (reached != plan.target) {
    return absl::DataLossError(absl::StrCat("only edit ", ToInt(reached), " was reached, not ",
                                            ToInt(plan.target), ": the journal has changed"));
  }
  RETURN_IF_ERROR(
      namenode->NumberOn(plan.behind, plan.left_alone_from, TxId{ToInt(plan.last_txid) + 1}));
  const absl::Status flushed = store->Flush();
  return flushed;
}

absl::StatusOr<std::string> UnusedAside(FileSystem& files, Clock& clock,
                                        const std::string& directory) {
  const std::string name =
      absl::StrCat("aside-", absl::FormatTime("%Y%m%dT%H%M%SZ", clock.Now(), absl::UTCTimeZone()));
  std::string unused = name;
  for (int i = 2; files.Exists(absl::StrCat(directory, "/", unused)); ++i) {
    unused = absl::StrCat(name, "-", i);
  }
  return unused;
}

// Puts one of the three parts into its place and the old one aside. May be repeated.
absl::Status Exchange(FileSystem& files, const std::string& made, const std::string& place,
                      const std::string& aside) {
  if (!files.Exists(made)) return absl::OkStatus();  // done before
  if (files.Exists(place)) {
    RETURN_IF_ERROR(files.Rename(place, aside));
    CRASH_POINT("restore_old_aside");
    RETURN_IF_ERROR(files.SyncDirectory(ParentDirectory(aside)));
    RETURN_IF_ERROR(files.SyncDirectory(ParentDirectory(place)));
  }
  RETURN_IF_ERROR(files.Rename(made, place));
  CRASH_POINT("restore_new_in_place");
  return files.SyncDirectory(ParentDirectory(place));
}

}  // namespace

absl::StatusOr<std::string> Restore(FileSystem& files, Clock& clock, const RestoreRequest& request,
                                    const RestorePlan& plan) {
  const std::string& directory = request.directory;
  RETURN_IF_ERROR(FinishRestore(files, directory).status());
  const std::string work = WorkDirectory(directory);
  RETURN_IF_ERROR(files.MakeDirectories(work));
  RETURN_IF_ERROR(files.MakeDirectories(StoreDirectory(work)));
  // Linked as they are: what is begun with stays as it is, whatever happens here.
  RETURN_IF_ERROR(Store::CopyFiles(files, plan.base, StoreDirectory(work)));
  CRASH_POINT("restore_store_copied");
  RETURN_IF_ERROR(Replay(files, clock, plan, work));
  CRASH_POINT("restore_replayed");
  JournalOptions journal;
  journal.directory = JournalDirectory(work);
  journal.cluster_id = request.cluster_id;
  journal.segment_bytes = request.journal_segment_bytes;
  RETURN_IF_ERROR(FormatFileJournal(files, clock, journal, TxId{ToInt(plan.last_txid) + 2}));
  RETURN_IF_ERROR(MakeCheckpoint(files, clock,
                                 {.parent = CheckpointDirectory(work),
                                  .cluster_id = request.cluster_id,
                                  .block_pool_id = request.block_pool_id,
                                  .layout_version = request.layout_version,
                                  .copy =
                                      [&](const std::string& to) {
                                        return Store::CopyClosed(files, StoreDirectory(work), to);
                                      }})
                      .status());
  if (!request.version.empty()) {
    RETURN_IF_ERROR(files.WriteDurably(VersionFile(work), request.version));
    RETURN_IF_ERROR(files.WriteDurably(RollbackMark(work), ""));
  }
  RETURN_IF_ERROR(files.SyncDirectory(work));
  RETURN_IF_ERROR(files.SyncDirectory(directory));
  CRASH_POINT("restore_before_decision");
  ASSIGN_OR_RETURN(const std::string aside, UnusedAside(files, clock, directory));
  RETURN_IF_ERROR(
      files.WriteDurably(DecisionFile(directory), absl::StrCat(kAsideKey, aside, "\n")));
  CRASH_POINT("restore_decided");
  RETURN_IF_ERROR(FinishRestore(files, directory).status());
  return absl::StrCat(directory, "/", aside);
}

bool IsRestoreDecided(FileSystem& files, const std::string& directory) {
  return files.Exists(DecisionFile(directory));
}

absl::StatusOr<bool> FinishRestore(FileSystem& files, const std::string& directory) {
  const std::string work = WorkDirectory(directory);
  const absl::StatusOr<std::string> text = files.ReadAll(DecisionFile(directory), 4096);
  if (absl::IsNotFound(text.status())) {
    if (files.Exists(work)) {
      LOG_WARN("{}: what is left of a restore that was not carried out is removed", work);
      RETURN_IF_ERROR(RemoveTree(files, work));
    }
    return false;
  }
  RETURN_IF_ERROR(text.status());
  absl::string_view name = *text;
  if (!absl::ConsumePrefix(&name, kAsideKey) || !absl::ConsumeSuffix(&name, "\n") || name.empty() ||
      absl::StrContains(name, '/')) {
    return absl::DataLossError(absl::StrCat(DecisionFile(directory), " cannot be understood"));
  }
  const std::string aside = absl::StrCat(directory, "/", name);
  RETURN_IF_ERROR(files.MakeDirectories(aside));
  RETURN_IF_ERROR(
      Exchange(files, StoreDirectory(work), StoreDirectory(directory), StoreDirectory(aside)));
  RETURN_IF_ERROR(Exchange(files, JournalDirectory(work), JournalDirectory(directory),
                           JournalDirectory(aside)));
  RETURN_IF_ERROR(Exchange(files, CheckpointDirectory(work), CheckpointDirectory(directory),
                           CheckpointDirectory(aside)));
  RETURN_IF_ERROR(Exchange(files, VersionFile(work), VersionFile(directory), VersionFile(aside)));
  const std::string previous = PreviousDirectory(directory);
  if (files.Exists(RollbackMark(work)) && files.Exists(previous)) {
    RETURN_IF_ERROR(files.Rename(previous, PreviousDirectory(aside)));
    RETURN_IF_ERROR(files.SyncDirectory(aside));
    RETURN_IF_ERROR(files.SyncDirectory(directory));
  }
  CRASH_POINT("restore_exchanged");
  RETURN_IF_ERROR(files.Remove(DecisionFile(directory)));
  RETURN_IF_ERROR(files.SyncDirectory(directory));
  RETURN_IF_ERROR(RemoveTree(files, work));
  LOG_INFO("{}: restored; the old state lies in {}", directory, aside);
  return true;
}

}  // namespace cairn::namenode
