// client/testing/fake_cluster.h - a namenode without a network and datanodes on real sockets, both
// in memory, with the failures that a test asks for.
//
// One file system with one file at a time per path; a datanode that takes a WRITE_BLOCK stores the
// bytes on itself and on the targets named in it, so that a pipeline of three is one connection.
// Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "client/context.h"
#include "client/file_system.h"
#include "common/mutex.h"
#include "erasure/policy.h"
#include "proto/hdfs/client_namenode.pb.h"
#include "proto/hdfs/data_transfer.pb.h"

namespace cairn::client {

class FakeCluster {
 public:
  explicit FakeCluster(int nodes);
  ~FakeCluster();

  // A client of this cluster.
  std::unique_ptr<FileSystem> Connect(ClientOptions options, Clock& clock = SystemClock());
  // What such a client is made of.
  std::shared_ptr<ClientContext> NewContext(ClientOptions options, Clock& clock = SystemClock());

  // Its namenode alone, for fakes that are made of several.
  absl::Status Answer(absl::string_view method, const std::string& request,
                      google::protobuf::MessageLite& response) {
    return Handle(method, request, response);
  }

  // ---- Failures, by node index ----
  void RefuseSetUp(int node);                    // every later pipeline with it fails
  void AllowSetUp(int node);                     // no longer
  void RefuseCopies(int node);                   // as the target of a TRANSFER_BLOCK
  void DieAfterBytes(int node, uint64_t bytes);  // of any block: its ack is an error, then gone
  void CorruptReads(int node);                   // one byte differs from its checksum
  // New connections to it neither come about nor fail, as to a machine that is cut off.
  void CutOff(int node);
  // What the node sends after its answer to READ_BLOCK, in place of packets.
  void SendInsteadOfPackets(int node, std::string bytes);
  // The next so many reads end inside a packet.
  void BreakReads(int node, int reads);
  int BrokenReads(int node) const;  // so far
  // Reads of it hear nothing, or nothing any more once half a packet has come, until ResumeReads.
  enum class Silence : uint8_t { kFromTheStart, kInsideAPacket };
  void StallReads(int node, Silence silence = Silence::kFromTheStart);
  void ResumeReads(int node);
  // Each of `nodes` hands over its replicas' files at the socket dn.PORT in the directory, as they
  // are when it is asked: what a client has stays as it is.
  void PassDescriptors(const std::string& directory, const std::vector<int>& nodes);
  void AckOutOfTurn(int node);  // acknowledges a packet that nobody sent
  // The next pipeline that begins at `node` is refused after `delay`, since its last node is
  // silent, as all later ones with that node are at once.
  void LastNodeSilentAtSetUp(int node, absl::Duration delay);
  void HoldPackets(bool hold);  // no node reads any while true
  // Every node promises signs of life, and gives them while packets are held.
  void GiveSigns();
  // Pipelines that begin at `node` hear nothing of it any more.
  void Stop(int node);
  // The node behind the next packet, at its place in the chain, says that it restarts.
  void AnnounceRestart(int node);
  // Acknowledges nothing of the next block that begins at `node`, and says after its closing packet
  // that it restarts: with the block finished.
  void RestartAtClose(int node);
  void RefuseRecovery(bool refuse);  // recoverLease fails
  // The namenode says of the last block that it is being written and has `known_bytes`; no node has
  // a replica of it.
  void LoseOpenTail(const std::string& path, uint64_t known_bytes);
  // What the acknowledgements say that `node` took for each packet.
  void TakeTime(int node, absl::Duration time);

  // ---- What other clients do ----
  void Move(const std::string& from, const std::string& to);  // over `to`, whose replicas go
  // A change in place: block `index` is that of `from` now.
  void PutBlock(const std::string& path, size_t index, const std::string& from);
  void Cut(const std::string& path, uint64_t length);
  // It has the blocks and the form of `from`, which is gone, as are the replicas that it had.
  void Convert(const std::string& path, const std::string& from);

