// fuse/page_forgetter.h - has the kernel drop the pages of files whose bytes were lost.
//
// What was written through the page cache stands there as if it were saved. The kernel waits for
// requests under way before it drops pages, and those may wait for the thread that asks: so a
// thread of its own does.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <thread>

#include "common/mutex.h"
#include "fuse/api.h"

namespace cairn::fuse {

class PageForgetter {
 public:
  PageForgetter() = default;
  ~PageForgetter() { Stop(); }
  PageForgetter(const PageForgetter&) = delete;
  PageForgetter& operator=(const PageForgetter&) = delete;

  // `session` outlives the next Stop.
  void Start(fuse_session* session) ABSL_LOCKS_EXCLUDED(mu_);
  // After the kernel's end is gone, so that nobody waits there. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);
  // Returns at once. Nothing is done before Start and after Stop: there are no pages.
  void Forget(fuse_ino_t ino) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Run(fuse_session* session) ABSL_LOCKS_EXCLUDED(mu_);

  std::thread thread_;  // of who starts and stops
  Mutex mu_;
  CondVar wake_;
  bool running_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<fuse_ino_t> waiting_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::fuse
