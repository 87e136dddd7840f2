// -setrep, -truncate, -checksum, -concat: what a file's blocks are like.
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"
#include "tools/dfs/walk.h"

namespace cairn::tools {
namespace {

constexpr absl::Duration kReplicationPause = absl::Seconds(10);
constexpr absl::Duration kFirstTruncatePause = absl::Milliseconds(100);
constexpr absl::Duration kTruncatePause = absl::Seconds(1);

absl::Status NotANumber(const std::string& text) {
  return UsageStatus(absl::StrCat("For input string: \"", text, "\""));
}

// True when every block has `replication` replicas.
absl::StatusOr<bool> HasReplicas(const PathItem& item, uint32_t replication, bool& has_more) {
  ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(item));
  ASSIGN_OR_RETURN(const auto blocks,
                   cluster->GetBlockLocations(item.path, 0, item.status->length));
  for (const client::BlockLocation& block : blocks) {
    has_more |= block.hosts.size() > replication;
    if (block.hosts.size() != replication) return false;
  }
  return true;
}

absl::Status WaitForReplicas(Shell& shell, const PathItem& item, uint32_t replication) {
  shell.out() << "Waiting for " << item.text << " ..." << std::flush;
  for (bool warned = false;;) {
    bool has_more = false;
    ASSIGN_OR_RETURN(const bool done, HasReplicas(item, replication, has_more));
    if (done) break;
    if (has_more && !warned) {
      warned = true;
      shell.out() << "\nWARNING: the waiting time may be long for DECREASING the number of "
                     "replications.\n";
    }
    shell.out() << "." << std::flush;
    absl::SleepFor(kReplicationPause);
  }
  shell.out() << " done\n";
  return absl::OkStatus();
}

absl::Status TruncateItem(Shell& shell, const PathItem& item, uint64_t length) {
  if (item.is_directory()) return IsADirectory(item);
  if (length > item.status->length) {
    return UsageStatus(absl::StrCat("Cannot truncate to a larger file size. Current size: ",
                                    item.status->length, ", truncate size: ", length, "."));
  }
  ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(item));
  ASSIGN_OR_RETURN(bool done, cluster->Truncate(item.path, length));
  if (!done && !shell.Has("w")) {
    shell.out() << "Truncating " << item.text << " to length: " << length << ". "
                << "Wait for block recovery to complete before further updating this file.\n";
    return absl::OkStatus();
  }
  if (!done) shell.out() << "Waiting for " << item.text << " ...\n" << std::flush;
  for (absl::Duration pause = kFirstTruncatePause; !done; pause = kTruncatePause) {
    absl::SleepFor(pause);
    ASSIGN_OR_RETURN(done, cluster->IsFileClosed(item.path));
  }
  shell.out() << "Truncated " << item.text << " to length: " << length << "\n";
  return absl::OkStatus();
}

absl::Status PrintChecksum(Shell& shell, const PathItem& item) {
  if (item.is_directory()) return IsADirectory(item);
  ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(item));
  ASSIGN_OR_RETURN(const client::FileChecksum checksum,
                   cluster->GetFileChecksum(item.path, cluster->options().checksum_combine));
  shell.out() << item.text << "\t" << checksum.algorithm << "\t"
              << absl::BytesToHexString(checksum.bytes);
  if (shell.Has("v")) shell.out() << "\tBlockSize=" << item.status->block_bytes;
  shell.out() << "\n";
  return absl::OkStatus();
}

}  // namespace

absl::Status RunSetrep(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"R", "w"}, {}, 2, SIZE_MAX));
  int32_t replication = 0;
  const std::string text = shell.args()[0];
  if (!absl::SimpleAtoi(text, &replication)) {
    shell.Warn("Illegal replication, a positive integer expected");
    return NotANumber(text);
  }
  if (replication < 1) return UsageStatus("replication must be >= 1");
  const std::vector<std::string> paths(shell.args().begin() + 1, shell.args().end());
  std::vector<PathItem> changed;
  // -R is accepted and means nothing: trees are always walked.
  RETURN_IF_ERROR(shell.ForEach(paths, [&](PathItem& top) {
    return Walk(shell, top, /*recursive=*/true, [&](const PathItem& item, int) -> absl::Status {
      if (!item.is_file()) return absl::OkStatus();
      ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(item));
      ASSIGN_OR_RETURN(const bool done, cluster->SetReplication(item.path, replication));
      if (!done)
        return absl::InternalError(absl::StrCat("Could not set replication for: ", item.text));
      shell.out() << "Replication " << replication << " set: " << item.text << "\n";
      changed.push_back(item);
      return absl::OkStatus();
    });
  }));
  if (!shell.Has("w")) return absl::OkStatus();
  for (const PathItem& item : changed) {
    RETURN_IF_ERROR(WaitForReplicas(shell, item, static_cast<uint32_t>(replication)));
  }
  return absl::OkStatus();
}

absl::Status RunTruncate(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"w"}, {}, 2, SIZE_MAX));
  const std::string text = shell.args()[0];
  int64_t length = 0;
  if (!absl::SimpleAtoi(text, &length)) {
    shell.Warn("Illegal length, a non-negative integer expected");
    return NotANumber(text);
  }
  if (length < 0) return UsageStatus("length must be >= 0");
  const std::vector<std::string> paths(shell.args().begin() + 1, shell.args().end());
  return shell.ForEach(paths, [&](PathItem& item) {
    return TruncateItem(shell, item, static_cast<uint64_t>(length));
  });
}

absl::Status RunChecksum(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"v"}, {}, 1, SIZE_MAX));
  return shell.ForEach(shell.args(), [&](PathItem& item) { return PrintChecksum(shell, item); });
}

absl::Status RunConcat(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({}, {}, 0, SIZE_MAX));
  ASSIGN_OR_RETURN(const std::vector<PathItem> items, shell.ExpandAll(shell.args()));
  const std::string usage = absl::StrCat(" ", shell.command().usage);
  if (items.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("Target path not specified.", usage));
  }
  if (items.size() < 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("The number of source paths is less than 2.", usage));
  }
  const auto qualified = [](const PathItem& item) { return item.volume->Qualify(item.path); };
  const PathItem& target = items[0];
  if (!target.is_file()) {
    return absl::NotFoundError(
        absl::StrCat("Target path ", qualified(target), " does not exist or is not file."));
  }
  std::vector<std::string> sources;
  for (size_t i = 1; i < items.size(); ++i) {
    if (!items[i].is_file()) {
      return absl::NotFoundError(
          absl::StrCat(qualified(items[i]), " does not exist or is not file."));
    }
    sources.push_back(items[i].path);
  }
  ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(target));
  return cluster->Concat(target.path, sources);
}

}  // namespace cairn::tools
