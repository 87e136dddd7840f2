#include "common/testing/faulty_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "common/testing/status_matchers.h"

namespace cairn {
namespace {

using ::testing::AnyOf;
using ::testing::UnorderedElementsAre;

constexpr OpenOptions kCreate = {.create = true, .write = true};

std::span<const std::byte> Bytes(absl::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class FaultyFileSystemTest : public testing::Test {
 protected:
  // A file whose name and contents survive a crash.
  void PutDurably(const std::string& path, absl::string_view text) {
    ASSERT_OK_AND_ASSIGN(auto file, fs_.Open(path, kCreate));
    ASSERT_OK(file->WriteAt(0, Bytes(text)));
    ASSERT_OK(file->SyncData());
    ASSERT_OK(fs_.SyncDirectory("/"));
  }
  std::string Get(const std::string& path) {
    const auto text = fs_.ReadAll(path, 1 << 20);
    return text.ok() ? *text : std::string(absl::StatusCodeToString(text.status().code()));
  }

  FaultyFileSystem fs_;
};

TEST_F(FaultyFileSystemTest, NthCallOfItsKindFailsAndOnlyThat) {
  ASSERT_OK_AND_ASSIGN(auto file, fs_.Open("/f", kCreate));
  fs_.FailCall(FileCall::kWrite, 2, absl::DataLossError("bad sector"));
  EXPECT_OK(file->WriteAt(0, Bytes("a")));
  EXPECT_OK(file->SyncData());
  EXPECT_THAT(file->WriteAt(0, Bytes("b")), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(Get("/f"), "a");
  EXPECT_OK(file->WriteAt(0, Bytes("c")));
  EXPECT_EQ(fs_.calls(FileCall::kWrite), 3);
}

TEST_F(FaultyFileSystemTest, CrashLosesWhatWasNotSynced) {
  PutDurably("/f", "old");
  ASSERT_OK_AND_ASSIGN(auto file, fs_.Open("/f", kCreate));
  ASSERT_OK(file->WriteAt(0, Bytes("newer")));
  fs_.Crash();
  EXPECT_EQ(Get("/f"), "old");
  EXPECT_THAT(file->WriteAt(0, Bytes("x")), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(FaultyFileSystemTest, SyncedContentsWithoutSyncedEntryAreLost) {
  ASSERT_OK_AND_ASSIGN(auto file, fs_.Open("/f", kCreate));
  ASSERT_OK(file->WriteAt(0, Bytes("x")));
  ASSERT_OK(file->SyncData());
  fs_.Crash();
  EXPECT_FALSE(fs_.Exists("/f"));
}

TEST_F(FaultyFileSystemTest, SyncedEntryWithoutSyncedContentsIsAnEmptyFile) {
  ASSERT_OK_AND_ASSIGN(auto file, fs_.Open("/f", kCreate));
  ASSERT_OK(file->WriteAt(0, Bytes("x")));
  ASSERT_OK(fs_.SyncDirectory("/"));
  fs_.Crash();
  EXPECT_EQ(Get("/f"), "");
}

TEST_F(FaultyFileSystemTest, DataSyncWritesSurviveByThemselves) {
  PutDurably("/f", "0123456789");
  ASSERT_OK_AND_ASSIGN(auto file, fs_.Open("/f", {.write = true, .data_sync = true}));
  ASSERT_OK(file->WriteAt(5, Bytes("abcdefgh")));
  fs_.Crash();
  EXPECT_EQ(Get("/f"), "01234abcdefgh");
}

TEST_F(FaultyFileSystemTest, UnsyncedRenameAndRemovalAreUndone) {
  PutDurably("/a", "a");
  PutDurably("/b", "b");
  PutDurably("/c", "c");
  ASSERT_OK(fs_.Rename("/a", "/b"));
  ASSERT_OK(fs_.Remove("/c"));
  fs_.Crash();
  EXPECT_EQ(Get("/a"), "a");
  EXPECT_EQ(Get("/b"), "b");
  EXPECT_EQ(Get("/c"), "c");
  ASSERT_OK(fs_.Rename("/a", "/b"));
  ASSERT_OK(fs_.SyncDirectory("/"));
  fs_.Crash();
  EXPECT_EQ(Get("/b"), "a");
  EXPECT_THAT(fs_.List("/"), IsOkAndHolds(UnorderedElementsAre("b", "c")));
}

TEST_F(FaultyFileSystemTest, SyncOfOneDirectoryOvertakesOlderChangesOfTheSameName) {
  ASSERT_OK(fs_.MakeDirectories("/a"));
  ASSERT_OK(fs_.MakeDirectories("/b"));
  PutDurably("/a/x", "moved");
  ASSERT_OK(fs_.SyncDirectory("/a"));
  ASSERT_OK_AND_ASSIGN(auto old, fs_.Open("/b/x", kCreate));
  ASSERT_OK(fs_.Rename("/a/x", "/b/x"));
  ASSERT_OK(fs_.SyncDirectory("/a"));
  for (uint64_t seed = 0; seed < 8; ++seed) {
    fs_.Crash(seed);
    EXPECT_EQ(Get("/b/x"), "moved") << seed;
  }
}

// Old or new, sector by sector: a torn write.
TEST_F(FaultyFileSystemTest, SeededCrashKeepsARandomPartInWholeSectors) {
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    PutDurably("/f", std::string(1024, 'o'));
    ASSERT_OK_AND_ASSIGN(auto file, fs_.Open("/f", kCreate));
    ASSERT_OK(file->WriteAt(0, Bytes(std::string(1024, 'n'))));
    fs_.Crash(seed);
    const std::string text = Get("/f");
    ASSERT_EQ(text.size(), 1024u);
    for (size_t half : {0, 512}) {
      EXPECT_EQ(text.substr(half, 512), std::string(512, text[half]));
    }
    seen.insert({text[0], text[512]});
  }
  EXPECT_THAT(seen, UnorderedElementsAre("oo", "on", "no", "nn"));
}

TEST_F(FaultyFileSystemTest, SeededCrashIsTheSameForTheSameSeed) {
  std::string texts[2];
  for (std::string& text : texts) {
    PutDurably("/f", std::string(20'000, 'o'));
    ASSERT_OK_AND_ASSIGN(auto file, fs_.Open("/f", kCreate));
    ASSERT_OK(file->WriteAt(100, Bytes(std::string(30'000, 'n'))));
    fs_.Crash(7);
    text = Get("/f");
    ASSERT_OK(fs_.Remove("/f"));
  }
  EXPECT_EQ(texts[0], texts[1]);
}

TEST_F(FaultyFileSystemTest, TruncatedTailDoesNotComeBackAfterACrash) {
  PutDurably("/f", std::string(9000, 'o'));
  ASSERT_OK_AND_ASSIGN(auto file, fs_.Open("/f", kCreate));
  ASSERT_OK(file->Truncate(10));
  ASSERT_OK(file->Truncate(9000));
  ASSERT_OK(file->SyncData());
  fs_.Crash();
  EXPECT_EQ(Get("/f"), std::string(10, 'o') + std::string(8990, '\0'));
}

// Linux marks the pages clean after a failed fsync: the next fsync succeeds without writing them.
TEST_F(FaultyFileSystemTest, SyncAfterAFailedSyncDoesNotBringTheBytesToTheDisk) {
  PutDurably("/f", "old");
  ASSERT_OK_AND_ASSIGN(auto file, fs_.Open("/f", kCreate));
  ASSERT_OK(file->WriteAt(0, Bytes("new")));
  fs_.FailCall(FileCall::kSync, 1, absl::DataLossError("EIO"));
  EXPECT_FALSE(file->SyncData().ok());
  EXPECT_OK(file->SyncData());
  EXPECT_EQ(Get("/f"), "new");
  fs_.Crash();
  EXPECT_EQ(Get("/f"), "old");
}

TEST_F(FaultyFileSystemTest, FullDiskFailsTheWriteAndDoesNothing) {
  PutDurably("/f", "12345");
  fs_.SetCapacity(8);
  ASSERT_OK_AND_ASSIGN(auto file, fs_.Open("/f", kCreate));
  EXPECT_OK(file->WriteAt(5, Bytes("678")));
  EXPECT_THAT(file->WriteAt(8, Bytes("9")), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(file->Allocate(0, 9), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_OK(file->WriteAt(0, Bytes("x")));
  EXPECT_EQ(Get("/f"), "x2345678");
  ASSERT_OK_AND_ASSIGN(const SpaceInfo space, fs_.Space("/"));
  EXPECT_EQ(space.free_bytes, 0u);
}

TEST_F(FaultyFileSystemTest, FlippedBitSurvivesTheCrash) {
  PutDurably("/f", "a");
  ASSERT_OK(fs_.FlipBit("/f", 0, 1));
  fs_.Crash();
  EXPECT_EQ(Get("/f"), "c");
}

TEST_F(FaultyFileSystemTest, DirectAccessNeedsAlignment) {
  ASSERT_OK_AND_ASSIGN(auto file, fs_.Open("/f", {.create = true, .write = true, .direct = true}));
  EXPECT_THAT(file->WriteAt(0, Bytes("x")), StatusIs(absl::StatusCode::kInternal));
}

// The point of CutPowerAt: whatever call the power is cut at, the file is the old or the new one.
TEST_F(FaultyFileSystemTest, WriteDurablyIsAllOrNothingAtEveryPowerCut) {
  const std::string old_text(3000, 'o');
  const std::string new_text(5000, 'n');
  bool finished = false;
  for (int cut = 1; !finished; ++cut) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      ASSERT_OK(fs_.WriteDurably("/f", old_text));
      fs_.CutPowerAt(cut);
      const absl::Status status = fs_.WriteDurably("/f", new_text);
      finished = status.ok();
      fs_.Crash(seed);
      const std::string text = Get("/f");
      EXPECT_THAT(text, finished ? AnyOf(new_text, new_text) : AnyOf(old_text, new_text))
          << "cut " << cut << " seed " << seed;
    }
    ASSERT_LT(cut, 50);
  }
}

}  // namespace
}  // namespace cairn
