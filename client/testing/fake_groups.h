// client/testing/fake_groups.h - a namenode that has erasure-coded files, and datanodes on real
// sockets that take their units, with the failures that a test asks for.
//
// As strict as HDFS's: a unit is made or gone on with under a stamp, a token and a length that fit,
// and the file is complete when enough units of its last group are finished. What a client does
// wrong beyond what these refuse is in Complaints(). A closed file can be located, and changed in
// place by whole groups: its datanodes do not read. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/context.h"
#include "client/file_system.h"
#include "common/mutex.h"
#include "erasure/layout.h"
#include "erasure/policy.h"
#include "proto/client.pb.h"
#include "proto/hdfs/client_namenode.pb.h"
#include "proto/hdfs/data_transfer.pb.h"

namespace cairn::client {

class FakeGroups {
 public:
  // Every file is of `policy`. A group goes to the first datanodes that are not excluded.
  FakeGroups(const erasure::Policy& policy, int nodes);
  ~FakeGroups();

  // A client of this cluster.
  std::unique_ptr<FileSystem> Connect(ClientOptions options, Clock& clock = SystemClock());

  // Its namenode alone, for fakes that are made of several.
  absl::Status Answer(absl::string_view method, const std::string& request,
                      google::protobuf::MessageLite& response) {
    return Handle(method, request, response);
  }
  // The groups of `from`, which is gone, are those of `to`, which is being written.
  void Take(const std::string& from, const std::string& to);

  // ---- Failures, by node index ----
  void RefuseSetUp(int node, int times = 1 << 30);
  void HangInSetUp(int node);        // never answers
  void GiveSignsInSetUp(int signs);  // so many, by every node, before its answer
  // Set-ups are answered once so many have come, those that were refused not counted.
  void AnswerSetUpsTogether(int set_ups);
  void RefuseRecovery(int node);                 // of a unit that it has already
  void DieAfterBytes(int node, uint64_t bytes);  // of any unit: its ack is an error, then gone
  // The same, but it says that it restarts, once, and is back at once.
  void RestartAfterBytes(int node, uint64_t bytes);
  // To all its writers. What it has stays, unfinished.
  void Restart(int node);
  void ClosePort(int node);       // for good; connections stay
  void DieAtClose(int node);      // the closing packet's ack is an error
  void RestartAtClose(int node);  // once: it is an announcement in its place
  void FallSilent(int node);      // acknowledges nothing, after signs were promised
  // A new group has places for so many of its units, the first ones.
  void OfferAtMost(size_t units);
  void NumberUnitsWrongly();       // of groups that are added
  void DenyCompletion(int times);  // complete() is false that often
  void RefuseFsync();
  // No file for which the policy is named is made from now on.
  void DisablePolicy();

  // ---- What happened ----
  struct Unit {
    int node = -1;  // where it was to go; -1: nowhere
    bool there = false;
    uint64_t stamp = 0;
    std::string bytes;
    bool finished = false;
    bool synced = false;  // at its end
  };
  struct Group {
    uint64_t id = 0;
    uint64_t stamp = 0;
    uint64_t bytes = 0;
    std::set<uint32_t> lost;  // by what the namenode was told
    std::vector<Unit> units;
  };
  std::vector<Group> Groups(const std::string& path) const;
  bool IsOpen(const std::string& path) const;
  int Calls(const std::string& method) const;
  // What became of groups, in order, with their bytes by what the client said: "addBlock", or
  // "addBlock after 1500", "abandonBlock", "finished" for each unit, "fsync 1500", "complete 1500"
  // or "complete", "replaceBlocks".
  std::vector<std::string> History() const;
  int Heartbeats() const;  // of writers
  size_t Connections() const;
  std::vector<std::string> Complaints() const;

 private:
  class Node;
  struct Replica {
    uint64_t stamp = 0;
    std::string bytes;
    bool finished = false;
    bool synced = false;
  };
  struct GroupState {
    hdfs::ExtendedBlockProto id;
    std::vector<int> nodes;  // by unit; fewer: the rest has no place
    std::set<uint32_t> lost;
  };
  struct FileState {
    uint64_t inode = 0;
    uint64_t block_bytes = 0;
    std::vector<GroupState> groups;
    bool open = false;
  };
  using Files = std::map<std::string, FileState>;

