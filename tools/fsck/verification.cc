#include "tools/fsck/verification.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "tools/fsck/print.h"
#include "tools/hadoop_text.h"

namespace cairn::tools {
namespace {

using client::BlockReport;
using client::FileReport;
using client::GroupFinding;
using client::UnitAt;
using State = GroupFinding::State;

std::string Name(uint64_t block) { return absl::StrCat("blk_", static_cast<int64_t>(block)); }

const char* StateName(State state) {
  switch (state) {
    case State::kVerified:
      return "verified";
    case State::kLost:
      return "lost-units";
    case State::kUnreadable:
      return "unreadable-units";
    case State::kTooFew:
      return "unrecoverable";
    case State::kContradiction:
      return "contradicting";
    case State::kChanged:
      break;
  }
  return "changed";
}

bool IsWhollyCompared(const GroupFinding& finding) {
  return finding.compared_bytes == finding.unit_bytes;
}

// "Lost unit 1 (blk_-9) of BP-1:blk_-10_1001 on 127.0.0.1:9866"
std::string UnitText(const char* what, const UnitAt& unit, const std::string& group) {
  std::string text =
      absl::StrCat(what, " unit ", unit.unit, " (", Name(unit.block), ") of ", group);
  if (!unit.datanode.empty()) absl::StrAppend(&text, " on ", unit.datanode);
  return text;
}

void WriteUnit(const UnitAt& unit, JsonWriter& json) {
  json.BeginObject();
  json.Field("unit", unit.unit);
  json.Field("block", Name(unit.block));
  json.Field("datanode", unit.datanode);
  if (!unit.why.empty()) json.Field("why", unit.why);
  json.EndObject();
}

void WriteUnits(const char* name, const std::vector<UnitAt>& units, JsonWriter& json) {
  if (units.empty()) return;
  json.Key(name);
  json.BeginArray();
  for (const UnitAt& unit : units) WriteUnit(unit, json);
  json.EndArray();
}

}  // namespace

void VerificationTotals::Add(const GroupFindings& findings) {
  for (const std::optional<GroupFinding>& finding : findings) {
    if (!finding.has_value()) {
      ++being_written;
      continue;
    }
    switch (finding->state) {
      case State::kVerified:
        ++verified;
        break;
      case State::kLost:
        ++lost;
        break;
      case State::kUnreadable:
        ++unreadable;
        break;
      case State::kTooFew:
        ++unrecoverable;
        break;
      case State::kContradiction:
        ++contradicting;
        break;
      case State::kChanged:
        ++changed;
        break;
    }
    if (finding->wrong.has_value()) ++wrong_units;
    if (!IsWhollyCompared(*finding)) ++not_wholly_compared;
  }
}

bool AreVerified(const GroupFindings& findings) {
  return std::all_of(findings.begin(), findings.end(), [](const auto& finding) {
    return !finding.has_value() || finding->state == State::kVerified ||
           finding->state == State::kChanged;
  });
}

void PrintFinding(const FileReport& file, const BlockReport& group, const GroupFinding& finding,
                  absl::string_view begin, std::ostream& out) {
  const std::string name = BlockName(file, group);
  if (finding.wrong.has_value()) {
    out << begin << " " << UnitText("Wrong", *finding.wrong, name)
        << ": the other units agree, and it differs from what they say at offset "
        << *finding.differ_at << " of the unit.\n";
  } else if (finding.differ_at.has_value()) {
    out << begin << " Contradicting " << name << ". The group's units contradict each other at "
        << "offset " << *finding.differ_at << " of the units; which one is wrong is not known.\n";
  }
  for (const UnitAt& unit : finding.unreadable) {
    out << begin << " " << UnitText("Unreadable", unit, name) << ": " << Escaped(unit.why) << ".\n";
  }
  for (const UnitAt& unit : finding.lost) {
    out << begin << " " << UnitText("Lost", unit, name) << ": " << Escaped(unit.why) << ".\n";
  }
  if (finding.state == State::kTooFew) {
    out << begin << " Unrecoverable " << name << ". Fewer units could be read than the "
        << group.units_needed << " that are needed.\n";
  }
  if (!IsWhollyCompared(finding)) {
    out << begin << " Not compared: " << finding.unit_bytes - finding.compared_bytes << " of "
        << finding.unit_bytes << " bytes of each unit of " << name
        << ", where no more units could be read than are needed.\n";
  }
}

void PrintVerificationTotals(const VerificationTotals& t, std::ostream& out) {
  if (!t.asked) return;
  out << "\nVerification of Block Groups:"
      << "\n Verified block groups:\t" << t.verified << "\n Contradicting block groups:\t"
      << t.contradicting << "\n Wrong units:\t" << t.wrong_units
      << "\n Unrecoverable block groups:\t" << t.unrecoverable
      << "\n Block groups with unreadable units:\t" << t.unreadable
      << "\n Block groups with lost units:\t" << t.lost << "\n Not wholly compared block groups:\t"
      << t.not_wholly_compared;
  if (t.being_written > 0) {
    out << "\n Block groups being written (not verified):\t" << t.being_written;
  }
  if (t.changed > 0) {
    out << "\n Block groups deleted or changed meanwhile (not verified):\t" << t.changed;
  }
  out << "\n";
}

void WriteFinding(const BlockReport& group, const std::optional<GroupFinding>& finding,
                  JsonWriter& json) {
  json.BeginObject();
  json.Field("block", Name(group.id));
  json.Field("state", finding.has_value() ? StateName(finding->state) : "being-written");
  if (finding.has_value()) {
    json.Field("unit_bytes", finding->unit_bytes);
    json.Field("compared_bytes", finding->compared_bytes);
    if (finding->differ_at.has_value()) json.Field("differ_at", *finding->differ_at);
    if (finding->wrong.has_value()) {
      json.Key("wrong_unit");
      WriteUnit(*finding->wrong, json);
    }
    WriteUnits("unreadable_units", finding->unreadable, json);
    WriteUnits("lost_units", finding->lost, json);
  }
  json.EndObject();
}

void WriteVerificationTotals(const VerificationTotals& t, JsonWriter& json) {
  json.BeginObject();
  json.Field("verified", t.verified);
  json.Field("contradicting", t.contradicting);
  json.Field("wrong_units", t.wrong_units);
  json.Field("unrecoverable", t.unrecoverable);
  json.Field("with_unreadable_units", t.unreadable);
  json.Field("with_lost_units", t.lost);
  json.Field("not_wholly_compared", t.not_wholly_compared);
  json.Field("being_written", t.being_written);
  json.Field("changed", t.changed);
  json.EndObject();
}

}  // namespace cairn::tools
