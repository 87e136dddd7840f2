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
#include "namenode/store/store.h"

namespace cairn::namenode {

class LockProbeStore final : public Store {
 public:
  LockProbeStore(std::unique_ptr<Store> store, WithLock with_lock)
      : store_(std::move(store)), with_lock_(std::move(with_lock)) {}
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
    return store_->Load(key);
  }

  Found Peek(absl::string_view key, absl::string_view* value) const override {
    return store_->Peek(key, value);
  }
  uint64_t flush_count() const override { return store_->flush_count(); }
  void BeginEdit() override { store_->BeginEdit(); }
  void Put(absl::string_view key, absl::string_view value) override { store_->Put(key, value); }
  void Delete(absl::string_view key) override { store_->Delete(key); }
  bool BeforeFreeze(std::function<void()> put_rest) override {
    return store_->BeforeFreeze(std::move(put_rest));
  }
  void PutRest() override { store_->PutRest(); }
  void EndRest() override { store_->EndRest(); }
  void EndEdit(TxId txid) override { store_->EndEdit(txid); }
  void PutUnjournalled(absl::string_view key, absl::string_view value) override {
    store_->PutUnjournalled(key, value);
  }
  void DeleteUnjournalled(absl::string_view key) override { store_->DeleteUnjournalled(key); }
  void BeginGroup() override { store_->BeginGroup(); }
  void EndGroup() override { store_->EndGroup(); }
  absl::Status Ready() const override { return store_->Ready(); }
  std::unique_ptr<Range> Scan(absl::string_view prefix, absl::string_view after,
                              size_t limit) const override {
    return store_->Scan(prefix, after, limit);
  }
  TxId applied() const override { return store_->applied(); }
  Stats stats() const override { return store_->stats(); }
  void Freeze() override { store_->Freeze(); }
  absl::Status WaitFlushed() override { return store_->WaitFlushed(); }
  absl::Status Flush() override { return store_->Flush(); }

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

  const std::unique_ptr<Store> store_;
  const WithLock with_lock_;
  std::atomic<bool> watching_ = false;
  mutable std::atomic<int> loads_ = 0;
  mutable Mutex mu_;
  mutable std::vector<std::thread> probes_ ABSL_GUARDED_BY(mu_);
  mutable std::string before_load_key_ ABSL_GUARDED_BY(mu_);
  mutable std::function<void()> before_load_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
