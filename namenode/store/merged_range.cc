#include "namenode/store/merged_range.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "namenode/store/keys.h"
#include "namenode/store/leveldb_env.h"

namespace cairn::namenode {
namespace {

// Walks the records of one tail with the prefix and a key > after.
class PrefixCursor {
 public:
  PrefixCursor(const Tail& tail, absl::string_view prefix, absl::string_view after)
      : cursor_(tail, std::max(prefix, after)), prefix_(prefix) {
    if (Get() != nullptr && Get()->key() == after) cursor_.Next();
  }
  const Tail::Record* Get() const {
    const Tail::Record* const record = cursor_.Get();
    return record != nullptr && absl::StartsWith(record->key(), prefix_) ? record : nullptr;
  }
  void Next() { cursor_.Next(); }

 private:
  Tail::Cursor cursor_;
  const absl::string_view prefix_;
};

}  // namespace

TailPage::TailPage(const Tail& active, const Tail* frozen, absl::string_view prefix,
                   absl::string_view after, size_t limit) {
  PrefixCursor newer(active, prefix, after);
  std::optional<PrefixCursor> older;
  if (frozen != nullptr) older.emplace(*frozen, prefix, after);
  while (true) {
    const Tail::Record* const a = newer.Get();
    const Tail::Record* const b = older ? older->Get() : nullptr;
    if (a == nullptr && b == nullptr) return;
    if (items_.size() == limit) {
      has_horizon_ = true;
      return;
    }
    const int order = a == nullptr ? 1 : b == nullptr ? -1 : a->key().compare(b->key());
    Add(order <= 0 ? *a : *b);
    if (order <= 0) newer.Next();
    if (order >= 0) older->Next();
  }
}

void TailPage::Add(const Tail::Record& record) {
  const Item item{.key_offset = static_cast<uint32_t>(bytes_.size()),
                  .key_bytes = record.key_bytes,
                  .value_bytes = record.deleted ? 0 : record.value_bytes,
                  .deleted = record.deleted};
  bytes_.append(record.key().data(), record.key().size());
  if (!record.deleted) bytes_.append(record.value().data(), record.value().size());
  items_.push_back(item);
}

MergedRange::~MergedRange() {
  stored_.reset();
  db_->ReleaseSnapshot(snapshot_);
}

absl::string_view MergedRange::value() const {
  if (from_page_) return page_.value(at_);
  const leveldb::Slice value = stored_->value();
  return absl::string_view(value.data(), value.size());
}

bool MergedRange::Valid() {
  if (state_ == State::kNotSought) Seek();
  return state_ == State::kAtRecord;
}

void MergedRange::Next() {
  CHECK(state_ == State::kAtRecord) << "Next() without Valid()";
  ++returned_;
  if (from_page_) {
    Remember(page_.key(at_));
    ++at_;
  } else {
    Remember(stored_key_);
    StepStored();
  }
  Settle();
}

void MergedRange::Seek() {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  options.snapshot = snapshot_;
  stored_.reset(db_->NewIterator(options));
  const absl::string_view from = std::max<absl::string_view>(prefix_, resume_after_);
  stored_->Seek(leveldb::Slice(from.data(), from.size()));
  ReadStored();
  if (stored_valid_ && stored_key_ == resume_after_) StepStored();
  Settle();
}

void MergedRange::StepStored() {
  stored_->Next();
  ReadStored();
}

void MergedRange::ReadStored() {
  // LevelDB's iterator steps over a damaged block and goes on behind it: only its status tells, so
  // it is asked at every step.
  const leveldb::Status status = stored_->status();
  stored_valid_ = status.ok() && stored_->Valid();
  if (!status.ok()) {
    status_ =
        FromLevelDb(status, absl::StrCat("store: scan after ", keys::Readable(resume_after_)));
    return;
  }
  if (!stored_valid_) return;
  const leveldb::Slice key = stored_->key();
  stored_key_ = absl::string_view(key.data(), key.size());
  stored_valid_ = absl::StartsWith(stored_key_, prefix_);
}

void MergedRange::Settle() {
  while (status_.ok()) {
    const bool page_left = at_ < page_.size();
    if (!page_left && page_.has_horizon()) {
      // The page's last record was the horizon; a later key of LevelDB may be deleted in a tail.
      if (page_.size() > 0) {
        const absl::string_view horizon = page_.key(page_.size() - 1);
        if (horizon > resume_after_) Remember(horizon);
      }
      return End(true);
    }
    if (!page_left && !stored_valid_) return End(false);
    const int order = !page_left ? 1 : !stored_valid_ ? -1 : page_.key(at_).compare(stored_key_);
    if (order == 0) {  // the tail's version hides LevelDB's
      StepStored();
      continue;
    }
    if (order < 0 && page_.deleted(at_)) {
      ++at_;
      continue;
    }
    if (returned_ == limit_) return End(true);
    from_page_ = order < 0;
    state_ = State::kAtRecord;
    return;
  }
  End(false);
}

void MergedRange::End(bool more) {
  state_ = State::kEnded;
  more_ = more;
  stored_.reset();  // lets go of LevelDB's tables early
}

}  // namespace cairn::namenode
