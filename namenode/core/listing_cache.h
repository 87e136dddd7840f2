// namenode/core/listing_cache.h - encoded pages of listings, so that a directory which everybody
// lists and nobody changes is read and encoded once.
//
// A page belongs to one version of its directory (DirectoryData::version grows with every change
// of what a listing shows and is never used twice), so nothing has to be invalidated: a page of an
// older version is not found, and goes when its turn comes. What a page shows that is set further
// above, where no version tells of it, is looked for along with it. Bounded in bytes: two
// generations, of which the older is dropped when the younger is full. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "common/mutex.h"

namespace cairn::namenode {

class ListingCache {
 public:
  struct Page {
    uint64_t version = 0;
    uint64_t ticket = 0;  // newest edit among its entries
    const void* encoder = nullptr;
    const void* erasure = nullptr;  // what directories in it get from above
    std::shared_ptr<const std::string> bytes;
  };

  explicit ListingCache(uint64_t most_bytes) : generation_bytes_(most_bytes / 2) {}

  // nullopt: this page of this version is not here.
  std::optional<Page> Find(InodeId directory, absl::string_view after, uint64_t version,
                           const void* encoder, const void* erasure) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    for (Pages* const pages : {&young_, &old_}) {
      const auto found = pages->find(KeyView{ToInt(directory), after});
      if (found == pages->end()) continue;
      Page page = found->second;
      if (page.version != version || page.encoder != encoder || page.erasure != erasure) {
        return std::nullopt;
      }
      if (pages == &old_) Put(Key{ToInt(directory), std::string(after)}, page);
      return page;
    }
    return std::nullopt;
  }

  void Insert(InodeId directory, absl::string_view after, Page page) ABSL_LOCKS_EXCLUDED(mu_) {
    if (page.bytes->size() > generation_bytes_ / 4) return;
    MutexLock lock(mu_);
    Put(Key{ToInt(directory), std::string(after)}, std::move(page));
  }

 private:
  using Key = std::pair<uint64_t, std::string>;
  using KeyView = std::pair<uint64_t, absl::string_view>;
  struct Hash {
    using is_transparent = void;
    size_t operator()(const KeyView& key) const { return absl::HashOf(key.first, key.second); }
    size_t operator()(const Key& key) const {
      return absl::HashOf(key.first, absl::string_view(key.second));
    }
  };
  struct Equal {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return a.first == b.first && absl::string_view(a.second) == absl::string_view(b.second);
    }
  };
  using Pages = absl::flat_hash_map<Key, Page, Hash, Equal>;
  static constexpr uint64_t kOverheadBytes = 200;

  void Put(Key key, Page page) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const uint64_t bytes = page.bytes->size() + key.second.size() + kOverheadBytes;
    if (young_bytes_ + bytes > generation_bytes_) {
      old_ = std::move(young_);
      young_.clear();
      young_bytes_ = 0;
    }
    young_[std::move(key)] = std::move(page);
    young_bytes_ += bytes;  // a page that replaces another counts beside it until both go
  }

  const uint64_t generation_bytes_;
  Mutex mu_;
  Pages young_ ABSL_GUARDED_BY(mu_), old_ ABSL_GUARDED_BY(mu_);
  uint64_t young_bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace cairn::namenode
