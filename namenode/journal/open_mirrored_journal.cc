// Opening a journal that is kept in several directories: which one is the most complete, do they
// agree, and bringing the others up to date.
//
// Nothing is changed before all of them have been read and judged.
#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/crash_point.h"
#include "common/crc32c.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "namenode/journal/journal_reader.h"
#include "namenode/journal/mirrored_journal.h"
#include "namenode/journal/segment_files.h"

namespace cairn::namenode {
namespace {

constexpr uint64_t kMaxCopiesFileBytes = 1 << 20;

std::string CopiesFile(const std::string& directory) { return directory + "/copies"; }

uint32_t CrcOf(absl::string_view data) {
  return Crc32c(std::as_bytes(std::span<const char>(data.data(), data.size())));
}

// What one directory holds.
struct Survey {
  std::string directory;
  bool empty = false;  // no segment with edits
  TxId first = kNoTx;  // of its oldest segment
  TxId last = kNoTx;   // if the newest has no edit: the one before it
  std::vector<JournalDamage> damage;
  TxId compared_from = kNoTx;
  std::vector<uint32_t> crcs;  // of the edits from compared_from on

  bool whole() const { return !empty && damage.empty(); }
};

absl::StatusOr<Survey> Look(FileSystem& fs, const std::string& directory, TxId from,
                            const std::string& cluster_id) {
  Survey survey{.directory = directory, .compared_from = from};
  if (!fs.IsDirectory(directory)) {
    survey.empty = true;
    if (fs.IsDirectory(ParentDirectory(directory))) return survey;  // new, or RefuseLostMembers
    return absl::FailedPreconditionError(absl::StrCat(
        "journal directory ", directory,
        " is not there. It may hold changes that the others lack. If it is lost, take it out of "
        "dfs.namenode.edits.dir; changes that it alone had are then lost as well"));
  }
  const auto extent =
      ReadJournalDirectory(fs, directory, from,
                           {.on_edit =
                                [&](const JournalEdit& edit) {
                                  // What damage lies between is known; the place in the list stays
                                  // right.
                                  survey.crcs.resize(ToInt(edit.txid) - ToInt(from));
                                  survey.crcs.push_back(CrcOf(edit.data));
                                  return absl::OkStatus();
                                },
                            .on_damage =
                                [&](const JournalDamage& damage) {
                                  survey.damage.push_back(damage);
                                  return absl::OkStatus();
                                }});
  RETURN_IF_ERROR(extent.status());
  survey.empty = extent->first == kNoTx;
  survey.first = extent->first;
  survey.last =
      std::max(extent->last, TxId{std::max<uint64_t>(ToInt(extent->newest_first), 1) - 1});
  if (!survey.empty && !cluster_id.empty() && extent->cluster_id != cluster_id) {
    return absl::FailedPreconditionError(absl::StrCat("journal ", directory, " belongs to cluster ",
                                                      extent->cluster_id, ", this namenode to ",
                                                      cluster_id));
  }
  return survey;
}

class MirrorOpener {
 public:
  MirrorOpener(FileSystem& fs, Clock& clock, const JournalOptions& options,
               const std::vector<std::string>& directories)
      : fs_(fs), clock_(clock), options_(options), directories_(directories) {}

  absl::StatusOr<std::unique_ptr<MirroredJournal>> Open(TxId applied, TxId from,
                                                        const ReplayFunction& replay) {
    if (directories_.size() == 1) {
      ASSIGN_OR_RETURN(auto journal, OpenOne(directories_[0], applied, from, replay));
      return Assemble(std::move(journal), 0);
    }
    for (const std::string& directory : directories_) {
      ASSIGN_OR_RETURN(Survey survey, Look(fs_, directory, from, options_.cluster_id));
      surveys_.push_back(std::move(survey));
    }
    RETURN_IF_ERROR(RefuseLostMembers());
    const std::optional<size_t> best = FindBest();
    // All damaged or empty: the first says what is wrong.
    if (!best) return OpenOne(directories_[0], applied, from, replay).status();
    RETURN_IF_ERROR(RefuseIfAnotherKnowsMore(*best));
    for (size_t i = 0; i < surveys_.size(); ++i) RETURN_IF_ERROR(Compare(*best, i));
    ASSIGN_OR_RETURN(auto journal, OpenOne(directories_[*best], applied, from, replay));
    return Assemble(std::move(journal), *best);
  }

