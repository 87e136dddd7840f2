// client/pipeline.h - setting up a chain of datanodes for one block, and the namenode calls that go
// with it. No state of its own: block_writer.h keeps it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/context.h"
#include "client/socket.h"
#include "proto/hdfs/data_transfer.pb.h"
#include "proto/hdfs/types.pb.h"
#include "wire/transfer/checksum.h"

namespace cairn::client {

using Stage = hdfs::OpWriteBlockProto::BlockConstructionStage;

// A block and the nodes that are to hold it, the first being the one to talk to.
struct PipelineTarget {
  hdfs::ExtendedBlockProto block;
  hdfs::TokenProto token;
  std::vector<hdfs::DatanodeInfoProto> nodes;
  std::vector<hdfs::StorageTypeProto> storage_types;  // parallel to nodes
  std::vector<std::string> storage_ids;               // parallel to nodes

  void RemoveNode(size_t index);
};

// kInternal: no node, or lists that are not parallel.
absl::StatusOr<PipelineTarget> ToTarget(const hdfs::LocatedBlockProto& block);

struct SetUpRequest {
  Stage stage;
  uint64_t generation_stamp = 0;  // the new one; of a new block its own
  uint64_t min_bytes = 0;         // acknowledged, or the length before an append
  uint64_t max_bytes = 0;         // sent
  uint64_t block_bytes = 0;       // how large the block may become
};

// What failed and which node is to blame.
struct PipelineFailure {
  absl::Status status;
  size_t bad_node = 0;      // index into nodes
  bool restarting = false;  // it said that it will be back (OOB_RESTART)
};

struct OpenPipeline {
  Socket socket;
  bool gives_signs = false;  // the first node, of life (wire/transfer/sign_of_life.h)
};

// How long to wait for the first of `nodes`: the socket time-out and 5 s for each. Every node waits
// 5 s longer than the one after it, so that the neighbour of a silent node names it before anybody
// blames the neighbour.
absl::Duration PipelineTimeout(const ClientOptions& options, size_t nodes);
// After how long a silence a writer sends a heartbeat: half the time that datanodes wait, by
// default or by the client's own setting if that is shorter.
absl::Duration PipelineHeartbeatAfter(const ClientOptions& options);

// The same with a first node that gives signs of life: no more than ClientOptions::silence_limit,
// unless it is the only one, without which there is no going on. `spare`: there is.
absl::Duration SilenceLimit(const ClientOptions& options, size_t nodes, bool spare = false);

// Connects to the first node, which connects the others. On failure fills `failure`.
std::optional<OpenPipeline> SetUpPipeline(ClientContext& context, const PipelineTarget& target,
                                          const SetUpRequest& request,
                                          const transfer::DataChecksum& checksum,
                                          PipelineFailure& failure);

// ---- What a set-up consists of, for SetUpPipeline and pipeline_set_up.h ----

std::string EncodeSetUp(const ClientContext& context, const PipelineTarget& target,
                        const SetUpRequest& request, const transfer::DataChecksum& checksum);
// What a reply, or that none came, says of ClientContext::set_up_signs.
void NoteSetUpSigns(ClientContext& context, const hdfs::BlockOpResponseProto& reply);
void NoteSetUpSilence(ClientContext& context);
// nullopt: the pipeline is set up.
std::optional<PipelineFailure> RefusalOf(const PipelineTarget& target,
                                         const hdfs::BlockOpResponseProto& reply);

// ---- Calls of the namenode ----

// A file that is being written, as the namenode knows it for the calls below.
struct WrittenFile {
  std::shared_ptr<ClientContext> context;
  std::string path;
  uint64_t inode = 0;
};

// A new block, or block group, after `previous` (absent for the first) on none of the `excluded`
// nodes. Waits and asks again while the block before `previous` lacks replicas.
absl::StatusOr<hdfs::LocatedBlockProto> AddLocatedBlock(
    const WrittenFile& file, const hdfs::ExtendedBlockProto* previous,
    const std::vector<hdfs::DatanodeInfoProto>& excluded);
absl::StatusOr<PipelineTarget> AddBlock(const WrittenFile& file,
                                        const hdfs::ExtendedBlockProto* previous,
                                        const std::vector<hdfs::DatanodeInfoProto>& excluded);
absl::Status AbandonBlock(const WrittenFile& file, const hdfs::ExtendedBlockProto& block);
// `block`, or block group, with a new generation stamp and tokens for it.
absl::StatusOr<hdfs::LocatedBlockProto> RenewBlock(const WrittenFile& file,
                                                   const hdfs::ExtendedBlockProto& block);
// The same for `target`'s block; the nodes stay. Returns the stamp.
absl::StatusOr<uint64_t> RenewStamp(const WrittenFile& file, PipelineTarget& target);
// `target` with one more node, the last, which has nothing of the block yet; on none of the
// `excluded`. An error: there is none.
absl::StatusOr<PipelineTarget> FindNode(const WrittenFile& file, const PipelineTarget& target,
                                        const std::vector<hdfs::DatanodeInfoProto>& excluded);
// Finds a node, and has one of the present ones copy its replica there. On an error `target` is as
// it was.
absl::Status AddNode(const WrittenFile& file, PipelineTarget& target,
                     std::vector<hdfs::DatanodeInfoProto> excluded);
// Tells the namenode that `target`'s nodes hold the block with the new stamp and length. Of a block
// group they are those of its units in order, with NoUnit() for one that nobody has.
absl::Status UpdatePipeline(const WrittenFile& file, const PipelineTarget& target,
                            const hdfs::ExtendedBlockProto& renewed);
hdfs::DatanodeInfoProto NoUnit();
// Makes the file's blocks so far known to the namenode's journal.
absl::Status Fsync(const WrittenFile& file, int64_t last_block_bytes);
// Closes the file, waiting for the last block's replicas as long as options say.
absl::Status Complete(const WrittenFile& file, const hdfs::ExtendedBlockProto* last);

}  // namespace cairn::client
