// tools/policy/print.h - what `cairn policy` prints, for people and as JSON. Paths and what servers
// say are escaped as in hadoop_text.h.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/conversion_admin.h"
#include "tools/json.h"
#include "tools/policy/policy_runner.h"

namespace cairn::tools {

// "30d", "36h", "90s", "1500ms": as it may be typed.
std::string AgeText(absl::Duration age);
// "to RS-6-3-1024k, files older than 30d and larger than 128 MB"
std::string RuleText(const client::ConversionRule& rule);
// "cairn policy, process 7 on nn1 (...): next round in 5m; 12 files (3 GB) converted": a line.
std::string RunText(const client::ConversionRun& run);

void PrintRules(const client::ConversionRules& rules, std::ostream& out);
void WriteRules(const client::ConversionRules& rules, std::ostream& out);

// What `-show` found out: no rule holds, or what is due by it.
struct ShownRule {
  std::string path;
  std::optional<client::PlacedConversionRule> rule;
  RuleTally tally;
  uint64_t unreadable = 0;
  client::ConversionRun run;
};
void PrintShown(const ShownRule& shown, std::ostream& out);
void WriteShown(const ShownRule& shown, std::ostream& out);

void PrintOutcome(const RuleOutcome& outcome, std::ostream& out);
void WriteOutcome(const RuleOutcome& outcome, std::ostream& out);

}  // namespace cairn::tools
