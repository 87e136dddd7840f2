// namenode/core/testing/test_namenode.h - a whole namenode without a network: a real store in a
// directory of its own, a journal in memory, a fake clock, and datanodes that are this class.
//
// Crash() and Start() are a kill and a restart: what the journal had made durable is replayed over
// what the store holds. Test users: "hdfs" is the superuser, "admin" is in the supergroup, "alice"
// and "bob" are in "staff", "carol" is alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "namenode/core/namenode_impl.h"
#include "namenode/journal/memory_journal.h"
#include "namenode/namespace/testing/audit.h"

namespace cairn::namenode {

inline constexpr Caller kSuper{.user = "hdfs", .remote_ip = "10.9.9.9"};
inline constexpr Caller kAlice{.user = "alice", .remote_ip = "10.9.9.1"};
inline constexpr Caller kBob{.user = "bob", .remote_ip = "10.9.9.2"};
inline constexpr Caller kCarol{.user = "carol", .remote_ip = "10.9.9.3"};
inline constexpr uint64_t kBlockBytes = 1 << 20;

using Edits = std::vector<std::pair<TxId, std::string>>;

class TestNamenode {
 public:
  struct Options {
    Options() {
      namenode.identities.superuser = "hdfs";
      namenode.identities.groups_of = GroupsOf;
    }
    NamenodeOptions namenode;
    MemoryJournal::Mode journal = MemoryJournal::Mode::kAtOnce;
    // Large by default: a test that wants a flush says so.
    uint64_t tail_bytes = 32 << 20;
    absl::Duration tail_age = absl::Hours(1);
    int datanodes = 3;
    // Of each datanode's disk, on which its replicas take room. 0: disks are endless.
    uint64_t disk_bytes = 0;
    ClusterState::Options cluster;
    // Puts something between the namenode and its store.
    std::function<std::unique_ptr<Store>(std::unique_ptr<Store>, Store::WithLock)> wrap_store;
  };

  explicit TestNamenode(Options options = {});  // formatted, started, datanodes registered
  ~TestNamenode();

  NamenodeImpl* operator->() { return namenode_.get(); }
  NamenodeImpl& impl() { return *namenode_; }
  MemoryJournal& journal() { return *journal_; }
  FakeClock& clock() { return clock_; }
  Store& store() { return *store_; }
  const Edits& replayed() const { return history_; }
  // All edits ever made and not lost.
  Edits AllEdits() const;

  // The process dies: memory is lost, and what was not durable with it.
  void Crash();
  // The next Start begins with this history and an empty store.
  void FormatAgain(Edits history);
  // Datanodes do not register by themselves after a restart.
  absl::Status Start();
  void Restart();  // Crash, Start, RegisterDatanodes
  void RegisterDatanodes();
  // Everything reaches LevelDB.
  void Flush() { ASSERT_OK(store_->Flush()); }

  // ---- what datanodes do
  // Its reports and heartbeats are of the new session from then on.
  absl::StatusOr<uint64_t> RegisterDatanode(int node);
  uint64_t session(int node) const { return sessions_[node]; }
  // All that Report() and orders to delete left on the datanode; and on each of them.
  void SendFullReport(int node);
  void SendFullReports();
  // A report round: digests, and a list of what differs. How many replicas were listed; nullopt:
  // the namenode is not ready.
  std::optional<size_t> SendRound(int node);
  // The digests that SendRound tells, with the next number.
  DigestReport Digests(int node);
  // A part of a list, still without ranges and replicas, with the next number.
  ReplicasReport ListWithoutReplicas(int node, uint32_t part, bool last);
  // It is gone from the datanode, which does not know that it was there.
  void LoseReplica(int node, BlockId block) { replicas_[node].erase(block); }
  // Maintenance until the namenode has digests.
  void FinishWalk();
  // Finalized, on the first `nodes` datanodes.
  void ReportFinalized(const BlockVersion& block, int nodes = 1, int first_node = 0);
  absl::Status Report(int node, const BlockVersion& block, ReplicaState state);
  // `failed`: so is its disk. And copies that it could not make, units that it found wrong, and
  // what it says of groups that it was to verify.
  std::vector<DatanodeCommand> Heartbeat(int node, bool failed = false,
                                         std::vector<FailedCopy> failed_copies = {},
                                         std::vector<WrongUnit> wrong_units = {},
                                         std::vector<GroupVerdict> group_verdicts = {});
  void HeartbeatAll();
  // As it tells the namenode.
  StorageInfo StorageOf(int node);
  static std::string DatanodeUuid(int node) { return absl::StrCat("dn-", node); }
  static std::string StorageUuid(int node) { return absl::StrCat("DS-", node); }

  // ---- what clients do; each asserts that it succeeds
  void Mkdir(absl::string_view path, const Caller& caller = kSuper, uint32_t mode = 0755);
  FileStatus Create(absl::string_view path, const Caller& caller = kSuper,
                    absl::string_view client = "client");
  // The next block; its predecessor gets `previous_bytes`, and reports in.
  LocatedBlock AddBlock(absl::string_view path, std::optional<BlockVersion> previous = {},
                        absl::string_view client = "client");
  // A closed file with blocks of these lengths, each on one datanode.
  FileStatus WriteFile(absl::string_view path, const std::vector<uint64_t>& block_bytes = {},
                       const Caller& caller = kSuper, absl::string_view client = "client");
  std::optional<FileStatus> Stat(absl::string_view path, const Caller& caller = kSuper);
  bool Exists(absl::string_view path) { return Stat(path).has_value(); }
  std::vector<std::string> List(absl::string_view path);

  // ---- what tests ask
  Dump Records();
  // Fails the test unless all records fit together.
  void ExpectConsistent();

  static std::vector<std::string> GroupsOf(const std::string& user);

 private:
  // No test here cuts the power, and a thousand restarts need not wait for a disk. Before temp_.
  static bool KeepFilesInMemory();

  Options options_;
  const bool in_memory_ = KeepFilesInMemory();
  TempDir temp_;
  FakeClock clock_;
  StoreOptions store_options_;
  Edits history_;  // of earlier processes
  std::unique_ptr<ClusterState> cluster_;
  std::unique_ptr<MemoryJournal> journal_;
  std::unique_ptr<NamenodeImpl> namenode_;
  std::unique_ptr<Store> store_;
  void ExpectDigestsAsRecords();

  std::vector<uint64_t> sessions_, sequences_;
  uint32_t digest_shift_ = 0;
  std::map<int, std::map<BlockId, ReportedReplica>> replicas_;  // by datanode
  Mutex replicas_mu_;
  int formats_ = 0;
};

// Flags of HDFS's create.
inline CreateOptions CreateFlags(bool create, bool overwrite, bool create_parent = true) {
  CreateOptions options;
  options.client_name = "client";
  options.create = create;
  options.overwrite = overwrite;
  options.create_parent = create_parent;
  options.block_bytes = kBlockBytes;
  return options;
}

}  // namespace cairn::namenode
