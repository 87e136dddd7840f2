#include "tools/policy/policy_runner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace cairn::tools {
namespace {

// In a row: a policy for which there are too few datanodes, or a full cluster.
constexpr uint64_t kMostFailures = 16;
constexpr size_t kMostLeftForLater = 100'000;
constexpr char kRuleChanged[] = "the rule was changed meanwhile";
// A pause may be long, and must not keep whoever tells the run to stop.
constexpr absl::Duration kLongestNap = absl::Milliseconds(200);

void AddTotals(const ConvertTotals& totals, client::ConversionRun& run) {
  run.files_converted += totals.converted;
  run.bytes_converted += totals.bytes;
  run.files_failed += totals.failed;
}

bool IsSameRule(const client::PlacedConversionRule& a, const client::PlacedConversionRule& b) {
  return a.inode == b.inode && a.path == b.path && a.rule == b.rule &&
         a.policy_state == b.policy_state;
}

}  // namespace

std::string WhySkipped(const client::PlacedConversionRule& rule) {
  if (rule.rule.policy.empty()) return "";
  switch (rule.policy_state) {
    case client::ErasurePolicyState::kEnabled:
      return "";
    case client::ErasurePolicyState::kDisabled:
      return absl::StrCat("erasure coding policy ", rule.rule.policy,
                          " is disabled: enable it, or set another rule");
    case client::ErasurePolicyState::kRemoved:
      return absl::StrCat("erasure coding policy ", rule.rule.policy,
                          " was removed: set another rule");
  }
  return "";
}

PolicyRunner::PolicyRunner(PolicyWorld& world, RunSettings settings, Listener listener)
    : world_(world),
      settings_(settings),
      listener_(std::move(listener)),
      later_(kMostLeftForLater) {}

