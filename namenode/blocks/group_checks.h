// namenode/blocks/group_checks.h - what is known of block groups whose units are compared with one
// another: what was ordered, what was said, and what follows from it.
//
//   ordered --verdict--> they agree                    done
//      ^          |----> could not be read             done, or again if somebody has spoken before
//      |          `----> they contradict each other -> another datanode is asked
//      `----- again <----------------------------------'       |
//                                                              `-> it says the same: that is known
//
// Nobody is believed alone. A datanode with bad memory would find contradictions in whatever it
// reads; two of them do not find the same unit wrong. (core/group_scan.h orders and acts.)
//
// Bounded: as many orders as there may be at a time, kMostAgain groups that are to be looked at
// again (a walk waits while there are that many), and kMostKnown that are known to contradict
// themselves; of what is beyond only the log tells. In memory alone: another round finds it again.
//
// Pure: knows no clock. Threads: guarded from outside.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/random/bit_gen_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "namenode/blocks/datanode_reports.h"
#include "namenode/cluster/cluster_view.h"

namespace cairn::namenode {

class GroupChecks {
 public:
  static constexpr size_t kMostAgain = 100;
  static constexpr size_t kMostKnown = 10'000;
  // Looks, or attempts at one, before what one datanode has said is all that there will be.
  static constexpr int kMostTries = 5;

  struct UnitAt {
    uint32_t unit = 0;     // number
    uint32_t storage = 0;  // of its only replica
    bool operator==(const UnitAt&) const = default;
  };
  // What one datanode says.
  struct Look {
    std::string datanode;  // uuid
    std::string address;   // for messages
    GroupVerdict::Result result = GroupVerdict::Result::kCouldNot;
    UnitAt wrong = {};  // of kOneIsWrong
    std::string reason;
  };
  struct Pending {
    uint64_t number = 0;  // NextNumber(), as in the command
    BlockVersion group;
    std::vector<UnitAt> units;  // all that hold bytes
    std::string datanode, address;
    uint64_t session = 0;
    absl::Duration deadline;
    std::optional<Look> before = {};  // what another one has said
    int tries = 0;
    bool disturbed = false;  // a replica has gone since: what was read may be of two times
  };
  struct Told {
    Pending order;
    Look look;
  };
  struct Again {
    BlockId group{};
    absl::Duration due;
    std::optional<Look> before = {};
    int tries = 0;
    std::string failed = {};  // uuid of the datanode that could not tell, the last time
  };
  struct Known {
    GenerationStamp stamp{};
    std::optional<UnitAt> wrong = {};  // none: it cannot be told
    std::string what;                  // one sentence
  };

  explicit GroupChecks(size_t most) : most_(most) {}

  // ---- orders
  bool HasRoom() const { return pending_.size() + told_.size() < most_; }
  bool IsIdle() const { return pending_.empty() && told_.empty(); }
  bool HasWork() const { return !IsIdle() || !again_.empty(); }
  bool IsVerifying(absl::string_view datanode) const;
  // The group is ordered, or to be looked at again.
  bool Has(BlockId group) const { return pending_.contains(group) || again_.contains(group); }
  uint64_t NextNumber() { return ++last_number_; }
  // Of a group that has none.
  void Ordered(Pending order);
  // False: that was not ordered from it (in this session), or it was given up.
  bool TakeVerdict(absl::string_view datanode, uint64_t session, const GroupVerdict& verdict);
  std::vector<Told> TakeTold();
  // Those that nobody will tell of any more, as if they had told that they could not.
  std::vector<Told> TakeEnded(absl::Duration now, const ClusterView& view);

  // ---- looking again
  // After so many tries; the first one comes at once.
  static absl::Duration PauseAfter(int tries);
  bool IsFull() const { return again_.size() >= kMostAgain; }
  // False: there are too many.
  bool LookAgain(Again again);
  // One that is due, and is not ordered.
  std::optional<Again> TakeDue(absl::Duration now);

  // ---- what is known
  void Learn(BlockId group, Known known);
  void Unlearn(BlockId group) { known_.erase(group); }
  const Known* Find(BlockId group) const;
  size_t known() const { return known_.size(); }
  // A replica of one of its units is gone, or bad: what was said of the group before counts no
  // more.
  void Disturb(BlockId group);
  // The group is no more.
  void Forget(BlockId group);

 private:
  const size_t most_;
  uint64_t last_number_ = 0;
  absl::btree_map<BlockId, Pending> pending_;
  std::vector<Told> told_;
  absl::btree_map<BlockId, Again> again_;
  absl::btree_map<BlockId, Known> known_;
};

enum class Conclusion : uint8_t {
  kAgree,
  kSkip,       // nothing is known
  kLookAgain,  // by another datanode
  kDispute,    // one of two says that they agree
  kOneIsWrong,
  kContradict,
};
Conclusion Conclude(const std::optional<GroupChecks::Look>& before, const GroupChecks::Look& now);

// Whose datanode is to read all `units`: one that has a unit, is in service, verifies nothing and
// is not busy with repair (`is_busy`, by uuid), the least loaded of them, and any of those that are
// loaded alike. Not who has spoken before, nor who has the unit that is said to be wrong; who has
// `failed` the last time only if there is no other: it may not know the order, or not reach others.
struct VerifierChoice {
  std::optional<uint32_t> storage;
  bool busy = false;  // none, but there are others, which are busy
};
VerifierChoice ChooseVerifier(const std::vector<GroupChecks::UnitAt>& units,
                              const GroupChecks::Again& group, const ClusterView& view,
                              const std::function<bool(const std::string& datanode)>& is_busy,
                              absl::BitGenRef random);

}  // namespace cairn::namenode
