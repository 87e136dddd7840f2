// The plan of a restore: which beginning reaches how far, and what is lost. Changes nothing.
#include <algorithm>
#include <limits>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "namenode/offline/edit_facts.h"
#include "namenode/offline/name_directory.h"
#include "namenode/offline/restore.h"
#include "namenode/store/keys.h"
#include "namenode/store/records.h"
#include "namenode/store/store.h"

namespace cairn::namenode {
namespace {

// Ids are reserved so many at a time: what was given out lies at most so far below a reservation.
constexpr uint64_t kReservation = 1 << 20;
// How far numbering goes on behind edits that cannot be read. A lost edit of some bytes may have
// reserved a million ids; 64-bit ids last for millions of such leaps.
constexpr uint64_t kIdLeap = uint64_t{1} << 40;
constexpr uint64_t kTxidLeap = uint64_t{1} << 32;

std::string ToText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

// A store that a restore may begin with.
struct Base {
  std::string path, name;
  TxId txid = kNoTx;
  absl::Time time;
  const Checkpoint* checkpoint = nullptr;  // null: the store itself
};

struct StoreFacts {
  TxId applied = kNoTx;
  Tree::Counters reserved{};
};

absl::StatusOr<StoreFacts> LookInto(FileSystem& files, const std::string& path,
                                    const RestoreRequest& request) {
  StoreOptions options;
  options.directory = path;
  options.files = &files;
  options.cache_bytes = 8 << 20;
  options.read_only = true;
  ASSIGN_OR_RETURN(
      const std::unique_ptr<Store> store,
      Store::Open(
          options, [] { return kNoTx; }, [](const std::function<void()>& body) { body(); }));
  ASSIGN_OR_RETURN(const auto record, store->Load(keys::Namespace()));
  if (!record.has_value()) {
    return absl::DataLossError(absl::StrCat("store ", path, " has lost its identity"));
  }
  ASSIGN_OR_RETURN(const store::Namespace identity, ParseNamespace(keys::Namespace(), *record));
  if (identity.cluster_id() != request.cluster_id ||
      identity.block_pool_id() != request.block_pool_id) {
    return absl::FailedPreconditionError(absl::StrCat("store ", path, " is of cluster ",
                                                      identity.cluster_id(), ", this one is ",
                                                      request.cluster_id));
  }
  return StoreFacts{
      store->applied(),
      {identity.next_inode_id(), identity.next_block_id(), identity.next_generation_stamp()}};
}

void Raise(Tree::Counters* counters, const Tree::Counters& to) {
  counters->inode_id = std::max(counters->inode_id, to.inode_id);
  counters->block_id = std::max(counters->block_id, to.block_id);
  counters->generation_stamp = std::max(counters->generation_stamp, to.generation_stamp);
}

// What one reading of a journal tells.
struct JournalFacts {
  std::vector<std::pair<TxId, TxId>> runs;  // first and last of what reads without a gap
  std::vector<JournalDamage> damage;
  Tree::Counters reserved{};
  TxId last = kNoTx;
  TxId first = kNoTx;
  std::optional<TxId> first_later;  // the first edit that is later than the time asked for
};

absl::StatusOr<JournalFacts> SurveyJournal(FileSystem& files, const std::string& directory,
                                           const RestoreRequest& request) {
  JournalFacts facts;
  if (!files.IsDirectory(directory)) return facts;
  const JournalVisitor visitor{
      .on_edit = [&](const JournalEdit& at) -> absl::Status {
        const absl::StatusOr<edit::Edit> edit = ParseEdit(at.txid, at.data);
        if (!edit.ok()) {
          facts.damage.push_back(
              {at.file, at.offset, at.txid, at.txid, std::string(edit.status().message())});
          return absl::OkStatus();
        }
        if (facts.runs.empty() || ToInt(facts.runs.back().second) + 1 != ToInt(at.txid)) {
          facts.runs.emplace_back(at.txid, at.txid);
        }
        facts.runs.back().second = at.txid;
        facts.last = at.txid;
        if (edit->has_reserve_ids()) {
          const auto& reserve = edit->reserve_ids();
          Raise(&facts.reserved,
                {reserve.inode_id(), reserve.block_id(), reserve.generation_stamp()});
        }
        if (request.to_time && !facts.first_later && TimeOf(*edit) > *request.to_time) {
          facts.first_later = at.txid;
        }
        return absl::OkStatus();
      },
      .on_damage =
          [&](const JournalDamage& damage) {
            facts.damage.push_back(damage);
            return absl::OkStatus();
          }};
  ASSIGN_OR_RETURN(const JournalExtent extent,
                   ReadJournalDirectory(files, directory, TxId{1}, visitor));
  facts.first = extent.first;
  if (!extent.cluster_id.empty() && extent.cluster_id != request.cluster_id) {
    return absl::FailedPreconditionError(absl::StrCat("journal ", directory, " is of cluster ",
                                                      extent.cluster_id, ", this one is ",
                                                      request.cluster_id));
  }
  return facts;
}

// The last edit that can be applied to a store that has `txid`.
TxId ReachFrom(TxId txid, const JournalFacts& journal) {
  for (const auto& [first, last] : journal.runs) {
    if (ToInt(first) <= ToInt(txid) + 1 && last > txid) return last;
  }
  return txid;
}

class Planner {
 public:
  Planner(FileSystem& files, const RestoreRequest& request)
      : files_(files),
        request_(request),
        source_(request.source.empty() ? request.directory : request.source) {}

