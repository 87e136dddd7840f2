// tools/fsck/in_order.h - work that is done on several threads, and whose outcomes are used on one,
// in the order in which it was given.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "common/mutex.h"

namespace cairn::tools {

// Used by one thread.
class InOrder {
 public:
  using Act = std::function<void()>;

  explicit InOrder(size_t threads);
  // What has not begun is dropped; what has is waited for. Nothing more is used.
  ~InOrder();
  InOrder(const InOrder&) = delete;
  InOrder& operator=(const InOrder&) = delete;

  // `work` is done on the threads, in any order. `use` is called on the caller's, in this or a
  // later call, once all of it is done and what was added before has been used. Waits while much is
  // still to be done, so that what is kept is bounded by one Add and a few hundred outcomes.
  void Add(std::vector<Act> work, Act use) ABSL_LOCKS_EXCLUDED(mu_);
  // Uses all that is left.
  void Finish() ABSL_LOCKS_EXCLUDED(mu_) { UseDone(0, 0); }

 private:
  struct Entry {
    size_t left = 0;  // work to be done
    Act use;
  };
  static constexpr size_t kMostEntries = 500;

  void Serve() ABSL_LOCKS_EXCLUDED(mu_);
  // Uses what is done, and waits until no more than so much is there.
  void UseDone(size_t most_work, size_t most_entries) ABSL_LOCKS_EXCLUDED(mu_);

  const size_t most_work_;
  Mutex mu_;
  CondVar given_, done_;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  size_t unfinished_ ABSL_GUARDED_BY(mu_) = 0;  // work, begun or not
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mu_);
  // Not begun. The entries stay where they are: a deque moves none when its ends change.
  std::deque<std::pair<Act, Entry*>> waiting_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_;
};

}  // namespace cairn::tools
