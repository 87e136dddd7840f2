#include "client/file_checksum.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/convert.h"
#include "client/erasure_convert.h"
#include "client/socket.h"
#include "client/striping.h"
#include "client/transfer_reply.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "proto/hdfs/client_namenode.pb.h"
#include "proto/hdfs/data_transfer.pb.h"
#include "wire/transfer/big_endian.h"
#include "wire/transfer/block_checksum.h"
#include "wire/transfer/op.h"

namespace cairn::client {
namespace {

constexpr uint64_t kCrcBytes = 4;

// `bytes`: of the answer's checksum.
absl::StatusOr<hdfs::OpBlockChecksumResponseProto> AskNode(ClientContext& context,
                                                           const hdfs::DatanodeInfoProto& node,
                                                           const hdfs::OpBlockChecksumProto& op,
                                                           uint64_t bytes) {
  ASSIGN_OR_RETURN(Socket socket, context.ConnectTransfer(node.id()));
  const std::string request = transfer::EncodeOp(transfer::Opcode::kBlockChecksum, op);
  RETURN_IF_ERROR(socket.Send(std::as_bytes(std::span(request))));
  hdfs::BlockOpResponseProto reply;
  RETURN_IF_ERROR(ReceiveDelimited(socket, reply));
  RETURN_IF_ERROR(FromTransferStatus(
      reply.status(), reply.message(),
      absl::StrCat(socket.peer(), ": checksum of block ", op.header().block().blockid())));
  const auto& answer = reply.checksumresponse();
  if (!reply.has_checksumresponse() || answer.blockchecksum().size() != bytes ||
      answer.crcperblock() > kMaxLength) {
    return absl::UnavailableError(absl::StrCat(socket.peer(), ": sent no valid checksum"));
  }
  return answer;
}

// Of a block or, with `stripe_bytes` > 0, of each such piece of it.
absl::StatusOr<hdfs::OpBlockChecksumResponseProto> AskAnyNode(ClientContext& context,
                                                              const hdfs::LocatedBlockProto& block,
                                                              ChecksumCombine combine,
                                                              uint64_t stripe_bytes,
                                                              const std::string& path) {
  const bool composite = combine == ChecksumCombine::kComposite;
  hdfs::OpBlockChecksumProto op;
  *op.mutable_header()->mutable_block() = block.b();
  *op.mutable_header()->mutable_token() = block.blocktoken();
  op.mutable_blockchecksumoptions()->set_blockchecksumtype(composite ? hdfs::COMPOSITE_CRC
                                                                     : hdfs::MD5CRC);
  uint64_t bytes = composite ? kCrcBytes : sizeof(transfer::Md5Digest);
  if (stripe_bytes > 0) {
    op.mutable_blockchecksumoptions()->set_stripelength(stripe_bytes);
    bytes = (block.b().numbytes() + stripe_bytes - 1) / stripe_bytes * kCrcBytes;
  }
  absl::Status last = absl::UnavailableError("no replica is known");
  for (const hdfs::DatanodeInfoProto& node : block.locs()) {
    auto answer = AskNode(context, node, op, bytes);
    if (answer.ok()) return answer;
    last = answer.status();
  }
  return absl::UnavailableError(absl::StrCat(path, ": Fail to get block checksum for block ",
                                             block.b().blockid(), ": ", last.message()));
}

struct Blocks {
  std::vector<hdfs::LocatedBlockProto> located;
  std::shared_ptr<const Striping> striping;  // null: replicated
};

// Of the first answer; a later one that tells another is of another file.
absl::Status NoteStriping(const hdfs::LocatedBlocksProto& found, const std::string& path,
                          Blocks& blocks) {
  std::optional<erasure::Policy> policy;
  if (found.has_ecpolicy()) {
    ASSIGN_OR_RETURN(policy, ToPolicy(found.ecpolicy(), path));
    RETURN_IF_ERROR(CheckGroups(found, *policy, path));
  }
  if (blocks.located.empty() && policy.has_value()) {
    ASSIGN_OR_RETURN(blocks.striping, Striping::Create(*policy));
  }
  const bool same = policy.has_value() == (blocks.striping != nullptr) &&
                    (blocks.striping == nullptr || blocks.striping->IsLaidOutAs(*policy));
  if (same) return absl::OkStatus();
  return MakeFsError(FsError::kChanged, absl::StrCat(path, ": was replaced meanwhile"));
}

// Every block of the file in order, the last one cut to `length`.
absl::StatusOr<Blocks> FetchBlocks(ClientContext& context, const std::string& path,
                                   uint64_t length) {
  Blocks all;
  std::vector<hdfs::LocatedBlockProto>& blocks = all.located;
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
    RETURN_IF_ERROR(NoteStriping(response.locations(), path, all));
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
    if (offset >= end) return all;
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

// How the chunks are checksummed, which is the same in all of a file's blocks, or there is no
// checksum of the file.
class Kind {
 public:
  explicit Kind(const std::string& path) : path_(path) {}

  absl::Status Note(const hdfs::OpBlockChecksumResponseProto& answer) {
    ASSIGN_OR_RETURN(
        const auto of_block,
        transfer::DataChecksum::Create(
            answer.has_crctype() ? answer.crctype() : hdfs::CHECKSUM_CRC32C, answer.bytespercrc()));
    if (!kind_.has_value()) kind_ = of_block;
    if (*kind_ == of_block) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat(path_, ": its blocks have different kinds of checksums"));
  }
  const transfer::DataChecksum& get() const { return *kind_; }  // after a Note

 private:
  const std::string& path_;
  std::optional<transfer::DataChecksum> kind_;
};

uint32_t CrcAt(const std::string& value, uint64_t index) {
  return transfer::LoadBig32(std::as_bytes(std::span(value)).data() + index * kCrcBytes);
}

FileChecksum Composite(transfer::ChecksumType type, std::span<const transfer::BlockCrc> crcs) {
  std::string bytes(kCrcBytes, '\0');
  transfer::StoreBig32(transfer::CompositeFileCrc(type, crcs),
                       std::as_writable_bytes(std::span(bytes)).data());
  return {
      .algorithm = type == transfer::ChecksumType::kCrc32 ? "COMPOSITE-CRC32" : "COMPOSITE-CRC32C",
      .bytes = bytes};
}

// Each data unit tells the CRCs of its cells, and the file's bytes are the cells in turn.
absl::Status AddCells(ClientContext& context, const hdfs::LocatedBlockProto& group,
                      const erasure::Layout& layout, const std::string& path, Kind& kind,
                      std::vector<transfer::BlockCrc>& crcs) {
  std::vector<std::string> values(layout.data_units());
  for (uint32_t number = 0; number < layout.data_units(); ++number) {
    const hdfs::LocatedBlockProto unit = LocateUnit(group, layout, number);
    if (unit.b().numbytes() == 0) continue;
    ASSIGN_OR_RETURN(const auto answer, AskAnyNode(context, unit, ChecksumCombine::kComposite,
                                                   layout.cell_bytes(), path));
    RETURN_IF_ERROR(kind.Note(answer));
    values[number] = answer.blockchecksum();
  }
  layout.ForEachPiece(0, group.b().numbytes(), [&](const erasure::Layout::Piece& piece) {
    const uint64_t stripe = piece.place.offset / layout.cell_bytes();
    crcs.push_back({.crc = CrcAt(values[piece.place.unit], stripe), .length_bytes = piece.bytes});
  });
  return absl::OkStatus();
}

absl::StatusOr<FileChecksum> CompositeOf(ClientContext& context, const std::string& path,
                                         const Blocks& blocks) {
  Kind kind(path);
  std::vector<transfer::BlockCrc> crcs;
  for (const hdfs::LocatedBlockProto& block : blocks.located) {
    if (blocks.striping != nullptr) {
      RETURN_IF_ERROR(AddCells(context, block, blocks.striping->layout(), path, kind, crcs));
      continue;
    }
    ASSIGN_OR_RETURN(const auto answer,
                     AskAnyNode(context, block, ChecksumCombine::kComposite, 0, path));
    RETURN_IF_ERROR(kind.Note(answer));
    crcs.push_back({.crc = CrcAt(answer.blockchecksum(), 0), .length_bytes = block.b().numbytes()});
  }
  return Composite(kind.get().type(), crcs);
}

absl::StatusOr<FileChecksum> Md5Of(ClientContext& context, const std::string& path,
                                   const Blocks& blocks) {
  if (blocks.striping != nullptr) {
    return absl::UnimplementedError(absl::StrCat(
        path, ": checksums of erasure-coded files are supported as COMPOSITE_CRC only ",
        "(dfs.checksum.combine.mode)"));
  }
  Kind kind(path);
  std::vector<transfer::Md5Digest> digests;
  uint64_t crcs_per_block = 0;
  for (const hdfs::LocatedBlockProto& block : blocks.located) {
    ASSIGN_OR_RETURN(const auto answer,
                     AskAnyNode(context, block, ChecksumCombine::kMd5OfMd5, 0, path));
    RETURN_IF_ERROR(kind.Note(answer));
    if (digests.empty() && blocks.located.size() > 1) crcs_per_block = answer.crcperblock();
    std::memcpy(digests.emplace_back().data(), answer.blockchecksum().data(),
                sizeof(transfer::Md5Digest));
  }
  return FileChecksum{.algorithm = transfer::Md5AlgorithmName(kind.get(), crcs_per_block),
                      .bytes = transfer::SerializeMd5FileChecksum(kind.get(), crcs_per_block,
                                                                  transfer::Md5OfMd5s(digests))};
}

}  // namespace

absl::StatusOr<FileChecksum> ComputeFileChecksum(ClientContext& context, const std::string& path,
                                                 ChecksumCombine combine, uint64_t length) {
  ASSIGN_OR_RETURN(const Blocks blocks, FetchBlocks(context, path, length));
  if (blocks.located.empty()) return OfNothing();
  return combine == ChecksumCombine::kComposite ? CompositeOf(context, path, blocks)
                                                : Md5Of(context, path, blocks);
}

}  // namespace cairn::client
