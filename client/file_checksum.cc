#include "client/file_checksum.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/convert.h"
#include "client/erasure_convert.h"
#include "client/input_stream_impl.h"
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

// Datanodes of a group that are asked for its checksum, one after the other: what is wrong with
// three of them is wrong with all, or with the client.
constexpr int kMostAsked = 3;
// Of a unit that is computed here, at a time.
constexpr uint64_t kStepBytes = uint64_t{1} << 20;
// For the namenode to be told of units: 100, 200 and 400 ms.
constexpr int kPlacesTries = 4;
constexpr absl::Duration kPlacesPause = absl::Milliseconds(100);

using Answer = hdfs::OpBlockChecksumResponseProto;

// `request`: an operation about block `id`. `bytes`: of the answer's checksum.
absl::StatusOr<Answer> AskNode(ClientContext& context, const hdfs::DatanodeInfoProto& node,
                               const std::string& request, uint64_t id, uint64_t bytes) {
  ASSIGN_OR_RETURN(Socket socket, context.ConnectTransfer(node.id()));
  RETURN_IF_ERROR(socket.Send(std::as_bytes(std::span(request))));
  hdfs::BlockOpResponseProto reply;
  RETURN_IF_ERROR(ReceiveDelimited(socket, reply));
  const absl::Status status = FromTransferStatus(
      reply.status(), reply.message(), absl::StrCat(socket.peer(), ": checksum of block ", id));
  if (reply.status() == hdfs::STATUS_ERROR_CHECKSUM) return absl::DataLossError(status.message());
  RETURN_IF_ERROR(status);
  const auto& answer = reply.checksumresponse();
  if (!reply.has_checksumresponse() || answer.blockchecksum().size() != bytes ||
      answer.crcperblock() > kMaxLength) {
    return absl::UnavailableError(absl::StrCat(socket.peer(), ": sent no valid checksum"));
  }
  return answer;
}

// At most `most` of the block's nodes. kDataLoss: the last one says that what is stored is wrong.
absl::StatusOr<Answer> AskAnyNode(ClientContext& context, const hdfs::LocatedBlockProto& block,
                                  const std::string& request, uint64_t bytes,
                                  const std::string& path, int most) {
  absl::Status last = absl::UnavailableError("no replica is known");
  for (int i = 0; i < std::min(most, block.locs_size()); ++i) {
    auto answer = AskNode(context, block.locs(i), request, block.b().blockid(), bytes);
    if (answer.ok()) return answer;
    last = answer.status();
  }
  const auto code =
      absl::IsDataLoss(last) ? absl::StatusCode::kDataLoss : absl::StatusCode::kUnavailable;
  return absl::Status(code, absl::StrCat(path, ": Fail to get block checksum for block ",
                                         block.b().blockid(), ": ", last.message()));
}

struct Block {
  hdfs::LocatedBlockProto located;
  uint64_t covered_bytes = 0;  // of it, from its beginning
};

struct Blocks {
  std::vector<Block> blocks;
  hdfs::LocatedBlockProto last;              // of the file
  std::shared_ptr<const Striping> striping;  // null: replicated
  hdfs::ErasureCodingPolicyProto policy;     // as it was sent; striping != nullptr
};

absl::Status Replaced(const std::string& path) {
  return MakeFsError(FsError::kChanged, absl::StrCat(path, ": was replaced meanwhile"));
}

// Of the first answer; a later one that tells another is of another file.
absl::Status NoteStriping(const hdfs::LocatedBlocksProto& found, const std::string& path,
                          Blocks& blocks) {
  std::optional<erasure::Policy> policy;
  if (found.has_ecpolicy()) {
    ASSIGN_OR_RETURN(policy, ToPolicy(found.ecpolicy(), path));
    RETURN_IF_ERROR(CheckGroups(found, *policy, path));
  }
  if (blocks.blocks.empty() && policy.has_value()) {
    ASSIGN_OR_RETURN(blocks.striping, Striping::Create(*policy));
    blocks.policy = found.ecpolicy();
  }
  const bool same = policy.has_value() == (blocks.striping != nullptr) &&
                    (blocks.striping == nullptr || blocks.striping->IsLaidOutAs(*policy));
  if (same) return absl::OkStatus();
  return Replaced(path);
}

// Every block of the file in order, as far as `length` goes.
absl::StatusOr<Blocks> FetchBlocks(ClientContext& context, const std::string& path,
                                   uint64_t length) {
  Blocks all;
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
    all.last = response.locations().lastblock();
    const uint64_t end = std::min<uint64_t>(length, response.locations().filelength());
    const uint64_t begin = offset;
    for (const hdfs::LocatedBlockProto& block : response.locations().blocks()) {
      if (block.offset() < offset || block.offset() >= end) continue;
      if (block.offset() != offset || block.b().numbytes() == 0) {
        return absl::InternalError(absl::StrCat(path, ": the server sent blocks with a gap"));
      }
      const uint64_t covered = std::min<uint64_t>(block.b().numbytes(), end - offset);
      all.blocks.push_back({.located = block, .covered_bytes = covered});
      offset += covered;
    }
    if (offset >= end) return all;
    if (offset == begin) {
      return absl::InternalError(absl::StrCat(path, ": the server sent too few blocks"));
    }
  }
}

