#include "namenode/core/group_scan.h"

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "namenode/core/balancer.h"
#include "namenode/namespace/units.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

constexpr size_t kGroupsRead = 64;  // ids read at a time
constexpr int kTriesPerStep = 8;    // groups loaded and judged in one
// Of a cluster in which all groups are passed over, say: each costs a dozen look-ups.
constexpr double kGroupsPerSecond = 200;
// A restart begins anew, and other things are more urgent then.
constexpr absl::Duration kPauseAfterStart = absl::Minutes(10);
// A verification has this long, and then four times what its bytes take at its pace; or at this
// one, since a higher limit makes no disk faster.
constexpr absl::Duration kVerifyStart = absl::Minutes(1);
constexpr double kVerifySlack = 4;
constexpr uint64_t kFastestExpected = 16 << 20;
constexpr absl::Duration kBusyVerifierPause = absl::Seconds(1);
// What waits longer is passed over: other groups may be on datanodes that have time.
constexpr absl::Duration kLongestBusy = absl::Hours(1);

std::string GroupName(const BlockVersion& group) {
  return absl::StrCat("block group ", ToSigned(group.id));
}

// Their owners' records are behind it.
std::string BelowGroups() { return keys::BlockOwner(BlockId{kGroupBit - 1}); }

}  // namespace

NamenodeImpl::Healer::GroupScan::GroupScan(NamenodeImpl& namenode, Healer& healer,
                                           const GroupScanOptions& options)
    : namenode_(namenode),
      healer_(healer),
      options_(options),
      checks_(options.parallel),
      walk_rate_(kGroupsPerSecond, namenode.clock_.Monotonic()) {}

// ---- what happened

void NamenodeImpl::Healer::GroupScan::Verified(absl::string_view datanode_uuid, uint64_t session,
                                               std::span<const GroupVerdict> verdicts) {
  for (const GroupVerdict& verdict : verdicts) {
    checks_.TakeVerdict(datanode_uuid, session, verdict);
  }
}

// If it is the one that was wrong: what takes its place is looked at once repair is through.
void NamenodeImpl::Healer::GroupScan::ReplicaLost(BlockId unit, uint32_t storage) {
  if (!IsGrouped(unit)) return;
  const BlockId group = GroupOf(unit);
  checks_.Disturb(group);
  const GroupChecks::Known* const known = checks_.Find(group);
  if (known == nullptr || known->wrong != GroupChecks::UnitAt{UnitNumber(unit), storage}) return;
  checks_.Unlearn(group);
  checks_.LookAgain(
      {.group = group, .due = namenode_.clock_.Monotonic() + GroupChecks::PauseAfter(1)});
}

std::string NamenodeImpl::Healer::GroupScan::Describe(const BlockVersion& unit) const {
  if (!IsGrouped(unit.id)) return "";
  const GroupChecks::Known* const known = checks_.Find(GroupOf(unit.id));
  return known == nullptr || known->stamp != unit.stamp ? "" : known->what;
}

// ---- one round

bool NamenodeImpl::Healer::GroupScan::Step(const std::shared_ptr<const ClusterView>& view,
                                           absl::Duration now) {
  if (options_.period <= absl::ZeroDuration()) return false;
  const bool has_work = [&] {
    ReaderLock lock(namenode_.mu_);  // mostly there is none: nobody is stopped to find that
    return checks_.HasWork();
  }();
  bool again = false;
  if (has_work) {
    ConcludeAll(*view, now);
    again = LookAgainAtSome(*view, now);
  }
  return Walk(*view, now) || again;
}

void NamenodeImpl::Healer::GroupScan::ConcludeAll(const ClusterView& view, absl::Duration now) {
  std::vector<GroupChecks::Told> told;
  {
    WriterLock lock(namenode_.mu_);
    told = checks_.TakeTold();
    for (GroupChecks::Told& ended : checks_.TakeEnded(now, view)) told.push_back(std::move(ended));
  }
  for (const GroupChecks::Told& one : told) ConcludeOne(one, now);
}

