#include "tools/policy/rule_judge.h"

#include <algorithm>

#include "absl/strings/strip.h"
#include "client/copy_name.h"
#include "client/path.h"

namespace cairn::tools {

Verdict Judge(const client::FileStatus& file, const client::ConversionRule& rule, absl::Time now) {
  if (!file.is_file()) return Verdict::kNotAFile;
  if (client::ParseCopyName(client::BaseName(file.path)).has_value()) return Verdict::kCopy;
  if (file.ec_policy == rule.policy) return Verdict::kAlready;
  if (!file.ec_policy.empty() && !rule.policy.empty()) return Verdict::kOtherPolicy;
  if (file.open.value_or(false)) return Verdict::kOpen;
  if (file.length <= rule.larger_than_bytes) return Verdict::kTooSmall;
  // It is of that policy already, and is coded when it grows.
  const bool stays_small = !rule.policy.empty() && file.small_of == rule.policy;
  if (stays_small && file.length <= file.small_of_cell_bytes) return Verdict::kTooSmall;
  if (now - file.modified < std::max(rule.older_than, kRuleLeastAge)) return Verdict::kTooNew;
  // Access times may be of a clock that is ahead.
  if (rule.unread_for <= absl::ZeroDuration()) return Verdict::kDue;
  // Who copies a file over with its time gives it an access time that may be before that.
  const bool unread = now - std::max(file.accessed, file.modified) >= rule.unread_for;
  return unread ? Verdict::kDue : Verdict::kReadLately;
}

bool IsAtOrBelow(absl::string_view path, absl::string_view directory) {
  if (directory == "/") return true;
  return absl::ConsumePrefix(&path, directory) && (path.empty() || path.front() == '/');
}

const client::PlacedConversionRule* NearestRule(
    const std::vector<client::PlacedConversionRule>& rules, absl::string_view path) {
  const client::PlacedConversionRule* nearest = nullptr;
  for (const client::PlacedConversionRule& rule : rules) {
    if (!IsAtOrBelow(path, rule.path)) continue;
    if (nearest == nullptr || rule.path.size() > nearest->path.size()) nearest = &rule;
  }
  return nearest;
}

void RuleTally::Add(Verdict verdict, uint64_t bytes) {
  if (verdict == Verdict::kCopy || verdict == Verdict::kNotAFile) return;
  ++files;
  switch (verdict) {
    case Verdict::kDue:
      ++due;
      due_bytes += bytes;
      break;
    case Verdict::kAlready:
      ++already;
      break;
    case Verdict::kOtherPolicy:
      ++other_policy;
      break;
    case Verdict::kOpen:
      ++open;
      break;
    case Verdict::kTooNew:
      ++too_new;
      break;
    case Verdict::kReadLately:
      ++read_lately;
      break;
    case Verdict::kTooSmall:
      ++too_small;
      break;
    case Verdict::kCopy:
    case Verdict::kNotAFile:
      break;
  }
}

}  // namespace cairn::tools
