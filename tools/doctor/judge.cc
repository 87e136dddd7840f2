#include "tools/doctor/judge.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/block_counts.h"
#include "tools/dfs/format.h"

namespace cairn::tools {
namespace {

using client::ClusterFacts;
using client::Need;
using client::NodeFacts;
using client::NodeLiveness;

constexpr absl::Duration kClockWarning = absl::Seconds(1);
constexpr absl::Duration kClockError = absl::Seconds(30);
constexpr uint64_t kFewDescriptors = 4096;
constexpr double kDescriptorShare = 0.8;
constexpr double kNearlyFull = 0.10;  // of a storage's capacity is left
constexpr double kFull = 0.02;

class Doctor {
 public:
  explicit Doctor(const DoctorFacts& facts) : f_(facts) {}

  std::vector<Finding> Run() {
    CheckConfiguration();
    CheckDescriptors("this shell", f_.here.limit, f_.here.used);
    if (!f_.reached.ok()) {
      Add(Severity::kError, "namenode",
          absl::StrCat(f_.namenode, " cannot be asked: ", f_.reached.message()),
          "start it, or say where it is: fs.defaultFS in core-site.xml, or -fs hdfs://HOST:PORT");
    } else {
      CheckClock("the namenode", f_.clock);
      CheckDescriptors("the namenode", f_.cluster.descriptor_limit, f_.cluster.descriptors_used);
      CheckSafeMode();
      CheckNodes();
      CheckTopology();
      CheckStorages();
      CheckJournals();
      CheckBlocks();
      CheckDatanodes();
    }
    std::stable_sort(findings_.begin(), findings_.end(),
                     [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
    return std::move(findings_);
  }

 private:
  void Add(Severity severity, const char* check, std::string what, std::string advice) {
    findings_.push_back({severity, check, std::move(what), std::move(advice)});
  }

  void CheckConfiguration() {
    if (f_.conf.empty()) {
      Add(Severity::kNote, "configuration", "no directory of configuration files is named",
          "set HADOOP_CONF_DIR, or give -conf DIR");
    }
    // A key that all programs refuse is one trouble.
    std::vector<std::string> told;
    for (const ConfigCheck& check : f_.configs) {
      if (check.trouble.empty()) continue;
      if (std::find(told.begin(), told.end(), check.trouble) != told.end()) continue;
      told.push_back(check.trouble);
      Add(Severity::kError, "configuration", absl::StrCat(check.program, ": ", check.trouble),
          "correct the file; docs/configuration.md has every key");
    }
  }

  void CheckDescriptors(const std::string& who, uint64_t limit, uint64_t used) {
    if (limit == 0) return;
    if (static_cast<double>(used) > kDescriptorShare * static_cast<double>(limit)) {
      Add(Severity::kError, "limits",
          absl::StrCat(who, " has ", used, " of ", limit, " file descriptors in use"),
          "raise its limit (ulimit -n, LimitNOFILE= of its systemd unit) and start it again");
    } else if (limit < kFewDescriptors) {
      Add(Severity::kWarning, "limits",
          absl::StrCat(who, " may open only ", limit, " file descriptors"),
          "raise its limit to 65536 (ulimit -n, LimitNOFILE= of its systemd unit)");
    }
  }

  void CheckClock(const std::string& who, const std::optional<ClockOffset>& clock) {
    if (!clock) return;
    const absl::Duration size = absl::AbsDuration(clock->offset);
    // What the network may have added is no fault of the clock.
    if (size - clock->doubt < kClockWarning) return;
    const char* const way = clock->offset > absl::ZeroDuration() ? "ahead of" : "behind";
    Add(size - clock->doubt < kClockError ? Severity::kWarning : Severity::kError, "clocks",
        absl::StrCat("the clock of ", who, " is ",
                     absl::FormatDuration(absl::Trunc(size, absl::Milliseconds(1))), " ", way,
                     " this machine's"),
        "let chrony or ntpd keep the time on both");
  }

  void CheckSafeMode() {
    if (!f_.cluster.safe_mode) return;
    Add(Severity::kWarning, "safe mode",
        absl::StrCat("nothing can be changed: ", f_.cluster.safe_mode_reason),
        "wait for the datanodes, or `cairn dfsadmin -safemode leave`");
  }

  void CheckNodes() {
    uint32_t live = 0;
    for (const NodeFacts& node : f_.cluster.nodes) {
      const std::string name = absl::StrCat(node.name(), " (", node.host, ")");
      const std::string silent = absl::FormatDuration(absl::Trunc(node.silent, absl::Seconds(1)));
      if (node.liveness == NodeLiveness::kDead) {
        Add(Severity::kError, "datanodes", absl::StrCat(name, " is dead: silent for ", silent),
            "start it again, or take it out of the cluster; its log tells why it ended");
        continue;
      }
      ++live;
      if (node.liveness == NodeLiveness::kStale) {
        Add(Severity::kWarning, "datanodes", absl::StrCat(name, " has been silent for ", silent),
            "see whether it runs and whether the network reaches the namenode from it");
      }
    }
    if (live == 0) {
      Add(Severity::kError, "datanodes", "no datanode lives", "start datanodes");
      return;
    }
    if (f_.cluster.unregistered_nodes > 0) {
      Add(Severity::kWarning, "datanodes",
          absl::StrCat(f_.cluster.unregistered_nodes,
                       " known datanodes have not come back since the namenode's start"),
          "start them");
    }
    if (f_.cluster.default_replication > live) {
      Add(Severity::kWarning, "replication",
          absl::StrCat("dfs.replication is ", f_.cluster.default_replication, ", and ", live,
                       live == 1 ? " datanode lives" : " datanodes live",
                       ": every new block lacks replicas"),
          "start more datanodes, or lower dfs.replication");
    }
  }

  void CheckTopology() {
    std::set<std::string> racks, hosts;
    for (const NodeFacts& node : f_.cluster.nodes) {
      if (node.liveness == NodeLiveness::kDead) continue;
      racks.insert(node.rack);
      hosts.insert(node.ip);
    }
    if (hosts.size() == 1 && f_.cluster.nodes.size() > 1) {
      Add(Severity::kWarning, "topology", "all datanodes are on one machine",
          "fine for trying out; data survives the loss of a disk, not of the machine");
    } else if (racks.size() == 1 && hosts.size() > 2) {
      Add(Severity::kWarning, "topology",
          absl::StrCat("all datanodes are in one rack, ", *racks.begin(),
                       ": replicas cannot be spread over racks"),
          "name the racks: net.topology.table.file.name or net.topology.script.file.name");
    }
  }

  void CheckStorages() {
    for (const NodeFacts& node : f_.cluster.nodes) {
      if (node.liveness == NodeLiveness::kDead) continue;
      for (const client::StorageFacts& storage : node.storages) {
        const std::string name =
            absl::StrCat("storage ", storage.uuid, " of ", node.name(), " (", node.host, ")");
        if (storage.failed) {
          Add(Severity::kError, "disks", absl::StrCat(name, " has failed"),
              "see the datanode's log, replace the disk, and start the datanode again");
          continue;
        }
        if (storage.capacity == 0) continue;
        const double left =
            static_cast<double>(storage.remaining) / static_cast<double>(storage.capacity);
        if (left >= kNearlyFull) continue;
        Add(left < kFull ? Severity::kError : Severity::kWarning, "disks",
            absl::StrCat(name, left < kFull ? " is full: " : " is nearly full: ",
                         HumanSize(storage.remaining, "B", 2), " of ",
                         HumanSize(storage.capacity, "B", 2), " are left"),
            "delete files, add disks or datanodes, or balance");
      }
    }
  }

  void CheckJournals() {
    for (const client::JournalFacts& journal : f_.cluster.journals) {
      if (journal.dropped.empty()) continue;
      Add(Severity::kError, "journal",
          absl::StrCat(journal.directory, " is not used any more, since edit ", journal.last_txid,
                       ": ", journal.dropped),
          "mend its disk and restart the namenode, which brings it up to date; until then the edit "
          "log has a copy less");
    }
  }

  void CheckBlocks() {
    const ClusterFacts& c = f_.cluster;
    const auto count = [&](Need need) { return c.by_need[static_cast<size_t>(need)]; };
    // Safe mode is told of already.
    if (const std::string why = WhyMoreMayBeWrong(c); !why.empty() && !c.safe_mode) {
      Add(Severity::kWarning, "blocks",
          absl::StrCat("more blocks may be in trouble than are known: ", why),
          "ask again later; `cairn fsck /` looks at every file now");
    }
    const uint64_t missing = count(Need::kMissing);
    const uint64_t low = c.low_redundancy() - missing;
    const std::string more = c.overflowed ? " or more" : c.looking ? ", so far" : "";
    if (missing > 0) {
      Add(Severity::kError, "blocks",
          absl::StrCat(missing, more, " blocks have no good replica: their files cannot be read"),
          "bring back the datanodes that held them; `cairn fsck / -list-corruptfileblocks` names "
          "them, `cairn why` explains each");
    }
    if (low > 0) {
      Add(Severity::kWarning, "blocks",
          absl::StrCat(low, more, " blocks lack replicas; ", c.copies, " copies are under way"),
          "wait for the repair; `cairn why PATH` tells what is in its way");
    }
    if (count(Need::kBadlySpread) > 0) {
      Add(Severity::kWarning, "blocks",
          absl::StrCat(count(Need::kBadlySpread), more, " blocks stand in too few racks"),
          "wait for the repair; a second rack must have room for it");
    }
    if (c.corrupt_blocks > 0) {
      Add(Severity::kWarning, "blocks",
          absl::StrCat(c.corrupt_blocks, " blocks have a replica that is known to be bad"),
          "it is replaced if another replica is good; look at the disk it is on (`cairn why`)");
    }
    if (c.contradicting_groups > 0) {
      Add(Severity::kWarning, "blocks",
          absl::StrCat(c.contradicting_groups,
                       " block groups have units that contradict each other: some bytes are wrong"),
          "`cairn why /` names them; see \"A wrong unit\" in docs/operations.md");
    }
  }

  void CheckDatanodes() {
    std::set<std::string> versions = {f_.cluster.version};
    for (const DatanodeCheck& node : f_.datanodes) {
      if (!node.no_local_reads.empty()) {
        Add(Severity::kNote, "local reads",
            absl::StrCat("programs of this machine read from ", node.node,
                         " over TCP: ", node.no_local_reads),
            "see \"Local reads\" in docs/operations.md, and the beginning of the datanode's log");
      }
      if (!node.reached.ok()) {
        Add(Severity::kWarning, "network",
            absl::StrCat(node.node, " cannot be asked from here: ", node.reached.message()),
            "clients on this machine cannot either, if its data port is as closed as its IPC port");
        continue;
      }
      CheckClock(node.node, node.clock);
      CheckDescriptors(node.node, node.status.descriptor_limit, node.status.descriptors_used);
      versions.insert(node.status.version);
    }
    versions.erase("");
    if (versions.size() > 1) {
      Add(Severity::kWarning, "versions",
          absl::StrCat("programs of several versions run: ", absl::StrJoin(versions, ", ")),
          "end the upgrade that was begun");
    }
  }

  const DoctorFacts& f_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> Diagnose(const DoctorFacts& facts) { return Doctor(facts).Run(); }

}  // namespace cairn::tools