void NamenodeImpl::Healer::GroupScan::ConcludeOne(const GroupChecks::Told& told,
                                                  absl::Duration now) {
  const BlockVersion& group = told.order.group;
  const absl::StatusOr<InodeId> owner = healer_.LoadOwner(group.id);
  if (!owner.ok()) {
    LOG_EVERY_SECONDS(kError, 10, "{} was verified, and cannot be looked up: {}", GroupName(group),
                      owner.status().ToString());
    return;  // in the next round again
  }
  WriterLock lock(namenode_.mu_);
  BlockVersion version;
  const Inode* const file = FindOwner(*owner, group.id, &version);
  if (file == nullptr || version.stamp != group.stamp || version.length != group.length) {
    return;  // it is gone, or another one
  }
  const std::shared_ptr<const ClusterView> view = namenode_.cluster_.View();
  const auto units = UnitsAtRest(*file, version, *view);
  const Conclusion conclusion = Conclude(told.order.before, told.look);
  const bool is_as_it_was =
      units.has_value() && *units == told.order.units && !told.order.disturbed;
  if (!is_as_it_was && conclusion != Conclusion::kSkip && conclusion != Conclusion::kAgree) {
    // What was read may have been of two times. From the beginning, when it is at rest.
    LookAgain(*file, told.order, std::nullopt, now);
  } else {
    Act(*file, told, conclusion, now);
  }
  namenode_.tree_->Trim(1);
}

void NamenodeImpl::Healer::GroupScan::Act(const Inode& file, const GroupChecks::Told& told,
                                          Conclusion conclusion, absl::Duration now) {
  const BlockVersion& group = told.order.group;
  const GroupChecks::Look& look = told.look;
  switch (conclusion) {
    case Conclusion::kAgree:
      ++counters_.agree;
      checks_.Unlearn(group.id);
      return;
    case Conclusion::kSkip:
      ++counters_.passed_over;
      LOG_EVERY_SECONDS(kInfo, 60, "{} could not be verified by {}: {}", GroupName(group),
                        look.address, look.reason);
      return;
    case Conclusion::kLookAgain:
      if (!told.order.before.has_value()) {
        LOG_WARN("{} says that units of {} contradict each other; another datanode is asked: {}",
                 look.address, GroupName(group), look.reason);
        return LookAgain(file, told.order, look, now);
      }
      return LookAgain(file, told.order, told.order.before, now);
    case Conclusion::kDispute:
      ++counters_.agree;
      checks_.Unlearn(group.id);
      LOG_WARN(
          "the units of {} agree, says {}, where {} said: {}; if this happens again, one of "
          "them computes badly, or its memory is bad",
          GroupName(group), look.address, told.order.before->address, told.order.before->reason);
      return;
    case Conclusion::kOneIsWrong:
      ++counters_.contradicting;
      return NameWrong(file, told);
    case Conclusion::kContradict:
      ++counters_.contradicting;
      return TellContradiction(
          file, group,
          absl::StrCat("its units contradict each other, and which one is wrong is not sure: ",
                       told.order.before->address, " found: ", told.order.before->reason, "; ",
                       look.address, " found: ", look.reason));
  }
}

void NamenodeImpl::Healer::GroupScan::LookAgain(const Inode& file,
                                                const GroupChecks::Pending& order,
                                                const std::optional<GroupChecks::Look>& before,
                                                absl::Duration now) {
  // The first one that speaks of a contradiction costs no pause; who could not, one.
  const bool is_news = before.has_value() && !order.before.has_value();
  const int tries = is_news ? 0 : order.tries + 1;
  if (tries >= GroupChecks::kMostTries) {
    if (before.has_value()) TellOfOne(file, order.group, *before);
    return;
  }
  const bool waits = checks_.LookAgain({.group = order.group.id,
                                        .due = now + GroupChecks::PauseAfter(tries),
                                        .before = before,
                                        .tries = tries,
                                        .failed = is_news ? "" : order.datanode});
  // As many as may be wait already.
  if (!waits && before.has_value()) TellOfOne(file, order.group, *before);
}