  // ---- Erasure-coded files: fake_striped_files.cc ----
  // A closed file with `data` in groups whose units have up to `unit_bytes`, unit u of each on node
  // u; its datanodes want the unit's own token.
  void PutStriped(const std::string& path, const erasure::Policy& policy, const std::string& data,
                  uint64_t unit_bytes);
  // The namenode knows no place of the unit any more.
  void HideUnit(const std::string& path, size_t group, uint32_t unit);
  // The same for the next so many `calls` of getBlockLocations, as of a unit that is not reported.
  void TellUnitLater(const std::string& path, size_t group, uint32_t unit, int calls);
  // It does, and its datanode has lost it, or all but its first `bytes`.
  void DropUnit(const std::string& path, size_t group, uint32_t unit);
  void CutUnit(const std::string& path, size_t group, uint32_t unit, uint64_t bytes);
  void PutUnit(const std::string& path, size_t group, uint32_t unit, std::string bytes);
  void FlipBit(const std::string& path, size_t group, uint32_t unit, uint64_t offset);
  // Only in the files that are handed over from now on.
  void FlipBitInFiles(const std::string& path, size_t group, uint32_t unit, uint64_t offset);
  // What the namenode says of the file from now on.
  void TellPolicy(const std::string& path, std::optional<hdfs::ErasureCodingPolicyProto> policy);
  // Of its last group the namenode knows `known_bytes`, and that it is being written.
  void OpenLastGroup(const std::string& path, uint64_t known_bytes);
  void CloseLastGroup(const std::string& path);
  // One more group, as an append begins it.
  void AppendGroup(const std::string& path, const std::string& data);
  // Datanodes answer BLOCK_GROUP_CHECKSUM, as long as all data units are there, or with an error;
  // without this none knows what it is.
  void SumUpGroups(hdfs::Status status = hdfs::STATUS_SUCCESS);
  int GroupSums() const;  // asked for so far
  // The tokens that clients have are not taken any more; the namenode gives others.
  void RenewTokens();
  uint64_t UnitId(const std::string& path, size_t group, uint32_t unit) const;

  // ---- What happened ----
  int Calls(const std::string& method) const;
  std::vector<int> BadReplicaReports() const;           // node indices
  std::vector<uint64_t> BadBlockReports() const;        // block ids of the same
  std::string Contents(const std::string& path) const;  // by the blocks' first live replica
  int Replicas(const std::string& path, size_t block) const;
  std::vector<int> ReplicaNodes(const std::string& path, size_t block) const;
  // Every replica of every block is what Contents says.
  bool ReplicasAgree(const std::string& path) const;
  size_t BlockCount(const std::string& path) const;
  std::vector<bool> SyncedAtEnd(
      const std::string& path) const;                     // by block: its last packet says so
  uint64_t BytesReceived(const std::string& path) const;  // by the nodes, open blocks included
  int Heartbeats() const;                                 // of writers
  int Signs() const;                                      // of life
  int ClosedConnections() const;
  int DescriptorRequests() const;  // granted or not

 private:
  class Node;
  class DeafPort;
  struct Block {
    hdfs::ExtendedBlockProto id;
    std::vector<int> nodes;
    std::map<int, std::string> bytes;  // by node
    bool synced_at_end = false;
    bool finished = false;               // a recovery as if it were being written is refused
    std::string unit_numbers;            // of a group: what each of `nodes` has
    bool is_unit = false;                // reads of it need its token
    std::optional<uint64_t> flipped_at;  // this byte of every replica has changed
    std::optional<uint64_t> flipped_in_files_at;
  };
  struct LateUnit {
    uint64_t group = 0;
    uint32_t unit = 0;
    int calls = 0;  // still to come without it
  };
  struct FileState {
    uint64_t block_bytes = 0;
    uint32_t replication = 0;
    std::vector<uint64_t> blocks;  // ids
    bool open = false;
    std::optional<uint64_t> cut_to;  // a truncate is under way, until somebody asks whether it is
    // Of an erasure-coded file, whose blocks are groups.
    std::optional<hdfs::ErasureCodingPolicyProto> policy;
    uint64_t converted_from = 0;  // as namenodes tell it
  };

