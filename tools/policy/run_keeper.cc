#include "tools/policy/run_keeper.h"

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/time/clock.h"
#include "common/clock.h"

namespace cairn::tools {
namespace {

uint64_t NewRunId() {
  absl::BitGen random;
  return absl::Uniform<uint64_t>(absl::IntervalClosed, random, 1, UINT64_MAX);
}

}  // namespace

RunKeeper::RunKeeper(client::ConversionAdmin& admin, PolicyRunner& runner, Options options)
    : admin_(admin), runner_(runner), options_(std::move(options)), id_(NewRunId()) {}

RunKeeper::~RunKeeper() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mu_);
    ending_ = true;
  }
  end_.NotifyAll();
  thread_.join();
  Renew(/*stop=*/true).status().IgnoreError();  // else it ends by itself
}

absl::StatusOr<std::string> RunKeeper::Begin() {
  absl::StatusOr<std::string> busy = Renew(/*stop=*/false);
  if (busy.ok() && busy->empty()) thread_ = std::thread([this] { Work(); });
  return busy;
}

std::string RunKeeper::lost_to() const {
  MutexLock lock(mu_);
  return lost_to_;
}

void RunKeeper::SetNextRound(std::optional<absl::Time> next) {
  MutexLock lock(mu_);
  next_round_ = next;
}

absl::StatusOr<std::string> RunKeeper::Renew(bool stop) {
  client::ConversionRun told = runner_.progress();
  told.holder = options_.holder;
  {
    MutexLock lock(mu_);
    if (next_round_) told.next_in = std::max(absl::ZeroDuration(), *next_round_ - absl::Now());
  }
  return admin_.RenewRun(id_, told, stop);
}

void RunKeeper::Work() {
  absl::Duration renew = SystemClock().Monotonic() + options_.renew_every;
  absl::Duration refresh = SystemClock().Monotonic() + options_.refresh_every;
  while (WaitTick()) {
    if (options_.is_interrupted && options_.is_interrupted()) runner_.Stop();
    if (SystemClock().Monotonic() >= renew) {
      RenewOrStop();
      renew = SystemClock().Monotonic() + options_.renew_every;
    }
    if (SystemClock().Monotonic() >= refresh) {
      runner_.Refresh();
      refresh = SystemClock().Monotonic() + options_.refresh_every;
    }
  }
}

// A namenode that cannot be asked just now may have forgotten the run when it is back: then the
// next call begins it anew, unless somebody else was faster.
void RunKeeper::RenewOrStop() {
  const absl::StatusOr<std::string> busy = Renew(/*stop=*/false);
  if (!busy.ok() || busy->empty()) return;
  {
    MutexLock lock(mu_);
    lost_to_ = *busy;
  }
  runner_.Stop();
}

bool RunKeeper::WaitTick() {
  MutexLock lock(mu_);
  if (!ending_) end_.WaitFor(mu_, absl::ToChronoMilliseconds(options_.tick));
  return !ending_;
}

}  // namespace cairn::tools
