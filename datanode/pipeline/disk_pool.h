// datanode/pipeline/disk_pool.h - a few threads that wait for disks, so that I/O threads never do.
//
//   const absl::Status status = co_await OnDisk(pool, [&] { return writer.Sync(); });
//
// A disk may hang, and a thread with it. Where jobs wait while a thread has been at one job for
// long, another thread takes its place (ReplaceStuck), so that the other disks are served; when the
// stuck one comes back there is one too many, and it ends.
//
// Jobs run in the order in which they were given, each on any thread; whoever needs an order among
// its own waits for one before it gives the next. The coroutine goes on upon its own executor.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "boost/asio/associated_executor.hpp"
#include "boost/asio/async_result.hpp"
#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/use_awaitable.hpp"
#include "common/mutex.h"

namespace cairn::datanode {

class DiskPool {
 public:
  explicit DiskPool(int threads);
  ~DiskPool();  // Stop()
  DiskPool(const DiskPool&) = delete;
  DiskPool& operator=(const DiskPool&) = delete;

  // After Stop the job is destroyed without being run.
  void Run(absl::AnyInvocable<void()> job) ABSL_LOCKS_EXCLUDED(mu_);
  // To be called from time to time.
  void ReplaceStuck() ABSL_LOCKS_EXCLUDED(mu_);
  // Finishes what was given, and ends the threads. Idempotent. Waits for stuck ones, for ever if
  // need be.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Worker {
    std::thread thread;
    absl::Duration began = absl::InfiniteDuration();  // its job; infinite: it has none
    bool replaced = false;
    bool ended = false;
  };
  // False: the system has no thread for it.
  bool AddWorker() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Work(Worker& worker) ABSL_LOCKS_EXCLUDED(mu_);

  Mutex mu_;
  CondVar wake_;
  std::deque<absl::AnyInvocable<void()>> jobs_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::list<Worker> workers_ ABSL_GUARDED_BY(mu_);
  int started_ ABSL_GUARDED_BY(mu_) = 0;
  int replaced_ ABSL_GUARDED_BY(mu_) = 0;  // that have not come back
};

// Runs `job` on the pool; the result is what it returns. `job` is destroyed on the coroutine's
// executor; what it refers to must live until the coroutine goes on.
template <typename Job>
auto OnDisk(DiskPool& pool, Job job) {
  using Result = std::invoke_result_t<Job&>;
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(Result)>(
      [&pool](auto handler, Job work) {
        auto executor = boost::asio::get_associated_executor(handler);
        auto guard = boost::asio::make_work_guard(executor);
        pool.Run([handler = std::move(handler), work = std::move(work), executor,
                  guard = std::move(guard)]() mutable {
          Result result = work();
          boost::asio::post(executor, [handler = std::move(handler), work = std::move(work),
                                       result = std::move(result)]() mutable {
            std::move(handler)(std::move(result));
          });
        });
      },
      boost::asio::use_awaitable, std::move(job));
}

}  // namespace cairn::datanode
