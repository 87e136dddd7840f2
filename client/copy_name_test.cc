// The names of copies of files in another form.
#include "client/copy_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::client {
namespace {

using ::testing::Optional;

TEST(CopyNameTest, ANameTellsWhoMakesTheCopy) {
  const CopyName copy{.inode = 16390, .pid = 77, .host = "nn1.example.org"};
  EXPECT_EQ(ToName(copy), ".cairn-convert-16390.77.nn1.example.org");
  EXPECT_THAT(ParseCopyName(ToName(copy)), Optional(copy));
  for (const char* const name :
       {".cairn-convert-", ".cairn-convert-1", ".cairn-convert-1.2", ".cairn-convert-1.2.",
        ".cairn-convert-1.0.h", ".cairn-convert-1.-2.h", ".cairn-convert-01.2.h",
        ".cairn-convert-1.2x.h", ".cairn-convert-x.2.h", ".cairn-convert-1. 2.h", "a.1.2.h"}) {
    EXPECT_FALSE(ParseCopyName(name).has_value()) << name;
  }
  EXPECT_THAT(ParseCopyName(ToName(CopyNameOf(7))), Optional(CopyNameOf(7)));
}

TEST(CopyNameTest, ACopyIsLeftOverWhenItsMakerIsGone) {
  const absl::Time now = absl::UnixEpoch() + absl::Hours(1000);
  const auto is_running = [](pid_t pid) { return pid == 7; };
  FileStatus file;
  file.open = true;
  file.modified = now - absl::Hours(100);
  const auto is_left = [&](pid_t pid, const char* host) {
    return IsLeftOver({.inode = 1, .pid = pid, .host = host}, file, "here", is_running, now);
  };
  EXPECT_FALSE(is_left(7, "here"));
  EXPECT_TRUE(is_left(8, "here"));
  // Of another host it is not known who runs there.
  EXPECT_FALSE(is_left(8, "there")) << "it is being written";
  file.open = false;
  EXPECT_TRUE(is_left(8, "there"));
  file.modified = now - absl::Minutes(59);
  EXPECT_FALSE(is_left(8, "there"));
  file.open = std::nullopt;
  file.modified = now - absl::Hours(100);
  EXPECT_FALSE(is_left(8, "there"));
  file.type = FileType::kDirectory;
  EXPECT_FALSE(is_left(8, "here"));
}

}  // namespace
}  // namespace cairn::client
