#include "wire/transfer/block_checksum.h"

#include <openssl/evp.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "wire/transfer/big_endian.h"

namespace cairn::transfer {
namespace {

constexpr size_t kCrcBytes = 4;
constexpr size_t kHashBufferStart = 32;  // capacity of an empty Hadoop DataOutputBuffer

class Md5Stream {
 public:
  Md5Stream() : context_(EVP_MD_CTX_new()) {
    CHECK(context_ != nullptr && EVP_DigestInit_ex(context_, EVP_md5(), nullptr) == 1);
  }
  ~Md5Stream() { EVP_MD_CTX_free(context_); }
  Md5Stream(const Md5Stream&) = delete;
  Md5Stream& operator=(const Md5Stream&) = delete;

  void Add(std::span<const std::byte> data) {
    CHECK(EVP_DigestUpdate(context_, data.data(), data.size()) == 1);
  }
  Md5Digest Finish() {
    Md5Digest digest;
    unsigned int size = 0;
    CHECK(EVP_DigestFinal_ex(context_, reinterpret_cast<unsigned char*>(digest.data()), &size) ==
          1);
    CHECK_EQ(size, digest.size());
    return digest;
  }

 private:
  EVP_MD_CTX* const context_;
};

class Md5OfCrcs final : public BlockChecksummer {
 public:
  void Add(std::span<const std::byte> crcs) override { md5_.Add(crcs); }
  std::string Finish() override {
    const Md5Digest digest = md5_.Finish();
    return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
  }

 private:
  Md5Stream md5_;
};

class CompositeCrc final : public BlockChecksummer {
 public:
  CompositeCrc(const DataChecksum& checksum, uint64_t covered_bytes, uint64_t stripe_bytes)
      : checksum_(checksum), left_(covered_bytes), stripe_bytes_(stripe_bytes) {}

  void Add(std::span<const std::byte> crcs) override {
    CHECK_EQ(crcs.size() % kCrcBytes, 0u);
    for (; !crcs.empty(); crcs = crcs.subspan(kCrcBytes)) {
      const uint64_t length = std::min<uint64_t>(left_, checksum_.bytes_per_checksum());
      CHECK(length > 0) << "more CRCs than covered bytes";
      crc_ = in_stripe_ == 0 ? LoadBig32(crcs.data())
                             : checksum_.Combine(crc_, LoadBig32(crcs.data()), length);
      in_stripe_ += length;
      left_ -= length;
      if (in_stripe_ == stripe_bytes_) EndStripe();
    }
  }

  std::string Finish() override {
    CHECK_EQ(left_, 0u);
    if (in_stripe_ > 0 || out_.empty()) EndStripe();
    return std::move(out_);
  }

 private:
  void EndStripe() {
    std::byte bytes[kCrcBytes];
    StoreBig32(crc_, bytes);
    out_.append(reinterpret_cast<const char*>(bytes), kCrcBytes);
    crc_ = 0;
    in_stripe_ = 0;
  }

