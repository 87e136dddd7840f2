#include "tests/load/checker.h"

#include <algorithm>
#include <optional>
#include <set>
#include <span>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace cairn::load {
namespace {

constexpr size_t kReadBytes = 1 << 20;
constexpr absl::Duration kRecoveryLimit = absl::Seconds(15);
constexpr absl::Duration kRecoveryPoll = absl::Milliseconds(200);

// Empty: as expected. Otherwise what is wrong.
std::string CompareContent(client::FileSystem& fs, const std::string& path, const Thing& thing,
                           Findings& findings) {
  if (thing.truncating) {
    const absl::StatusOr<bool> closed = fs.IsFileClosed(path);
    if (!closed.ok()) return absl::StrCat("is it closed: ", closed.status().ToString());
    // While its replicas are being cut there may be none to read.
    return *closed ? CompareContent(fs, path, Truncated(thing), findings) : "";
  }
  absl::StatusOr<std::unique_ptr<client::InputStream>> in = fs.Open(path);
  if (!in.ok()) return absl::StrCat("open: ", in.status().ToString());
  const uint64_t length = (*in)->length();
  if (length < thing.least_bytes || length > thing.most_bytes) {
    return absl::StrCat("length ", length, ", acknowledged ", thing.least_bytes, ", written ",
                        thing.most_bytes);
  }
  std::vector<std::byte> buffer(kReadBytes);
  for (uint64_t offset = 0; offset < length;) {
    const absl::StatusOr<size_t> read = (*in)->ReadFully(buffer);
    if (!read.ok()) return absl::StrCat("read at ", offset, ": ", read.status().ToString());
    if (*read == 0) return absl::StrCat("ends at ", offset, " of ", length);
    const auto wrong = thing.content.FirstDifference(offset, std::span(buffer).first(*read));
    if (wrong) return absl::StrCat("byte ", *wrong, " of ", length, " is wrong");
    offset += *read;
    findings.bytes += *read;
  }
  return "";
}

std::string Compare(client::FileSystem& fs, const std::string& path,
                    const std::optional<Thing>& expected, Findings& findings) {
  const absl::StatusOr<client::FileStatus> status = fs.Stat(path);
  if (!expected) {
    if (absl::IsNotFound(status.status())) return "";
    return status.ok() ? "is there, and should not be" : status.status().ToString();
  }
  if (!status.ok()) return absl::StrCat("stat: ", status.status().ToString());
  if (status->is_directory() != expected->directory) return "is of the wrong type";
  if (expected->mode != 0 && status->mode != expected->mode) {
    return absl::StrCat("mode ", status->mode, ", expected ", expected->mode);
  }
  return expected->directory ? "" : CompareContent(fs, path, *expected, findings);
}

// Whether the cluster is in `state`; `why` says what contradicts it.
bool Holds(client::FileSystem& fs, const Doubt::State& state, Findings& findings,
           std::string& why) {
  for (const auto& [path, thing] : state) {
    const std::string trouble = Compare(fs, path, thing, findings);
    if (trouble.empty()) continue;
    absl::StrAppend(&why, path, ": ", trouble, "; ");
    return false;
  }
  return true;
}

void CheckDoubts(client::FileSystem& fs, std::span<const Doubt> doubts, Findings& findings) {
  for (const Doubt& doubt : doubts) {
    findings.paths += doubt.before.size();
    std::string why;
    if (Holds(fs, doubt.before, findings, why)) {
      ++findings.doubts_did_not;
    } else if (Holds(fs, doubt.after, findings, why)) {
      ++findings.doubts_happened;
    } else {
      findings.violations.push_back(absl::StrCat("half done: ", why));
    }
  }
}

// Asks for the file until it is closed; false: it is not.
bool Recover(client::FileSystem& fs, const std::string& path) {
  const absl::Time until = absl::Now() + kRecoveryLimit;
  while (!fs.RecoverLease(path).value_or(false)) {
    if (absl::Now() > until) return false;
    absl::SleepFor(kRecoveryPoll);
  }
  return true;
}

// Of an erasure-coded file whose writer broke: what its last flush acknowledged is computed from
// the other units once somebody has it closed, and not before (docs/decisions/0019, "Not yet").
bool NeedsRecovery(const Thing* thing, absl::string_view trouble) {
  return thing != nullptr && !thing->closed &&
         absl::StrContains(trouble, "the stripe is still being written, and lacks");
}

void CheckPath(client::FileSystem& fs, const Model& model, const std::string& path,
               Findings& findings) {
  const Thing* const thing = model.Find(path);
  ++findings.paths;
  const auto look = [&] {
    return Compare(fs, path, thing == nullptr ? std::nullopt : std::optional(*thing), findings);
  };
  std::string trouble = look();
  if (NeedsRecovery(thing, trouble) && Recover(fs, path)) trouble = look();
  if (!trouble.empty()) findings.violations.push_back(absl::StrCat(path, ": ", trouble));
}

// Takes the files from the writers that broke, as another client would: asks for all of them, and
// asks again until each is closed. A namenode that has just started may wait for datanodes that
// still hold a replica, so a file that stays open is named, not blamed: who asks knows whether
// all of them are back.
void RecoverAll(client::FileSystem& fs, const Model& model, Findings& findings) {
  std::set<std::string> open;
  for (const auto& [path, thing] : model.things()) {
    if (!thing.closed) open.insert(path);
  }
  for (const Doubt& doubt : model.doubts()) {
    // Also one that was in a directory whose deletion may not have happened.
    for (const Doubt::State* const state : {&doubt.before, &doubt.after}) {
      for (const auto& [path, thing] : *state) {
        if (thing && !thing->closed && fs.Exists(path).value_or(false)) open.insert(path);
      }
    }
  }
  const absl::Time until = absl::Now() + kRecoveryLimit;
  while (!open.empty() && absl::Now() < until) {
    std::erase_if(open, [&](const std::string& path) {
      const absl::StatusOr<bool> closed = fs.RecoverLease(path);
      return closed.ok() && *closed;
    });
    absl::SleepFor(kRecoveryPoll);
  }
  findings.still_open.insert(findings.still_open.end(), open.begin(), open.end());
}

void FindStrangers(client::FileSystem& fs, const std::string& directory, const Model& model,
                   Findings& findings) {
  const absl::StatusOr<std::vector<client::FileStatus>> entries = fs.ListStatus(directory);
  if (!entries.ok()) {
    findings.violations.push_back(
        absl::StrCat("list ", directory, ": ", entries.status().ToString()));
    return;
  }
  for (const client::FileStatus& entry : *entries) {
    if (model.Find(entry.path) == nullptr && !model.InDoubt(entry.path)) {
      findings.violations.push_back(
          absl::StrCat(entry.path, ": nobody made it, or it was deleted"));
    }
    if (entry.is_directory()) FindStrangers(fs, entry.path, model, findings);
  }
}

}  // namespace

void CheckRecent(client::FileSystem& fs, Model& model, Findings& findings) {
  for (const std::string& path : model.TakeRecent()) {
    if (!model.InDoubt(path)) CheckPath(fs, model, path, findings);
  }
  CheckDoubts(fs, model.TakeRecentDoubts(), findings);
}

void CheckAll(client::FileSystem& fs, const std::string& directory, Model& model,
              Findings& findings) {
  model.TakeRecent();
  model.TakeRecentDoubts();
  RecoverAll(fs, model, findings);
  for (const auto& entry : model.things()) CheckPath(fs, model, entry.first, findings);
  CheckDoubts(fs, model.doubts(), findings);
  FindStrangers(fs, directory, model, findings);
}

}  // namespace cairn::load
