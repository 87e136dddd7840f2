// tools/policy/run_keeper.h - keeps a run's lease in the namenode, tells there how far it is, and
// has the rules asked for anew now and then; from a thread of its own, since a round takes as long
// as its files do.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/conversion_admin.h"
#include "common/mutex.h"
#include "tools/policy/policy_runner.h"

namespace cairn::tools {

class RunKeeper {
 public:
  struct Options {
    std::string holder;
    std::function<bool()> is_interrupted;  // asked at each tick; true stops the runner
    absl::Duration tick = absl::Milliseconds(200);
    absl::Duration renew_every = absl::Seconds(3);  // far below the life of a run
    absl::Duration refresh_every = absl::Seconds(30);
  };

  // Both outlive this.
  RunKeeper(client::ConversionAdmin& admin, PolicyRunner& runner, Options options);
  ~RunKeeper();  // tells that the run has ended
  RunKeeper(const RunKeeper&) = delete;
  RunKeeper& operator=(const RunKeeper&) = delete;

  // Empty: the run is ours, and kept from now on. Else who has it. Once it has succeeded, not
  // again.
  absl::StatusOr<std::string> Begin() ABSL_LOCKS_EXCLUDED(mu_);
  // Who has taken it, when this was not heard of for a while; the runner has been stopped then.
  std::string lost_to() const ABSL_LOCKS_EXCLUDED(mu_);
  // When the next round begins, for others; nullopt: one runs.
  void SetNextRound(std::optional<absl::Time> next) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mu_);
  void RenewOrStop() ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::string> Renew(bool stop) ABSL_LOCKS_EXCLUDED(mu_);
  // False: it ends.
  bool WaitTick() ABSL_LOCKS_EXCLUDED(mu_);

  client::ConversionAdmin& admin_;
  PolicyRunner& runner_;
  const Options options_;
  const uint64_t id_;

  mutable Mutex mu_;
  CondVar end_;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  std::string lost_to_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Time> next_round_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace cairn::tools