  absl::StatusOr<RestorePlan> Plan() {
    RETURN_IF_ERROR(CollectBases());
    RETURN_IF_ERROR(ChooseJournal());
    if (bases_.empty()) {
      return absl::FailedPreconditionError(absl::StrCat(source_, " has nothing to begin with",
                                                        PassedOver(),
                                                        ". Give another directory by --from"));
    }
    ASSIGN_OR_RETURN(const std::optional<TxId> target, Target());
    RETURN_IF_ERROR(Choose(target));
    RETURN_IF_ERROR(LookAtDropped());
    RETURN_IF_ERROR(NumberBehindEverything());
    return std::move(plan_);
  }

 private:
  std::string PassedOver() const {
    std::string text;
    for (const std::string& why : plan_.passed_over) absl::StrAppend(&text, "; ", why);
    return text;
  }

  absl::Status CollectBases() {
    if (request_.from_store) {
      const std::string path = StoreDirectory(source_);
      const absl::StatusOr<StoreFacts> facts = LookInto(files_, path, request_);
      if (facts.ok()) {
        bases_.push_back({.path = path, .name = "the store as it is", .txid = facts->applied});
      } else {
        plan_.passed_over.push_back(std::string(facts.status().message()));
      }
    }
    ASSIGN_OR_RETURN(checkpoints_, ListCheckpoints(files_, CheckpointDirectory(source_)));
    for (const auto& [directory, why] : checkpoints_.damaged) {
      plan_.passed_over.push_back(std::string(why.message()));
    }
    for (const Checkpoint& checkpoint : checkpoints_.whole) {
      if (checkpoint.cluster_id != request_.cluster_id) {
        plan_.passed_over.push_back(
            absl::StrCat(checkpoint.directory, ": of cluster ", checkpoint.cluster_id));
        continue;
      }
      bases_.push_back({.path = checkpoint.store(),
                        .name = checkpoint.directory,
                        .txid = checkpoint.txid,
                        .time = checkpoint.time,
                        .checkpoint = &checkpoint});
    }
    return absl::OkStatus();
  }

  // The one that reaches farthest; among equals the least damaged.
  absl::Status ChooseJournal() {
    std::vector<std::string> directories = {JournalDirectory(source_)};
    if (request_.source.empty() && !request_.journals.empty()) directories = request_.journals;
    std::optional<std::pair<TxId, size_t>> best;
    for (const std::string& directory : directories) {
      ASSIGN_OR_RETURN(JournalFacts facts, SurveyJournal(files_, directory, request_));
      TxId reach = kNoTx;
      for (const Base& base : bases_) reach = std::max(reach, ReachFrom(base.txid, facts));
      const std::pair<TxId, size_t> worth{reach, ~facts.damage.size()};
      // What another copy knows of numbers counts as well.
      Raise(&ever_reserved_, facts.reserved);
      ever_last_ = std::max(ever_last_, facts.last);
      if (best && worth <= *best) continue;
      best = worth;
      journal_ = std::move(facts);
      plan_.journal = directory;
    }
    return absl::OkStatus();
  }

