#include "client/file_checksum.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/convert.h"
#include "client/socket.h"
#include "client/transfer_reply.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "proto/hdfs/client_namenode.pb.h"
#include "proto/hdfs/data_transfer.pb.h"
#include "wire/transfer/block_checksum.h"
#include "wire/transfer/op.h"

namespace cairn::client {
namespace {

absl::StatusOr<hdfs::OpBlockChecksumResponseProto> AskNode(ClientContext& context,
                                                           const hdfs::DatanodeInfoProto& node,
                                                           const hdfs::OpBlockChecksumProto& op) {
  ASSIGN_OR_RETURN(Socket socket, context.ConnectTransfer(node.id()));
  const std::string bytes = transfer::EncodeOp(transfer::Opcode::kBlockChecksum, op);
  RETURN_IF_ERROR(socket.Send(std::as_bytes(std::span(bytes))));
  hdfs::BlockOpResponseProto reply;
  RETURN_IF_ERROR(ReceiveDelimited(socket, reply));
  RETURN_IF_ERROR(FromTransferStatus(
      reply.status(), reply.message(),
      absl::StrCat(socket.peer(), ": checksum of block ", op.header().block().blockid())));
  const auto& answer = reply.checksumresponse();
  const bool composite = op.blockchecksumoptions().blockchecksumtype() == hdfs::COMPOSITE_CRC;
  if (!reply.has_checksumresponse() || answer.blockchecksum().size() != (composite ? 4u : 16u) ||
      answer.crcperblock() > kMaxLength) {
    return absl::UnavailableError(absl::StrCat(socket.peer(), ": sent no valid checksum"));
  }
  return answer;
}

absl::StatusOr<hdfs::OpBlockChecksumResponseProto> AskAnyNode(ClientContext& context,
                                                              const hdfs::LocatedBlockProto& block,
                                                              ChecksumCombine combine,
                                                              const std::string& path) {
  hdfs::OpBlockChecksumProto op;
  *op.mutable_header()->mutable_block() = block.b();
  *op.mutable_header()->mutable_token() = block.blocktoken();
  op.mutable_blockchecksumoptions()->set_blockchecksumtype(
      combine == ChecksumCombine::kComposite ? hdfs::COMPOSITE_CRC : hdfs::MD5CRC);
  absl::Status last = absl::UnavailableError("no replica is known");
  for (const hdfs::DatanodeInfoProto& node : block.locs()) {
    auto answer = AskNode(context, node, op);
    if (answer.ok()) return answer;
    last = answer.status();
  }
  return absl::UnavailableError(absl::StrCat(path, ": Fail to get block checksum for block ",
                                             block.b().blockid(), ": ", last.message()));
}

// Every block of the file in order, the last one cut to `length`.
absl::StatusOr<std::vector<hdfs::LocatedBlockProto>> FetchBlocks(ClientContext& context,
                                                                 const std::string& path,
                                                                 uint64_t length) {
  std::vector<hdfs::LocatedBlockProto> blocks;
  uint64_t offset = 0;
  while (true) {
    hdfs::GetBlockLocationsRequestProto request;
    request.set_src(path);
    request.set_offset(offset);
    request.set_length(std::min(length, kMaxLength) - offset);
    ASSIGN_OR_RETURN(const auto response, context.Call<hdfs::GetBlockLocationsResponseProto>(
                                              "getBlockLocations", path, request));
    if (!response.has_locations()) {
      return MakeFsError(FsError::kFileNotFound, absl::StrCat("File does not exist: ", path));
    }
    RETURN_IF_ERROR(CheckLocatedBlocks(response.locations(), path));
    if (response.locations().underconstruction()) {
      return absl::FailedPreconditionError(
          absl::StrCat("Fail to get checksum, since file ", path, " is under construction."));
    }
    if (response.locations().has_ecpolicy()) {
      return absl::UnimplementedError(
          absl::StrCat(path, ": checksums of erasure-coded files are not supported yet"));
    }
    const uint64_t end = std::min<uint64_t>(length, response.locations().filelength());
    const uint64_t begin = offset;
    for (const hdfs::LocatedBlockProto& block : response.locations().blocks()) {
      if (block.offset() < offset || block.offset() >= end) continue;
      if (block.offset() != offset || block.b().numbytes() == 0) {
        return absl::InternalError(absl::StrCat(path, ": the server sent blocks with a gap"));
      }
      blocks.push_back(block);
      blocks.back().mutable_b()->set_numbytes(std::min(block.b().numbytes(), end - offset));
      offset += blocks.back().b().numbytes();
    }
    if (offset >= end) return blocks;
    if (offset == begin) {
      return absl::InternalError(absl::StrCat(path, ": the server sent too few blocks"));
    }
  }
}

// What HDFS has always said of an empty file: no chunks, of the oldest kind.
FileChecksum OfNothing() {
  const transfer::Md5Digest digest = transfer::Md5OfMd5s({});
  std::string bytes(12, '\0');
  bytes.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return {.algorithm = "MD5-of-0MD5-of-0CRC32", .bytes = bytes};
}

}  // namespace

absl::StatusOr<FileChecksum> ComputeFileChecksum(ClientContext& context, const std::string& path,
                                                 ChecksumCombine combine, uint64_t length) {
  ASSIGN_OR_RETURN(const auto blocks, FetchBlocks(context, path, length));
  if (blocks.empty()) return OfNothing();
  std::vector<transfer::Md5Digest> digests;
  std::vector<transfer::BlockCrc> crcs;
  transfer::DataChecksum checksum;
  uint64_t crcs_per_block = 0;
  for (const hdfs::LocatedBlockProto& block : blocks) {
    ASSIGN_OR_RETURN(const auto answer, AskAnyNode(context, block, combine, path));
    ASSIGN_OR_RETURN(
        const auto of_block,
        transfer::DataChecksum::Create(
            answer.has_crctype() ? answer.crctype() : hdfs::CHECKSUM_CRC32C, answer.bytespercrc()));
    if (digests.empty() && crcs.empty()) {
      checksum = of_block;
      if (blocks.size() > 1) crcs_per_block = answer.crcperblock();
    } else if (of_block != checksum) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": its blocks have different kinds of checksums"));
    }
    const std::string& value = answer.blockchecksum();
    if (combine == ChecksumCombine::kComposite) {
      uint32_t crc = 0;
      for (char c : value) crc = crc << 8 | static_cast<uint8_t>(c);
      crcs.push_back({.crc = crc, .length_bytes = block.b().numbytes()});
    } else {
      std::memcpy(digests.emplace_back().data(), value.data(), value.size());
    }
  }
  if (combine == ChecksumCombine::kComposite) {
    const uint32_t crc = transfer::CompositeFileCrc(checksum.type(), crcs);
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(crc >> shift);
    return FileChecksum{.algorithm = checksum.type() == transfer::ChecksumType::kCrc32
                                         ? "COMPOSITE-CRC32"
                                         : "COMPOSITE-CRC32C",
                        .bytes = bytes};
  }
  return FileChecksum{.algorithm = transfer::Md5AlgorithmName(checksum, crcs_per_block),
                      .bytes = transfer::SerializeMd5FileChecksum(checksum, crcs_per_block,
                                                                  transfer::Md5OfMd5s(digests))};
}

}  // namespace cairn::client