absl::StatusOr<bool> PolicyRunner::RunRound() {
  ASSIGN_OR_RETURN(client::ConversionRules listed, ListRules());
  std::sort(listed.rules.begin(), listed.rules.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  bool all_done = true;
  for (const client::PlacedConversionRule& rule : listed.rules) {
    if (has_stopped()) return false;
    const RuleOutcome outcome = CarryOut(rule);
    all_done = all_done && outcome.is_done();
    listener_.on_outcome(outcome);
  }
  MutexLock lock(mu_);
  if (stopped_) return false;
  ++progress_.rounds;
  progress_.doing.clear();
  return all_done;
}

RuleOutcome PolicyRunner::CarryOut(const client::PlacedConversionRule& rule) {
  RuleOutcome outcome;
  outcome.rule = rule;
  outcome.skipped = WhySkipped(rule);
  if (!outcome.skipped.empty()) return outcome;
  const ConvertOptions options = {.policy = rule.rule.policy,
                                  .threads = settings_.threads,
                                  .bytes_per_second = settings_.bytes_per_second,
                                  .most_failures = kMostFailures};
  const auto on_failure = [this](const std::string& path, const absl::Status& why) {
    {
      MutexLock lock(later_mu_);
      later_.NoteFailure(path, world_.Now());
    }
    listener_.on_failure(path, why);
  };
  const std::unique_ptr<FileConverter> converter = world_.NewConverter(options, on_failure);
  if (!Begin(rule, converter.get())) {
    outcome.skipped = kRuleChanged;
    return outcome;
  }
  Walk(*converter, outcome);
  outcome.totals = converter->Finish();
  if (converter->has_given_up()) {
    outcome.ended = absl::StrCat(kMostFailures, " files failed one after the other");
  }
  End(outcome);
  return outcome;
}

void PolicyRunner::Walk(FileConverter& converter, RuleOutcome& outcome) {
  const RuleVisitor visitor = {
      .on_file = [&](const client::FileStatus& file) { return TakeFile(file, converter, outcome); },
      .has_own_rule =
          [&](const client::FileStatus& directory) {
            MutexLock lock(mu_);
            return ruled_.contains(directory.inode);
          },
      .on_unreadable =
          [&](const std::string& path, const absl::Status& why) {
            ++outcome.unreadable;
            listener_.on_failure(path, why);
          },
      .on_page = [this] { return PauseBeforePage(); }};
  const absl::Status walked = WalkRule(
      [this](const std::string& path) { return world_.Open(path); }, outcome.rule.path, visitor);
  // Its directory was renamed or deleted just now: another round finds it where it is.
  if (!walked.ok()) outcome.ended = std::string(walked.message());
}

bool PolicyRunner::PauseBeforePage() {
  absl::Duration left = settings_.page_pause;
  for (; left > absl::ZeroDuration() && MayGoOn(); left -= kLongestNap) {
    world_.Sleep(std::min(left, kLongestNap));
  }
  return MayGoOn();
}

bool PolicyRunner::TakeFile(const client::FileStatus& file, FileConverter& converter,
                            RuleOutcome& outcome) {
  const absl::Time now = world_.Now();
  const Verdict verdict = Judge(file, outcome.rule.rule, now);
  outcome.tally.Add(verdict, file.length);
  if (verdict == Verdict::kCopy) converter.RemoveIfLeftOver(file);
  if (verdict == Verdict::kDue) {
    const bool is_waiting = [&] {
      MutexLock lock(later_mu_);
      return later_.IsWaiting(file.path, now);
    }();
    if (is_waiting) {
      ++outcome.left_for_later;
    } else {
      converter.AddFile(file);
    }
  }
  return !converter.has_given_up() && MayGoOn();
}

bool PolicyRunner::Begin(const client::PlacedConversionRule& rule, FileConverter* converter) {
  MutexLock lock(mu_);
  if (!IsStillSo(rule)) return false;
  rule_ = rule;
  rule_changed_ = false;
  converter_ = converter;
  progress_.doing = absl::StrCat("converting below ", rule.path);
  if (stopped_) converter->Cancel();
  return true;
}

void PolicyRunner::End(RuleOutcome& outcome) {
  MutexLock lock(mu_);
  converter_ = nullptr;
  AddTotals(outcome.totals, progress_);
  if (rule_changed_) outcome.ended = kRuleChanged;
  if (stopped_) outcome.ended = "it was told to stop";
}

bool PolicyRunner::MayGoOn() const {
  MutexLock lock(mu_);
  return !stopped_ && !rule_changed_;
}

void PolicyRunner::Stop() {
  MutexLock lock(mu_);
  stopped_ = true;
  if (converter_ != nullptr) converter_->Cancel();
}

bool PolicyRunner::has_stopped() const {
  MutexLock lock(mu_);
  return stopped_;
}

// Two may ask at once: what was asked for first says nothing against what was asked for later.
absl::StatusOr<client::ConversionRules> PolicyRunner::ListRules() {
  const uint64_t number = [this] {
    MutexLock lock(mu_);
    return ++lists_asked_;
  }();
  ASSIGN_OR_RETURN(client::ConversionRules listed, world_.ListRules());
  MutexLock lock(mu_);
  if (number < newest_list_) return listed;
  newest_list_ = number;
  rules_ = listed.rules;
  ruled_.clear();
  for (const client::PlacedConversionRule& rule : rules_) ruled_.insert(rule.inode);
  return listed;
}

bool PolicyRunner::IsStillSo(const client::PlacedConversionRule& rule) const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [&](const auto& now) { return IsSameRule(now, rule); });
}

void PolicyRunner::Refresh() {
  // Not to be had just now: what holds is what was told last.
  if (!ListRules().ok()) return;
  MutexLock lock(mu_);
  if (converter_ == nullptr || rule_changed_) return;
  rule_changed_ = !IsStillSo(rule_);
  if (rule_changed_) converter_->Cancel();
}

client::ConversionRun PolicyRunner::progress() const {
  MutexLock lock(mu_);
  client::ConversionRun run = progress_;
  if (converter_ != nullptr) AddTotals(converter_->totals(), run);
  return run;
}

}  // namespace cairn::tools
