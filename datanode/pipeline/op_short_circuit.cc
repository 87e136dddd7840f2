// REQUEST_SHORT_CIRCUIT_FDS, _SHM and RELEASE_SHORT_CIRCUIT_FDS: a client of this machine reads
// finalized replicas by descriptors of its own. Whatever becomes of the replica, they show the
// bytes of its block: a deleted file's stay until it is closed, and no file is used for another
// block.
#include <unistd.h>

#include <array>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "datanode/pipeline/context.h"
#include "wire/transfer/op.h"

namespace cairn::datanode {
namespace {

constexpr uint32_t kAccessVersion = 1;  // of the files' format: plain bytes, and a meta file
constexpr std::byte kNoReceipt{0};
constexpr std::byte kReceipt{1};  // the client answers with a byte once it has the descriptors
constexpr absl::Duration kReceiptLimit = absl::Seconds(10);

awaitable<absl::Status> Send(Channel& channel, const google::protobuf::MessageLite& message) {
  const std::string bytes = transfer::EncodeDelimited(message);
  co_return co_await channel.WriteBytes(std::as_bytes(std::span(bytes)));
}

SegmentId FromProto(const hdfs::ShortCircuitShmIdProto& id) { return {id.hi(), id.lo()}; }

// Hadoop's client takes ERROR_UNSUPPORTED with the version as being about this block only, and goes
// on to read it as any other; at anything else it gives the socket up for ten minutes.
awaitable<bool> Refuse(Channel& channel, absl::string_view why,
                       hdfs::Status status = hdfs::STATUS_ERROR_UNSUPPORTED) {
  hdfs::BlockOpResponseProto reply;
  reply.set_status(status);
  reply.set_message(std::string(why));
  if (channel.takes_descriptors()) reply.set_shortcircuitaccessversion(kAccessVersion);
  co_return (co_await SendReply(channel, std::move(reply))).ok() && channel.takes_descriptors();
}

awaitable<absl::Status> HandOver(Channel& channel, ReplicaReader reader, bool receipt) {
  hdfs::BlockOpResponseProto reply;
  reply.set_status(hdfs::STATUS_SUCCESS);
  reply.set_shortcircuitaccessversion(kAccessVersion);
  // Clients read 5 bytes before they look.
  reply.set_message("");
  CO_RETURN_IF_ERROR(co_await SendReply(channel, std::move(reply)));
  const std::array<int, 2> fds = {reader.data->fd(), reader.meta->fd()};
  CO_RETURN_IF_ERROR(co_await channel.WriteDescriptors(receipt ? kReceipt : kNoReceipt, fds));
  if (!receipt) co_return absl::OkStatus();
  reader.data.reset();
  reader.meta.reset();
  channel.SetTotalLimit(kReceiptLimit);
  while (channel.pending().empty()) CO_RETURN_IF_ERROR(co_await channel.ReadMore());
  channel.pending().erase(channel.pending().begin());
  co_return absl::OkStatus();
}

}  // namespace

awaitable<bool> RequestShortCircuitFds(TransferContext& context, std::shared_ptr<Channel> channel,
                                       hdfs::OpRequestShortCircuitAccessProto op) {
  if (!channel->takes_descriptors()) {
    co_return co_await Refuse(*channel, "short-circuit reads need a UNIX socket");
  }
  // Whoever does not take what he has asked for fills the kernel's share of descriptors under way.
  if (channel->HasUnreadOutput()) co_return false;
  const hdfs::ExtendedBlockProto& block = op.header().block();
  if (op.maxversion() < kAccessVersion) {
    const std::string why = absl::StrCat("the files are of version ", kAccessVersion,
                                         ", the client reads up to ", op.maxversion());
    co_return co_await Refuse(*channel, why);
  }
  if (const absl::Status status = CheckRead(context, op.header()); !status.ok()) {
    co_return co_await Refuse(*channel, status.message(), hdfs::STATUS_ERROR);
  }
  absl::Status slot = absl::OkStatus();
  absl::Cleanup release = [&] {
    if (op.has_slotid() && slot.ok()) {
      context.slots.Release(FromProto(op.slotid().shmid()), op.slotid().slotidx()).IgnoreError();
    }
  };
  if (op.has_slotid()) {
    slot = context.slots.Register(FromProto(op.slotid().shmid()), op.slotid().slotidx(),
                                  BlockId{block.blockid()});
    if (!slot.ok()) {
      co_return co_await Refuse(*channel, slot.message(), hdfs::STATUS_ERROR_INVALID);
    }
  }
  absl::StatusOr<ReplicaReader> reader = co_await OpenReplicaForRead(
      context, BlockId{block.blockid()}, GenerationStamp{block.generationstamp()});
  if (!reader.ok()) {
    co_return co_await Refuse(*channel, reader.status().message());
  }
  // What is being written is read with the datanode's help, which knows how far it may be shown.
  if (reader->info.state != ReplicaState::kFinalized || reader->data->fd() < 0) {
    const std::string why = absl::StrCat(NameOf(BlockId{block.blockid()}), " is not finalized");
    co_return co_await Refuse(*channel, why);
  }
  const absl::Status status =
      co_await HandOver(*channel, *std::move(reader), op.supportsreceiptverification());
  if (!status.ok()) co_return false;
  std::move(release).Cancel();
  co_return true;
}

awaitable<bool> RequestShortCircuitShm(TransferContext& context, std::shared_ptr<Channel> channel,
                                       hdfs::ShortCircuitShmRequestProto op) {
  hdfs::ShortCircuitShmResponseProto reply;
  if (!channel->takes_descriptors()) {
    reply.set_status(hdfs::STATUS_ERROR_UNSUPPORTED);
    reply.set_error("shared memory needs a UNIX socket");
    (void)co_await Send(*channel, reply);
    co_return false;
  }
  const absl::StatusOr<SharedSlots::Created> segment =
      context.slots.Create(channel->peer_uid(), [weak = std::weak_ptr(channel)] {
        if (const auto line = weak.lock()) line->Abort();
      });
  if (!segment.ok()) {
    LOG_EVERY_SECONDS(kWarn, 10, "{}: shared memory for {}: {}", channel->PeerName(),
                      op.clientname(), segment.status());
    reply.set_status(hdfs::STATUS_ERROR);
    reply.set_error(std::string(segment.status().message()));
    (void)co_await Send(*channel, reply);
    co_return false;
  }
  context.segment_lines.fetch_add(1, std::memory_order_relaxed);
  const absl::Cleanup remove = [&] {
    context.segment_lines.fetch_sub(1, std::memory_order_relaxed);
    context.slots.Remove(segment->id);
  };
  absl::Cleanup close = [&] { ::close(segment->fd); };
  reply.set_status(hdfs::STATUS_SUCCESS);
  reply.mutable_id()->set_hi(segment->id.hi);
  reply.mutable_id()->set_lo(segment->id.lo);
  absl::Status status = co_await Send(*channel, reply);
  if (status.ok())
    status = co_await channel->WriteDescriptors(kNoReceipt, std::span(&segment->fd, 1));
  std::move(close).Invoke();
  if (!status.ok()) co_return false;
  // The connection says nothing more: its end is the segment's.
  channel->SetIdleLimit(absl::Hours(24 * 365));
  (void)co_await channel->AtEnd();
  co_return false;
}

awaitable<bool> ReleaseShortCircuitFds(TransferContext& context, std::shared_ptr<Channel> channel,
                                       hdfs::ReleaseShortCircuitAccessRequestProto op) {
  hdfs::ReleaseShortCircuitAccessResponseProto reply;
  const absl::Status status =
      channel->takes_descriptors()
          ? context.slots.Release(FromProto(op.slotid().shmid()), op.slotid().slotidx())
          : absl::InvalidArgumentError("slots are known over a UNIX socket only");
  reply.set_status(ToReplyStatus(status));
  reply.set_error(std::string(status.message()));
  co_return (co_await Send(*channel, reply)).ok() && channel->takes_descriptors();
}

}  // namespace cairn::datanode
