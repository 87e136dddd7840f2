#include "tools/policy/print.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/dfs/format.h"
#include "tools/hadoop_text.h"

namespace cairn::tools {
namespace {

std::string BytesText(uint64_t bytes) { return HumanSize(bytes, "B"); }

// " <count> <what>" for each that is not 0.
std::string Counts(const std::vector<std::pair<uint64_t, const char*>>& counts) {
  std::vector<std::string> parts;
  for (const auto& [count, what] : counts) {
    if (count > 0) parts.push_back(absl::StrCat(count, " ", what));
  }
  return absl::StrJoin(parts, "; ");
}

uint64_t MillisOf(absl::Duration duration) {
  return static_cast<uint64_t>(std::max<int64_t>(absl::ToInt64Milliseconds(duration), 0));
}

void RuleFields(const client::PlacedConversionRule& placed, JsonWriter& json) {
  json.Field("path", placed.path);
  json.Field("inode", placed.inode);
  json.Key("erasure");
  placed.rule.policy.empty() ? json.Null() : json.String(placed.rule.policy);
  json.Field("older_than_ms", MillisOf(placed.rule.older_than));
  json.Field("unread_for_ms", MillisOf(placed.rule.unread_for));
  json.Field("larger_than_bytes", placed.rule.larger_than_bytes);
  json.Field("set_ms", MillisOf(placed.set - absl::UnixEpoch()));
  const std::string skipped = WhySkipped(placed);
  json.Key("skipped");
  skipped.empty() ? json.Null() : json.String(skipped);
}

void TallyFields(const RuleTally& tally, JsonWriter& json) {
  json.Field("files", tally.files);
  json.Field("due", tally.due);
  json.Field("due_bytes", tally.due_bytes);
  json.Field("already", tally.already);
  json.Field("other_policy", tally.other_policy);
  json.Field("being_written", tally.open);
  json.Field("too_new", tally.too_new);
  json.Field("read_lately", tally.read_lately);
  json.Field("too_small", tally.too_small);
}

// When the next round begins, as it is now.
std::optional<absl::Duration> NextIn(const client::ConversionRun& run) {
  if (run.ended || !run.next_in) return std::nullopt;
  return std::max(absl::ZeroDuration(), *run.next_in - run.heard_ago);
}

void RunObject(const client::ConversionRun& run, JsonWriter& json) {
  json.Key("run");
  if (run.holder.empty()) return json.Null();
  json.BeginObject();
  json.Field("holder", run.holder);
  json.Field("ended", run.ended);
  json.Field("heard_ms_ago", MillisOf(run.heard_ago));
  json.Field("rounds", run.rounds);
  json.Key("next_in_ms");
  const std::optional<absl::Duration> next = NextIn(run);
  next ? json.Number(MillisOf(*next)) : json.Null();
  json.Field("converted", run.files_converted);
  json.Field("converted_bytes", run.bytes_converted);
  json.Field("failed", run.files_failed);
  json.Field("doing", run.doing);
  json.EndObject();
}

std::vector<std::pair<uint64_t, const char*>> NotDue(const RuleTally& tally) {
  return {{tally.already, "are so already"},
          {tally.other_policy, "have another erasure coding policy"},
          {tally.open, "are being written"},
          {tally.too_new, "are too new"},
          {tally.read_lately, "were read lately"},
          {tally.too_small, "are too small"}};
}

}  // namespace

std::string AgeText(absl::Duration age) {
  constexpr std::pair<absl::Duration, const char*> kUnits[] = {{absl::Hours(24), "d"},
                                                               {absl::Hours(1), "h"},
                                                               {absl::Minutes(1), "m"},
                                                               {absl::Seconds(1), "s"}};
  if (age == absl::ZeroDuration()) return "0s";
  for (const auto& [unit, name] : kUnits) {
    if (age % unit == absl::ZeroDuration()) return absl::StrCat(age / unit, name);
  }
  return absl::StrCat(absl::ToInt64Milliseconds(age), "ms");
}

std::string RuleText(const client::ConversionRule& rule) {
  std::vector<std::string> conditions = {absl::StrCat("older than ", AgeText(rule.older_than))};
  if (rule.unread_for > absl::ZeroDuration()) {
    conditions.push_back(absl::StrCat("unread for ", AgeText(rule.unread_for)));
  }
  if (rule.larger_than_bytes > 0) {
    conditions.push_back(absl::StrCat("larger than ", BytesText(rule.larger_than_bytes)));
  }
  return absl::StrCat("to ", rule.policy.empty() ? "replication" : Escaped(rule.policy), ", files ",
                      absl::StrJoin(conditions, " and "));
}

std::string RunText(const client::ConversionRun& run) {
  if (run.holder.empty()) return "Nobody carries the rules out: cairn policy -run";
  std::string text;
  const std::optional<absl::Duration> next = NextIn(run);
  if (run.ended) {
    text = absl::StrCat("Nobody carries the rules out (cairn policy -run). The last was ",
                        Escaped(run.holder), ", ",
                        AgeText(absl::Trunc(run.heard_ago, absl::Seconds(1))), " ago");
  } else if (next) {
    text = absl::StrCat("Carried out by ", Escaped(run.holder), ", next round in ",
                        AgeText(absl::Trunc(*next, absl::Seconds(1))));
  } else {
    text = absl::StrCat("Carried out by ", Escaped(run.holder), ", which is ",
                        run.doing.empty() ? "beginning a round" : Escaped(run.doing));
  }
  absl::StrAppend(&text, "; rounds: ", run.rounds, ", converted: ", run.files_converted, " files (",
                  BytesText(run.bytes_converted), "), failed: ", run.files_failed);
  return text;
}

void PrintRules(const client::ConversionRules& rules, std::ostream& out) {
  if (rules.rules.empty()) out << "There are no rules\n";
  for (const client::PlacedConversionRule& placed : rules.rules) {
    out << Escaped(placed.path) << "  " << RuleText(placed.rule);
    const std::string skipped = WhySkipped(placed);
    if (!skipped.empty()) out << "  SKIPPED: " << Escaped(skipped);
    out << "\n";
  }
  out << RunText(rules.run) << "\n";
}

void WriteRules(const client::ConversionRules& rules, std::ostream& out) {
  JsonWriter json(out);
  json.BeginObject();
  json.Key("rules");
  json.BeginArray();
  for (const client::PlacedConversionRule& placed : rules.rules) {
    json.BeginObject();
    RuleFields(placed, json);
    json.EndObject();
  }
  json.EndArray();
  RunObject(rules.run, json);
  json.EndObject();
}

void PrintShown(const ShownRule& shown, std::ostream& out) {
  if (!shown.rule) {
    out << "No rule holds for " << Escaped(shown.path) << "\n";
    return;
  }
  out << "Rule of " << Escaped(shown.rule->path) << ": " << RuleText(shown.rule->rule) << "\n";
  const std::string skipped = WhySkipped(*shown.rule);
  if (!skipped.empty()) out << "SKIPPED: " << Escaped(skipped) << "\n";
  out << "Due: " << shown.tally.due << " of " << shown.tally.files << " files ("
      << BytesText(shown.tally.due_bytes) << ")";
  const std::string others = Counts(NotDue(shown.tally));
  if (!others.empty()) out << "; " << others;
  if (shown.unreadable > 0) out << "; " << shown.unreadable << " directories cannot be listed";
  out << "\n" << RunText(shown.run) << "\n";
}

void WriteShown(const ShownRule& shown, std::ostream& out) {
  JsonWriter json(out);
  json.BeginObject();
  json.Field("path", shown.path);
  json.Key("rule");
  if (shown.rule) {
    json.BeginObject();
    RuleFields(*shown.rule, json);
    json.EndObject();
    TallyFields(shown.tally, json);
    json.Field("unreadable_directories", shown.unreadable);
  } else {
    json.Null();
  }
  RunObject(shown.run, json);
  json.EndObject();
}

void PrintOutcome(const RuleOutcome& outcome, std::ostream& out) {
  out << Escaped(outcome.rule.path) << ": ";
  if (!outcome.skipped.empty()) {
    out << "SKIPPED: " << Escaped(outcome.skipped) << "\n";
    return;
  }
  const ConvertTotals& totals = outcome.totals;
  out << "converted " << totals.converted << " files (" << BytesText(totals.bytes) << ") "
      << (outcome.rule.rule.policy.empty()
              ? "to replication"
              : absl::StrCat("to ", Escaped(outcome.rule.rule.policy)));
  const std::string others =
      Counts({{totals.failed, "failed"},
              {outcome.left_for_later, "failed lately and are left for a while"},
              {totals.written, "are being written"},
              {totals.changed, "were changed meanwhile"},
              {outcome.tally.other_policy, "have another erasure coding policy"},
              {outcome.unreadable, "directories cannot be listed"}});
  if (!others.empty()) out << "; " << others;
  if (!outcome.ended.empty()) out << "; ended: " << Escaped(outcome.ended);
  out << "\n";
}

void WriteOutcome(const RuleOutcome& outcome, std::ostream& out) {
  JsonWriter json(out);
  json.BeginObject();
  json.Field("type", "rule");
  RuleFields(outcome.rule, json);
  TallyFields(outcome.tally, json);
  json.Field("converted", outcome.totals.converted);
  json.Field("converted_bytes", outcome.totals.bytes);
  json.Field("failed", outcome.totals.failed);
  json.Field("left_for_later", outcome.left_for_later);
  json.Field("changed", outcome.totals.changed + outcome.totals.written);
  json.Field("unreadable_directories", outcome.unreadable);
  json.Key("ended");
  outcome.ended.empty() ? json.Null() : json.String(outcome.ended);
  json.EndObject();
}

}  // namespace cairn::tools
