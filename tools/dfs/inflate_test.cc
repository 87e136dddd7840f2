#include "tools/dfs/inflate.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

// `echo hello | gzip -n` and `echo world | gzip -n`.
const std::string kHello(
    "\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\0\x20\x30\x3a\x36\x06\0\0\0", 26);

absl::StatusOr<std::string> Unpack(Packing packing, const std::string& packed, size_t step) {
  size_t at = 0;
  std::string text;
  RETURN_IF_ERROR(Inflate(
      packing,
      [&](std::span<std::byte> out) -> absl::StatusOr<size_t> {
        const size_t bytes = std::min({step, out.size(), packed.size() - at});
        std::memcpy(out.data(), packed.data() + at, bytes);
        at += bytes;
        return bytes;
      },
      [&](std::span<const std::byte> bytes) {
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return absl::OkStatus();
      }));
  return text;
}

TEST(InflateTest, AGzipFileIsUnpackedInAnyPieces) {
  for (size_t step : {size_t{1}, size_t{7}, kHello.size()}) {
    EXPECT_THAT(Unpack(Packing::kGzip, kHello, step), IsOkAndHolds("hello\n")) << step;
  }
}

TEST(InflateTest, SeveralMembersAreOneText) {
  EXPECT_THAT(Unpack(Packing::kGzip, kHello + kHello, 5), IsOkAndHolds("hello\nhello\n"));
}

TEST(InflateTest, AFileCutShortIsAnError) {
  EXPECT_THAT(Unpack(Packing::kGzip, kHello.substr(0, 15), 100).status(),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(InflateTest, DamageIsAnError) {
  std::string damaged = kHello;
  damaged[12] ^= 0x55;
  EXPECT_THAT(Unpack(Packing::kGzip, damaged, 100).status(), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace cairn::tools
