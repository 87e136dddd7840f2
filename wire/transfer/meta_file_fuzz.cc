// Any bytes are refused or are a header that is written the same again.
#include "common/check.h"
#include "wire/transfer/meta_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cairn::transfer;  // NOLINT: one function long
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto checksum = DecodeMetaHeader(bytes);
  if (!checksum.ok()) return 0;
  std::array<std::byte, kMetaHeaderBytes> out;
  EncodeMetaHeader(*checksum, out);
  CHECK(std::equal(out.begin(), out.end(), bytes.begin()));
  return 0;
}
