#include "namenode/cluster/rack_finder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "common/thread.h"

namespace cairn::namenode {
namespace {

constexpr uint64_t kMaxTableBytes = 64 << 20;
constexpr size_t kMaxRackBytes = 1024;  // of one rack's name
constexpr absl::Duration kIdlePause = absl::Seconds(1);

}  // namespace

RackFinder::RackFinder(Options options, FileSystem& fs, Clock& clock, Publish publish,
                       ProgramRunner run)
    : options_(std::move(options)),
      fs_(fs),
      clock_(clock),
      publish_(std::move(publish)),
      run_(std::move(run)),
      wishes_(options_.script.empty() ? nullptr : std::make_shared<RackWishes>()) {}

RackFinder::~RackFinder() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  if (wishes_ != nullptr) wishes_->Wake();
  if (thread_.joinable()) thread_.join();
}

bool RackFinder::stopping() const {
  MutexLock lock(mu_);
  return stopping_;
}

absl::Status RackFinder::Load() {
  std::shared_ptr<const RackTable> table;
  if (!options_.table_file.empty()) {
    ASSIGN_OR_RETURN(const std::string text, fs_.ReadAll(options_.table_file, kMaxTableBytes));
    ASSIGN_OR_RETURN(RackTable parsed, RackTable::Parse(text, options_.table_file));
    table = std::make_shared<const RackTable>(std::move(parsed));
  } else {
    MutexLock lock(mu_);
    for (const auto& [host, rack] : answers_) wishes_->Note(host);
    for (auto& [host, again] : failed_) again = clock_.Monotonic();
    table = MakeTable();
  }
  publish_(std::move(table));
  return absl::OkStatus();
}

void RackFinder::Start() {
  if (wishes_ == nullptr) return;
  thread_ = std::thread([this] {
    SetThreadName("nn-racks");
    while (!stopping()) {
      if (!AskScript()) wishes_->Await(kIdlePause);
    }
  });
}

std::vector<std::string> RackFinder::TakeWishes() {
  std::vector<std::string> hosts = wishes_->Take(options_.script_arguments);
  MutexLock lock(mu_);
  const absl::Duration now = clock_.Monotonic();
  for (const auto& [host, again] : failed_) {
    if (hosts.size() >= options_.script_arguments) break;
    if (again <= now && std::find(hosts.begin(), hosts.end(), host) == hosts.end())
      hosts.push_back(host);
  }
  return hosts;
}

bool RackFinder::AskScript() {
  if (wishes_ == nullptr) return false;
  const std::vector<std::string> hosts = TakeWishes();
  if (hosts.empty()) return false;
  const absl::StatusOr<std::vector<std::string>> racks = RacksOf(hosts);
  std::shared_ptr<const RackTable> table;
  {
    MutexLock lock(mu_);
    if (!racks.ok()) {
      LOG_ERROR("rack script: {}. {} and {} more: {} until it is asked again, in {}",
                racks.status().message(), hosts[0], hosts.size() - 1, kDefaultRack,
                absl::FormatDuration(options_.retry_after));
      if (failed_.size() > options_.most_answers) failed_.clear();
      const absl::Duration again = clock_.Monotonic() + options_.retry_after;
      for (const std::string& host : hosts) failed_[host] = again;
    } else {
      if (answers_.size() + hosts.size() > options_.most_answers) answers_.clear();
      for (size_t i = 0; i < hosts.size(); ++i) {
        answers_[hosts[i]] = (*racks)[i];
        failed_.erase(hosts[i]);
      }
    }
    table = MakeTable();
  }
  publish_(std::move(table));
  return true;
}

absl::StatusOr<std::vector<std::string>> RackFinder::RacksOf(
    const std::vector<std::string>& hosts) const {
  ProgramCall call{.arguments = {options_.script},
                   .time_limit = options_.script_time,
                   .output_limit_bytes = hosts.size() * kMaxRackBytes};
  call.arguments.insert(call.arguments.end(), hosts.begin(), hosts.end());
  ASSIGN_OR_RETURN(const std::string output, run_(call));
  std::vector<std::string> racks =
      absl::StrSplit(output, absl::ByAnyChar(" \t\r\n\f\v"), absl::SkipEmpty());
  if (racks.size() != hosts.size()) {
    return absl::FailedPreconditionError(absl::StrCat(
        options_.script, ": it printed ", racks.size(), " racks for ", hosts.size(), " hosts"));
  }
  for (size_t i = 0; i < racks.size(); ++i) {
    if (absl::StartsWith(racks[i], "/")) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(options_.script, ": the rack of ", hosts[i],
                     " does not begin with /: ", racks[i].substr(0, 100)));
  }
  return racks;
}

std::shared_ptr<const RackTable> RackFinder::MakeTable() const {
  absl::flat_hash_map<std::string, std::string> racks = answers_;
  for (const auto& [host, again] : failed_) racks.try_emplace(host, kDefaultRack);
  return std::make_shared<const RackTable>(std::move(racks), wishes_);
}

}  // namespace cairn::namenode
