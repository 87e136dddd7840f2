#include "client/mode.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"

namespace cairn::client {
namespace {

constexpr uint16_t kSticky = 01000;

absl::Status BadMode(absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("chmod : mode '", text, "' does not match the expected pattern."));
}

bool IsOctal(absl::string_view text) {
  return !text.empty() && text.find_first_not_of("01234567") == absl::string_view::npos;
}

}  // namespace

absl::StatusOr<ModeChange> ModeChange::Parse(absl::string_view text) {
  ModeChange change;
  if (IsOctal(text)) {
    // Three digits, or four with the sticky bit in front.
    uint32_t value = 0;
    for (char c : text) value = value * 8 + (c - '0');
    if (text.size() < 3 || text.size() > 4 || value > 01777) return BadMode(text);
    // Without the fourth digit the sticky bit goes too, as in HDFS.
    change.clauses_.push_back({.who = 01777, .op = '=', .bits = static_cast<uint16_t>(value)});
    return change;
  }
  for (absl::string_view clause : absl::StrSplit(text, ',')) {
    uint16_t who = 0;
    size_t at = 0;
    for (; at < clause.size(); ++at) {
      const char c = clause[at];
      if (c == 'u')
        who |= 0700;
      else if (c == 'g')
        who |= 0070;
      else if (c == 'o')
        who |= 0007;
      else if (c == 'a')
        who |= 0777;
      else
        break;
    }
    if (who == 0) who = 0777;
    if (at == clause.size() || absl::string_view("+-=").find(clause[at]) == absl::string_view::npos)
      return BadMode(text);
    Clause parsed{.who = who, .op = clause[at++]};
    for (; at < clause.size(); ++at) {
      switch (clause[at]) {
        case 'r':
          parsed.bits |= 0444;
          break;
        case 'w':
          parsed.bits |= 0222;
          break;
        case 'x':
          parsed.bits |= 0111;
          break;
        case 'X':
          parsed.conditional_execute = true;
          break;
        case 't':
          parsed.bits |= kSticky;
          parsed.who |= kSticky;
          break;
        default:
          return BadMode(text);
      }
    }
    change.clauses_.push_back(parsed);
  }
  return change;
}

uint16_t ModeChange::Apply(uint16_t mode, bool is_directory) const {
  const bool executable = is_directory || (mode & 0111) != 0;
  for (const Clause& clause : clauses_) {
    uint16_t bits = clause.bits;
    if (clause.conditional_execute && executable) bits |= 0111;
    bits &= clause.who;
    if (clause.op == '+') mode |= bits;
    if (clause.op == '-') mode &= ~bits;
    if (clause.op == '=') mode = (mode & ~clause.who) | bits;
  }
  return mode;
}

absl::StatusOr<uint16_t> ParseUmask(absl::string_view text) {
  if (IsOctal(text) && text.size() <= 4) {
    uint32_t value = 0;
    for (char c : text) value = value * 8 + (c - '0');
    if (value <= 0777) return static_cast<uint16_t>(value);
  } else {
    absl::StatusOr<ModeChange> allowed = ModeChange::Parse(text);
    if (allowed.ok()) return static_cast<uint16_t>(~allowed->Apply(0, false) & 0777);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("fs.permissions.umask-mode: '", text, "' is not a umask"));
}

std::string ModeText(uint16_t mode) {
  std::string text = "rwxrwxrwx";
  for (int bit = 0; bit < 9; ++bit) {
    if ((mode & (0400 >> bit)) == 0) text[bit] = '-';
  }
  if ((mode & kSticky) != 0) text[8] = text[8] == 'x' ? 't' : 'T';
  return text;
}

}  // namespace cairn::client
