#include "namenode/cluster/rack_table.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn::namenode {
namespace {

const std::string& DefaultRack() {
  static const std::string& rack = *new std::string(kDefaultRack);  // never destroyed
  return rack;
}

absl::Status BadLine(absl::string_view source, int line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(source, ":", line, ": ", what));
}

}  // namespace

void RackWishes::Note(absl::string_view ip) {
  {
    MutexLock lock(mu_);
    if (wanted_.size() >= kMost || !wanted_.insert(std::string(ip)).second) return;
  }
  changed_.NotifyAll();
}

std::vector<std::string> RackWishes::Take(size_t most) {
  MutexLock lock(mu_);
  std::vector<std::string> taken(wanted_.begin(), wanted_.end());
  std::sort(taken.begin(), taken.end());
  taken.resize(std::min(taken.size(), most));
  for (const std::string& ip : taken) wanted_.erase(ip);
  return taken;
}

void RackWishes::Await(absl::Duration patience) {
  MutexLock lock(mu_);
  if (wanted_.empty()) changed_.WaitFor(mu_, absl::ToChronoNanoseconds(patience));
}

void RackWishes::Wake() { changed_.NotifyAll(); }

RackTable::RackTable(absl::flat_hash_map<std::string, std::string> racks,
                     std::shared_ptr<RackWishes> wishes)
    : racks_(std::move(racks)), wishes_(std::move(wishes)) {}

absl::StatusOr<RackTable> RackTable::Parse(absl::string_view text, absl::string_view source) {
  absl::flat_hash_map<std::string, std::string> racks;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const std::vector<absl::string_view> columns =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r\f\v"), absl::SkipEmpty());
    if (columns.size() != 2) return BadLine(source, number, "expected a host and its rack");
    if (!absl::StartsWith(columns[1], "/")) {
      return BadLine(source, number, absl::StrCat("rack ", columns[1], " does not begin with /"));
    }
    const auto [known, added] = racks.try_emplace(columns[0], columns[1]);
    if (!added && known->second != columns[1]) {
      return BadLine(source, number,
                     absl::StrCat(columns[0], " is in ", known->second, " and in ", columns[1]));
    }
  }
  return RackTable(std::move(racks));
}

const std::string* RackTable::Find(absl::string_view ip, absl::string_view host_name) const {
  for (const absl::string_view name : {ip, host_name}) {
    if (name.empty()) continue;
    if (const auto found = racks_.find(name); found != racks_.end()) return &found->second;
  }
  if (wishes_ != nullptr && !ip.empty()) wishes_->Note(ip);
  return nullptr;
}

const std::string& RackTable::RackOf(absl::string_view ip, absl::string_view host_name) const {
  const std::string* const rack = Find(ip, host_name);
  return rack == nullptr ? DefaultRack() : *rack;
}

bool RackTable::Knows(absl::string_view ip, absl::string_view host_name) const {
  return wishes_ == nullptr || Find(ip, host_name) != nullptr;
}

}  // namespace cairn::namenode
