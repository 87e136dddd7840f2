#include "namenode/service/rpc/meta_save.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/fs_error.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "common/thread.h"
#include "namenode/cluster/cluster_state.h"

namespace cairn::namenode {
namespace {

constexpr size_t kPage = 100;
constexpr size_t kWriteBytes = 64 << 10;
constexpr size_t kMostWaiting = 8;
constexpr size_t kMostNameBytes = 200;
constexpr size_t kMostPathBytes = 8000;
// In the first line of every such file, and of HDFS's.
constexpr absl::string_view kMark = " files and directories";

constexpr Need kWaiting[] = {Need::kHighest, Need::kVeryLow, Need::kLow, Need::kBadlySpread};
constexpr Need kAll[] = {Need::kHighest,     Need::kVeryLow, Need::kLow,
                         Need::kBadlySpread, Need::kMissing, Need::kSurplus};

// "1073741824(1.00 GB)"
std::string Bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return unit == 0 ? absl::StrCat(bytes, "(", bytes, " B)")
                   : absl::StrFormat("%d(%.2f %s)", bytes, value, kUnits[unit]);
}

std::string Percent(uint64_t part, uint64_t whole) {
  return absl::StrFormat(
      "%.2f%%",
      whole == 0 ? 100.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string Date(absl::Time time) {
  return absl::FormatTime("%a %b %d %H:%M:%S %Z %Y", time, absl::LocalTimeZone());
}

std::string NameOfNode(const DatanodeInfo& node) {
  return absl::StrCat(node.address.ip, ":", node.address.transfer_port);
}

std::string BlockName(const BlockVersion& block) {
  return absl::StrCat("blk_", ToSigned(block.id), "_", ToInt(block.stamp));
}

const char* NoteOf(Standing standing) {
  switch (standing) {
    case Standing::kLive:
      return "";
    case Standing::kStale:
      return "(stale)";
    case Standing::kAwaited:
      return "(awaited)";
    case Standing::kDecommissioning:
    case Standing::kDecommissioned:
      return "(decommissioned)";
    case Standing::kMaintenance:
      return "(maintenance)";
    case Standing::kExcess:
      return "(excess)";
    case Standing::kCorrupt:
      return "(corrupt)";
    case Standing::kDead:
      return "(dead)";
  }
  return "";
}

const char* StateOf(AdminState state) {
  switch (state) {
    case AdminState::kInService:
      return "IN";
    case AdminState::kDecommissioning:
      return "DP";
    case AdminState::kDecommissioned:
      return "DD";
    case AdminState::kEnteringMaintenance:
      return "EM";
    case AdminState::kInMaintenance:
      return "IM";
  }
  return "IN";
}

std::string BlockLine(const BlockHealth& health) {
  const ReplicaCounts& counts = health.counts;
  std::string line = absl::StrCat(
      EscapeForLog(health.path, kMostPathBytes), ": ", BlockName(health.block),
      counts.readable > 0 ? "" : " MISSING", " (replicas: live: ", counts.live,
      " decommissioning and decommissioned: ", counts.decommissioning + counts.decommissioned,
      " corrupt: ", counts.corrupt, " in excess: ", counts.excess,
      " maintenance mode: ", counts.maintenance, ") ");
  for (const ReplicaHealth& replica : health.replicas) {
    absl::StrAppend(&line, " ",
                    replica.node != nullptr ? NameOfNode(*replica.node)
                                            : absl::StrCat("storage ", replica.storage),
                    NoteOf(replica.standing), " : ");
  }
  if (health.need) absl::StrAppend(&line, " ", NameOf(*health.need));
  if (health.queued) {
    absl::StrAppend(&line, ", known for ",
                    absl::FormatDuration(absl::Trunc(health.queued->since, absl::Seconds(1))));
    if (!health.queued->blocked_by.empty()) {
      absl::StrAppend(&line, ", blocked: ", health.queued->blocked_by);
    }
  }
  return line;
}

class MetaSaveText {
 public:
  MetaSaveText(Namenode& namenode, Clock& clock, const std::string& user,
               const std::function<absl::Status(absl::string_view)>& write)
      : namenode_(namenode), clock_(clock), caller_{.user = user}, write_(write) {}

  absl::Status Write() {
    RETURN_IF_ERROR(WriteTotals());
    RETURN_IF_ERROR(WriteBlocks());
    RETURN_IF_ERROR(WriteDeletions());
    RETURN_IF_ERROR(WriteCorrupt());
    RETURN_IF_ERROR(WriteNodes());
    return Flush();
  }

 private:
  template <typename... Words>
  absl::Status Line(const Words&... words) {
    absl::StrAppend(&text_, words..., "\n");
    return text_.size() < kWriteBytes ? absl::OkStatus() : Flush();
  }
  absl::Status Flush() {
    const absl::Status status = write_(text_);
    text_.clear();
    return status;
  }

  // Every block with one of these needs, as far as it is one still.
  absl::Status ForEach(std::span<const Need> needs,
                       const std::function<absl::Status(const BlockHealth&)>& use) {
    for (const Need need : needs) {
      for (BlockId after{0};;) {
        const std::vector<BlockId> ids = namenode_.BlocksInNeed(need, after, kPage);
        for (const BlockId id : ids) {
          const Outcome<BlockHealth> health = namenode_.DescribeBlock(caller_, id);
          if (health.value.ok()) {
            RETURN_IF_ERROR(use(*health.value));
          } else if (GetFsError(health.value.status()) != FsError::kFileNotFound) {
            return health.value.status();
          }
        }
        // An empty write lets whoever takes the text end this.
        RETURN_IF_ERROR(Flush());
        if (ids.size() < kPage) break;
        after = ids.back();
      }
    }
    return absl::OkStatus();
  }

  absl::Status WriteTotals() {
    const auto summary = namenode_.GetContentSummary(caller_, "/");
    RETURN_IF_ERROR(summary.value.status());
    RETURN_IF_ERROR(Line(summary.value->files + summary.value->directories, kMark));
    uint64_t live = 0, dead = 0;
    for (const DatanodeInfo& node : namenode_.cluster().Nodes()) {
      ++(node.liveness == Liveness::kDead ? dead : live);
    }
    RETURN_IF_ERROR(Line("Live Datanodes: ", live));
    return Line("Dead Datanodes: ", dead);
  }

  absl::Status WriteBlocks() {
    const auto write = [this](const BlockHealth& health) { return Line(BlockLine(health)); };
    const HealthTotals totals = namenode_.Health();
    RETURN_IF_ERROR(Line(
        "Metasave: Blocks waiting for reconstruction: ", totals.low() - totals.of(Need::kMissing),
        totals.looking ? " (blocks are still being looked through)" : ""));
    RETURN_IF_ERROR(ForEach(kWaiting, write));
    constexpr Need kMissing[] = {Need::kMissing}, kSurplus[] = {Need::kSurplus};
    RETURN_IF_ERROR(Line("Metasave: Blocks currently missing: ", totals.of(Need::kMissing)));
    RETURN_IF_ERROR(ForEach(kMissing, write));
    RETURN_IF_ERROR(Line("Mis-replicated blocks that have been postponed:"));
    RETURN_IF_ERROR(ForEach(kSurplus, write));
    RETURN_IF_ERROR(Line("Metasave: Blocks being reconstructed: ", totals.copies));
    return ForEach(kWaiting, [this](const BlockHealth& health) -> absl::Status {
      if (health.copies.empty()) return absl::OkStatus();
      absl::Duration running;
      for (const CopyHealth& copy : health.copies) running = std::max(running, copy.running);
      return Line(BlockName(health.block), " StartTime: ",
                  absl::FormatTime("%H:%M:%S", clock_.Now() - running, absl::LocalTimeZone()),
                  " NumReconstructInProgress: ", health.copies.size());
    });
  }

  absl::Status WriteDeletions() {
    const std::shared_ptr<const ClusterView> view = namenode_.cluster().View();
    uint64_t all = 0;
    for (const auto& [storage, count] : namenode_.PendingDeletions()) {
      all += count;
      const StorageLocation* const at = view->Find(storage);
      to_delete_[at == nullptr ? absl::StrCat("storage ", storage) : NameOfNode(*at->node)] +=
          count;
    }
    return Line("Metasave: Blocks ", all, " waiting deletion from ", to_delete_.size(),
                " datanodes.");
  }

  absl::Status WriteCorrupt() {
    RETURN_IF_ERROR(Line("Corrupt Blocks:"));
    return ForEach(kAll, [this](const BlockHealth& health) -> absl::Status {
      for (const ReplicaHealth& replica : health.replicas) {
        if (replica.standing != Standing::kCorrupt || replica.node == nullptr) continue;
        RETURN_IF_ERROR(Line("Block=", BlockName(health.block), "\tSize=", health.block.length,
                             "\tNode=", NameOfNode(*replica.node), "\tStorageID=",
                             replica.storage_uuid, "\tTotalReplicas=", health.replicas.size()));
      }
      return absl::OkStatus();
    });
  }

  absl::Status WriteNodes() {
    const std::vector<DatanodeInfo> nodes = namenode_.cluster().Nodes();
    RETURN_IF_ERROR(Line("Metasave: Number of datanodes: ", nodes.size()));
    for (const DatanodeInfo& node : nodes) {
      uint64_t capacity = 0, used = 0, remaining = 0;
      for (const StorageInfo& storage : node.storages) {
        if (storage.failed) continue;
        capacity += storage.capacity_bytes;
        used += storage.used_bytes;
        remaining += storage.remaining_bytes;
      }
      const std::string name = NameOfNode(node);
      const auto deletions = to_delete_.find(name);
      // Nothing is pinned in a datanode's memory: the four columns of HDFS's cache are of nothing.
      RETURN_IF_ERROR(
          Line(name, node.rack == "/default-rack" ? "" : absl::StrCat(" ", node.rack), " ",
               StateOf(node.admin_state), node.liveness == Liveness::kDead ? " DEAD " : " ",
               Bytes(capacity), " ", Bytes(used), " ", Percent(used, capacity), " ",
               Bytes(remaining), " ", Bytes(0), " ", Bytes(0), " ", Percent(0, 0), " ", Bytes(0),
               " ", Date(absl::FromUnixMillis(static_cast<int64_t>(node.last_heartbeat_ms))),
               deletions == to_delete_.end()
                   ? ""
                   : absl::StrCat(" ", deletions->second, " blocks to be invalidated;")));
    }
    return absl::OkStatus();
  }

  Namenode& namenode_;
  Clock& clock_;
  const Caller caller_;
  const std::function<absl::Status(absl::string_view)>& write_;
  std::string text_;
  absl::btree_map<std::string, uint64_t> to_delete_;  // replicas, by datanode
};

// HDFS takes any path here, also "../../etc/x".
absl::Status CheckFileName(absl::string_view name) {
  const bool plain = !name.empty() && name.size() <= kMostNameBytes && name[0] != '.' &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return c != '/' && static_cast<unsigned char>(c) > ' ' && c != '\x7f';
                     });
  if (plain) return absl::OkStatus();
  return MakeFsError(FsError::kIllegalArgument,
                     absl::StrCat("not the plain name of a file in the log directory: ",
                                  EscapeForLog(name, kMostNameBytes)));
}

}  // namespace

