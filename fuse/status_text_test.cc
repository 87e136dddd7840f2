#include "fuse/status_text.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "common/mount_status.h"

namespace cairn::fuse {
namespace {

constexpr size_t kRoom = sizeof(MountStatusText::text);

MountStatus Named(const std::string& name) {
  return {.source = name,
          .age = absl::Seconds(7),
          .files = {.open = 2, .written = 1},
          .rpc_retries = 5,
          .stage = MountStatus::Stage{.directory = name, .used = 3, .max = 4}};
}

TEST(StatusTextTest, TellsWhatThereIs) {
  Statistics statistics;
  statistics.Observe(Operation::kRead, absl::Microseconds(5));
  statistics.NoteError(ENOENT);
  const auto told = nlohmann::json::parse(StatusText(Named("/a \"name\""), statistics));
  EXPECT_EQ(told["source"], "/a \"name\"");
  EXPECT_EQ(told["stage"]["directory"], "/a \"name\"");
  EXPECT_EQ(told["open_files"], 2);
  EXPECT_EQ(told["rpc_retries"], 5);
  EXPECT_EQ(told["operations"]["read"]["calls"], 1);
  EXPECT_EQ(told["errors"]["ENOENT"], 1);
}

// Each byte of such names takes up to six.
TEST(StatusTextTest, ItFitsWhateverBytesTheNamesAreOf) {
  const Statistics statistics;
  for (const char byte : {'\1', '\n', '"', '\\', '\x7f', '\xff', 'x'}) {
    const std::string text = StatusText(Named("/" + std::string(10'000, byte)), statistics);
    ASSERT_LE(text.size(), kRoom);
    const auto told = nlohmann::json::parse(text);
    EXPECT_GT(told["source"].get<std::string>().size(), 300u);
    EXPECT_EQ(told["stage"]["max"], 4);
  }
}

TEST(StatusTextTest, WhatIsLongIsLeftOutWhenAllOfItDoesNotFit) {
  Statistics statistics;
  for (int i = 0; i < 200; ++i) statistics.NoteError(i);
  for (size_t i = 0; i < kOperations; ++i) {
    // Many digits in each bucket.
    for (const double bound : LatencyBuckets()) {
      for (int times = 0; times < 10'000; ++times) {
        statistics.Observe(static_cast<Operation>(i), absl::Seconds(bound));
      }
    }
  }
  const std::string text = StatusText(Named(std::string(10'000, '\1')), statistics);
  ASSERT_LE(text.size(), kRoom);
  EXPECT_EQ(nlohmann::json::parse(text)["open_files"], 2);
}

}  // namespace
}  // namespace cairn::fuse
