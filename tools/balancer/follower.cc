#include "tools/balancer/follower.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/dfs/format.h"

namespace cairn::tools {

const char kBalanceHeader[] =
    "Time Stamp               Iteration#  Bytes Already Moved  Bytes Left To Move  "
    "Bytes Being Moved  NameNode\n";

const char* NameOf(BalanceEnd end) {
  switch (end) {
    case BalanceEnd::kSuccess:
      return "SUCCESS";
    case BalanceEnd::kInProgress:
      return "IN_PROGRESS";
    case BalanceEnd::kAlreadyRunning:
      return "ALREADY_RUNNING";
    case BalanceEnd::kNoMoveBlock:
      return "NO_MOVE_BLOCK";
    case BalanceEnd::kNoMoveProgress:
      return "NO_MOVE_PROGRESS";
    case BalanceEnd::kIoException:
      return "IO_EXCEPTION";
    case BalanceEnd::kIllegalArguments:
      return "ILLEGAL_ARGUMENTS";
    case BalanceEnd::kInterrupted:
      return "INTERRUPTED";
  }
  return "?";
}

int ExitCodeOf(BalanceEnd end) { return static_cast<int>(end) & 0xff; }

void BalanceFollower::Begun() {
  moved_before_ += moved_;
  moved_ = 0;
  next_ = 0;
}

BalanceEnd BalanceFollower::Take(const client::BalanceIteration& iteration) {
  next_ = iteration.number + 1;
  ++iterations_;
  moved_ = iteration.bytes_moved_before + iteration.bytes_moved;
  if (iteration.bytes_left == 0) return BalanceEnd::kSuccess;
  if (iteration.bytes_planned == 0) return BalanceEnd::kNoMoveBlock;
  idle_ = iteration.bytes_moved > 0 ? 0 : idle_ + 1;
  // A limit of 0 is one of 1, as in HDFS.
  const bool ends = idle_limit_ >= 0 && idle_ > 0 && idle_ >= idle_limit_;
  return ends ? BalanceEnd::kNoMoveProgress : BalanceEnd::kInProgress;
}

std::string BalanceTime(absl::Time time) {
  const std::string text = absl::FormatTime("%b %e, %E4Y %I:%M:%S %p", time, absl::LocalTimeZone());
  // Java writes neither "Nov  9" nor "01:05:07".
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool doubled = text[i] == ' ' && !out.empty() && out.back() == ' ';
    const bool leading = text[i] == '0' && !out.empty() && out.back() == ' ' && i > 8;
    if (!doubled && !leading) out += text[i];
  }
  return PadRight(out, 24);
}

std::string ElapsedText(absl::Duration elapsed) {
  const double ms = static_cast<double>(absl::ToInt64Milliseconds(elapsed));
  double value = ms;
  const char* unit = "milliseconds";
  if (ms >= 3600e3) {
    value = ms / 3600e3;
    unit = "hours";
  } else if (ms >= 60e3) {
    value = ms / 60e3;
    unit = "minutes";
  } else if (ms >= 1e3) {
    value = ms / 1e3;
    unit = "seconds";
  }
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed);
  std::string number(text, end.ptr);
  if (number.find('.') == std::string::npos) number += ".0";  // as Java
  return absl::StrCat(number, " ", unit);
}

void PrintIteration(const client::BalanceIteration& iteration, const BalanceFollower& follower,
                    const std::string& namenode, std::ostream& out) {
  out << absl::StrFormat("%s %10d  %19s  %18s  %17s  %s\n", BalanceTime(iteration.ended),
                         follower.iterations() - 1, HumanSize(follower.bytes_moved(), "B", 2),
                         HumanSize(iteration.bytes_left, "B", 2),
                         HumanSize(iteration.bytes_planned, "B", 2), namenode);
}

void WriteIteration(const client::BalanceIteration& iteration, const BalanceFollower& follower,
                    JsonWriter& json) {
  json.BeginObject();
  json.Field("type", "iteration");
  json.Field("time_ms", static_cast<uint64_t>(absl::ToUnixMillis(iteration.ended)));
  json.Field("iteration", follower.iterations() - 1);
  json.Field("bytes_already_moved", follower.bytes_moved());
  json.Field("bytes_left_to_move", iteration.bytes_left);
  json.Field("bytes_being_moved", iteration.bytes_planned);
  json.Field("bytes_moved", iteration.bytes_moved);
  json.EndObject();
}

void WriteProgress(const client::BalanceProgress& progress, const BalanceFollower& follower,
                   JsonWriter& json) {
  json.BeginObject();
  json.Field("type", "progress");
  json.Field("iteration", follower.iterations());
  json.Field("bytes_left_to_move", progress.bytes_left);
  json.Field("bytes_being_moved", progress.bytes_planned);
  json.Field("bytes_moved", progress.bytes_moved);
  json.Field("blocks_moved", progress.blocks_moved);
  json.Field("blocks_failed", progress.blocks_failed);
  json.Field("moves", progress.moves);
  json.Field("waiting_for", progress.waiting_for);
  json.EndObject();
}

void WriteEnd(BalanceEnd end, const std::string& why, uint64_t bytes_moved, absl::Duration elapsed,
              JsonWriter& json) {
  json.BeginObject();
  json.Field("type", "end");
  json.Field("status", NameOf(end));
  json.Field("exit_code", static_cast<uint64_t>(ExitCodeOf(end)));
  json.Field("message", why);
  json.Field("bytes_already_moved", bytes_moved);
  json.Field("elapsed_ms", static_cast<uint64_t>(absl::ToInt64Milliseconds(elapsed)));
  json.EndObject();
}

}  // namespace cairn::tools