absl::Status WriteMetaSave(Namenode& namenode, Clock& clock, const std::string& user,
                           const std::function<absl::Status(absl::string_view)>& write) {
  return MetaSaveText(namenode, clock, user, write).Write();
}

MetaSaver::MetaSaver(FileSystem& files, Clock& clock, Namenode& namenode, std::string directory)
    : files_(files),
      clock_(clock),
      namenode_(namenode),
      directory_(std::move(directory)),
      thread_([this] { Run(); }) {}

MetaSaver::~MetaSaver() {
  stopping_.store(true);
  {
    MutexLock lock(mu_);
    wake_.NotifyAll();
  }
  thread_.join();
}

void MetaSaver::Save(absl::string_view user, absl::string_view file_name, Done done) {
  absl::Status status = CheckFileName(file_name);
  if (status.ok()) {
    MutexLock lock(mu_);
    if (requests_.size() < kMostWaiting) {
      requests_.push_back({std::string(user), std::string(file_name), std::move(done)});
      wake_.NotifyAll();
      return;
    }
    status = absl::ResourceExhaustedError("too many such files are being written; try later");
  }
  done(status);
}

void MetaSaver::Run() {
  SetThreadName("nn-metasave");
  for (;;) {
    Request request;
    {
      MutexLock lock(mu_);
      while (requests_.empty() && !stopping_.load()) wake_.Wait(mu_);
      if (requests_.empty()) return;
      request = std::move(requests_.front());
      requests_.pop_front();
    }
    const absl::Status status = WriteFile(request);
    if (!status.ok()) LOG_WARN("metasave {}: {}", request.file_name, status.message());
    request.done(status);
  }
}

