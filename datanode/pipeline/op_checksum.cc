// BLOCK_CHECKSUM: a block's checksum, from the stored CRCs of its chunks.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "datanode/pipeline/context.h"
#include "wire/transfer/big_endian.h"
#include "wire/transfer/block_checksum.h"
#include "wire/transfer/op.h"

namespace cairn::datanode {
namespace {

using transfer::DataChecksum;

constexpr uint64_t kBatchChunks = 16 << 10;

absl::StatusOr<hdfs::OpBlockChecksumResponseProto> Compute(
    const ReplicaReader& reader, uint64_t wanted, const hdfs::BlockChecksumOptionsProto& options) {
  const DataChecksum& checksum = reader.checksum;
  const uint64_t visible = reader.visible();
  if (wanted > visible) {
    return absl::InvalidArgumentError(
        absl::StrCat("checksum of ", wanted, " bytes of a replica of ", visible));
  }
  const uint64_t covered = wanted == 0 ? visible : wanted;
  const bool composite = options.blockchecksumtype() == hdfs::COMPOSITE_CRC;
  std::unique_ptr<transfer::BlockChecksummer> summer;
  if (composite) {
    ASSIGN_OR_RETURN(summer, transfer::NewCompositeCrc(checksum, covered, options.stripelength()));
  } else {
    summer = transfer::NewMd5OfCrcs();
  }
  const uint64_t full_end = checksum.RoundDown(covered);
  const uint64_t step = kBatchChunks * checksum.bytes_per_checksum();
  for (uint64_t offset = 0; offset < full_end; offset += step) {
    ASSIGN_OR_RETURN(
        const std::vector<std::byte> crcs,
        ReadChecksums(*reader.meta, checksum, offset, std::min(offset + step, full_end)));
    summer->Add(crcs);
  }
  if (full_end < covered && checksum.checksum_size() != 0) {
    const bool stored = covered == reader.info.length && reader.tail_crc.has_value();
    uint32_t crc = 0;
    if (stored) {
      crc = *reader.tail_crc;
    } else {
      ASSIGN_OR_RETURN(crc, CrcOfRange(*reader.data, checksum, full_end, covered));
    }
    std::array<std::byte, 4> bytes;
    transfer::StoreBig32(crc, bytes.data());
    summer->Add(bytes);
  }
  hdfs::OpBlockChecksumResponseProto response;
  response.set_bytespercrc(checksum.bytes_per_checksum());
  response.set_crcperblock(checksum.ChunkCount(visible));
  response.set_blockchecksum(summer->Finish());
  response.set_crctype(static_cast<hdfs::ChecksumTypeProto>(checksum.type()));
  *response.mutable_blockchecksumoptions() = options;
  return response;
}

}  // namespace

awaitable<bool> BlockChecksum(TransferContext& context, std::shared_ptr<Channel> channel,
                              hdfs::OpBlockChecksumProto op) {
  using Response = absl::StatusOr<hdfs::OpBlockChecksumResponseProto>;
  const hdfs::ExtendedBlockProto& block = op.header().block();
  const Response response = co_await OnDisk(context.disk, [&context, &op, &block]() -> Response {
    RETURN_IF_ERROR(CheckRead(context, op.header()));
    ASSIGN_OR_RETURN(const ReplicaReader reader,
                     context.store.OpenForRead(BlockId{block.blockid()},
                                               GenerationStamp{block.generationstamp()}));
    Response computed = Compute(reader, block.numbytes(), op.blockchecksumoptions());
    if (absl::IsDataLoss(computed.status())) {
      context.store.ReadFailed(reader.info, computed.status());
    }
    return computed;
  });
  co_await SendChecksum(*channel, response);
  co_return false;
}

awaitable<void> SendChecksum(Channel& channel,
                             const absl::StatusOr<hdfs::OpBlockChecksumResponseProto>& response) {
  if (!response.ok()) {
    (void)co_await SendError(channel, ToReplyStatus(response.status()),
                             response.status().message());
    co_return;
  }
  hdfs::BlockOpResponseProto reply;
  reply.set_status(hdfs::STATUS_SUCCESS);
  *reply.mutable_checksumresponse() = *response;
  (void)co_await SendReply(channel, std::move(reply));
}

}  // namespace cairn::datanode
