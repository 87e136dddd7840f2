// READ_BLOCK, and the reading operations' shared pieces.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "boost/asio/steady_timer.hpp"
#include "common/logging.h"
#include "datanode/pipeline/block_sender.h"
#include "datanode/pipeline/context.h"
#include "wire/parse_message.h"
#include "wire/transfer/group_token.h"
#include "wire/transfer/op.h"

namespace cairn::datanode {
namespace {

constexpr absl::Duration kVisiblePoll = absl::Milliseconds(5);
constexpr size_t kMaxReadStatusBytes = 1024;

// Bytes that the writer sent may still be on their way to the other nodes.
awaitable<void> WaitUntilVisible(const TransferContext& context, Channel& channel,
                                 const ReplicaReader& reader, uint64_t end) {
  boost::asio::steady_timer timer(channel.executor());
  const auto give_up =
      std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(context.options.visible_wait);
  while (reader.open != nullptr && reader.visible() < end &&
         std::chrono::steady_clock::now() < give_up) {
    timer.expires_after(absl::ToChronoNanoseconds(kVisiblePoll));
    boost::system::error_code ignored;
    co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
}

// A reader doubts the replica: it is read from disk, and condemned if it is bad.
awaitable<void> LookAgain(TransferContext& context, const ReplicaInfo& replica) {
  LOG_INFO("{}: a reader doubts this replica; looking at it", NameOf(replica.block));
  if (context.suspect != nullptr) {
    context.suspect(replica);
    co_return;
  }
  const absl::Status status = co_await OnDisk(context.disk, [&context, &replica] {
    return context.store.Verify(replica.block, replica.stamp);
  });
  if (!status.ok()) LOG_WARN("{}: {}", NameOf(replica.block), status);
}

// True: the client read to the end and said so; the connection may be used again.
awaitable<bool> ReadClientStatus(TransferContext& context, Channel& channel,
                                 const ReplicaInfo& replica) {
  channel.SetIdleLimit(context.options.idle_limit);
  const absl::StatusOr<std::string> body = co_await channel.ReadDelimited(kMaxReadStatusBytes);
  hdfs::ClientReadStatusProto status;
  if (!body.ok() || !ParseMessage(*body, &status)) co_return false;
  const bool good =
      status.status() == hdfs::STATUS_SUCCESS || status.status() == hdfs::STATUS_CHECKSUM_OK;
  if (!good) co_await LookAgain(context, replica);
  co_return true;
}

}  // namespace

awaitable<bool> ReadBlock(TransferContext& context, std::shared_ptr<Channel> channel,
                          hdfs::OpReadBlockProto op) {
  const hdfs::ExtendedBlockProto& block = op.header().baseheader().block();
  if (const absl::Status status = CheckRead(context, op.header().baseheader()); !status.ok()) {
    (void)co_await SendError(*channel, hdfs::STATUS_ERROR, status.message());
    co_return false;
  }
  absl::StatusOr<ReplicaReader> reader = co_await OpenReplicaForRead(
      context, BlockId{block.blockid()}, GenerationStamp{block.generationstamp()});
  if (!reader.ok()) {
    (void)co_await SendError(*channel, ToReplyStatus(reader.status()), reader.status().message());
    co_return false;
  }
  const uint64_t offset = op.offset();
  const uint64_t end = offset + op.len();
  if (end >= offset) co_await WaitUntilVisible(context, *channel, *reader, end);
  if (end < offset || end > reader->visible()) {
    const std::string message =
        absl::StrCat("Offset ", offset, " and length ", op.len(), " don't match ",
                     NameOf(BlockId{block.blockid()}), "_", block.generationstamp(), " ( blockLen ",
                     reader->visible(), " )");
    (void)co_await SendError(*channel, hdfs::STATUS_ERROR, message);
    co_return false;
  }
  const ReplicaInfo info = reader->info;
  BlockSender sender(context.disk, *std::move(reader), offset, end, op.sendchecksums());
  hdfs::BlockOpResponseProto reply;
  reply.set_status(hdfs::STATUS_SUCCESS);
  *reply.mutable_readopchecksuminfo()->mutable_checksum() = sender.checksum().ToProto();
  reply.mutable_readopchecksuminfo()->set_chunkoffset(sender.first_offset());
  absl::Status status = co_await SendReply(*channel, std::move(reply));
  if (status.ok()) status = co_await sender.Send(*channel);
  if (absl::IsDataLoss(status)) co_await ReportFailedRead(context, info, status);
  if (!status.ok()) co_return false;  // a reader that goes away early is nothing unusual
  context.bytes_read.fetch_add(end - offset, std::memory_order_relaxed);
  co_return co_await ReadClientStatus(context, *channel, info);
}

// ---- Shared pieces ----

awaitable<absl::StatusOr<ReplicaReader>> OpenReplicaForRead(TransferContext& context, BlockId block,
                                                            GenerationStamp at_least) {
  co_return co_await OnDisk(context.disk, [&context, block, at_least] {
    return context.store.OpenForRead(block, at_least);
  });
}

awaitable<void> ReportFailedRead(TransferContext& context, const ReplicaInfo& replica,
                                 const absl::Status& why) {
  (void)co_await OnDisk(context.disk, [&context, &replica, &why] {
    if (context.suspect == nullptr) {
      context.store.ReadFailed(replica, why);
      return 0;
    }
    Volume& volume = *context.store.volumes()[static_cast<size_t>(replica.volume)];
    LOG_ERROR("{}: {}", NameOf(replica.block), volume.Note(VolumeUse::kRead, why));
    context.suspect(replica);
    return 0;
  });
}

awaitable<absl::Status> SendReply(Channel& channel, hdfs::BlockOpResponseProto reply) {
  const std::string bytes = transfer::EncodeDelimited(reply);
  co_return co_await channel.WriteBytes(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

awaitable<absl::Status> SendError(Channel& channel, hdfs::Status status,
                                  absl::string_view message) {
  hdfs::BlockOpResponseProto reply;
  reply.set_status(status);
  reply.set_message(message.empty() ? "error" : std::string(message));
  co_return co_await SendReply(channel, std::move(reply));
}

hdfs::Status ToReplyStatus(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return hdfs::STATUS_SUCCESS;
    case absl::StatusCode::kAlreadyExists:
      return hdfs::STATUS_ERROR_EXISTS;
    case absl::StatusCode::kInvalidArgument:
      return hdfs::STATUS_ERROR_INVALID;
    default:
      return hdfs::STATUS_ERROR;
  }
}

absl::Status CheckPool(const TransferContext& context, const hdfs::ExtendedBlockProto& block) {
  const std::string ours = context.store.volumes().front()->identity().block_pool_id;
  if (ours.empty() || block.poolid() == ours) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(NameOf(BlockId{block.blockid()}),
                                                 " is of block pool \"", block.poolid(),
                                                 "\", this datanode serves \"", ours, "\""));
}

absl::Status CheckRead(const TransferContext& context, const hdfs::BaseHeaderProto& header) {
  if (header.token().identifier() == transfer::kGroupToken) {
    return absl::InvalidArgumentError(
        absl::StrCat(NameOf(BlockId{header.block().blockid()}),
                     " is a block group: the file is erasure-coded, or was made so since it was "
                     "opened; open it again, with a client that reads such files"));
  }
  return CheckPool(context, header.block());
}

}  // namespace cairn::datanode
