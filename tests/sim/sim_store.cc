#include "tests/sim/sim_store.h"

#include "absl/strings/match.h"
#include "common/check.h"

namespace cairn::sim {
namespace {

class CopiedRange final : public namenode::Store::Range {
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

}  // namespace

namenode::Store::Found SimStore::Peek(absl::string_view key, absl::string_view* value) const {
  for (const Tail* const tail : {&active_, frozen_ ? &*frozen_ : nullptr}) {
    if (tail == nullptr) continue;
    const auto found = tail->records.find(key);
    if (found == tail->records.end()) continue;
    if (!found->second) return Found::kDeleted;
    *value = *found->second;
    return Found::kValue;
  }
  return Found::kUnknown;
}

absl::StatusOr<std::optional<std::string>> SimStore::Load(absl::string_view key) const {
  const auto found = disk_.records.find(key);
  if (found == disk_.records.end()) return std::nullopt;
  return found->second;
}

void SimStore::Put(absl::string_view key, absl::string_view value) {
  inside_edit_ = true;
  active_.records[std::string(key)] = std::string(value);
}

void SimStore::Delete(absl::string_view key) {
  inside_edit_ = true;
  active_.records[std::string(key)] = std::nullopt;
}

void SimStore::PutUnjournalled(absl::string_view key, absl::string_view value) {
  active_.records[std::string(key)] = std::string(value);
}

void SimStore::DeleteUnjournalled(absl::string_view key) {
  active_.records[std::string(key)] = std::nullopt;
}

bool SimStore::BeforeFreeze(std::function<void()> put_rest) {
  put_rest_ = std::move(put_rest);
  return true;
}

void SimStore::PutRest() {
  CHECK(!inside_edit_) << "in the middle of an edit";
  if (put_rest_ && active_.last_edit != kNoTx) put_rest_();
  CHECK(!inside_edit_) << "what was put off did not end";
}

void SimStore::EndEdit(TxId txid) {
  CHECK_LT(ToInt(active_.last_edit), ToInt(txid)) << "edits out of order";
  active_.last_edit = txid;
  inside_edit_ = false;
}

std::unique_ptr<namenode::Store::Range> SimStore::Scan(absl::string_view prefix,
                                                       absl::string_view after,
                                                       size_t limit) const {
  CHECK_GT(limit, 0u);
  std::map<absl::string_view, absl::string_view> merged;
  const absl::string_view from = after.empty() ? prefix : after;
  const auto overlay = [&](const Tail& tail) {
    for (auto it = tail.records.lower_bound(from);
         it != tail.records.end() && absl::StartsWith(it->first, prefix); ++it) {
      if (it->second) {
        merged[it->first] = *it->second;
      } else {
        merged.erase(it->first);
      }
    }
  };
  for (auto it = disk_.records.lower_bound(from);
       it != disk_.records.end() && absl::StartsWith(it->first, prefix); ++it) {
    merged[it->first] = it->second;
  }
  if (frozen_) overlay(*frozen_);
  overlay(active_);
  auto range = std::make_unique<CopiedRange>();
  for (const auto& [key, value] : merged) {
    if (!after.empty() && key <= after) continue;
    if (range->records.size() == limit) {
      range->cut = true;
      break;
    }
    range->records.emplace_back(key, value);
  }
  return range;
}

void SimStore::Freeze() {
  CHECK(!inside_edit_) << "freeze in the middle of an edit";
  if (frozen_ || active_.empty()) return;
  PutRest();
  frozen_ = std::move(active_);
  active_ = {};
  process_.After(process_.world().Between(absl::Milliseconds(1), absl::Seconds(2)),
                 [this] { Write(); });
}

void SimStore::Write() {
  if (!frozen_) return;
  if (journal_durable_() < frozen_->last_edit) {
    process_.After(absl::Milliseconds(5), [this] { Write(); });
    return;
  }
  for (auto& [key, value] : frozen_->records) {
    if (value) {
      disk_.records[key] = *std::move(value);
    } else {
      disk_.records.erase(key);
    }
  }
  if (frozen_->last_edit != kNoTx) disk_.applied = frozen_->last_edit;
  frozen_.reset();
  ++flushes_;
}

absl::Status SimStore::WaitFlushed() { return absl::UnimplementedError("time does not wait"); }

absl::Status SimStore::Flush() { return absl::UnimplementedError("time does not wait"); }

}  // namespace cairn::sim
