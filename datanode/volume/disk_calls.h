// datanode/volume/disk_calls.h - the same call on several disks at a time, none of which is waited
// for without end: a disk that hangs must not keep the others from what they are wanted for.
//
// For one thread; the calls run on threads of their own. A call that was given up goes on, so what
// it uses must live as long as this, which waits for all calls in its destructor.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/thread.h"

namespace cairn::datanode {

class DiskCalls {
 public:
  DiskCalls() = default;
  ~DiskCalls() {
    for (std::thread& thread : threads_) thread.join();
  }
  DiskCalls(const DiskCalls&) = delete;
  DiskCalls& operator=(const DiskCalls&) = delete;

  // Results of call(0) .. call(count - 1), in this order; nullopt where `give_up`, which is asked
  // again and again while there are calls to wait for, said so before the call returned.
  template <typename T>
  std::vector<std::optional<T>> Each(size_t count, std::function<T(size_t)> call,
                                     const std::function<bool(size_t)>& give_up);

  // A call that was given up has not returned.
  bool any_under_way() const { return under_way_->load() > 0; }

 private:
  static constexpr absl::Duration kLook = absl::Milliseconds(10);

  // Of one Each: it may have returned when the last call does.
  template <typename T>
  struct Round {
    explicit Round(size_t count) : results(count) {}
    Mutex mu;
    CondVar returned;
    std::vector<std::optional<T>> results ABSL_GUARDED_BY(mu);
  };

  const std::shared_ptr<std::atomic<int>> under_way_ = std::make_shared<std::atomic<int>>(0);
  std::vector<std::thread> threads_;
};

template <typename T>
std::vector<std::optional<T>> DiskCalls::Each(size_t count, std::function<T(size_t)> call,
                                              const std::function<bool(size_t)>& give_up) {
  const auto round = std::make_shared<Round<T>>(count);
  for (size_t i = 0; i < count; ++i) {
    under_way_->fetch_add(1);
    threads_.emplace_back([round, call, i, under_way = under_way_] {
      SetThreadName("disk-start");
      T result = call(i);
      {
        MutexLock lock(round->mu);
        round->results[i] = std::move(result);
      }
      under_way->fetch_sub(1);
      round->returned.NotifyAll();
    });
  }
  std::vector<bool> given_up(count, false);
  std::vector<std::optional<T>> results(count);
  while (true) {
    std::vector<size_t> missing;
    {
      MutexLock lock(round->mu);
      for (size_t i = 0; i < count; ++i) {
        if (!given_up[i] && !round->results[i].has_value()) missing.push_back(i);
      }
      if (missing.empty()) {
        for (size_t i = 0; i < count; ++i) {
          if (!given_up[i]) results[i] = std::move(round->results[i]);
        }
        break;
      }
      round->returned.WaitFor(round->mu, absl::ToChronoNanoseconds(kLook));
    }
    for (const size_t i : missing) given_up[i] = give_up(i);
  }
  if (std::find(given_up.begin(), given_up.end(), true) == given_up.end()) {
    for (size_t i = 0; i < count; ++i, threads_.pop_back()) threads_.back().join();
  }
  return results;
}

}  // namespace cairn::datanode
