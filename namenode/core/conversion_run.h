// namenode/core/conversion_run.h - who carries the conversion rules out, as he tells himself.
//
// A run is a lease: it lives as long as its holder renews it, so that whoever dies leaves nothing
// that stands in another's way. In memory only: after a restart of the namenode the next call of
// the holder begins it again. Two at once would do no harm, but work for nothing.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/mutex.h"
#include "namenode/namespace/types.h"

namespace cairn::namenode {

class ConversionRunBoard {
 public:
  // Of a few calls, which a holder makes every few seconds.
  static constexpr absl::Duration kLease = absl::Seconds(20);

  // `now`: of a monotonic clock. Not empty: who has the run that goes on; nothing has changed.
  std::string Renew(uint64_t id, ConversionRun told, bool stop, absl::Duration now)
      ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (id != id_ && !IsOver(now)) return told_.holder;
    if (id != id_ && stop) return "";
    id_ = id;
    told_ = std::move(told);
    told_.ended = stop;
    heard_at_ = now;
    return "";
  }

  ConversionRun Show(absl::Duration now) const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    ConversionRun run = told_;
    run.ended = IsOver(now);
    run.heard_ago = id_ == 0 ? absl::ZeroDuration() : now - heard_at_;
    return run;
  }

 private:
  bool IsOver(absl::Duration now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return id_ == 0 || told_.ended || now >= heard_at_ + kLease;
  }

  mutable Mutex mu_;
  uint64_t id_ ABSL_GUARDED_BY(mu_) = 0;  // 0: there was none
  ConversionRun told_ ABSL_GUARDED_BY(mu_);
  absl::Duration heard_at_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