void NamenodeImpl::Healer::GroupScan::NameWrong(const Inode& file, const GroupChecks::Told& told) {
  const BlockVersion& group = told.order.group;
  const auto& [number, storage] = told.look.wrong;
  const BlockVersion unit = UnitVersion(file, group, number);
  const std::shared_ptr<const ClusterView> view = namenode_.cluster_.View();
  const ClusterView::Node* const node = view->NodeOf(storage);
  const std::string at = node == nullptr ? absl::StrCat("storage ", storage)
                                         : absl::StrCat("datanode ", AddressOf(*node->info));
  LOG_ERROR(
      "blk_{} on {} is wrong, as {} and {} found when they verified its block group, of {}: {}; {}",
      ToSigned(unit.id), at, told.order.before->address, told.look.address,
      EscapeForLog(PathOf(file)), told.look.reason,
      options_.replace ? "it is taken for corrupt, and computed anew"
                       : "see \"A wrong unit\" in docs/operations.md");
  if (!options_.replace) {
    checks_.Learn(group.id,
                  {.stamp = group.stamp,
                   .wrong = told.look.wrong,
                   .what = absl::StrCat("unit ", number, " (blk_", ToSigned(unit.id), ") on ", at,
                                        " is wrong, by what all others say: ", told.look.reason)});
    return;
  }
  // As if its datanode had found it bad; it is the unit's only replica.
  checks_.Unlearn(group.id);
  namenode_.blocks_->ReplicaReported(storage, unit, {unit, ReplicaState::kCorrupt}, {});
  healer_.ReplicaLost(unit.id, storage, std::span(&storage, 1));
  checks_.LookAgain({.group = group.id,
                     .due = namenode_.clock_.Monotonic() + GroupChecks::PauseAfter(1),
                     .tries = 1});
}

void NamenodeImpl::Healer::GroupScan::TellContradiction(const Inode& file,
                                                        const BlockVersion& group,
                                                        const std::string& what) {
  LOG_ERROR("{} of {}: {}; see \"A wrong unit\" in docs/operations.md", GroupName(group),
            EscapeForLog(PathOf(file)), what);
  checks_.Learn(group.id, {.stamp = group.stamp, .what = what});
}

void NamenodeImpl::Healer::GroupScan::TellOfOne(const Inode& file, const BlockVersion& group,
                                                const GroupChecks::Look& look) {
  ++counters_.contradicting;
  TellContradiction(file, group,
                    absl::StrCat("its units contradict each other, as one datanode alone has "
                                 "found, ",
                                 look.address, ": ", look.reason));
}

// ---- ordering

bool NamenodeImpl::Healer::GroupScan::LookAgainAtSome(const ClusterView& view, absl::Duration now) {
  for (int i = 0; i < kTriesPerStep; ++i) {
    std::optional<GroupChecks::Again> due;
    {
      WriterLock lock(namenode_.mu_);
      if (!checks_.HasRoom()) return false;
      due = checks_.TakeDue(now);
    }
    if (!due.has_value()) return false;
    const Tried tried = Try(view, now, *due);
    if (tried == Tried::kOrdered || tried == Tried::kGone) continue;
    GroupChecks::Again again = *std::move(due);
    // It has changed since, or is under repair: what one datanode has said is not worth an alarm
    // then, and the next round looks anew.
    if (tried == Tried::kUnfit && ++again.tries >= GroupChecks::kMostTries) continue;
    again.due =
        now + (tried == Tried::kBusy ? kBusyVerifierPause : GroupChecks::PauseAfter(again.tries));
    WriterLock lock(namenode_.mu_);
    checks_.LookAgain(std::move(again));
  }
  return true;
}

bool NamenodeImpl::Healer::GroupScan::Walk(const ClusterView& view, absl::Duration now) {
  if (!next_round_) next_round_ = now + std::min(options_.period, kPauseAfterStart);
  if (!round_ && now < *next_round_) return false;
  if (!round_) Begin(now);
  for (int i = 0; i < kTriesPerStep; ++i) {
    if (candidates_.empty()) FillCandidates();
    if (candidates_.empty()) {
      FinishIfDone(now);
      return false;
    }
    if (!walk_rate_.HasAny(now)) return false;
    {
      ReaderLock lock(namenode_.mu_);
      if (!checks_.HasRoom() || checks_.IsFull()) return false;
      if (checks_.Has(candidates_.front())) {  // its turn comes
        busy_since_.reset();
        candidates_.pop_front();
        continue;
      }
    }
    walk_rate_.Take(1, now);
    const Tried tried = Try(view, now, {.group = candidates_.front(), .due = now});
    if (tried == Tried::kBusy && IsWorthWaiting(now)) return false;  // and so do those behind it
    busy_since_.reset();
    candidates_.pop_front();
    if (tried != Tried::kUnfit && tried != Tried::kBusy) continue;
    WriterLock lock(namenode_.mu_);
    ++counters_.passed_over;
  }
  return true;
}

