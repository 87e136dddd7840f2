// namenode/core/testing/failing_store.h - a store whose reads of LevelDB fail when a test says so.
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

class FailingStore final : public Store {
 public:
  explicit FailingStore(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  // The next Load of a record with this prefix.
  void FailNext(char prefix) { failing_ = prefix; }
  bool has_failed() const { return failing_ == '\0'; }

  absl::StatusOr<std::optional<std::string>> Load(absl::string_view key) const override {
    if (key.empty() || key[0] != failing_) return store_->Load(key);
    failing_ = '\0';
    return absl::UnavailableError("the disk fails for a moment");
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
  mutable char failing_ = '\0';
};

}  // namespace cairn::namenode
