#include "datanode/rebuild/unit_writer.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "wire/transfer/op.h"
#include "wire/transfer/packet.h"

namespace cairn::datanode {
namespace {

std::string WriteOp(const TransferContext& context, const RebuildOrder& order, const UnitTarget& to,
                    const transfer::DataChecksum& checksum) {
  hdfs::OpWriteBlockProto op;
  op.mutable_header()->set_clientname("");  // a datanode's
  auto* const block = op.mutable_header()->mutable_baseheader()->mutable_block();
  block->set_poolid(context.store.volumes().front()->identity().block_pool_id);
  block->set_blockid(ToInt(UnitOf(order.group, to.unit)));
  block->set_generationstamp(ToInt(order.stamp));
  block->set_numbytes(order.UnitBytes(to.unit));
  op.set_stage(hdfs::OpWriteBlockProto::TRANSFER_FINALIZED);
  op.set_pipelinesize(1);
  op.set_minbytesrcvd(0);
  op.set_maxbytesrcvd(0);
  op.set_latestgenerationstamp(0);
  *op.mutable_requestedchecksum() = checksum.ToProto();
  const int type = static_cast<int>(to.storage_type);
  if (hdfs::StorageTypeProto_IsValid(type)) {
    op.set_storagetype(static_cast<hdfs::StorageTypeProto>(type));
  }
  if (!to.storage_uuid.empty()) op.set_storageid(to.storage_uuid);
  return transfer::EncodeOp(transfer::Opcode::kWriteBlock, op);
}

}  // namespace

awaitable<absl::StatusOr<std::unique_ptr<UnitWriter>>> UnitWriter::Open(
    const TransferContext& context, const RebuildOrder& order, const UnitTarget& to,
    const transfer::DataChecksum& checksum) {
  const TransferOptions& options = context.options;
  const absl::Duration patience =
      std::min({options.idle_limit, options.next_node_limit, to.address.patience});
  auto channel = co_await ConnectToDatanode(context, to.address.ip, to.address.port, patience);
  if (!channel.ok()) co_return channel.status();
  (*channel)->SetTotalLimit(patience);
  const LeastRate rate(options.rebuild_least_bytes_per_second, patience);
  std::unique_ptr<UnitWriter> writer(
      new UnitWriter(*std::move(channel), checksum, rate, options.idle_limit));
  const std::string op = WriteOp(context, order, to, checksum);
  const absl::Status status = co_await writer->Begin(op);
  if (!status.ok()) co_return status;
  co_return writer;
}

awaitable<absl::Status> UnitWriter::Begin(const std::string& op) {
  co_return co_await channel_->WriteBytes(std::as_bytes(std::span(op.data(), op.size())));
}

awaitable<absl::Status> UnitWriter::SendPacket(std::span<const std::byte> data, bool last) {
  checksums_.resize(static_cast<size_t>(checksum_.ChecksumBytes(data.size())));
  checksum_.Compute(data, checksums_);
  std::array<std::byte, transfer::kMaxEncodedHeaderBytes> head;
  const size_t head_bytes =
      transfer::EncodePacketHeader({.offset_in_block = static_cast<int64_t>(offset_),
                                    .seqno = seqno_++,
                                    .last_in_block = last,
                                    .data_bytes = static_cast<uint32_t>(data.size())},
                                   static_cast<uint32_t>(checksums_.size()), head);
  offset_ += data.size();
  const iovec areas[] = {{.iov_base = head.data(), .iov_len = head_bytes},
                         {.iov_base = checksums_.data(), .iov_len = checksums_.size()},
                         {.iov_base = const_cast<std::byte*>(data.data()), .iov_len = data.size()}};
  const absl::Status sent = co_await channel_->Write(areas);
  if (sent.ok()) co_return sent;
  // Whoever closed in the middle may have said why.
  const absl::Status outcome = co_await ReadCopyOutcome(*channel_, /*confirms=*/true);
  co_return absl::IsFailedPrecondition(outcome) || absl::IsDataLoss(outcome) ? outcome : sent;
}

awaitable<absl::Status> UnitWriter::Write(std::span<const std::byte> data) {
  const absl::Duration limit = rate_.LimitFor(data.size());
  channel_->SetTotalLimit(limit);
  const absl::Duration begin = SystemClock().Monotonic();
  const absl::Status status = co_await SendPacket(data, /*last=*/false);
  rate_.Moved(data.size(), SystemClock().Monotonic() - begin);
  if (!absl::IsDeadlineExceeded(status)) co_return status;
  co_return absl::DeadlineExceededError(absl::StrCat(channel_->PeerName(), " took less than ",
                                                     data.size(), " bytes in ",
                                                     absl::FormatDuration(limit)));
}

awaitable<absl::Status> UnitWriter::Finish() {
  channel_->SetTotalLimit(finish_limit_);  // for its syncs
  CO_RETURN_IF_ERROR(co_await SendPacket({}, /*last=*/true));
  co_return co_await ReadCopyOutcome(*channel_, /*confirms=*/true);
}

std::string UnitWriter::What() const { return absl::StrCat("rebuilt on ", channel_->PeerName()); }

}  // namespace cairn::datanode
