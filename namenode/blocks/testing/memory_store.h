// namenode/blocks/testing/memory_store.h - a Store of two ordered maps, for tests of what is kept
// in it: a tail that Peek sees, and below it what Load sees once Flush() has moved the tail there.
// One thread at a time, but for what the namespace lock orders.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "namenode/store/store.h"

namespace cairn::namenode {

class MemoryStore final : public Store {
 public:
  Found Peek(absl::string_view key, absl::string_view* value) const override {
    const auto found = tail_.find(std::string(key));
    if (found == tail_.end()) return Found::kUnknown;
    if (!found->second) return Found::kDeleted;
    *value = *found->second;
    return Found::kValue;
  }
  absl::StatusOr<std::optional<std::string>> Load(absl::string_view key) const override {
    ++loads;
    const auto found = flushed_.find(std::string(key));
    if (found == flushed_.end()) return std::nullopt;
    return found->second;
  }
  uint64_t flush_count() const override { return flushes_; }
  void Put(absl::string_view key, absl::string_view value) override {
    tail_[std::string(key)] = std::string(value);
  }
  void Delete(absl::string_view key) override { tail_[std::string(key)] = std::nullopt; }
  void EndEdit(TxId txid) override { last_ = txid; }
  void PutUnjournalled(absl::string_view key, absl::string_view value) override {
    const StoreGroup alone(*this);
    ++unjournalled_writes;
    Put(key, value);
  }
  void DeleteUnjournalled(absl::string_view key) override {
    const StoreGroup alone(*this);
    ++unjournalled_writes;
    Delete(key);
  }
  void BeginGroup() override { ++groups_; }
  void EndGroup() override {
    if (--groups_ == 0 && on_whole) on_whole();
  }
  absl::Status Ready() const override { return absl::OkStatus(); }
  std::unique_ptr<Range> Scan(absl::string_view prefix, absl::string_view after,
                              size_t limit) const override {
    auto range = std::make_unique<CopiedRange>();
    for (const auto& [key, value] : All()) {
      if (!absl::StartsWith(key, prefix) || (!after.empty() && key <= after)) continue;
      if (range->records.size() == limit) {
        range->cut = true;
        break;
      }
      range->records.emplace_back(key, value);
    }
    return range;
  }
  TxId applied() const override { return applied_; }
  Stats stats() const override { return {}; }
  void Freeze() override {}
  absl::Status WaitFlushed() override { return absl::OkStatus(); }
  absl::Status Flush() override {
    flushed_ = All();
    tail_.clear();
    applied_ = last_;
    ++flushes_;
    return absl::OkStatus();
  }

  // The newest record.
  std::optional<std::string> Get(const std::string& key) const {
    const std::map<std::string, std::string> all = All();
    const auto found = all.find(key);
    if (found == all.end()) return std::nullopt;
    return found->second;
  }
  bool Has(const std::string& key) const { return Get(key).has_value(); }
  size_t size() const { return All().size(); }
  int unjournalled_writes = 0;
  // Called whenever a tail might be frozen after unjournalled writes.
  std::function<void()> on_whole;
  mutable int loads = 0;

 private:
  class CopiedRange final : public Range {
   public:
    bool Valid() override { return at < records.size(); }
    void Next() override { ++at; }
    absl::string_view key() const override { return records[at].first; }
    absl::string_view value() const override { return records[at].second; }
    absl::Status status() const override { return absl::OkStatus(); }
    bool more() const override { return cut; }
    absl::string_view resume_after() const override { return records.back().first; }

    std::vector<std::pair<std::string, std::string>> records;
    size_t at = 0;
    bool cut = false;
  };

  std::map<std::string, std::string> All() const {
    std::map<std::string, std::string> all = flushed_;
    for (const auto& [key, value] : tail_) {
      if (value) {
        all[key] = *value;
      } else {
        all.erase(key);
      }
    }
    return all;
  }

  std::map<std::string, std::optional<std::string>> tail_;  // nullopt: deleted
  std::map<std::string, std::string> flushed_;
  TxId last_ = kNoTx, applied_ = kNoTx;
  uint64_t flushes_ = 0;
  int groups_ = 0;
};

}  // namespace cairn::namenode