  // nullopt: as far as possible.
  absl::StatusOr<std::optional<TxId>> Target() const {
    if (request_.to_txid) return request_.to_txid;
    if (!request_.to_time) return std::nullopt;
    const Base& oldest = *std::min_element(
        bases_.begin(), bases_.end(), [](const Base& a, const Base& b) { return a.txid < b.txid; });
    // Of the edits that a checkpoint holds only its own time is known.
    const bool unknown =
        journal_.first > oldest.txid && oldest.txid != kNoTx && *request_.to_time < oldest.time;
    const TxId target = journal_.first_later ? TxId{ToInt(*journal_.first_later) - 1} : kNoTx;
    if (unknown || (journal_.first_later && target < oldest.txid)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the oldest state that is kept is that of edit ", ToInt(oldest.txid), ", ", oldest.name,
          oldest.checkpoint == nullptr ? "" : absl::StrCat(", made ", ToText(oldest.time)),
          ": later than ", ToText(*request_.to_time)));
    }
    if (!journal_.first_later) return std::nullopt;
    return target;
  }

  absl::Status Choose(std::optional<TxId> target) {
    struct Choice {
      Base base;
      TxId reach;
    };
    std::vector<Choice> choices;
    for (const Base& base : bases_) {
      const TxId reach = ReachFrom(base.txid, journal_);
      if (target && (base.txid > *target || reach < *target)) continue;
      choices.push_back({base, target ? *target : reach});
    }
    // The farthest first; among equals the store itself, then what leaves least to apply.
    std::stable_sort(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) {
      if (a.reach != b.reach) return a.reach > b.reach;
      const bool a_store = a.base.checkpoint == nullptr;
      const bool b_store = b.base.checkpoint == nullptr;
      return a_store != b_store ? a_store : a.base.txid > b.base.txid;
    });
    for (const Choice& choice : choices) {
      const absl::Status usable = choice.base.checkpoint == nullptr
                                      ? absl::OkStatus()
                                      : VerifyCheckpoint(files_, *choice.base.checkpoint);
      const absl::StatusOr<StoreFacts> facts =
          usable.ok() ? LookInto(files_, choice.base.path, request_) : usable;
      if (!facts.ok()) {
        plan_.passed_over.push_back(std::string(facts.status().message()));
        continue;
      }
      if (facts->applied != choice.base.txid) {
        plan_.passed_over.push_back(absl::StrCat(choice.base.name, ": holds edits up to ",
                                                 ToInt(facts->applied), ", not ",
                                                 ToInt(choice.base.txid)));
        continue;
      }
      base_facts_ = *facts;
      from_store_ = choice.base.checkpoint == nullptr;
      plan_.base = choice.base.path;
      plan_.base_name = choice.base.name;
      plan_.base_txid = choice.base.txid;
      plan_.target = choice.reach;
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(Unreachable(target));
  }

  std::string Unreachable(std::optional<TxId> target) const {
    std::string text = target ? absl::StrCat("the state after edit ", ToInt(*target),
                                             " cannot be reached. There is:")
                              : "nothing that is kept can be used. There is:";
    for (const Base& base : bases_) {
      absl::StrAppend(&text, "\n  edit ", ToInt(base.txid), ": ", base.name,
                      ", and the journal up to ", ToInt(ReachFrom(base.txid, journal_)));
    }
    for (const std::string& why : plan_.passed_over) absl::StrAppend(&text, "\n  of no use: ", why);
    for (const JournalDamage& damage : journal_.damage) {
      absl::StrAppend(&text, "\n  ", damage.Describe());
    }
    return text;
  }

  bool IsBehindTarget(const JournalDamage& damage) const {
    return damage.to == kNoTx || damage.to > plan_.target;
  }

