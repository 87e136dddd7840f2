// namenode/core/run.h - bodies of NamenodeImpl::Read and Write; included by the files in ops/.
#pragma once

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status_macros.h"
#include "namenode/core/namenode_impl.h"

namespace cairn::namenode {

// More rounds of loading than any path has components: what was loaded must be disappearing as
// fast as it comes, so the client had better come back later.
inline constexpr int kMaxAttempts = 3000;

inline absl::Status TooManyAttempts() {
  return MakeFsError(FsError::kRetriable, "the namespace changes too fast under this call: retry");
}

template <typename T, typename Body>
Outcome<T> NamenodeImpl::Read(const Caller& caller, Body body) {
  const std::shared_ptr<const Identity> who = identities_.Get(caller.user);
  Wanted wanted;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    wanted.BeginAttempt();
    {
      ReaderLock lock(mu_);
      View view(*tree_, *who, wanted);
      absl::StatusOr<T> value = body(view);
      if (wanted.empty()) return {std::move(value), view.ticket()};
    }
    if (absl::Status loaded = Load(&wanted); !loaded.ok()) return {std::move(loaded)};
  }
  return {TooManyAttempts()};
}

template <typename T, typename Body, typename Retried>
Outcome<T> NamenodeImpl::Write(const Caller& caller, const What& what, Body body, Retried retried) {
  const std::shared_ptr<const Identity> who = identities_.Get(caller.user);
  Wanted wanted;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    wanted.BeginAttempt();
    {
      WriterLock lock(mu_);
      Attempt view(*this, caller, *who, wanted);
      const RetryCache::Answer* earlier =
          caller.client_id == nullptr
              ? nullptr
              : retry_.Find(RetryCache::MakeKey(caller.client_id, caller.call_id),
                            clock_.Monotonic());
      if (earlier != nullptr) {
        const uint64_t ticket = ToInt(earlier->txid);
        absl::StatusOr<T> value = retried(*earlier, view);
        if (wanted.empty()) return {std::move(value), std::max(ticket, view.ticket())};
      } else {
        absl::Status ready = ReadyToWrite(what);
        if (!ready.ok()) return {std::move(ready)};
        absl::StatusOr<T> value = body(view);
        if (wanted.empty()) {
          tree_->Trim(8);
          return {std::move(value), view.ticket()};
        }
      }
    }
    if (absl::Status loaded = Load(&wanted); !loaded.ok()) return {std::move(loaded)};
  }
  return {TooManyAttempts()};
}

template <typename T, typename Body>
Outcome<T> NamenodeImpl::Write(const Caller& caller, const What& what, Body body) {
  return Write<T>(caller, what, std::move(body),
                  [](const RetryCache::Answer&, View&) -> absl::StatusOr<T> {
                    // "Done".
                    if constexpr (std::is_same_v<T, bool>) return true;
                    if constexpr (std::is_same_v<T, Nothing>) return Nothing{};
                    static_assert(std::is_same_v<T, bool> || std::is_same_v<T, Nothing> ||
                                      std::is_same_v<T, LocatedBlock>,
                                  "a retried call of this kind needs its own answer");
                    return absl::InternalError("only idempotent calls come here");
                  });
}

}  // namespace cairn::namenode