bool NamenodeImpl::Healer::GroupScan::IsWorthWaiting(absl::Duration now) {
  if (!busy_since_) busy_since_ = now;
  return now - *busy_since_ < kLongestBusy;
}

// Between the first group and the end: in a cluster that coded nothing for years most ids are below
// that group, and most rounds would begin with it.
void NamenodeImpl::Healer::GroupScan::Begin(absl::Duration now) {
  std::string position = BelowGroups();
  std::vector<BlockId> lowest;
  // An error: the walk meets it, too, and tells.
  healer_.ReadIds(std::string(1, keys::kBlockOwner), 1, &position, &lowest).IgnoreError();
  const uint64_t from = lowest.empty() ? 0 : CounterOf(lowest.front());
  ReaderLock lock(namenode_.mu_);
  const uint64_t end = std::max<uint64_t>(namenode_.next_.block_id, from + 1);
  const BlockId first = MakeGroupId(absl::Uniform<uint64_t>(namenode_.RandomBits(), from, end));
  round_ = RoundOfGroups{.position = keys::BlockOwner(first), .first = first, .began = now};
}

void NamenodeImpl::Healer::GroupScan::FillCandidates() {
  while (!round_->read && candidates_.empty()) {
    std::vector<BlockId> ids;
    const absl::StatusOr<bool> more =
        healer_.ReadIds(std::string(1, keys::kBlockOwner), kGroupsRead, &round_->position, &ids);
    if (!more.ok()) {
      LOG_ERROR("looking for block groups to verify: {}; a new round begins soon",
                more.status().ToString());
      round_->read = round_->failed = true;
      return;
    }
    for (const BlockId id : ids) {
      if (round_->wrapped && id > round_->first) {
        round_->read = true;
        return;
      }
      if (IsGrouped(id)) candidates_.push_back(id);
    }
    if (*more) continue;
    round_->read = round_->wrapped;
    round_->wrapped = true;
    round_->position = BelowGroups();
  }
}

void NamenodeImpl::Healer::GroupScan::FinishIfDone(absl::Duration now) {
  Counters counters;
  {
    WriterLock lock(namenode_.mu_);
    if (!round_->read || !checks_.IsIdle()) return;
    counters = std::exchange(counters_, {});
  }
  const absl::Duration took = now - round_->began;
  if (counters.agree + counters.passed_over + counters.contradicting > 0) {
    LOG_INFO(
        "block groups were verified in {}: {} agree, {} contradict themselves, {} were passed "
        "over{}",
        absl::FormatDuration(took), counters.agree, counters.contradicting, counters.passed_over,
        took > options_.period
            ? "; that is longer than cairn.namenode.erasure.verify.period: .bandwidth or "
              ".parallel is too low for it"
            : "");
  }
  const absl::Duration next = round_->failed ? now + std::min(options_.period, kPauseAfterStart)
                                             : round_->began + options_.period;
  next_round_ = std::max(next, now + absl::Seconds(1));
  round_.reset();
}

NamenodeImpl::Healer::GroupScan::Tried NamenodeImpl::Healer::GroupScan::Try(
    const ClusterView& view, absl::Duration now, const GroupChecks::Again& group) {
  const absl::StatusOr<InodeId> owner = healer_.LoadOwner(group.group);
  if (!owner.ok()) {
    LOG_EVERY_SECONDS(kError, 10, "block group {} cannot be verified: {}", ToSigned(group.group),
                      owner.status().ToString());
    return Tried::kUnfit;
  }
  if (*owner == kNoInode) return Tried::kGone;
  WriterLock lock(namenode_.mu_);
  if (namenode_.safe_mode_.on()) return Tried::kBusy;
  BlockVersion version;
  const Inode* const file = FindOwner(*owner, group.group, &version);
  const Tried tried = file == nullptr ? Tried::kUnfit : Order(view, now, group, *file);
  namenode_.tree_->Trim(1);
  return tried;
}