  absl::Status Handle(absl::string_view method, const std::string& request,
                      google::protobuf::MessageLite& response);
  void CutTo(FileState& file, uint64_t length) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LocateRange(const FileState& file, const hdfs::GetBlockLocationsRequestProto& range,
                   hdfs::LocatedBlocksProto& located) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  uint64_t DigestOf(const FileState& file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  hdfs::LocatedBlockProto Locate(const Block& block, uint64_t offset) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What a group has that a block has not.
  void LocateUnits(const Block& group, hdfs::LocatedBlockProto& located) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PutGroup(FileState& file, std::vector<std::string> units, uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Block& UnitOf(const std::string& path, size_t group, uint32_t unit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Once for each getBlockLocations.
  void TellLateUnits() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::string UnitToken(uint64_t unit_id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  uint16_t PortOf(int node) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int IndexOf(const hdfs::DatanodeIDProto& id) const;

  mutable Mutex mu_;
  uint64_t next_block_ ABSL_GUARDED_BY(mu_) = 1000;
  uint64_t next_stamp_ ABSL_GUARDED_BY(mu_) = 2000;
  uint64_t last_group_ ABSL_GUARDED_BY(mu_) = 0;  // ids go down from there
  int token_age_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<LateUnit> late_units_ ABSL_GUARDED_BY(mu_);
  hdfs::Status group_sum_status_ ABSL_GUARDED_BY(mu_) = hdfs::STATUS_ERROR;
  int group_sums_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, FileState> files_ ABSL_GUARDED_BY(mu_);
  std::map<uint64_t, Block> blocks_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, uint64_t> lost_tails_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, int> calls_ ABSL_GUARDED_BY(mu_);
  std::vector<int> reported_ ABSL_GUARDED_BY(mu_);
  std::vector<uint64_t> reported_blocks_ ABSL_GUARDED_BY(mu_);
  std::set<int> refusing_ ABSL_GUARDED_BY(mu_);
  std::set<int> refusing_copies_ ABSL_GUARDED_BY(mu_);
  std::set<int> corrupting_ ABSL_GUARDED_BY(mu_);
  std::map<int, int> breaking_ ABSL_GUARDED_BY(mu_);  // reads to come
  std::map<int, int> broken_ ABSL_GUARDED_BY(mu_);
  std::map<int, Silence> stalling_ ABSL_GUARDED_BY(mu_);
  std::set<int> acking_wrong_ ABSL_GUARDED_BY(mu_);
  std::map<int, uint64_t> die_after_ ABSL_GUARDED_BY(mu_);
  std::map<int, absl::Duration> last_silent_ ABSL_GUARDED_BY(mu_);
  bool holding_ ABSL_GUARDED_BY(mu_) = false;
  bool giving_signs_ ABSL_GUARDED_BY(mu_) = false;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  bool refuse_recovery_ ABSL_GUARDED_BY(mu_) = false;
  int signs_ ABSL_GUARDED_BY(mu_) = 0;
  std::set<int> stopped_ ABSL_GUARDED_BY(mu_);
  std::set<int> restarting_at_close_ ABSL_GUARDED_BY(mu_);
  std::set<int> restarting_ ABSL_GUARDED_BY(mu_);
  std::map<int, absl::Duration> times_ ABSL_GUARDED_BY(mu_);
  CondVar released_;
  int heartbeats_ ABSL_GUARDED_BY(mu_) = 0;
  int closed_connections_ ABSL_GUARDED_BY(mu_) = 0;
  int descriptor_requests_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<int, std::string> instead_ ABSL_GUARDED_BY(mu_);
  std::map<int, std::unique_ptr<DeafPort>> cut_off_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace cairn::client