  const DataChecksum checksum_;
  uint64_t left_;                // covered bytes whose CRCs are still to come
  const uint64_t stripe_bytes_;  // 0: one for all
  uint32_t crc_ = 0;             // of in_stripe_ bytes
  uint64_t in_stripe_ = 0;
  std::string out_;
};

absl::string_view TypeName(ChecksumType type) {
  switch (type) {
    case ChecksumType::kNull:
      return "NULL";
    case ChecksumType::kCrc32:
      return "CRC32";
    case ChecksumType::kCrc32c:
      return "CRC32C";
  }
  return "NULL";
}

}  // namespace

Md5Digest Md5(std::span<const std::byte> data) {
  Md5Stream md5;
  md5.Add(data);
  return md5.Finish();
}

std::unique_ptr<BlockChecksummer> NewMd5OfCrcs() { return std::make_unique<Md5OfCrcs>(); }

absl::StatusOr<std::unique_ptr<BlockChecksummer>> NewCompositeCrc(const DataChecksum& checksum,
                                                                  uint64_t covered_bytes,
                                                                  uint64_t stripe_bytes) {
  if (checksum.type() == ChecksumType::kNull) {
    return absl::InvalidArgumentError("composite CRC of a block without checksums");
  }
  if (stripe_bytes % checksum.bytes_per_checksum() != 0) {
    return absl::InvalidArgumentError(absl::StrCat("stripe length ", stripe_bytes,
                                                   " is no multiple of the chunk size ",
                                                   checksum.bytes_per_checksum()));
  }
  if (stripe_bytes > 0 && covered_bytes / stripe_bytes > kMaxStripes) {
    return absl::InvalidArgumentError(absl::StrCat("stripe length ", stripe_bytes,
                                                   " is too small for ", covered_bytes, " bytes"));
  }
  return std::make_unique<CompositeCrc>(checksum, covered_bytes, stripe_bytes);
}

absl::StatusOr<uint32_t> CompositeGroupCrc(ChecksumType type, std::span<const std::string> units,
                                           uint64_t cell_bytes, uint64_t covered_bytes) {
  const DataChecksum checksum(type, kDefaultBytesPerChecksum);
  uint32_t crc = 0;
  uint64_t cell = 0;
  for (uint64_t offset = 0; offset < covered_bytes; offset += cell_bytes, ++cell) {
    const std::string& cells = units[cell % units.size()];
    const uint64_t at = cell / units.size() * kCrcBytes;
    if (at + kCrcBytes > cells.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("no checksum of cell ", cell, " of a block group"));
    }
    crc = checksum.Combine(crc, LoadBig32(std::as_bytes(std::span(cells)).data() + at),
                           std::min(cell_bytes, covered_bytes - offset));
  }
  return crc;
}

Md5Digest Md5OfGroup(std::span<const std::string> units) {
  std::vector<Md5Digest> digests;
  for (const std::string& unit : units) {
    if (unit.empty()) continue;
    CHECK_EQ(unit.size(), sizeof(Md5Digest));
    std::memcpy(digests.emplace_back().data(), unit.data(), sizeof(Md5Digest));
  }
  return Md5OfMd5s(digests);
}

Md5Digest Md5OfMd5s(std::span<const Md5Digest> blocks) {
  const size_t used = blocks.size() * sizeof(Md5Digest);
  std::vector<std::byte> buffer(std::bit_ceil(std::max(used, kHashBufferStart)));
  for (size_t i = 0; i < blocks.size(); ++i) {
    std::memcpy(&buffer[i * sizeof(Md5Digest)], blocks[i].data(), sizeof(Md5Digest));
  }
  return Md5(buffer);
}

std::string Md5AlgorithmName(const DataChecksum& checksum, uint64_t crcs_per_block) {
  return absl::StrCat("MD5-of-", crcs_per_block, "MD5-of-", checksum.bytes_per_checksum(),
                      TypeName(checksum.type()));
}

std::string SerializeMd5FileChecksum(const DataChecksum& checksum, uint64_t crcs_per_block,
                                     const Md5Digest& digest) {
  std::array<std::byte, 28> out;
  StoreBig32(checksum.bytes_per_checksum(), &out[0]);
  StoreBig64(crcs_per_block, &out[4]);
  std::copy(digest.begin(), digest.end(), &out[12]);
  return std::string(reinterpret_cast<const char*>(out.data()), out.size());
}

uint32_t CompositeFileCrc(ChecksumType type, std::span<const BlockCrc> blocks) {
  const DataChecksum checksum(type, kDefaultBytesPerChecksum);
  uint32_t crc = 0;
  for (const BlockCrc& block : blocks) crc = checksum.Combine(crc, block.crc, block.length_bytes);
  return crc;
}

}  // namespace cairn::transfer