const Inode* NamenodeImpl::Healer::GroupScan::FindOwner(InodeId owner, BlockId group,
                                                        BlockVersion* version) const {
  const Inode* const file = owner == kNoInode ? nullptr : namenode_.tree_->FindById(owner);
  if (file == nullptr || file->file == nullptr || file->erasure == nullptr || IsDetached(*file)) {
    return nullptr;
  }
  const std::optional<BlockVersion> found = FindBlock(*file, group);
  if (!found || found->length == 0 || !IsFinal(*file, *found)) return nullptr;
  *version = *found;
  return file;
}

std::optional<std::vector<GroupChecks::UnitAt>> NamenodeImpl::Healer::GroupScan::UnitsAtRest(
    const Inode& file, const BlockVersion& group, const ClusterView& view) const {
  std::vector<GroupChecks::UnitAt> units;
  bool at_rest = true;
  ForEachUnit(file, group, /*final=*/true, [&](uint32_t number, const BlockVersion& unit) {
    const BlockMap::Entry* const entry = namenode_.blocks_->Find(unit.id);
    if (entry == nullptr || entry->state() != BlockMap::State::kComplete ||
        entry->stamp() != unit.stamp || entry->length() != unit.length ||
        entry->replicas().size() != 1 || !namenode_.blocks_->CorruptReplicas(unit.id).empty() ||
        healer_.leaving_.Has(unit.id) || healer_.outdated_.contains(unit.id) ||
        healer_.copies_.Find(unit.id) != nullptr ||
        healer_.balancer_->FindCopies(unit.id) != nullptr ||
        healer_.balancer_->FindMove(unit.id).has_value()) {
      at_rest = false;
      return;
    }
    const uint32_t storage = entry->replicas().front();
    at_rest &= StandingOf(storage, ReplicaMark::kNone, view) == Standing::kLive &&
               view.IsReadable(storage) && IsReported(storage, view);
    units.push_back({number, storage});
  });
  if (!at_rest) return std::nullopt;
  return units;
}

NamenodeImpl::Healer::GroupScan::Tried NamenodeImpl::Healer::GroupScan::Order(
    const ClusterView& view, absl::Duration now, const GroupChecks::Again& group,
    const Inode& file) {
  const BlockVersion version = *FindBlock(file, group.group);
  const auto units = UnitsAtRest(file, version, view);
  if (!units) return Tried::kUnfit;
  const auto is_busy = [&](const std::string& datanode) {
    const PendingCopies::Load& load = healer_.copies_.LoadOf(datanode);
    return checks_.IsVerifying(datanode) || load.copies_in + load.copies_out > 0;
  };
  const VerifierChoice choice =
      ChooseVerifier(*units, group, view, is_busy, namenode_.RandomBits());
  if (!choice.storage) return choice.busy ? Tried::kBusy : Tried::kUnfit;
  const uint64_t number = checks_.NextNumber();
  VerifyGroupCommand order{.number = number,
                           .group = version,
                           .schema = file.erasure->schema,
                           .cell_bytes = file.erasure->cell_bytes,
                           .sources = {},
                           .bytes_per_second = options_.bandwidth};
  uint64_t bytes = 0;
  for (const auto& [unit, storage] : *units) {
    const DatanodeInfo& node = *view.NodeOf(storage)->info;
    order.sources.push_back({unit, node.address, node.uuid});
    bytes += UnitVersion(file, version, unit).length;
  }
  const DatanodeInfo& verifier = *view.NodeOf(*choice.storage)->info;
  if (!namenode_.orders_.Add(verifier.uuid, std::move(order))) return Tried::kBusy;
  const double rate =
      static_cast<double>(std::clamp<uint64_t>(options_.bandwidth, 1, kFastestExpected));
  checks_.Ordered({.number = number,
                   .group = version,
                   .units = *units,
                   .datanode = verifier.uuid,
                   .address = AddressOf(verifier),
                   .session = verifier.session,
                   .deadline = now + kVerifyStart +
                               absl::Seconds(kVerifySlack * static_cast<double>(bytes) / rate),
                   .before = group.before,
                   .tries = group.tries});
  return Tried::kOrdered;
}

}  // namespace cairn::namenode
