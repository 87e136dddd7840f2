// verifyMeta and computeMeta: a replica's checksum file against its bytes.
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tools/debug/debug.h"
#include "wire/transfer/checksum.h"
#include "wire/transfer/meta_file.h"

namespace cairn::tools {
namespace {

using transfer::ChecksumType;
using transfer::DataChecksum;
using transfer::kMetaHeaderBytes;

// Chunks read at a time.
constexpr size_t kChunks = 2048;

std::string ChecksumText(const DataChecksum& checksum) {
  const char* const type = checksum.type() == ChecksumType::kNull    ? "NULL"
                           : checksum.type() == ChecksumType::kCrc32 ? "CRC32"
                                                                     : "CRC32C";
  return absl::StrCat("DataChecksum(type=", type, ", chunkSize=", checksum.bytes_per_checksum(),
                      ")");
}

// Fills `out` as far as the file goes; what was read.
std::span<std::byte> ReadSome(std::istream& in, std::span<std::byte> out) {
  in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
  return out.first(static_cast<size_t>(in.gcount()));
}

absl::StatusOr<DataChecksum> ReadHeader(std::istream& meta) {
  std::byte header[kMetaHeaderBytes];
  return transfer::DecodeMetaHeader(ReadSome(meta, header));
}

// kDataLoss names the first byte that does not match.
absl::Status Compare(std::istream& block, std::istream& meta, const DataChecksum& checksum) {
  std::vector<std::byte> data(kChunks * checksum.bytes_per_checksum());
  std::vector<std::byte> sums(kChunks * checksum.checksum_size());
  for (uint64_t offset = 0;;) {
    const std::span<std::byte> bytes = ReadSome(block, data);
    const std::span<std::byte> have =
        ReadSome(meta, std::span(sums).first(checksum.ChecksumBytes(bytes.size())));
    if (have.size() < checksum.ChecksumBytes(bytes.size())) {
      return absl::DataLossError(
          absl::StrCat("the metadata file ends before the block, which has bytes at offset ",
                       offset + have.size() / 4 * checksum.bytes_per_checksum()));
    }
    if (const auto bad = checksum.FindMismatch(bytes, have)) {
      return absl::DataLossError(absl::StrCat("checksum error at offset ", offset + *bad));
    }
    offset += bytes.size();
    if (bytes.size() < data.size()) break;
  }
  if (meta.peek() != std::istream::traits_type::eof()) {
    return absl::DataLossError("the metadata file has checksums beyond the block's end");
  }
  return absl::OkStatus();
}

bool IsFile(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

absl::Status Compute(std::istream& block, std::ostream& meta) {
  const DataChecksum checksum;
  std::byte header[kMetaHeaderBytes];
  transfer::EncodeMetaHeader(checksum, header);
  meta.write(reinterpret_cast<const char*>(header), kMetaHeaderBytes);
  std::vector<std::byte> data(kChunks * checksum.bytes_per_checksum());
  std::vector<std::byte> sums(kChunks * checksum.checksum_size());
  std::span<std::byte> bytes;
  do {
    bytes = ReadSome(block, data);
    const std::span<std::byte> out = std::span(sums).first(checksum.ChecksumBytes(bytes.size()));
    checksum.Compute(bytes, out);
    meta.write(reinterpret_cast<const char*>(out.data()), static_cast<std::streamsize>(out.size()));
  } while (bytes.size() == data.size());
  if (block.bad()) return absl::DataLossError("the block file cannot be read to its end");
  meta.flush();
  return meta ? absl::OkStatus() : absl::ResourceExhaustedError("the output cannot be written");
}

}  // namespace

int RunVerifyMeta(CommandContext& ctx) {
  const std::string block_path = TakeDebugOption(ctx, "-block");
  const std::string meta_path = TakeDebugOption(ctx, "-meta");
  if (meta_path.empty()) {
    ctx.err << "You must specify a meta file with -meta\n";
    return kExitFailed;
  }
  if (ArgumentsAreLeft(ctx)) return kExitFailed;
  std::ifstream meta(meta_path, std::ios::binary);
  absl::StatusOr<DataChecksum> checksum = absl::NotFoundError(std::strerror(errno));
  if (meta) checksum = ReadHeader(meta);
  if (!checksum.ok()) {
    ctx.err << "Failed to read HDFS metadata file header for " << meta_path << ": "
            << checksum.status().message() << "\n";
    return kExitFailed;
  }
  ctx.out << "Checksum type: " << ChecksumText(*checksum) << "\n";
  if (block_path.empty()) return kExitOk;
  std::ifstream block(block_path, std::ios::binary);
  if (!block) {
    ctx.err << "Failed to open HDFS block file for " << block_path << ": " << std::strerror(errno)
            << "\n";
    return kExitFailed;
  }
  const absl::Status compared = Compare(block, meta, *checksum);
  if (!compared.ok()) {
    ctx.err << "verifyChunkedSums error: " << compared.message() << "\n";
    return kExitFailed;
  }
  ctx.out << "Checksum verification succeeded on block file " << block_path << "\n";
  return kExitOk;
}

int RunComputeMeta(CommandContext& ctx) {
  const std::string block_path = TakeDebugOption(ctx, "-block");
  if (block_path.empty()) {
    ctx.err << "You must specify a block file with -block\n";
    return 2;
  }
  if (!IsFile(block_path)) {
    ctx.err << "Block file <" << block_path << "> does not exist or is not a file\n";
    return 3;
  }
  const std::string out_path = TakeDebugOption(ctx, "-out");
  if (out_path.empty()) {
    ctx.err << "You must specify a output file with -out\n";
    return 4;
  }
  if (ArgumentsAreLeft(ctx)) return kExitFailed;
  struct stat info {};
  if (::stat(out_path.c_str(), &info) == 0) {
    ctx.err << "output file already exists!\n";
    return 5;
  }
  std::ifstream block(block_path, std::ios::binary);
  std::ofstream meta(out_path, std::ios::binary);
  const absl::Status computed = Compute(block, meta);
  if (!computed.ok()) {
    ctx.err << "computeMeta: " << computed.message() << "\n";
    return kExitFailed;
  }
  ctx.out << "Checksum calculation succeeded on block file " << block_path
          << " saved metadata to meta file " << out_path << "\n";
  return kExitOk;
}

}  // namespace cairn::tools