absl::Status MetaSaver::WriteFile(const Request& request) {
  RETURN_IF_ERROR(files_.MakeDirectories(directory_));
  const std::string path = absl::StrCat(directory_, "/", request.file_name);
  if (files_.Exists(path)) {
    std::array<std::byte, 64> begin{};
    size_t count = 0;
    if (!files_.IsDirectory(path)) {
      ASSIGN_OR_RETURN(const std::unique_ptr<File> file, files_.Open(path, {}));
      ASSIGN_OR_RETURN(count, file->ReadAt(0, begin));
    }
    if (!absl::StrContains(absl::string_view(reinterpret_cast<const char*>(begin.data()), count),
                           kMark)) {
      return absl::AlreadyExistsError(absl::StrCat(path, " is there and was not made by metasave"));
    }
  }
  const std::string unfinished = absl::StrCat(directory_, "/.", request.file_name, ".metasave");
  absl::Status status = WriteTo(unfinished, request.user);
  if (status.ok()) status = files_.Rename(unfinished, path);
  if (status.ok()) {
    LOG_INFO("metasave: {} is written", path);
  } else {
    files_.Remove(unfinished).IgnoreError();  // it may not have been made
  }
  return status;
}

absl::Status MetaSaver::WriteTo(const std::string& path, const std::string& user) {
  if (files_.Exists(path)) RETURN_IF_ERROR(files_.Remove(path));  // of a start that was cut off
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                   files_.Open(path, {.create = true, .exclusive = true, .write = true}));
  uint64_t at = 0;
  return WriteMetaSave(namenode_, clock_, user, [&](absl::string_view text) -> absl::Status {
    if (stopping_.load()) return absl::CancelledError("the namenode is being stopped");
    RETURN_IF_ERROR(file->WriteAt(at, std::as_bytes(std::span(text.data(), text.size()))));
    at += text.size();
    return absl::OkStatus();
  });
}

}  // namespace cairn::namenode
