// namenode/core/testing/wrapped_store.h - a store that passes every call on: for tests to put
// something between a namenode and its store, by overriding the calls that matter to them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "namenode/store/store.h"

namespace cairn::namenode {

class WrappedStore : public Store {
 public:
  explicit WrappedStore(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  absl::StatusOr<std::optional<std::string>> Load(absl::string_view key) const override {
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
  const std::unique_ptr<Store> store_;
};

}  // namespace cairn::namenode
