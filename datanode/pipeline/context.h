// datanode/pipeline/context.h - what every operation of the data transfer port has at hand.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/buffer_pool.h"
#include "datanode/pipeline/async.h"
#include "datanode/pipeline/balance_throttle.h"
#include "datanode/pipeline/block_sender.h"
#include "datanode/pipeline/channel.h"
#include "datanode/pipeline/disk_pool.h"
#include "datanode/pipeline/running_writers.h"
#include "datanode/pipeline/shared_slots.h"
#include "datanode/volume/replica_store.h"
#include "proto/hdfs/data_transfer.pb.h"

namespace cairn::datanode {

struct TransferOptions {
  std::string bind_address = "0.0.0.0";  // numeric
  uint16_t port = 0;                     // 0: any free one
  int max_transfers = 4096;              // connections; more are closed at once
  // An operation's header, from its first byte to its last.
  absl::Duration header_limit = absl::Seconds(30);
  // No byte moves in the middle of an operation. A writer that thinks sends heartbeats, or not.
  absl::Duration idle_limit = absl::Minutes(10);
  // The same on the way to the next node of a pipeline, and how long that may owe its reply to the
  // set-up or an acknowledgement: plus next_node_extra for each node behind this one. So the node
  // before a silent one is the first to lose patience, and names it.
  absl::Duration next_node_limit = absl::Seconds(60);
  absl::Duration next_node_extra = absl::Seconds(5);
  // How long a next node that gives signs of life may be silent while it owes anything, unless the
  // client named another limit; zero: no signs are asked for.
  absl::Duration silence_limit = absl::Seconds(6);
  // How long this node says that it is alive while a set-up is under way. A disk that hangs lets it
  // go on for ever, and whoever waits is to try another node.
  absl::Duration set_up_limit = absl::Minutes(1);
  absl::Duration keepalive = absl::Seconds(4);  // between two operations
  absl::Duration connect_limit = absl::Seconds(20);
  absl::Duration visible_wait = absl::Seconds(3);  // for bytes that are on their way to all nodes
  absl::Duration flush_delay = absl::Milliseconds(2);
  // While all write buffers are taken: how long a writer waits for one, and how long another may be
  // silent in the middle of a packet, with a buffer in its hands, before it is cut off.
  absl::Duration buffer_wait = absl::Seconds(30);
  absl::Duration stall_limit = absl::Seconds(10);
  // What a source or a target of a rebuild (datanode/rebuild/) has to move while it is waited for,
  // beyond stalls of next_node_limit. A unit of 128 MiB then takes some eight minutes, by which
  // time the namenode has ordered it anew.
  uint64_t rebuild_least_bytes_per_second = uint64_t{256} << 10;
  // Of BLOCK_GROUP_CHECKSUM (datanode/rebuild/op_group_checksum.cc): how long a unit's datanode is
  // waited for before the unit is computed from others; how many compute at a time, with a few MiB
  // each, for how long at most, and how long more of them wait. Hadoop's client waits for 63 s.
  absl::Duration unit_sum_limit = absl::Seconds(5);
  int most_computed_sums = 4;
  absl::Duration computed_sum_limit = absl::Minutes(5);
  absl::Duration computed_sum_wait = absl::Seconds(30);
  std::string congestion_control;  // "": the system's
};

// All outlive the server and its connections. Thread-safe.
struct TransferContext {
  ReplicaStore& store;
  DiskPool& disk;
  BufferPool& buffers;  // of kWriteBufferBytes
  TransferOptions options;
  SharedSlots& slots;  // of those who read files by descriptors they were given
  std::atomic<uint64_t> bytes_written{0};
  std::atomic<uint64_t> bytes_read{0};
  std::atomic<int> segment_lines{0};   // connections that stand for shared memory and do nothing
  std::atomic<int> buffer_waiters{0};  // writers that wait for one of `buffers`
  // Has a replica read again that is doubtful. None: what could not be read is condemned at once.
  std::function<void(const ReplicaInfo&)> suspect = nullptr;
  RunningWriters writers{};
  // Requested: connections to other datanodes are cut, and no more can be made.
  std::stop_source outgoing_stop{};
  BalanceThrottle balance{uint64_t{100} << 20};  // dfs.datanode.balance.bandwidthPerSec
  // For the checksums of large packets: so many more buffers of the same size.
  BufferPool checksum_buffers{buffers.buffer_bytes(),
                              std::max<size_t>(1, buffers.max_buffers() / 8)};
  std::atomic<int> checksum_waiters{0};  // writers that wait for one of them
  std::atomic<int> computed_sums{0};     // of groups with lost units, at the moment
};

// Each runs one operation to its end. True: the connection may carry another.
awaitable<bool> ReadBlock(TransferContext& context, std::shared_ptr<Channel> channel,
                          hdfs::OpReadBlockProto op);
awaitable<bool> WriteBlock(TransferContext& context, std::shared_ptr<Channel> channel,
                           hdfs::OpWriteBlockProto op);
awaitable<bool> TransferBlock(TransferContext& context, std::shared_ptr<Channel> channel,
                              hdfs::OpTransferBlockProto op);
awaitable<bool> BlockChecksum(TransferContext& context, std::shared_ptr<Channel> channel,
                              hdfs::OpBlockChecksumProto op);
awaitable<bool> BlockGroupChecksum(TransferContext& context, std::shared_ptr<Channel> channel,
                                   hdfs::OpBlockGroupChecksumProto op);
// Only over a UNIX socket.
awaitable<bool> RequestShortCircuitFds(TransferContext& context, std::shared_ptr<Channel> channel,
                                       hdfs::OpRequestShortCircuitAccessProto op);
awaitable<bool> RequestShortCircuitShm(TransferContext& context, std::shared_ptr<Channel> channel,
                                       hdfs::ShortCircuitShmRequestProto op);
awaitable<bool> ReleaseShortCircuitFds(TransferContext& context, std::shared_ptr<Channel> channel,
                                       hdfs::ReleaseShortCircuitAccessRequestProto op);

// ---- Shared pieces ----

// An error reply always has a text.
awaitable<absl::Status> SendReply(Channel& channel, hdfs::BlockOpResponseProto reply);
awaitable<absl::Status> SendError(Channel& channel, hdfs::Status status, absl::string_view message);
// The answer to a checksum operation, or why there is none.
awaitable<void> SendChecksum(Channel& channel,
                             const absl::StatusOr<hdfs::OpBlockChecksumResponseProto>& response);
// The status of a reply that tells a client of this error.
hdfs::Status ToReplyStatus(const absl::Status& status);

// kInvalidArgument: the block belongs to another pool than this datanode.
absl::Status CheckPool(const TransferContext& context, const hdfs::ExtendedBlockProto& block);
// The same for who is to get its bytes, or their checksum; also: who asks takes a block group for a
// block (wire/transfer/group_token.h).
absl::Status CheckRead(const TransferContext& context, const hdfs::BaseHeaderProto& header);

// kInvalidArgument: more nodes, or more said of them, than a pipeline has, or a port that is none.
absl::Status CheckTargets(
    const google::protobuf::RepeatedPtrField<hdfs::DatanodeInfoProto>& targets, int storage_types,
    int storage_ids);
// "address:port"
std::string AddressOf(const hdfs::DatanodeInfoProto& node);

// ReplicaStore::OpenForRead on a disk thread: directories and inodes may have to come from the
// disk.
awaitable<absl::StatusOr<ReplicaReader>> OpenReplicaForRead(TransferContext& context, BlockId block,
                                                            GenerationStamp at_least);

// Reading a replica's files failed: its volume is looked at, on a disk thread, and the replica is
// read again, for a disk that fails once may not do so twice.
awaitable<void> ReportFailedRead(TransferContext& context, const ReplicaInfo& replica,
                                 const absl::Status& why);

// Asks whoever writes the replica to stop, and waits until it has, but not for ever: who comes next
// is told if it has not.
awaitable<void> StopWriter(std::shared_ptr<OpenReplica> open);

// A connection to another datanode. None of its waits is longer than `patience`. Errors as
// Channel::Connect.
awaitable<absl::StatusOr<std::shared_ptr<Channel>>> ConnectToDatanode(
    const TransferContext& context, std::string ip, uint16_t port, absl::Duration patience);

// What the receiver of a copy says at the end. With `confirms` it sends a message in any case,
// otherwise only if something went wrong: else it closes, and reports to the namenode itself.
// kDataLoss: the bytes do not match their checksums. kFailedPrecondition: it refuses for another
// reason. kUnavailable: it went away.
awaitable<absl::Status> ReadCopyOutcome(Channel& channel, bool confirms);

// Sends a replica to other datanodes: a client's pipeline recovery, or a copy that the namenode
// ordered (`client_name` empty). Returns when they have it. The status says what failed;
// kFailedPrecondition: this replica is none to be copied (copy_source.h).
struct Push {
  BlockId block{};
  GenerationStamp stamp{};  // at least; of an ordered copy: this one
  std::string client_name;
  std::vector<hdfs::DatanodeInfoProto> targets;  // at least one
  std::vector<hdfs::StorageTypeProto> storage_types;
  std::vector<std::string> storage_ids;
  // Not 0: for the sake of balance, no faster than this, and within TransferContext::balance.
  uint64_t balance_bytes_per_second = 0;
  BlockSender::Pace pace = nullptr;  // none: as fast as it goes
};
awaitable<absl::Status> PushReplica(TransferContext& context, Push push);

}  // namespace cairn::datanode
