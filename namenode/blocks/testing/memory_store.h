// namenode/blocks/testing/memory_store.h - a Store that is one ordered map, for tests of what is
// kept in it. Every record is in the tail: Peek knows all, Load nothing.
#pragma once

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
    const auto found = records_.find(std::string(key));
    if (found == records_.end()) return Found::kDeleted;
    *value = found->second;
    return Found::kValue;
  }
  absl::StatusOr<std::optional<std::string>> Load(absl::string_view) const override {
    return std::nullopt;
  }
  uint64_t flush_count() const override { return 0; }
  void Put(absl::string_view key, absl::string_view value) override {
    records_[std::string(key)] = std::string(value);
  }
  void Delete(absl::string_view key) override { records_.erase(std::string(key)); }
  void EndEdit(TxId) override {}
  void PutUnjournalled(absl::string_view key, absl::string_view value) override {
    ++unjournalled_writes;
    Put(key, value);
  }
  void DeleteUnjournalled(absl::string_view key) override {
    ++unjournalled_writes;
    Delete(key);
  }
  absl::Status Ready() const override { return absl::OkStatus(); }
  std::unique_ptr<Range> Scan(absl::string_view prefix, absl::string_view after,
                              size_t limit) const override {
    auto range = std::make_unique<CopiedRange>();
    for (const auto& [key, value] : records_) {
      if (!absl::StartsWith(key, prefix) || (!after.empty() && key <= after)) continue;
      if (range->records.size() == limit) {
        range->cut = true;
        break;
      }
      range->records.emplace_back(key, value);
    }
    return range;
  }
  TxId applied() const override { return kNoTx; }
  Stats stats() const override { return {}; }
  void Freeze() override {}
  absl::Status WaitFlushed() override { return absl::OkStatus(); }
  absl::Status Flush() override { return absl::OkStatus(); }

  bool Has(const std::string& key) const { return records_.contains(key); }
  std::optional<std::string> Get(const std::string& key) const {
    const auto found = records_.find(key);
    if (found == records_.end()) return std::nullopt;
    return found->second;
  }
  size_t size() const { return records_.size(); }
  int unjournalled_writes = 0;

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

  std::map<std::string, std::string> records_;
};

}  // namespace cairn::namenode