 private:
  absl::StatusOr<std::unique_ptr<Journal>> OpenOne(const std::string& directory, TxId applied,
                                                   TxId from, const ReplayFunction& replay) {
    JournalOptions options = options_;
    options.directory = directory;
    return OpenFileJournal(fs_, clock_, options, applied, from, replay);
  }

  // One that had the journal and is empty has lost it, and perhaps more than the others have.
  absl::Status RefuseLostMembers() const {
    std::set<std::string> members;
    for (const Survey& survey : surveys_) {
      const auto text = fs_.ReadAll(CopiesFile(survey.directory), kMaxCopiesFileBytes);
      if (absl::IsNotFound(text.status())) continue;
      RETURN_IF_ERROR(text.status());
      for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
        members.insert(std::string(line));
      }
    }
    for (const Survey& survey : surveys_) {
      if (!survey.empty || members.count(survey.directory) == 0) continue;
      if (fs_.Exists(CopiesFile(survey.directory))) continue;  // being written anew: a crash
      return absl::FailedPreconditionError(absl::StrCat(
          "journal directory ", survey.directory,
          " is empty, but it had the journal when the namenode last started. If its disk was "
          "replaced: start once without it in dfs.namenode.edits.dir, then add it again"));
    }
    return absl::OkStatus();
  }

  std::optional<size_t> FindBest() const {
    std::optional<size_t> best;
    for (size_t i = 0; i < surveys_.size(); ++i) {
      if (surveys_[i].whole() && (!best || surveys_[i].last > surveys_[*best].last)) best = i;
    }
    return best;
  }

  // A damaged copy whose readable edits go further proves that the whole one is behind.
  absl::Status RefuseIfAnotherKnowsMore(size_t best) const {
    for (const Survey& survey : surveys_) {
      if (survey.empty || survey.last <= surveys_[best].last) continue;
      return absl::DataLossError(absl::StrCat(
          "journal ", survey.directory, " has edits up to ", ToInt(survey.last),
          ", but is damaged (", survey.damage.front().Describe(), "); ", surveys_[best].directory,
          " is whole, but ends with edit ", ToInt(surveys_[best].last)));
    }
    return absl::OkStatus();
  }

