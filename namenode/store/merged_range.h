// namenode/store/merged_range.h - Store::Range: a page of tail records merged with LevelDB.
#pragma once

#include <leveldb/db.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "namenode/store/store.h"
#include "namenode/store/tail.h"

namespace cairn::namenode {

// What a range copies of the tails while the namespace lock is held.
class TailPage {
 public:
  // At most `limit` records of the two tails with that prefix and a key > `after`, the active
  // tail's version where both have one. `frozen` may be nullptr.
  TailPage(const Tail& active, const Tail* frozen, absl::string_view prefix,
           absl::string_view after, size_t limit);

  struct Item {
    uint32_t key_offset, key_bytes, value_bytes;  // the value follows the key in bytes_
    bool deleted;
  };
  size_t size() const { return items_.size(); }
  bool deleted(size_t i) const { return items_[i].deleted; }
  absl::string_view key(size_t i) const {
    return absl::string_view(bytes_).substr(items_[i].key_offset, items_[i].key_bytes);
  }
  absl::string_view value(size_t i) const {
    return absl::string_view(bytes_).substr(items_[i].key_offset + items_[i].key_bytes,
                                            items_[i].value_bytes);
  }
  // The tails have more records after the last one: nothing can be said of keys beyond it.
  bool has_horizon() const { return has_horizon_; }

 private:
  void Add(const Tail::Record& record);

  std::string bytes_;
  std::vector<Item> items_;
  bool has_horizon_ = false;
};

class MergedRange final : public Store::Range {
 public:
  // `db` outlives this; `snapshot` is released by it.
  MergedRange(leveldb::DB* db, const leveldb::Snapshot* snapshot, TailPage page,
              absl::string_view prefix, absl::string_view after, size_t limit)
      : db_(db),
        snapshot_(snapshot),
        page_(std::move(page)),
        prefix_(prefix),
        resume_after_(after),
        limit_(limit) {}
  ~MergedRange() override;

  bool Valid() override;
  void Next() override;
  absl::string_view key() const override { return from_page_ ? page_.key(at_) : stored_key_; }
  absl::string_view value() const override;
  absl::Status status() const override { return status_; }
  bool more() const override { return more_; }
  absl::string_view resume_after() const override { return resume_after_; }

 private:
  enum class State { kNotSought, kAtRecord, kEnded };

  void Seek();
  void Settle();      // finds the record to return at or after the present positions
  void StepStored();  // the next record of LevelDB
  void ReadStored();  // sets stored_valid_ and stored_key_, or status_
  void End(bool more);
  void Remember(absl::string_view key) { resume_after_.assign(key.data(), key.size()); }

  leveldb::DB* const db_;
  const leveldb::Snapshot* const snapshot_;
  const TailPage page_;
  const std::string prefix_;
  std::string resume_after_;
  const size_t limit_;

  State state_ = State::kNotSought;
  std::unique_ptr<leveldb::Iterator> stored_;
  bool stored_valid_ = false;
  absl::string_view stored_key_;  // inside *stored_
  size_t at_ = 0;                 // next record of page_
  bool from_page_ = false;        // the present record is page_'s
  size_t returned_ = 0;
  bool more_ = false;
  absl::Status status_;
};

}  // namespace cairn::namenode
