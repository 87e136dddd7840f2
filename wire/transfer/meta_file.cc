#include "wire/transfer/meta_file.h"

#include "absl/strings/str_cat.h"
#include "wire/transfer/big_endian.h"

namespace cairn::transfer {

void EncodeMetaHeader(const DataChecksum& checksum, std::span<std::byte, kMetaHeaderBytes> out) {
  StoreBig16(kMetaVersion, &out[0]);
  out[2] = static_cast<std::byte>(checksum.type());
  StoreBig32(checksum.bytes_per_checksum(), &out[3]);
}

absl::StatusOr<DataChecksum> DecodeMetaHeader(std::span<const std::byte> in) {
  if (in.size() < kMetaHeaderBytes) {
    return absl::DataLossError(absl::StrCat("meta file of ", in.size(), " bytes has no header"));
  }
  const uint16_t version = LoadBig16(&in[0]);
  if (version != kMetaVersion) {
    return absl::UnimplementedError(absl::StrCat("meta file version ", version, ", known is 1"));
  }
  const auto checksum = DataChecksum::Create(std::to_integer<uint32_t>(in[2]), LoadBig32(&in[3]));
  if (!checksum.ok()) {
    return absl::DataLossError(absl::StrCat("meta file header: ", checksum.status().message()));
  }
  return *checksum;
}

}  // namespace cairn::transfer