  absl::Status Compare(size_t best, size_t other) const {
    const Survey& a = surveys_[best];
    const Survey& b = surveys_[other];
    if (best == other || b.empty || !b.damage.empty()) return absl::OkStatus();
    const uint64_t from = std::max({ToInt(a.compared_from), ToInt(a.first), ToInt(b.first)});
    for (uint64_t txid = from; txid <= ToInt(std::min(a.last, b.last)); ++txid) {
      const uint64_t at = txid - ToInt(a.compared_from);
      if (a.crcs[at] == b.crcs[at]) continue;
      return absl::DataLossError(absl::StrCat(
          "journals ", a.directory, " and ", b.directory, " disagree about edit ", txid,
          ": they are of different histories. Take the wrong one out of dfs.namenode.edits.dir"));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<MirroredJournal>> Assemble(std::unique_ptr<Journal> best,
                                                            size_t index) {
    std::vector<MirroredJournal::Copy> copies(directories_.size());
    const TxId last = best->last_appended();
    copies[index] = {directories_[index], std::move(best)};
    for (size_t i = 0; i < directories_.size(); ++i) {
      if (i == index) continue;
      ASSIGN_OR_RETURN(copies[i].journal, BringUp(i, index, last));
      copies[i].directory = directories_[i];
    }
    if (directories_.size() > 1 || fs_.Exists(CopiesFile(directories_[0]))) {
      const std::string members = absl::StrCat(absl::StrJoin(directories_, "\n"), "\n");
      for (const std::string& directory : directories_) {
        RETURN_IF_ERROR(fs_.WriteDurably(CopiesFile(directory), members));
      }
    }
    return std::make_unique<MirroredJournal>(std::move(copies));
  }

  // Opens copy `index` with every edit that `best` has, up to `last`.
  absl::StatusOr<std::unique_ptr<Journal>> BringUp(size_t index, size_t best, TxId last) {
    const Survey& survey = surveys_[index];
    const Survey& source = surveys_[best];
    TxId has = survey.last;
    const bool goes_on = survey.whole() && ToInt(has) + 1 >= ToInt(source.first) && has <= last;
    if (!goes_on) {
      RETURN_IF_ERROR(PutAside(survey));
      has = TxId{ToInt(source.first) - 1};
      JournalOptions options = options_;
      options.directory = survey.directory;
      RETURN_IF_ERROR(FormatFileJournal(fs_, clock_, options, source.first));
    }
    const auto nothing = [](TxId, absl::string_view) { return absl::OkStatus(); };
    ASSIGN_OR_RETURN(auto journal, OpenOne(survey.directory, has, TxId{ToInt(has) + 1}, nothing));
    if (journal->last_appended() >= last) return journal;
    LOG_WARN("journal directory {} is brought up to date: edits {} to {} from {}", survey.directory,
             ToInt(has) + 1, ToInt(last), source.directory);
    const auto append = [&](const JournalEdit& edit) -> absl::Status {
      if (edit.txid > last) return absl::OkStatus();
      // In pieces: what waits is in memory.
      if (ToInt(edit.txid) % 1000 == 0) {
        RETURN_IF_ERROR(journal->WaitDurable(journal->last_appended()));
      }
      RETURN_IF_ERROR(journal->Ready());
      journal->Append(edit.txid, edit.data);
      return absl::OkStatus();
    };
    const auto read =
        ReadJournalDirectory(fs_, source.directory, TxId{ToInt(has) + 1},
                             {.on_edit = append, .on_damage = [](const JournalDamage& damage) {
                                return absl::DataLossError(damage.Describe());
                              }});
    RETURN_IF_ERROR(read.status());
    RETURN_IF_ERROR(journal->WaitDurable(last));
    CRASH_POINT("journal_copy_brought_up");
    return journal;
  }

  absl::Status PutAside(const Survey& survey) {
    if (!fs_.IsDirectory(survey.directory)) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_.List(survey.directory));
    const std::string aside =
        absl::StrCat(survey.directory, "/aside-",
                     absl::FormatTime("%Y%m%dT%H%M%E3SZ", clock_.Now(), absl::UTCTimeZone()));
    bool any = false;
    for (const std::string& name : names) {
      if (!ParseSegmentName(name)) continue;
      const std::string path = absl::StrCat(survey.directory, "/", name);
      if (survey.empty) {
        RETURN_IF_ERROR(fs_.Remove(path));  // spares
        continue;
      }
      if (!any) RETURN_IF_ERROR(fs_.MakeDirectories(aside));
      any = true;
      RETURN_IF_ERROR(fs_.Rename(path, absl::StrCat(aside, "/", name)));
    }
    if (any) {
      RETURN_IF_ERROR(fs_.SyncDirectory(aside));
      LOG_ERROR("journal directory {} is {}: what it held lies in {}, it is written anew",
                survey.directory,
                survey.damage.empty() ? "too far behind" : survey.damage.front().Describe(), aside);
    }
    return fs_.SyncDirectory(survey.directory);
  }

  FileSystem& fs_;
  Clock& clock_;
  const JournalOptions& options_;
  const std::vector<std::string>& directories_;
  std::vector<Survey> surveys_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<MirroredJournal>> OpenMirroredJournal(
    FileSystem& fs, Clock& clock, const JournalOptions& options,
    const std::vector<std::string>& directories, TxId applied, TxId from,
    const ReplayFunction& replay) {
  return MirrorOpener(fs, clock, options, directories).Open(applied, from, replay);
}

}  // namespace cairn::namenode
