// namenode/core/testing/lock_probe_store.h - a store that fails the test when LevelDB is read by
// somebody who holds the namespace lock.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/mutex.h"
#include "gtest/gtest.h"
#include "namenode/core/testing/wrapped_store.h"

namespace cairn::namenode {

class LockProbeStore final : public WrappedStore {
 public:
  LockProbeStore(std::unique_ptr<Store> store, WithLock with_lock)
      : WrappedStore(std::move(store)), with_lock_(std::move(with_lock)) {}
  ~LockProbeStore() override {
    for (std::thread& probe : probes_) probe.join();
  }

  // From now on; start-up may read under the lock.
  void Watch() { watching_ = true; }
  int loads() const { return loads_; }
  // Once, ahead of the next Load of the key: what happens while somebody reads.
  void BeforeLoad(absl::string_view key, std::function<void()> hook) {
    MutexLock lock(mu_);
    before_load_key_ = std::string(key);
    before_load_ = std::move(hook);
  }

  absl::StatusOr<std::optional<std::string>> Load(absl::string_view key) const override {
    if (watching_) Probe(key);
    std::function<void()> before;
    {
      MutexLock lock(mu_);
      if (!before_load_key_.empty() && before_load_key_ == key) {
        before_load_key_.clear();
        before = std::move(before_load_);
      }
    }
    if (before) before();
    return WrappedStore::Load(key);
  }

 private:
  // Somebody else must be able to take the lock now. The limit ends a test that has failed.
  void Probe(absl::string_view key) const {
    ++loads_;
    auto taken = std::make_shared<std::promise<void>>();
    std::future<void> done = taken->get_future();
    {
      MutexLock lock(mu_);
      probes_.emplace_back([this, taken] {
        with_lock_([] {});
        taken->set_value();
      });
    }
    if (done.wait_for(std::chrono::seconds(10)) != std::future_status::ready) {
      ADD_FAILURE() << "read under the namespace lock: " << testing::PrintToString(key);
    }
  }

  const WithLock with_lock_;
  std::atomic<bool> watching_ = false;
  mutable std::atomic<int> loads_ = 0;
  mutable Mutex mu_;
  mutable std::vector<std::thread> probes_ ABSL_GUARDED_BY(mu_);
  mutable std::string before_load_key_ ABSL_GUARDED_BY(mu_);
  mutable std::function<void()> before_load_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
