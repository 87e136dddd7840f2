// namenode/core/group_scan.h - has the units of each block group compared with one another, now and
// then: a unit that was written wrongly matches its checksums, and is found by nothing else before
// a unit of its group is lost.
//
//   walk over `b` records --> one group --> is it whole and at rest? --> order to one datanode
//        ^   a few at a time                    | no: next round            |
//        '--- pause: the rest of the period     '- under repair, written    v
//                                                          its verdict (blocks/group_checks.h)
//
// A group is looked at only while each of its units has one good replica, on a live datanode, and
// nothing of it is being written, copied, moved or deleted: what is under repair is compared by the
// rebuild. A verdict counts only if all of that is as it was when the order was given: the group
// has the same stamp and length and is final, and each unit is on the same storage. What a block
// holds under one stamp never changes, so a group that is appended to, truncated or converted
// meanwhile is another one, or none any more, and is never called wrong.
//
// Nor does one during whose reading a replica of the group has gone.
//
// What two datanodes have found in the same way is told in the log and by `cairn why`. Only if it
// is one unit, and the operator has said so (`replace`), something is done: it is marked as
// corrupt, and repair makes it anew from the others, comparing, and deletes it then. Else nothing
// is: decision 0019 says why.
//
// A round begins at a random group, so that a process that is restarted often comes to all of them
// without keeping a position. Work of one step is bounded by the groups it touches; the records
// are read under no lock, and each group is judged under one of its own.
//
// Threads: Step from one thread, without the lock. What is marked [W] is called under the namespace
// lock, exclusively, [R] shared.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "namenode/blocks/group_checks.h"
#include "namenode/blocks/repair_budget.h"
#include "namenode/core/healer.h"

namespace cairn::namenode {

class NamenodeImpl::Healer::GroupScan {
 public:
  // All outlive this.
  GroupScan(NamenodeImpl& namenode, Healer& healer, const GroupScanOptions& options);

  // One bounded round. True: there is more to do at once.
  bool Step(const std::shared_ptr<const ClusterView>& view, absl::Duration now)
      ABSL_LOCKS_EXCLUDED(namenode_.mu_);

  // ---- what happened, all [W]
  void Verified(absl::string_view datanode_uuid, uint64_t session,
                std::span<const GroupVerdict> verdicts);
  // It is gone, or was found bad.
  void ReplicaLost(BlockId unit, uint32_t storage);
  void BlockRemoved(BlockId block) { checks_.Forget(GroupOf(block)); }

  // ---- [R] what is known to be wrong with the group, in one sentence; empty: nothing
  std::string Describe(const BlockVersion& unit) const;
  size_t contradicting() const { return checks_.known(); }

 private:
  enum class Tried : uint8_t {
    kOrdered,
    kBusy,   // soon again
    kUnfit,  // not now
    kGone,   // there is no such group
  };
  struct RoundOfGroups {
    std::string position;
    BlockId first{};       // where it began
    bool wrapped = false;  // it goes on from the lowest one to there
    bool read = false;     // all ids have been read
    bool failed = false;   // or could not be
    absl::Duration began;
  };
  struct Counters {
    uint64_t agree = 0, passed_over = 0, contradicting = 0;
  };

  void Begin(absl::Duration now) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  // If all of its groups have been looked at.
  void FinishIfDone(absl::Duration now) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  void ConcludeAll(const ClusterView& view, absl::Duration now) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  void ConcludeOne(const GroupChecks::Told& told, absl::Duration now)
      ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  void Act(const Inode& file, const GroupChecks::Told& told, Conclusion conclusion,
           absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  // Nobody but `before` has spoken, if anybody has.
  void LookAgain(const Inode& file, const GroupChecks::Pending& order,
                 const std::optional<GroupChecks::Look>& before, absl::Duration now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  void NameWrong(const Inode& file, const GroupChecks::Told& told)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  void TellContradiction(const Inode& file, const BlockVersion& group, const std::string& what)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  void TellOfOne(const Inode& file, const BlockVersion& group, const GroupChecks::Look& look)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  bool LookAgainAtSome(const ClusterView& view, absl::Duration now)
      ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  bool Walk(const ClusterView& view, absl::Duration now) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  // The walk waits for the datanodes of the next group, and not for ever.
  bool IsWorthWaiting(absl::Duration now);
  void FillCandidates() ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  Tried Try(const ClusterView& view, absl::Duration now, const GroupChecks::Again& group)
      ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  Tried Order(const ClusterView& view, absl::Duration now, const GroupChecks::Again& group,
              const Inode& file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  // The file, if it has this very group, and its length is final.
  const Inode* FindOwner(InodeId owner, BlockId group, BlockVersion* version) const
      ABSL_SHARED_LOCKS_REQUIRED(namenode_.mu_);
  // All units that hold bytes; nullopt: it is not whole, or not at rest.
  std::optional<std::vector<GroupChecks::UnitAt>> UnitsAtRest(const Inode& file,
                                                              const BlockVersion& group,
                                                              const ClusterView& view) const
      ABSL_SHARED_LOCKS_REQUIRED(namenode_.mu_);

  NamenodeImpl& namenode_;
  Healer& healer_;
  const GroupScanOptions options_;

  // ---- guarded by the namespace lock
  GroupChecks checks_;
  Counters counters_;  // of the round

  // ---- touched by Step alone
  std::optional<RoundOfGroups> round_;
  std::optional<absl::Duration> next_round_;
  std::deque<BlockId> candidates_;
  std::optional<absl::Duration> busy_since_;  // those of the first candidate
  TokenBucket walk_rate_;
};

}  // namespace cairn::namenode
