// Sending whole replicas to other datanodes: TRANSFER_BLOCK for a client's pipeline recovery, and
// the namenode's orders to replicate.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "datanode/pipeline/block_sender.h"
#include "datanode/pipeline/context.h"
#include "datanode/pipeline/copy_source.h"
#include "wire/parse_message.h"
#include "wire/transfer/op.h"

namespace cairn::datanode {
namespace {

hdfs::OpWriteBlockProto MakeOp(const TransferContext& context, const Push& push,
                               const ReplicaReader& reader, uint64_t length) {
  hdfs::OpWriteBlockProto op;
  auto* const header = op.mutable_header();
  header->set_clientname(push.client_name);
  auto* const block = header->mutable_baseheader()->mutable_block();
  block->set_poolid(context.store.volumes().front()->identity().block_pool_id);
  block->set_blockid(ToInt(push.block));
  block->set_generationstamp(ToInt(reader.info.stamp));
  block->set_numbytes(length);
  const bool to_client = !push.client_name.empty();
  const bool open = reader.info.state == ReplicaState::kBeingWritten;
  op.set_stage(!to_client ? hdfs::OpWriteBlockProto::PIPELINE_SETUP_CREATE
               : open     ? hdfs::OpWriteBlockProto::TRANSFER_RBW
                          : hdfs::OpWriteBlockProto::TRANSFER_FINALIZED);
  op.set_pipelinesize(static_cast<uint32_t>(push.targets.size()));
  op.set_minbytesrcvd(0);
  op.set_maxbytesrcvd(0);
  op.set_latestgenerationstamp(0);
  *op.mutable_requestedchecksum() = reader.checksum.ToProto();
  if (!push.storage_types.empty()) op.set_storagetype(push.storage_types[0]);
  if (!push.storage_ids.empty()) op.set_storageid(push.storage_ids[0]);
  for (size_t i = 1; i < push.targets.size(); ++i) {
    *op.add_targets() = push.targets[i];
    if (i < push.storage_types.size()) op.add_targetstoragetypes(push.storage_types[i]);
    if (i < push.storage_ids.size()) op.add_targetstorageids(push.storage_ids[i]);
  }
  return op;
}

}  // namespace

awaitable<absl::StatusOr<std::shared_ptr<Channel>>> ConnectToDatanode(
    const TransferContext& context, std::string ip, uint16_t port, absl::Duration patience) {
  auto channel = co_await Channel::Connect(std::move(ip), port,
                                           std::min(context.options.connect_limit, patience),
                                           patience, context.outgoing_stop.get_token());
  if (channel.ok()) (*channel)->Tune(context.options.congestion_control);
  co_return channel;
}

awaitable<absl::Status> ReadCopyOutcome(Channel& channel, bool confirms) {
  if (!confirms) {
    const absl::StatusOr<bool> end = co_await channel.AtEnd();
    if (!end.ok() || *end) co_return end.status();
  }
  const absl::StatusOr<std::string> body = co_await channel.ReadDelimited(transfer::kMaxReplyBytes);
  if (!body.ok()) co_return body.status();
  hdfs::BlockOpResponseProto reply;  // reads a DNTransferAckProto too
  if (!ParseMessage(*body, &reply)) {
    co_return absl::UnavailableError(absl::StrCat(channel.PeerName(), ": an answer without sense"));
  }
  if (reply.status() == hdfs::STATUS_SUCCESS) co_return absl::OkStatus();
  const std::string message =
      absl::StrCat(channel.PeerName(), ": did not take the replica: ", reply.message());
  co_return reply.status() == hdfs::STATUS_ERROR_CHECKSUM ? absl::DataLossError(message)
                                                          : absl::FailedPreconditionError(message);
}

awaitable<absl::Status> PushReplica(TransferContext& context, Push push) {
  absl::StatusOr<ReplicaReader> reader =
      co_await OpenReplicaForRead(context, push.block, push.stamp);
  if (!reader.ok()) co_return reader.status();
  const ReplicaInfo info = reader->info;
  const absl::Status allowed =
      push.client_name.empty() ? CheckOrderedCopy(info, push.stamp) : CheckPipelineCopy(info);
  if (!allowed.ok()) co_return allowed;
  const uint64_t length = reader->visible();
  const std::string op =
      transfer::EncodeOp(transfer::Opcode::kWriteBlock, MakeOp(context, push, *reader, length));
  const auto& id = push.targets.front().id();
  // A client waits for this one, with its writer stopped.
  const absl::Duration patience =
      push.client_name.empty()
          ? context.options.idle_limit
          : std::min(context.options.idle_limit, context.options.next_node_limit);
  auto channel = co_await ConnectToDatanode(context, id.ipaddr(),
                                            static_cast<uint16_t>(id.xferport()), patience);
  if (!channel.ok()) co_return channel.status();
  absl::Status status =
      co_await (*channel)->WriteBytes(std::as_bytes(std::span(op.data(), op.size())));
  BlockSender sender(context.disk, *std::move(reader), 0, length, /*checksums=*/true);
  sender.SetPace(std::move(push.pace));
  if (status.ok()) status = co_await sender.Send(**channel);
  if (absl::IsCancelled(status)) co_return status;  // by its pace; the receiver drops what it has
  if (absl::IsDataLoss(status)) {
    co_await ReportFailedRead(context, info, status);
    co_return status;
  }
  const absl::Status outcome = co_await ReadCopyOutcome(**channel, !push.client_name.empty());
  (*channel)->Close();
  // Whoever closed in the middle may have said why.
  const bool said_why = absl::IsDataLoss(outcome) || absl::IsFailedPrecondition(outcome);
  if (status.ok() || said_why) status = outcome;
  if (absl::IsUnavailable(status) && context.outgoing_stop.stop_requested()) {
    co_return absl::CancelledError("this datanode stops");
  }
  if (absl::IsDataLoss(status) || absl::IsUnavailable(status)) {
    // Our bytes are bad, or nobody knows whether they are.
    const absl::Status verified = co_await OnDisk(
        context.disk, [&context, &info] { return context.store.Verify(info.block, info.stamp); });
    if (absl::IsDataLoss(verified)) co_return verified;
  }
  if (status.ok()) context.bytes_read.fetch_add(length, std::memory_order_relaxed);
  co_return status;
}

awaitable<bool> TransferBlock(TransferContext& context, std::shared_ptr<Channel> channel,
                              hdfs::OpTransferBlockProto op) {
  const hdfs::ExtendedBlockProto& block = op.header().baseheader().block();
  absl::Status status = CheckPool(context, block);
  if (status.ok() && (op.targets_size() == 0 || op.header().clientname().empty())) {
    status = absl::InvalidArgumentError("a transfer needs a client's name and a target");
  }
  status.Update(
      CheckTargets(op.targets(), op.targetstoragetypes_size(), op.targetstorageids_size()));
  if (status.ok()) {
    Push push{.block = BlockId{block.blockid()},
              .stamp = GenerationStamp{block.generationstamp()},
              .client_name = op.header().clientname(),
              .targets = {op.targets().begin(), op.targets().end()},
              .storage_ids = {op.targetstorageids().begin(), op.targetstorageids().end()}};
    for (const int type : op.targetstoragetypes()) {
      push.storage_types.push_back(static_cast<hdfs::StorageTypeProto>(type));
    }
    status = co_await PushReplica(context, std::move(push));
  }
  if (!status.ok()) {
    LOG_WARN("transfer of {}: {}", NameOf(BlockId{block.blockid()}), status);
    (void)co_await SendError(*channel, ToReplyStatus(status), status.message());
    co_return false;
  }
  hdfs::BlockOpResponseProto reply;
  reply.set_status(hdfs::STATUS_SUCCESS);
  reply.set_firstbadlink("");
  (void)co_await SendReply(*channel, std::move(reply));
  co_return false;
}

}  // namespace cairn::datanode
