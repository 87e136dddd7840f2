// tools/policy/rule_judge.h - whether a file is to be converted by a rule, and what a walk through
// many has found.
//
// Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/conversion_admin.h"
#include "client/types.h"

namespace cairn::tools {

// Whatever a rule says: who writes a file in pieces is not done with it yet.
inline constexpr absl::Duration kRuleLeastAge = absl::Minutes(1);

enum class Verdict {
  kDue,
  kAlready,      // it has the form
  kOtherPolicy,  // of another erasure coding policy: it has to be replicated first
  kOpen,         // being written
  kTooNew,
  kReadLately,
  kTooSmall,
  kCopy,  // another conversion's
  kNotAFile,
};

Verdict Judge(const client::FileStatus& file, const client::ConversionRule& rule, absl::Time now);

// Of the files that a rule holds for, by what Judge says.
struct RuleTally {
  uint64_t files = 0;
  uint64_t due = 0, due_bytes = 0;
  uint64_t already = 0, other_policy = 0, open = 0, too_new = 0, read_lately = 0, too_small = 0;

  void Add(Verdict verdict, uint64_t bytes);
};

// Whether `path` is `directory` or something below it; both are absolute and normal.
bool IsAtOrBelow(absl::string_view path, absl::string_view directory);
// The rule that holds for what is at `path`; null: none does.
const client::PlacedConversionRule* NearestRule(
    const std::vector<client::PlacedConversionRule>& rules, absl::string_view path);

}  // namespace cairn::tools