  // ---- The namenode ----
  absl::Status Handle(absl::string_view method, const std::string& request,
                      google::protobuf::MessageLite& response) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status HandleCairn(absl::string_view method, const std::string& request)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Also by the inode's id. end(): there is none.
  Files::iterator Lookup(const std::string& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Create(const hdfs::CreateRequestProto& request, hdfs::HdfsFileStatusProto& made)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FillStatus(const FileState& file, hdfs::HdfsFileStatusProto& status) const;
  // `number`: which unit of the group it is told to be.
  void AddUnit(const GroupState& group, size_t unit, size_t number,
               hdfs::LocatedBlockProto& located) const;
  void LocateAll(const FileState& file, hdfs::LocatedBlocksProto& located) const;
  absl::Status CheckPolicy() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status ReplaceBlocks(const client_calls::ReplaceBlocksRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status AddGroup(const hdfs::AddBlockRequestProto& request, hdfs::LocatedBlockProto& added)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Renew(const hdfs::ExtendedBlockProto& block, hdfs::LocatedBlockProto& renewed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Abandon(const hdfs::AbandonBlockRequestProto& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UpdatePipeline(const hdfs::UpdatePipelineRequestProto& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Fsync(const hdfs::FsyncRequestProto& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Complete(const hdfs::CompleteRequestProto& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes the length of the file's last group from `named`.
  void Commit(FileState& file, const hdfs::ExtendedBlockProto& named)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasEnough(const GroupState& group) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  GroupState& Find(uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // ---- The datanodes ----
  // Empty: the pipeline is set up. Else why not.
  std::string SetUp(int node, const hdfs::OpWriteBlockProto& op) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Until the set-up is to be answered. False: never.
  bool AwaitSetUp(int node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::string Reopen(int node, const hdfs::OpWriteBlockProto& op)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Complain(std::string about) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const erasure::Policy policy_;
  const erasure::Layout layout_;
  mutable Mutex mu_;
  CondVar changed_;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t next_group_ ABSL_GUARDED_BY(mu_) = uint64_t{1} << 63;
  uint64_t next_stamp_ ABSL_GUARDED_BY(mu_) = 2000;
  uint64_t next_inode_ ABSL_GUARDED_BY(mu_) = 17'000;
  Files files_ ABSL_GUARDED_BY(mu_);
  std::map<std::pair<int, uint64_t>, Replica> replicas_ ABSL_GUARDED_BY(mu_);  // node, block
  std::map<std::string, int> calls_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> history_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> complaints_ ABSL_GUARDED_BY(mu_);
  std::map<int, int> refusing_ ABSL_GUARDED_BY(mu_);  // so many times
  std::set<int> hanging_ ABSL_GUARDED_BY(mu_);
  int set_ups_ ABSL_GUARDED_BY(mu_) = 0;
  int set_ups_together_ ABSL_GUARDED_BY(mu_) = 0;
  int signs_in_set_up_ ABSL_GUARDED_BY(mu_) = 0;
  std::set<int> refusing_recovery_ ABSL_GUARDED_BY(mu_);
  std::map<int, uint64_t> die_after_ ABSL_GUARDED_BY(mu_);
  std::map<int, uint64_t> restart_after_ ABSL_GUARDED_BY(mu_);
  std::set<int> dying_at_close_ ABSL_GUARDED_BY(mu_);
  std::set<int> restarting_at_close_ ABSL_GUARDED_BY(mu_);
  std::set<int> silent_ ABSL_GUARDED_BY(mu_);
  size_t offered_ ABSL_GUARDED_BY(mu_) = erasure::kMaxUnits;
  bool numbering_wrongly_ ABSL_GUARDED_BY(mu_) = false;
  int denials_ ABSL_GUARDED_BY(mu_) = 0;
  bool refusing_fsync_ ABSL_GUARDED_BY(mu_) = false;
  bool disabled_ ABSL_GUARDED_BY(mu_) = false;
  int heartbeats_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace cairn::client