// `block` as if it had only what is covered of it.
hdfs::LocatedBlockProto CoveredPart(const Block& block) {
  hdfs::LocatedBlockProto part = block.located;
  part.mutable_b()->set_numbytes(block.covered_bytes);
  return part;
}

bool EveryDataUnitHasAPlace(const Block& group, const erasure::Layout& layout) {
  for (uint32_t number = 0; number < layout.data_units(); ++number) {
    if (layout.UnitBytes(group.covered_bytes, number) == 0) break;
    const std::string& there = group.located.blockindices();
    if (there.find(static_cast<char>(number)) == std::string::npos) return false;
  }
  return true;
}

// A file may be closed before all its units are reported: as many as it takes to read it will do.
absl::StatusOr<Blocks> AwaitPlaces(ClientContext& context, const std::string& path,
                                   uint64_t length) {
  for (int tried = 1;; ++tried) {
    ASSIGN_OR_RETURN(Blocks blocks, FetchBlocks(context, path, length));
    const bool all_there =
        blocks.striping == nullptr ||
        std::all_of(blocks.blocks.begin(), blocks.blocks.end(), [&](const Block& group) {
          return EveryDataUnitHasAPlace(group, blocks.striping->layout());
        });
    if (all_there || tried == kPlacesTries) return blocks;
    absl::SleepFor(kPlacesPause * (1 << (tried - 1)));
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
  bool is_known() const { return kind_.has_value(); }
  const transfer::DataChecksum& get() const { return *kind_; }  // is_known()

 private:
  const std::string& path_;
  std::optional<transfer::DataChecksum> kind_;
};

std::string BigEndian(uint32_t crc) {
  std::string bytes(kCrcBytes, '\0');
  transfer::StoreBig32(crc, std::as_writable_bytes(std::span(bytes)).data());
  return bytes;
}

FileChecksum Composite(transfer::ChecksumType type, std::span<const transfer::BlockCrc> crcs) {
  return {
      .algorithm = type == transfer::ChecksumType::kCrc32 ? "COMPOSITE-CRC32" : "COMPOSITE-CRC32C",
      .bytes = BigEndian(transfer::CompositeFileCrc(type, crcs))};
}

class Summer {
 public:
  // All outlive this.
  Summer(const std::shared_ptr<ClientContext>& context, const std::string& path,
         ChecksumCombine combine, LostUnits lost_units, const Blocks& blocks)
      : context_(context),
        path_(path),
        composite_(combine == ChecksumCombine::kComposite),
        lost_units_(lost_units),
        blocks_(blocks),
        kind_(path) {}

  absl::StatusOr<FileChecksum> Run() {
    std::vector<std::string> sums;
    for (const Block& block : blocks_.blocks) {
      ASSIGN_OR_RETURN(std::string sum,
                       blocks_.striping == nullptr ? OfBlock(block) : OfGroup(block));
      sums.push_back(std::move(sum));
    }
    return composite_ ? CompositeOf(sums) : Md5Of(sums);
  }

 private:
  absl::StatusOr<std::string> OfBlock(const Block& block) {
    ASSIGN_OR_RETURN(const Answer answer, AskFor(CoveredPart(block), /*stripe_bytes=*/0));
    RETURN_IF_ERROR(Note(answer));
    return answer.blockchecksum();
  }

  absl::StatusOr<std::string> OfGroup(const Block& group) {
    if (lost_units_ == LostUnits::kCompute && may_ask_for_groups_) {
      const absl::StatusOr<Answer> answer = AskForGroup(group);
      if (answer.ok()) {
        RETURN_IF_ERROR(Note(*answer));
        return answer->blockchecksum();
      }
      // The bytes that readers get are no better, and do not tell.
      if (absl::IsDataLoss(answer.status())) return answer.status();
      may_ask_for_groups_ = false;
    }
    return OfUnits(group);
  }

  // Of a block or unit as a whole or, with `stripe_bytes` > 0, of each such piece of it.
  absl::StatusOr<Answer> AskFor(const hdfs::LocatedBlockProto& block, uint64_t stripe_bytes) {
    hdfs::OpBlockChecksumProto op;
    *op.mutable_header()->mutable_block() = block.b();
    *op.mutable_header()->mutable_token() = block.blocktoken();
    *op.mutable_blockchecksumoptions() = Options(stripe_bytes);
    uint64_t bytes = composite_ ? kCrcBytes : sizeof(transfer::Md5Digest);
    if (composite_ && stripe_bytes > 0) {
      bytes = (block.b().numbytes() + stripe_bytes - 1) / stripe_bytes * kCrcBytes;
    }
    return AskAnyNode(*context_, block, transfer::EncodeOp(transfer::Opcode::kBlockChecksum, op),
                      bytes, path_, block.locs_size());
  }

  absl::StatusOr<Answer> AskForGroup(const Block& block) {
    const hdfs::LocatedBlockProto& group = block.located;
    hdfs::OpBlockGroupChecksumProto op;
    *op.mutable_header()->mutable_block() = group.b();
    *op.mutable_header()->mutable_token() = group.blocktoken();
    op.mutable_datanodes();
    for (int i = 0; i < group.locs_size(); ++i) {
      *op.mutable_datanodes()->add_datanodes() = group.locs(i);
      op.add_blockindices(static_cast<uint8_t>(group.blockindices()[static_cast<size_t>(i)]));
      *op.add_blocktokens() =
          group.blocktokens().empty() ? group.blocktoken() : group.blocktokens(i);
    }
    *op.mutable_ecpolicy() = blocks_.policy;
    op.set_requestednumbytes(block.covered_bytes);
    *op.mutable_blockchecksumoptions() = Options(/*stripe_bytes=*/0);
    return AskAnyNode(*context_, group,
                      transfer::EncodeOp(transfer::Opcode::kBlockGroupChecksum, op),
                      composite_ ? kCrcBytes : sizeof(transfer::Md5Digest), path_, kMostAsked);
  }

  hdfs::BlockChecksumOptionsProto Options(uint64_t stripe_bytes) const {
    hdfs::BlockChecksumOptionsProto options;
    options.set_blockchecksumtype(composite_ ? hdfs::COMPOSITE_CRC : hdfs::MD5CRC);
    if (composite_ && stripe_bytes > 0) options.set_stripelength(stripe_bytes);
    return options;
  }

  // Of the group's first part, without a datanode that puts it together.
  absl::StatusOr<std::string> OfUnits(const Block& group) {
    const hdfs::LocatedBlockProto part = CoveredPart(group);
    std::vector<std::string> sums(layout().data_units());
    std::vector<uint32_t> lost;
    absl::Status why;
    for (uint32_t number = 0; number < layout().data_units(); ++number) {
      const hdfs::LocatedBlockProto unit = LocateUnit(part, layout(), number);
      if (unit.b().numbytes() == 0) break;
      const absl::StatusOr<Answer> answer = AskFor(unit, layout().cell_bytes());
      if (answer.ok()) {
        RETURN_IF_ERROR(number == 0 ? Note(*answer) : NoteKind(*answer));
        sums[number] = answer->blockchecksum();
      } else if (lost_units_ == LostUnits::kRefuse) {
        return answer.status();
      } else {
        why = answer.status();
        lost.push_back(number);
      }
    }
    if (!lost.empty() && !LearnKind(part)) return why;
    for (const uint32_t number : lost) {
      ASSIGN_OR_RETURN(sums[number], ComputeUnit(group, number));
    }
    if (composite_) {
      ASSIGN_OR_RETURN(const uint32_t crc,
                       transfer::CompositeGroupCrc(kind_.get().type(), sums, layout().cell_bytes(),
                                                   group.covered_bytes));
      return BigEndian(crc);
    }
    const transfer::Md5Digest digest = transfer::Md5OfGroup(sums);
    return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
  }

  // What is computed is checksummed as the rest of the file is. False: no unit tells how.
  bool LearnKind(const hdfs::LocatedBlockProto& part) {
    for (uint32_t number = layout().data_units(); !kind_.is_known() && number < layout().units();
         ++number) {
      const absl::StatusOr<Answer> answer =
          AskFor(LocateUnit(part, layout(), number), layout().cell_bytes());
      if (answer.ok()) NoteKind(*answer).IgnoreError();  // another one may make more sense
    }
    return kind_.is_known();
  }

  absl::StatusOr<std::string> ComputeUnit(const Block& group, uint32_t number) {
    RETURN_IF_ERROR(OpenStream());
    const transfer::DataChecksum checksum = kind_.get();
    const uint64_t bytes = layout().UnitBytes(group.covered_bytes, number);
    if (number == 0) {
      NoteCrcsPerBlock(
          checksum.ChunkCount(layout().UnitBytes(group.located.b().numbytes(), number)));
    }
    std::unique_ptr<transfer::BlockChecksummer> summer = transfer::NewMd5OfCrcs();
    if (composite_) {
      ASSIGN_OR_RETURN(summer, transfer::NewCompositeCrc(checksum, bytes, layout().cell_bytes()));
    }
    std::vector<std::byte> piece(std::min(checksum.RoundUp(kStepBytes), bytes));
    std::vector<std::byte> crcs;
    for (uint64_t offset = 0; offset < bytes; offset += piece.size()) {
      piece.resize(std::min<uint64_t>(piece.size(), bytes - offset));
      RETURN_IF_ERROR(ReadUnit(group, {.unit = number, .offset = offset}, piece));
      crcs.resize(checksum.ChecksumBytes(piece.size()));
      checksum.Compute(piece, crcs);
      summer->Add(crcs);
    }
    return summer->Finish();
  }

  // Of the path, in the hope that it is the file's still.
  absl::Status OpenStream() {
    if (stream_ != nullptr) return absl::OkStatus();
    // What comes from files may not have been verified, if that is the client's wish.
    ASSIGN_OR_RETURN(
        stream_, InputStream::Impl::Open(context_, path_, InputStream::Impl::Files::kAreNotRead));
    const std::optional<ContentsId> found = stream_->contents();
    const hdfs::ExtendedBlockProto& last = blocks_.last.b();
    if (!found.has_value() ||
        (found->last_block == last.blockid() && found->stamp == last.generationstamp())) {
      return absl::OkStatus();
    }
    return Replaced(path_);
  }

  // Cell after cell, as readers do when a unit is lost.
  absl::Status ReadUnit(const Block& group, erasure::Layout::Place place,
                        std::span<std::byte> out) {
    while (!out.empty()) {
      const uint64_t left = layout().cell_bytes() - place.offset % layout().cell_bytes();
      const auto cell = out.first(std::min<uint64_t>(left, out.size()));
      ASSIGN_OR_RETURN(const size_t got,
                       stream_->ReadAt(group.located.offset() + layout().OffsetOf(place), cell));
      if (got != cell.size()) return Replaced(path_);
      place.offset += got;
      out = out.subspan(got);
    }
    return absl::OkStatus();
  }

  absl::Status Note(const Answer& answer) {
    RETURN_IF_ERROR(NoteKind(answer));
    NoteCrcsPerBlock(answer.crcperblock());
    return absl::OkStatus();
  }
  absl::Status NoteKind(const Answer& answer) {
    RETURN_IF_ERROR(kind_.Note(answer));
    if (!composite_ || kind_.get().type() != transfer::ChecksumType::kNull) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(absl::StrCat(path_, ": its blocks have no checksums"));
  }
  // Of the first block or, in a group, its first unit.
  void NoteCrcsPerBlock(uint64_t crcs) {
    if (!crcs_per_block_.has_value()) crcs_per_block_ = crcs;
  }

  FileChecksum CompositeOf(std::span<const std::string> sums) const {
    std::vector<transfer::BlockCrc> crcs;
    for (size_t i = 0; i < sums.size(); ++i) {
      crcs.push_back({.crc = transfer::LoadBig32(std::as_bytes(std::span(sums[i])).data()),
                      .length_bytes = blocks_.blocks[i].covered_bytes});
    }
    return Composite(kind_.get().type(), crcs);
  }

  FileChecksum Md5Of(std::span<const std::string> sums) const {
    std::vector<transfer::Md5Digest> digests(sums.size());
    for (size_t i = 0; i < sums.size(); ++i) {
      std::memcpy(digests[i].data(), sums[i].data(), sizeof(transfer::Md5Digest));
    }
    const uint64_t crcs_per_block = sums.size() > 1 ? *crcs_per_block_ : 0;
    return {.algorithm = transfer::Md5AlgorithmName(kind_.get(), crcs_per_block),
            .bytes = transfer::SerializeMd5FileChecksum(kind_.get(), crcs_per_block,
                                                        transfer::Md5OfMd5s(digests))};
  }

  const erasure::Layout& layout() const { return blocks_.striping->layout(); }

  const std::shared_ptr<ClientContext>& context_;
  const std::string& path_;
  const bool composite_;
  const LostUnits lost_units_;
  const Blocks& blocks_;
  bool may_ask_for_groups_ = true;  // no group's datanodes have refused
  Kind kind_;
  std::optional<uint64_t> crcs_per_block_;
  std::unique_ptr<InputStream::Impl> stream_;  // of the file; null: nothing was computed yet
};

}  // namespace

absl::StatusOr<FileChecksum> ComputeFileChecksum(const std::shared_ptr<ClientContext>& context,
                                                 const std::string& path, ChecksumCombine combine,
                                                 uint64_t length, LostUnits lost_units) {
  ASSIGN_OR_RETURN(const Blocks blocks, AwaitPlaces(*context, path, length));
  if (blocks.blocks.empty()) return OfNothing();
  return Summer(context, path, combine, lost_units, blocks).Run();
}

}  // namespace cairn::client
