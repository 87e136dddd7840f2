// namenode/core/retry_cache.h - answers to calls that must take effect once.
//
// A client that lost an answer sends the call again with the same client id and call id. The first
// one's edit carries both, so the cache is filled where edits are applied: it is as durable as they
// are, and a restart fills it again from the journal's kept segments. Only successes are kept; a
// call that failed changed nothing and is simply run again.
// Bounded by count and age. Guarded by the namespace lock.
// Source: Hadoop's RPC retry cache semantics (entries live ten minutes).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/ids.h"

namespace cairn::namenode {

class RetryCache {
 public:
  struct Key {
    std::array<uint8_t, 16> client_id;
    int32_t call_id;
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& key) {
      return H::combine(std::move(h), key.client_id, key.call_id);
    }
  };
  struct Answer {
    TxId txid = kNoTx;         // the first call's edit: the answer waits until it is durable
    InodeId inode = kNoInode;  // the file that was created or opened; kNoInode for other calls
  };

  RetryCache(size_t most, absl::Duration time_to_live) : most_(most), time_to_live_(time_to_live) {
    // A table that grows under the namespace lock holds up everybody for tens of milliseconds.
    answers_.reserve(std::min<size_t>(most, kReserved));
  }

  static Key MakeKey(const uint8_t* client_id, int32_t call_id) {
    Key key{{}, call_id};
    std::memcpy(key.client_id.data(), client_id, key.client_id.size());
    return key;
  }

  // Null: not known, or forgotten. Valid until the next Add.
  const Answer* Find(const Key& key, absl::Duration now) const {
    const auto it = answers_.find(key);
    if (it == answers_.end() || it->second.expires <= now) return nullptr;
    return &it->second.answer;
  }

  void Add(const Key& key, const Answer& answer, absl::Duration now) {
    while (!order_.empty() && (order_.size() >= most_ || order_.front().expires <= now)) {
      // A key that was added again has a later line in `order_`; its entry stays until that one.
      const auto it = answers_.find(order_.front().key);
      if (it != answers_.end() && it->second.expires == order_.front().expires) answers_.erase(it);
      order_.pop_front();
    }
    answers_[key] = {answer, now + time_to_live_};
    order_.push_back({key, now + time_to_live_});
  }

  size_t size() const { return answers_.size(); }

 private:
  struct Entry {
    Answer answer;
    absl::Duration expires;
  };
  struct Line {
    Key key;
    absl::Duration expires;
  };
  static constexpr size_t kReserved = 300000;
  const size_t most_;
  const absl::Duration time_to_live_;
  absl::flat_hash_map<Key, Entry> answers_;
  std::deque<Line> order_;
};

}  // namespace cairn::namenode
