#include "tools/why/judge.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "tools/block_counts.h"
#include "tools/dfs/format.h"

namespace cairn::tools {
namespace {

using client::BlockReport;
using client::ClusterFacts;
using client::DatanodeAdminState;
using client::Need;
using client::NodeFacts;
using client::NodeLiveness;
using client::ReplicaReport;
using client::Standing;

// A storage with less than this share of its capacity left is called full.
constexpr double kFullShare = 0.02;

std::string Span(absl::Duration duration) {
  const auto unit = duration < absl::Seconds(10) ? absl::Milliseconds(100) : absl::Seconds(1);
  return absl::FormatDuration(absl::Trunc(duration, unit));
}

std::string NodeText(const ReplicaReport& replica) {
  if (replica.ip.empty()) return "a datanode that has not come back";
  return absl::StrCat(replica.ip, ":", replica.transfer_port);
}

// Of a group: those of all its units.
std::string Nodes(const BlockReport& block, Standing standing) {
  std::vector<std::string> names;
  for (const ReplicaReport& replica : block.replicas) {
    if (replica.standing == standing) names.push_back(NodeText(replica));
  }
  for (const BlockReport& unit : block.units) {
    if (std::string more = Nodes(unit, standing); !more.empty()) names.push_back(std::move(more));
  }
  return absl::StrJoin(names, ", ");
}

// Datanodes that held some of it may come back.
bool MayReturn(const BlockReport& block) {
  return block.Count(Standing::kDead) + block.Count(Standing::kAwaited) > 0 ||
         std::any_of(block.units.begin(), block.units.end(), MayReturn);
}

// "lost with 10.0.0.1:9866; bad on 10.0.0.2:9866", of all replicas that are not simply good.
std::string ReplicaNotes(const BlockReport& block) {
  struct Words {
    Standing standing;
    const char* text;
  };
  constexpr Words kWords[] = {
      {Standing::kDead, "lost with "},
      {Standing::kCorrupt, "bad on "},
      {Standing::kAwaited, "perhaps on "},
      {Standing::kStale, "on the silent "},
      {Standing::kDecommissioning, "on "},
      {Standing::kDecommissioned, "on "},
      {Standing::kMaintenance, "in maintenance on "},
      {Standing::kExcess, "to be deleted on "},
  };
  std::vector<std::string> notes;
  for (const Words& words : kWords) {
    const std::string nodes = Nodes(block, words.standing);
    if (nodes.empty()) continue;
    const bool leaves =
        words.standing == Standing::kDecommissioning || words.standing == Standing::kDecommissioned;
    notes.push_back(absl::StrCat(words.text, nodes, leaves ? ", which is to leave" : ""));
  }
  return absl::StrJoin(notes, "; ");
}

std::string WithNotes(std::string text, const BlockReport& block) {
  const std::string notes = ReplicaNotes(block);
  return notes.empty() ? text : absl::StrCat(text, " (", notes, ")");
}

std::string BlockText(uint64_t id) { return absl::StrCat("blk_", static_cast<int64_t>(id)); }

// "blk_1073741825", "group blk_-9223372036854775792", "blk_-9223372036854775791 (unit 1 of group
// blk_-9223372036854775792)"
std::string BlockText(const BlockReport& block) {
  if (block.is_group()) return absl::StrCat("group ", BlockText(block.id));
  if (!block.is_unit()) return BlockText(block.id);
  return absl::StrCat(BlockText(block.id), " (unit ", block.unit_number(), " of group ",
                      BlockText(block.group_id()), ")");
}

// What the namenode says it needs; of a server that does not, what the replicas show.
Need NeedOf(const BlockReport& block) {
  if (block.need != Need::kNone || block.under_construction) return block.need;
  const uint32_t good =
      block.live() + block.Count(Standing::kAwaited) + block.Count(Standing::kMaintenance);
  const uint32_t readable = good + block.Count(Standing::kDecommissioning) +
                            block.Count(Standing::kDecommissioned) + block.Count(Standing::kExcess);
  if (readable == 0) return Need::kMissing;
  if (good < block.wanted) return good <= 1 ? Need::kHighest : Need::kLow;
  return block.Count(Standing::kCorrupt) > 0 ? Need::kSurplus : Need::kNone;
}

std::string EndOfCopies(const BlockReport& block) {
  absl::Duration longest;
  for (const client::CopyReport& copy : block.copies) longest = std::max(longest, copy.given_up_in);
  std::string text =
      block.copies.size() == 1 ? "when the copy is done" : "when the copies are done";
  if (longest > absl::ZeroDuration()) {
    absl::StrAppend(&text, "; what has not arrived in ", Span(longest), " is ordered anew");
  }
  return text;
}

// What runs for a block, or for the units of a group.
std::vector<std::string> CopyTexts(const BlockReport& block) {
  std::vector<std::string> texts;
  if (block.is_group()) {
    for (const BlockReport& unit : block.units) {
      for (std::string& text : CopyTexts(unit)) texts.push_back(std::move(text));
    }
    return texts;
  }
  const bool computed = block.is_unit() && !block.HasGood();
  for (const client::CopyReport& copy : block.copies) {
    const std::string of =
        block.is_unit() ? absl::StrCat(" of unit ", block.unit_number()) : std::string();
    texts.push_back(absl::StrCat(
        computed ? "a computation" : "a copy", of, computed ? " on " : " from ", copy.source,
        computed ? " for " : " to ", copy.target, " has run for ", Span(copy.running)));
  }
  return texts;
}

void DescribeRepair(const BlockReport& block, Need need, Trouble& t) {
  std::vector<std::string> doing = CopyTexts(block);
  if (!block.repair.has_value()) {
    t.doing =
        doing.empty() ? "nothing yet: the namenode has not come to it" : absl::StrJoin(doing, "; ");
    if (!block.copies.empty()) t.expected = EndOfCopies(block);
    return;
  }
  const BlockReport::Repair& repair = *block.repair;
  t.since = Span(repair.known);
  t.blocked = repair.blocked_by;
  if (repair.failures > 0) {
    absl::StrAppend(&t.blocked, t.blocked.empty() ? "" : "; ", repair.failures,
                    repair.failures == 1 ? " try has failed" : " tries have failed");
  }
  if (need == Need::kMissing) {
    t.doing = block.is_group() || block.is_unit()
                  ? "nothing can be done: there are too few units to compute the others from"
                  : "nothing can be done: there is nothing to copy from";
    return;
  }
  if (doing.empty()) {
    doing.push_back(need == Need::kSurplus ? "it is queued for deletion of what is too much"
                                           : "it is queued for repair");
  }
  t.doing = absl::StrJoin(doing, "; ");
  t.expected = !block.copies.empty() ? EndOfCopies(block)
               : repair.again > absl::ZeroDuration()
                   ? absl::StrCat("tried again in ", Span(repair.again))
                   : "as soon as its turn comes";
}

// False: nothing is wrong with the block, which is being written.
bool DescribeOpen(const BlockReport& block, Trouble& t) {
  t.data_lost = IsOpenAndUnreadable(block);
  if (!block.recovery_waits_for.empty()) {
    t.what = WithNotes("its writer is gone, and it is not certain how many bytes were acknowledged",
                       block);
    t.doing = "the namenode keeps its file open and goes on trying to agree on a length";
    t.blocked = absl::StrCat("it waits for ", block.recovery_waits_for);
    t.expected =
        "when that is back; if it never comes, copy what can be read of the file and delete it";
    return true;
  }
  if (!t.data_lost) return false;
  t.what = WithNotes(absl::StrCat("its file is still open, and ",
                                  block.is_group() ? "too few of its units can be read now"
                                                   : "no replica of it can be read now"),
                     block);
  t.doing =
      "a writer that is alive goes on with other datanodes; if there is none, nothing can be "
      "done";
  const bool untold = block.replicas.empty() &&
                      std::all_of(block.units.begin(), block.units.end(),
                                  [](const BlockReport& unit) { return unit.replicas.empty(); });
  const bool may_return = untold || MayReturn(block);
  t.expected = may_return ? "when one of the datanodes that held it is back"
                          : "not by itself: copy what can be read of the file, and delete it";
  return true;
}

// What is wrong with a block, or unit, that needs this.
std::string WhatIsWrong(const BlockReport& block, Need need) {
  const uint32_t good =
      block.live() + block.Count(Standing::kAwaited) + block.Count(Standing::kMaintenance);
  switch (need) {
    case Need::kNone:
      break;
    case Need::kMissing:
      return WithNotes(block.corrupt ? "every replica that is left is bad: it cannot be read"
                                     : "no replica can be read now",
                       block);
    case Need::kHighest:
    case Need::kVeryLow:
    case Need::kLow:
      return WithNotes(
          absl::StrCat(good, " of ", block.wanted,
                       block.wanted == 1 ? " replica is there" : " replicas are there"),
          block);
    case Need::kBadlySpread:
      return "its replicas stand in too few racks";
    case Need::kSurplus:
      return WithNotes("it has more replicas than wanted", block);
  }
  return "";
}

// What is wrong with a group's units, and how many more it can do without. "": nothing.
std::string WhatIsWrongWithUnits(const BlockReport& group) {
  std::vector<std::string> missing, others;
  for (const BlockReport& unit : group.units) {
    const std::string name = absl::StrCat("unit ", unit.unit_number());
    const Need need = NeedOf(unit);
    if (!unit.HasGood()) {
      missing.push_back(WithNotes(name, unit));
    } else if (need != Need::kNone) {
      others.push_back(absl::StrCat(name, ": ", WhatIsWrong(unit, need)));
    }
  }
  if (missing.empty()) return absl::StrJoin(others, "; ");
  std::string text =
      absl::StrCat(missing.size(), " of its ", group.wanted, " units ",
                   missing.size() == 1 ? "is" : "are", " missing: ", absl::StrJoin(missing, ", "));
  const uint32_t good = group.GoodUnits();
  if (good < group.units_needed) {
    absl::StrAppend(&text, "; ", good, good == 1 ? " is" : " are", " left, and ",
                    group.units_needed, " are needed to read it");
  } else {
    absl::StrAppend(
        &text, "; ",
        good == group.units_needed ? std::string("no") : absl::StrCat(good - group.units_needed),
        " more may be lost");
  }
  others.insert(others.begin(), std::move(text));
  return absl::StrJoin(others, "; ");
}

// With the copies and the repair of all its units.
BlockReport WithRepairOfUnits(BlockReport group) {
  std::vector<std::string> blocked;
  for (const BlockReport& unit : group.units) {
    group.copies.insert(group.copies.end(), unit.copies.begin(), unit.copies.end());
    if (!unit.repair.has_value()) continue;
    if (!group.repair.has_value()) group.repair = *unit.repair;
    BlockReport::Repair& repair = *group.repair;
    repair.known = std::max(repair.known, unit.repair->known);
    repair.again = std::min(repair.again, unit.repair->again);
    repair.failures = std::max(repair.failures, unit.repair->failures);
    const std::string& why = unit.repair->blocked_by;
    const bool told = std::find(blocked.begin(), blocked.end(), why) != blocked.end();
    if (!why.empty() && !told) blocked.push_back(why);
  }
  if (group.repair.has_value()) group.repair->blocked_by = absl::StrJoin(blocked, "; ");
  return group;
}

Need NeedOfGroup(const BlockReport& group) {
  if (group.GoodUnits() < group.units_needed) return Need::kMissing;
  Need need = Need::kNone;
  for (const BlockReport& unit : group.units) {
    const Need of_unit = NeedOf(unit);
    if (need == Need::kNone || (of_unit != Need::kNone && of_unit < need)) need = of_unit;
  }
  // Of a server that does not tell: the unit is computed.
  return need == Need::kMissing ? Need::kLow : need;
}

// What is kept of the group is written elsewhere, and until that is done it stays.
Trouble CutTrouble(const BlockReport& block, const std::string& subject) {
  Trouble t;
  t.subject = subject;
  t.what = "its file is being truncated inside it, and keeps its length until then";
  t.doing = "the namenode goes on having what stays written to a new block group";
  t.blocked = absl::StrCat("it waits for ", block.recovery_waits_for);
  t.expected = "when enough units can be read and enough datanodes take new ones";
  return t;
}

// The group can be read, and some of its bytes, or of its parity, are wrong.
Trouble ContradictionTrouble(const BlockReport& group, const std::string& subject) {
  Trouble t;
  t.subject = subject;
  t.what = group.contradiction;
  t.doing = "nothing is done about it: the namenode cannot know what was meant to be written";
  t.expected = "not by itself: see \"A wrong unit\" in docs/operations.md";
  return t;
}

// Empty: nothing is wrong with the block, or group.
std::vector<Trouble> BlockTroubles(const BlockReport& block, const std::string& path,
                                   const ClusterFacts* cluster) {
  Trouble t;
  t.subject = path.empty() ? BlockText(block) : absl::StrCat(BlockText(block), " of ", path);
  if (block.under_construction) {
    if (!DescribeOpen(block, t)) return {};
    return {t};
  }
  std::vector<Trouble> troubles;
  if (!block.recovery_waits_for.empty()) troubles.push_back(CutTrouble(block, t.subject));
  // A unit's is told with its group.
  if (block.is_group() && !block.contradiction.empty()) {
    troubles.push_back(ContradictionTrouble(block, t.subject));
  }
  const Need need = block.is_group() ? NeedOfGroup(block) : NeedOf(block);
  if (need == Need::kNone) return troubles;
  t.data_lost = need == Need::kMissing;
  t.what = block.is_group() ? WhatIsWrongWithUnits(block) : WhatIsWrong(block, need);
  DescribeRepair(block.is_group() ? WithRepairOfUnits(block) : block, need, t);
  if (need == Need::kMissing) {
    t.expected = !MayReturn(block) ? "not by itself: the file must be written again, or deleted"
                 : block.is_group() || block.is_unit()
                     ? "when enough of the datanodes that held its group's units are back"
                     : "when one of the datanodes that held it is back";
  }
  if (cluster != nullptr && cluster->safe_mode && t.blocked.empty()) {
    t.blocked = absl::StrCat("safe mode: ", cluster->safe_mode_reason);
  }
  troubles.insert(troubles.begin(), t);
  return troubles;
}

void WorstFirst(std::vector<Trouble>& troubles) {
  std::stable_sort(troubles.begin(), troubles.end(),
                   [](const Trouble& a, const Trouble& b) { return a.data_lost > b.data_lost; });
}

std::string NodeSubject(const NodeFacts& node) {
  return absl::StrCat(node.name(), " (", node.host, ")");
}

// What is done about the blocks of dead datanodes.
std::string RepairOfTheDead(const ClusterFacts& cluster) {
  const uint64_t low = cluster.low_redundancy();
  const std::string more = WhyMoreMayBeWrong(cluster);
  if (cluster.safe_mode) return "nothing: in safe mode no replica is copied";
  if (cluster.copies > 0 || low > 0) {
    return absl::StrCat("its blocks are copied from other replicas: ", low,
                        " blocks of the cluster lack replicas, ", cluster.copies,
                        " copies are under way", more.empty() ? "" : "; ", more);
  }
  return more.empty() ? "nothing is left to do: no block lacks replicas"
                      : absl::StrCat("no block is known to lack replicas, but ", more);
}

void AddLiveness(const NodeFacts& node, const ClusterFacts& cluster,
                 std::vector<Trouble>& troubles) {
  if (node.liveness == NodeLiveness::kLive) return;
  Trouble t;
  t.subject = NodeSubject(node);
  t.since = Span(node.silent);
  if (node.liveness == NodeLiveness::kStale) {
    t.what = "no heartbeat: it is stale, gets no new blocks and is read last";
    const absl::Duration left = cluster.dead_interval - node.silent;
    t.doing = "nothing yet: it may come back";
    t.expected = absl::StrCat("taken for dead in ", Span(std::max(left, absl::ZeroDuration())),
                              ", and its blocks are copied then");
  } else {
    t.what = "no heartbeat: it is dead";
    t.doing = RepairOfTheDead(cluster);
    if (cluster.safe_mode) t.blocked = absl::StrCat("safe mode: ", cluster.safe_mode_reason);
    t.expected = "when the datanode is started again, or for ever";
  }
  troubles.push_back(std::move(t));
}

// "its blocks are copied elsewhere: 12 blocks with 1.2 GB are left, at 3 MB a second"
void AddProgress(const client::LeaveFacts& leaving, Trouble& t) {
  t.since = Span(leaving.since);
  absl::StrAppend(&t.doing, ": ", leaving.blocks_left,
                  leaving.blocks_left == 1 ? " block" : " blocks", " with ",
                  HumanSize(leaving.bytes_left, "B", 2),
                  leaving.blocks_left == 1 ? " is left" : " are left");
  if (leaving.looking) t.doing += ", as far as they have been looked through";
  if (leaving.last_copies > 0) {
    absl::StrAppend(&t.doing, "; ", leaving.last_copies, " of them ",
                    leaving.last_copies == 1 ? "is" : "are", " nowhere else");
  }
  if (leaving.bytes_per_second > 0) {
    absl::StrAppend(&t.doing, "; ", HumanSize(leaving.bytes_per_second, "B", 2), " a second");
  }
  t.blocked = leaving.blocked_by;
  if (leaving.ends_in.has_value()) t.expected = absl::StrCat("in ", Span(*leaving.ends_in));
}

void AddAdminState(const NodeFacts& node, std::vector<Trouble>& troubles) {
  Trouble t;
  t.subject = NodeSubject(node);
  switch (node.admin_state) {
    case DatanodeAdminState::kNormal:
      return;
    case DatanodeAdminState::kDecommissioning:
      t.what = "it is being decommissioned and gets no new blocks";
      t.doing = "its blocks are copied elsewhere";
      t.expected =
          "when every block has its replicas elsewhere; `cairn dfsadmin -evictWriters` cuts off "
          "writers it waits for";
      break;
    case DatanodeAdminState::kDecommissioned:
      t.what = "it is decommissioned and may be switched off";
      break;
    case DatanodeAdminState::kEnteringMaintenance:
      t.what = "it is to go into maintenance";
      t.doing = "blocks that would have no other replica are copied";
      break;
    case DatanodeAdminState::kInMaintenance:
      t.what = "it is in maintenance";
      break;
  }
  if (node.leaving.has_value()) AddProgress(*node.leaving, t);
  troubles.push_back(std::move(t));
}

void AddStorages(const NodeFacts& node, std::vector<Trouble>& troubles) {
  for (const client::StorageFacts& storage : node.storages) {
    Trouble t;
    t.subject = absl::StrCat("storage ", storage.uuid, " of ", NodeSubject(node));
    if (storage.failed) {
      t.what = "it has failed: the datanode cannot read or write it";
      t.doing = "its blocks are copied from other replicas";
      t.expected = "when the disk is replaced";
    } else if (storage.capacity > 0 && static_cast<double>(storage.remaining) <
                                           kFullShare * static_cast<double>(storage.capacity)) {
      t.what = absl::StrCat("it is full: ", HumanSize(storage.remaining, "B", 2), " of ",
                            HumanSize(storage.capacity, "B", 2), " are left");
      t.expected = "when files are deleted, or disks or datanodes added";
    } else {
      continue;
    }
    troubles.push_back(std::move(t));
  }
}

}  // namespace

Explanation ExplainBlock(const client::OwnedBlock& owned, const ClusterFacts* cluster) {
  Explanation out;
  out.subject = absl::StrCat(BlockText(owned.block), " of ", owned.path);
  out.troubles = BlockTroubles(owned.block, owned.path, cluster);
  out.fine =
      owned.block.under_construction
          ? absl::StrCat("it is being written, on ", owned.block.replicas.size(), " datanodes")
          : absl::StrCat("it has ", owned.block.live(), " good replicas, and ", owned.block.wanted,
                         " are wanted");
  return out;
}

Explanation ExplainUnit(const client::OwnedBlock& owned, const BlockReport& group,
                        const ClusterFacts* cluster) {
  Explanation out = ExplainBlock(owned, cluster);
  for (Trouble& trouble : BlockTroubles(group, owned.path, cluster)) {
    out.troubles.push_back(std::move(trouble));
  }
  WorstFirst(out.troubles);
  absl::StrAppend(&out.fine, "; so it is with the other units of its group");
  return out;
}

Explanation ExplainFile(const client::FileReport& file, const ClusterFacts* cluster) {
  Explanation out;
  out.subject = file.path;
  for (const BlockReport& block : file.blocks) {
    for (Trouble& trouble : BlockTroubles(block, file.path, cluster)) {
      out.troubles.push_back(std::move(trouble));
    }
  }
  WorstFirst(out.troubles);
  const bool coded = !file.erasure_policy.empty();
  out.fine = absl::StrCat("its ", file.blocks.size(), coded ? " block group" : " block",
                          file.blocks.size() == 1 ? " has" : "s have",
                          coded ? " all units" : " all replicas",
                          file.open ? "; somebody is writing it" : "");
  return out;
}

Explanation ExplainNode(const NodeFacts& node, const ClusterFacts& cluster) {
  Explanation out;
  out.subject = NodeSubject(node);
  AddLiveness(node, cluster, out.troubles);
  AddAdminState(node, out.troubles);
  AddStorages(node, out.troubles);
  out.fine = absl::StrCat("its last heartbeat came ", Span(node.silent), " ago, and its ",
                          node.storages.size(),
                          node.storages.size() == 1 ? " storage is" : " storages are", " well");
  return out;
}

const NodeFacts* FindNode(const ClusterFacts& cluster, const std::string& name) {
  const NodeFacts* found = nullptr;
  for (const NodeFacts& node : cluster.nodes) {
    const bool matches = name == node.uuid || name == node.name() || name == node.host ||
                         name == node.ip ||
                         name == absl::StrCat(node.host, ":", node.transfer_port);
    if (!matches) continue;
    if (found != nullptr) return nullptr;
    found = &node;
  }
  return found;
}

}  // namespace cairn::tools
