// tools/policy/policy_runner.h - carries conversion rules out: one round through all of them at a
// time, a rule after the other.
//
// Nothing is remembered between two processes: what a round does follows from the rules and the
// files alone, so that one that is killed anywhere is simply begun again.
//
// Threads: RunRound is for one; the others from any. No two of its locks, nor one of the
// converter's and mu_, are held at once, but mu_ over a converter's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/conversion_admin.h"
#include "common/mutex.h"
#include "tools/ec/file_converter.h"
#include "tools/policy/retry_later.h"
#include "tools/policy/rule_judge.h"
#include "tools/policy/rule_walk.h"

namespace cairn::tools {

// The cluster and the clock, as a run sees them: a seam for tests. Thread-safe.
class PolicyWorld {
 public:
  virtual ~PolicyWorld() = default;
  virtual absl::StatusOr<client::ConversionRules> ListRules() = 0;
  virtual std::unique_ptr<DirectoryReader> Open(const std::string& directory) = 0;
  virtual std::unique_ptr<FileConverter> NewConverter(const ConvertOptions& options,
                                                      FileConverter::OnFailure on_failure) = 0;
  virtual absl::Time Now() = 0;
  virtual void Sleep(absl::Duration pause) = 0;
};

struct RunSettings {
  int threads = 4;
  uint64_t bytes_per_second = 0;                       // of all files together; 0: no bound
  absl::Duration page_pause = absl::Milliseconds(50);  // before each page of a listing
};

// What a round has done for a rule.
struct RuleOutcome {
  client::PlacedConversionRule rule;
  std::string skipped;  // why nothing was done; empty: it was carried out
  std::string ended;    // why before all was looked at; empty: it was not
  RuleTally tally;
  uint64_t left_for_later = 0;  // of those due: failed lately
  uint64_t unreadable = 0;      // directories that could not be listed
  ConvertTotals totals;

  // All that is due has been converted.
  bool is_done() const {
    return skipped.empty() && ended.empty() && left_for_later == 0 && unreadable == 0 &&
           totals.failed + totals.written + totals.changed == 0;
  }
};

// Why the rule is not to be carried out now; empty: it is.
std::string WhySkipped(const client::PlacedConversionRule& rule);

class PolicyRunner {
 public:
  struct Listener {
    FileConverter::OnFailure on_failure;  // from any thread, maybe from several at once
    std::function<void(const RuleOutcome&)> on_outcome;
  };

  // `world` outlives this.
  PolicyRunner(PolicyWorld& world, RunSettings settings, Listener listener);

  // Whether all that was due is converted. An error: the rules cannot be asked for.
  absl::StatusOr<bool> RunRound() ABSL_LOCKS_EXCLUDED(mu_, later_mu_);
  // Ends the round as soon as it can; no other one does anything.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);
  bool has_stopped() const ABSL_LOCKS_EXCLUDED(mu_);
  // Asks for the rules: one that was taken back or changed since is carried out no further. To be
  // called now and then while a round runs, which may take days.
  void Refresh() ABSL_LOCKS_EXCLUDED(mu_);
  // How far it is: rounds, files and bytes, and what it does.
  client::ConversionRun progress() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  RuleOutcome CarryOut(const client::PlacedConversionRule& rule)
      ABSL_LOCKS_EXCLUDED(mu_, later_mu_);
  void Walk(FileConverter& converter, RuleOutcome& outcome) ABSL_LOCKS_EXCLUDED(mu_, later_mu_);
  bool TakeFile(const client::FileStatus& file, FileConverter& converter, RuleOutcome& outcome)
      ABSL_LOCKS_EXCLUDED(mu_, later_mu_);
  // False: it is not that rule any more.
  bool Begin(const client::PlacedConversionRule& rule, FileConverter* converter)
      ABSL_LOCKS_EXCLUDED(mu_);
  void End(RuleOutcome& outcome) ABSL_LOCKS_EXCLUDED(mu_);
  bool MayGoOn() const ABSL_LOCKS_EXCLUDED(mu_);
  bool PauseBeforePage() ABSL_LOCKS_EXCLUDED(mu_);  // as MayGoOn
  // Asks for them, and keeps what it was told.
  absl::StatusOr<client::ConversionRules> ListRules() ABSL_LOCKS_EXCLUDED(mu_);
  bool IsStillSo(const client::PlacedConversionRule& rule) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  PolicyWorld& world_;
  const RunSettings settings_;
  const Listener listener_;

  mutable Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t lists_asked_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t newest_list_ ABSL_GUARDED_BY(mu_) = 0;                         // of those answered
  std::vector<client::PlacedConversionRule> rules_ ABSL_GUARDED_BY(mu_);  // as listed last
  absl::flat_hash_set<uint64_t> ruled_ ABSL_GUARDED_BY(mu_);              // their directories
  client::ConversionRun progress_ ABSL_GUARDED_BY(mu_);                   // without the converter's
  // Of the rule that is being carried out. Null: there is none.
  FileConverter* converter_ ABSL_GUARDED_BY(mu_) = nullptr;
  client::PlacedConversionRule rule_ ABSL_GUARDED_BY(mu_);
  bool rule_changed_ ABSL_GUARDED_BY(mu_) = false;

  Mutex later_mu_;  // taken while a converter's is held
  RetryLater later_ ABSL_GUARDED_BY(later_mu_);
};

}  // namespace cairn::tools