  absl::Status LookAtDropped() {
    plan_.left_alone_from = std::numeric_limits<uint64_t>::max();
    for (const JournalDamage& damage : journal_.damage) {
      (IsBehindTarget(damage) ? plan_.damage : plan_.harmless).push_back(damage);
    }
    plan_.sound = journal_.damage.empty() && plan_.passed_over.empty() && from_store_;
    RestorePlan::Dropped& dropped = plan_.dropped;
    absl::flat_hash_set<uint64_t> converted, truncated;
    uint64_t first_made = std::numeric_limits<uint64_t>::max();  // inodes are numbered in order
    const JournalVisitor visitor{
        .on_edit = [&](const JournalEdit& at) -> absl::Status {
          const absl::StatusOr<edit::Edit> edit = ParseEdit(at.txid, at.data);
          if (!edit.ok()) return absl::OkStatus();  // among the damage
          if (dropped.count == 0) {
            dropped.first = at.txid;
            dropped.first_time = TimeOf(*edit);
          }
          ++dropped.count;
          dropped.last = at.txid;
          dropped.last_time = TimeOf(*edit);
          ++dropped.kinds[KindOf(*edit)];
          if (edit->has_create_file()) {
            first_made = std::min(first_made, edit->create_file().inode().id());
          }
          // One made by a dropped edit goes, and of one without bytes there is nothing to lose.
          const edit::ConvertFile& convert = edit->convert_file();
          if (convert.converted_from() != 0 && convert.target() < first_made) {
            converted.insert(convert.target());
          }
          const edit::CodeSmallFile& coded = edit->code_small_file();
          if (coded.converted_from() != 0 && coded.inode() < first_made) {
            converted.insert(coded.inode());
          }
          const edit::CloseFile& close = edit->close_file();
          if (close.truncated_to() != 0 && close.inode() < first_made) {
            truncated.insert(close.inode());
          }
          if (edit->has_add_block()) {
            plan_.left_alone_from =
                std::min(plan_.left_alone_from, CounterOf(BlockId{edit->add_block().block().id()}));
          }
          return absl::OkStatus();
        },
        .on_damage = [](const JournalDamage&) { return absl::OkStatus(); }};
    if (!files_.IsDirectory(plan_.journal)) return absl::OkStatus();
    RETURN_IF_ERROR(
        ReadJournalDirectory(files_, plan_.journal, TxId{ToInt(plan_.target) + 1}, visitor)
            .status());
    dropped.converted = converted.size();
    dropped.truncated = truncated.size();
    return absl::OkStatus();
  }

  // What the store and the checkpoints of a directory know of numbers. One that cannot be read is
  // passed over.
  struct KnownStates {
    TxId up_to = kNoTx;  // the last edit that one of them holds
    bool store_reads = false;
  };
  KnownStates AskStates(const std::string& directory) {
    KnownStates known;
    const auto ask = [&](const std::string& path) {
      const absl::StatusOr<StoreFacts> facts = LookInto(files_, path, request_);
      if (!facts.ok()) return false;
      Raise(&plan_.behind, facts->reserved);
      plan_.last_txid = std::max(plan_.last_txid, facts->applied);
      known.up_to = std::max(known.up_to, facts->applied);
      return true;
    };
    known.store_reads = ask(StoreDirectory(directory));
    const absl::StatusOr<CheckpointList> checkpoints =
        ListCheckpoints(files_, CheckpointDirectory(directory));
    if (!checkpoints.ok()) return known;
    for (const Checkpoint& checkpoint : checkpoints->whole) ask(checkpoint.store());
    return known;
  }

  // Whether edits after `known` may have been in segments that are not kept any more.
  static bool Misses(const JournalFacts& journal, TxId known) {
    return ToInt(journal.first) > ToInt(known) + 1;
  }

