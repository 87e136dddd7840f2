#include "wire/transfer/meta_file.h"

#include <string>
#include <vector>

#include "common/testing/golden.h"
#include "common/testing/status_matchers.h"

namespace cairn::transfer {
namespace {

std::span<const std::byte> Span(absl::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// The example of docs/formats/replica.md: a replica that holds "cairn".
TEST(MetaFileTest, GoldenFileIsWhatIsWrittenForItsReplica) {
  const std::string data = ReadGolden("replica/blk_1073741825");
  ASSERT_EQ(data, "cairn");
  std::vector<std::byte> meta(MetaFileBytes(DataChecksum(), data.size()));
  EncodeMetaHeader(DataChecksum(), std::span(meta).first<kMetaHeaderBytes>());
  DataChecksum().Compute(Span(data), std::span(meta).subspan(kMetaHeaderBytes));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(meta.data()), meta.size()),
            ReadGolden("replica/blk_1073741825_1001.meta"));
  EXPECT_THAT(DecodeMetaHeader(meta), IsOkAndHolds(DataChecksum()));
}

TEST(MetaFileTest, HeadersThatNoWriterMakesAreRefused) {
  const auto decode = [](absl::string_view bytes) {
    return DecodeMetaHeader(Span(bytes)).status();
  };
  EXPECT_OK(decode(absl::string_view("\0\1\2\0\0\2\0", 7)));
  EXPECT_THAT(decode(absl::string_view("\0\1\2\0\0\2", 6)), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(decode(absl::string_view("\0\2\2\0\0\2\0", 7)),
              StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(decode(absl::string_view("\0\1\5\0\0\2\0", 7)),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(decode(absl::string_view("\0\1\2\0\0\0\0", 7)),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(MetaFileTest, OffsetsPointAtTheChunksChecksum) {
  EXPECT_EQ(MetaOffset(DataChecksum(), 0), 7u);
  EXPECT_EQ(MetaOffset(DataChecksum(), 511), 7u);
  EXPECT_EQ(MetaOffset(DataChecksum(), 512), 11u);
  EXPECT_EQ(MetaFileBytes(DataChecksum(), 513), 15u);
}

}  // namespace
}  // namespace cairn::transfer
