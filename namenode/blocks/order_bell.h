// namenode/blocks/order_bell.h - wakes datanodes that wait for orders.
//
//   datanode  AwaitOrders ----> Wait ----.
//   namenode  there is an order -> Ring --+--> its turn: answer "orders" --> a heartbeat takes all
//                                         '--> nothing for longest_wait: answer "none"
//
// A ring is remembered until the datanode's next heartbeat (Taken), so one that comes while nobody
// waits is not lost. Between two wakings of a datanode for the same kind lies a pause: a burst of
// orders shares heartbeats, and deletions, which nobody waits for, share more of them.
//
// A wait is of a session; a newer wait or session, or the datanode's death, ends it. Waits cost no
// thread: they are answered by the one that calls Run. Who is due at which moment is decided in
// TakeDue, which takes the time as an argument.
// Bounded: one wait for each datanode that is registered.
// Threads: any; own mutex, a leaf of the lock order. No answer is given while it is held.
#pragma once

#include <array>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace cairn::namenode {

// A datanode's call that waits, as its front end holds it.
class OrderWait {
 public:
  virtual ~OrderWait() = default;
  // Whether there are orders. kAborted: not the current session, or a newer wait has come.
  // kUnavailable: the namenode stops. Called once, without locks.
  virtual void Answer(absl::StatusOr<bool> orders) = 0;
  // The datanode has hung up. Never blocks.
  virtual bool abandoned() const = 0;
};

class OrderBell {
 public:
  enum class For { kOrder = 0, kDeletion = 1 };

  struct Options {
    absl::Duration order_pause = absl::Milliseconds(10);
    absl::Duration deletion_pause = absl::Milliseconds(500);
    absl::Duration longest_wait = absl::Seconds(30);
  };

  explicit OrderBell(Options options) : options_(options) {}

  // It has registered, and its session has begun. Sessions grow.
  void Open(absl::string_view datanode_uuid, uint64_t session) ABSL_LOCKS_EXCLUDED(mu_);
  // It died in this session, unless it has registered again meanwhile.
  void Close(absl::string_view datanode_uuid, uint64_t session) ABSL_LOCKS_EXCLUDED(mu_);

  // `now`: of the monotonic clock.
  void Wait(absl::string_view datanode_uuid, uint64_t session, absl::Duration now,
            std::shared_ptr<OrderWait> wait) ABSL_LOCKS_EXCLUDED(mu_);
  // No effect for a datanode that is not registered.
  void Ring(absl::string_view datanode_uuid, For what) ABSL_LOCKS_EXCLUDED(mu_);
  // Its heartbeat is about to take what there is; what is rung from now on is new.
  void Taken(absl::string_view datanode_uuid) ABSL_LOCKS_EXCLUDED(mu_);
  // It waits and has not hung up: its process lives, and would hear at once.
  bool IsWaiting(absl::string_view datanode_uuid) const ABSL_LOCKS_EXCLUDED(mu_);

  struct Due {
    std::vector<std::pair<std::shared_ptr<OrderWait>, absl::StatusOr<bool>>> answers;
    absl::Duration next = absl::InfiniteDuration();  // when to look again, if nothing comes before
  };
  // Takes the waits that are to be answered now.
  Due TakeDue(absl::Duration now) ABSL_LOCKS_EXCLUDED(mu_);

  // Answers waits as they become due, until Stop; one thread.
  void Run(Clock& clock) ABSL_LOCKS_EXCLUDED(mu_);
  // Ends all waits, and whoever waits later, with kUnavailable.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  static constexpr size_t kKinds = 2;
  struct Node {
    uint64_t session = 0;
    std::array<bool, kKinds> rung{};
    std::array<absl::Duration, kKinds> not_before{-absl::InfiniteDuration(),
                                                  -absl::InfiniteDuration()};
    std::shared_ptr<OrderWait> wait;  // null: it does not wait
    absl::Duration until;             // of the wait
    absl::Duration due;               // its place in due_, while it waits
  };

  void Place(Node& node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void End(Node& node, absl::Status why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Node* Find(absl::string_view datanode_uuid) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  mutable Mutex mu_;
  CondVar wake_;
  absl::flat_hash_map<std::string, std::unique_ptr<Node>> nodes_ ABSL_GUARDED_BY(mu_);
  std::set<std::pair<absl::Duration, Node*>> due_ ABSL_GUARDED_BY(mu_);  // those who wait
  std::vector<std::pair<std::shared_ptr<OrderWait>, absl::StatusOr<bool>>> ended_
      ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cairn::namenode
