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

// Used by one thread, but for Drop.
class InOrder {
 public:
  using Act = std::function<void()>;

  // Of what waits behind the one whose turn it is, so much is kept, by weight.
  InOrder(size_t threads, size_t most_kept);
  // What has not begun is dropped; what has is waited for. Nothing more is used.
  ~InOrder();
  InOrder(const InOrder&) = delete;
  InOrder& operator=(const InOrder&) = delete;

  // `work` is begun on the threads in the order in which it was given. `use` is called on the
  // caller's, in this or a later call, once all of it is done and what was added before has been
  // used. `weight` is that of what `use` keeps, in any unit. Waits while much is still to be done,
  // or kept: there are never more than the one whose turn it is, `most_kept`, and this one.
  void Add(std::vector<Act> work, size_t weight, Act use) ABSL_LOCKS_EXCLUDED(mu_);
  // Uses all that is left.
  void Finish() ABSL_LOCKS_EXCLUDED(mu_) { UseDone(0, 0); }
  // What has not begun is dropped, and so is what is added later; what has begun is done. Used is
  // what was added before the first that lacks some of its work. Any thread, a worker's too.
  void Drop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Entry {
    size_t left = 0;  // work to be done
    size_t weight = 0;
    Act use;
    bool dropped = false;  // not to be used
  };

  void Serve() ABSL_LOCKS_EXCLUDED(mu_);
  // Uses what is done, and waits until no more than so much is there.
  void UseDone(size_t most_work, size_t most_kept) ABSL_LOCKS_EXCLUDED(mu_);
  bool HasToWait(size_t most_work, size_t most_kept) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const size_t most_work_, most_kept_;
  Mutex mu_;
  CondVar given_, done_;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  bool dropping_ ABSL_GUARDED_BY(mu_) = false;
  size_t unfinished_ ABSL_GUARDED_BY(mu_) = 0;  // work, begun or not
  size_t kept_ ABSL_GUARDED_BY(mu_) = 0;        // by weight
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mu_);
  // Not begun. The entries stay where they are: a deque moves none when its ends change.
  std::deque<std::pair<Act, Entry*>> waiting_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_;
};

}  // namespace cairn::tools
