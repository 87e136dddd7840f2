// client/thread_pool.h - threads for calls that block and whose caller may stop waiting for them:
// so many at a time, and no queue.
//
// Threads are started as they are needed, and stay. A job that nobody waits for any more must end
// by itself, or be ended by who began it: the destructor waits for it. Thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "common/mutex.h"

namespace cairn::client {

class ThreadPool {
 public:
  ThreadPool(size_t threads, std::string name);  // 0: every job is refused
  ~ThreadPool();                                 // not from a job
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t size() const { return size_; }
  // `job` begins at once, on a thread of its own. False: all are busy, or one more cannot be
  // started, and it does not. What it throws ends the process.
  bool TryRun(std::function<void()> job) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  bool Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Work() ABSL_LOCKS_EXCLUDED(mu_);

  const size_t size_;
  const std::string name_;
  Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  size_t busy_ ABSL_GUARDED_BY(mu_) = 0;  // jobs taken and not ended; no more than threads_
  std::deque<std::function<void()>> begun_ ABSL_GUARDED_BY(mu_);  // on their way to a thread
  std::vector<std::thread> threads_;  // started under mu_, joined by the destructor
};

}  // namespace cairn::client