  absl::Status NumberBehindEverything() {
    plan_.behind = base_facts_.reserved;
    Raise(&plan_.behind, ever_reserved_);
    plan_.last_txid = std::max({plan_.target, ever_last_, plan_.base_txid});
    bool guessed = !plan_.damage.empty();
    // What the source holds may know more than the base and the journal, if they do not meet.
    const KnownStates of_source = AskStates(source_);
    guessed |= Misses(journal_, std::max(of_source.up_to, plan_.base_txid));
    if (source_ != request_.directory) {
      const KnownStates present = AskStates(request_.directory);
      guessed |= !present.store_reads;
      RestoreRequest here = request_;
      here.to_time.reset();
      // Of several directories the first may have been dropped long ago, and the others gone on: a
      // journal that ends before theirs would be taken for the shorter copy of theirs.
      std::vector<std::string> directories = request_.journals;
      if (directories.empty()) directories = {JournalDirectory(request_.directory)};
      for (const std::string& directory : directories) {
        const absl::StatusOr<JournalFacts> journal = SurveyJournal(files_, directory, here);
        guessed |= !journal.ok() || !journal->damage.empty();
        if (!journal.ok()) continue;
        guessed |= Misses(*journal, present.up_to);
        Raise(&plan_.behind, journal->reserved);
        plan_.last_txid = std::max(plan_.last_txid, journal->last);
      }
      plan_.left_alone_from = 0;  // whatever lies here was made meanwhile
    }
    if (guessed) {
      plan_.behind.inode_id += kIdLeap;
      plan_.behind.block_id += kIdLeap;
      plan_.behind.generation_stamp += kIdLeap;
      plan_.last_txid = TxId{ToInt(plan_.last_txid) + kTxidLeap};
      plan_.left_alone_from = 0;
    }
    if (plan_.left_alone_from == 0) {
      const uint64_t reserved = base_facts_.reserved.block_id;
      plan_.left_alone_from = reserved - std::min(reserved, kReservation);
    }
    return absl::OkStatus();
  }

  FileSystem& files_;
  const RestoreRequest& request_;
  const std::string source_;
  CheckpointList checkpoints_;
  std::vector<Base> bases_;
  JournalFacts journal_;
  Tree::Counters ever_reserved_{};
  TxId ever_last_ = kNoTx;
  StoreFacts base_facts_;
  bool from_store_ = false;
  RestorePlan plan_;
};

}  // namespace

absl::StatusOr<RestorePlan> PlanRestore(FileSystem& files, const RestoreRequest& request) {
  return Planner(files, request).Plan();
}

std::string DescribeRestore(const RestorePlan& plan) {
  std::string text;
  for (const std::string& why : plan.passed_over) absl::StrAppend(&text, "of no use: ", why, "\n");
  absl::StrAppend(&text, "begins with: ", plan.base_name, ", edits up to ", ToInt(plan.base_txid),
                  "\n");
  if (plan.target > plan.base_txid) {
    absl::StrAppend(&text, "applies:     edits ", ToInt(plan.base_txid) + 1, " to ",
                    ToInt(plan.target), " of the journal\n");
  }
  for (const JournalDamage& damage : plan.harmless) {
    absl::StrAppend(&text, "harmless:    ", damage.Describe(), "; not needed\n");
  }
  for (const JournalDamage& damage : plan.damage) {
    absl::StrAppend(&text, "damaged:     ", damage.Describe(), "\n");
  }
  if (!plan.loses()) {
    absl::StrAppend(&text, "loses:       nothing: the journal ends there\n");
    return text;
  }
  const RestorePlan::Dropped& dropped = plan.dropped;
  if (dropped.count == 0) {
    absl::StrAppend(&text, "loses:       what is damaged; no edit after it can be read\n");
  } else {
    absl::StrAppend(&text, "loses:       ", dropped.count, " edits that can be read, ",
                    ToInt(dropped.first), " of ", ToText(dropped.first_time), " to ",
                    ToInt(dropped.last), " of ", ToText(dropped.last_time), ":");
    for (const auto& [kind, count] : dropped.kinds) absl::StrAppend(&text, " ", count, " ", kind);
    absl::StrAppend(&text, plan.damage.empty() ? "\n" : "; and what is damaged\n");
  }
  if (dropped.converted > 0) {
    absl::StrAppend(&text, "converted:   ", dropped.converted,
                    " files lose their bytes: lost edits gave them other blocks, erasure-coded or\n"
                    "             replicated, and those that they had before were deleted then\n");
  }
  if (dropped.truncated > 0) {
    absl::StrAppend(&text, "truncated:   ", dropped.truncated,
                    " files lose a block group, also what lost edits kept of it when they cut it:\n"
                    "             that is in another group\n");
  }
  absl::StrAppend(
      &text,
      "datanodes:   replicas of blocks that the lost edits made are left alone until\n"
      "             `cairn namenode -finalize`. Replicas that were deleted since are not\n"
      "             there: their blocks will be missing. A block that was appended to since has\n"
      "             replicas with a newer stamp than the namespace knows: they do not count.\n");
  return text;
}

}  // namespace cairn::namenode
