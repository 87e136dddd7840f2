// namenode/store/store_testing.h - what the store's tests share: a store in a fresh directory, its
// namespace lock, and a journal that is as durable as the test says.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "common/check.h"
#include "common/mutex.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "namenode/store/store.h"

namespace cairn::namenode {

class StoreTestBase : public ::testing::Test {
 protected:
  static constexpr uint64_t kAll = ~0ull;

  StoreTestBase() {
    options_.directory = temp_.Path("store");
    options_.cache_bytes = 1 << 20;
    options_.tail_age = absl::Hours(1);  // a test that wants a flush says so
  }

  absl::Status Open() {
    store_.reset();
    auto store = Store::Open(
        options_, [this] { return TxId{durable_.load()}; },
        [this](std::function<void()> f) {
          WriterLock lock(namespace_lock_);
          f();
        });
    if (!store.ok()) return store.status();
    store_ = *std::move(store);
    return absl::OkStatus();
  }
  void FormatAndOpen() {
    ASSERT_OK(Store::Format(options_, {}));
    ASSERT_OK(Open());
  }

  // One edit with one change; nullopt deletes.
  void Edit(absl::string_view key, std::optional<absl::string_view> value) {
    WriterLock lock(namespace_lock_);
    if (value) {
      store_->Put(key, *value);
    } else {
      store_->Delete(key);
    }
    store_->EndEdit(TxId{++txid_});
  }
  void Freeze() {
    WriterLock lock(namespace_lock_);
    store_->Freeze();
  }
  uint64_t FlushCount() {
    ReaderLock lock(namespace_lock_);
    return store_->flush_count();
  }
  Store::Found Peek(absl::string_view key, std::string* value) {
    ReaderLock lock(namespace_lock_);
    absl::string_view view;
    const Store::Found found = store_->Peek(key, &view);
    if (found == Store::Found::kValue) *value = std::string(view);
    return found;
  }
  // What a reader sees: the tails, then LevelDB, as the contract in store.h says.
  std::optional<std::string> Get(absl::string_view key) {
    while (true) {
      std::string value;
      const uint64_t before = FlushCount();
      const Store::Found found = Peek(key, &value);
      if (found == Store::Found::kValue) return value;
      if (found == Store::Found::kDeleted) return std::nullopt;
      auto loaded = store_->Load(key);
      CHECK_OK(loaded.status());
      if (FlushCount() == before && Peek(key, &value) == Store::Found::kUnknown) return *loaded;
    }
  }
  std::unique_ptr<Store::Range> Scan(absl::string_view prefix, absl::string_view after,
                                     size_t limit) {
    ReaderLock lock(namespace_lock_);
    return store_->Scan(prefix, after, limit);
  }
  // Everything under the prefix, read in pages.
  std::map<std::string, std::string> ScanAll(absl::string_view prefix, size_t page) {
    std::map<std::string, std::string> all;
    std::string after, last;
    while (true) {
      const auto range = Scan(prefix, after, page);
      size_t returned = 0;
      for (; range->Valid(); range->Next()) {
        CHECK(last < range->key()) << "not in order, or twice";
        last = std::string(range->key());
        all[last] = std::string(range->value());
        ++returned;
      }
      CHECK_OK(range->status());
      CHECK_LE(returned, page);
      if (!range->more()) return all;
      CHECK(after < range->resume_after()) << "no progress";
      after = std::string(range->resume_after());
    }
  }

  TempDir temp_;
  StoreOptions options_;
  std::atomic<uint64_t> durable_{kAll};
  SharedMutex namespace_lock_;
  uint64_t txid_ = 0;
  std::unique_ptr<Store> store_;
};

}  // namespace cairn::namenode
