// A namenode that dies and comes back is the same: the store at whatever it had reached, plus the
// journal behind it, give exactly the records that the running namenode had.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "namenode/core/testing/reference_tree.h"

namespace cairn::namenode {
namespace {

TestNamenode::Options SmallCaches() {
  TestNamenode::Options options;
  options.namenode.tree.cache_bytes = 4096;
  options.namenode.blocks.cache_bytes = 1024;
  options.datanodes = 1;
  return options;
}

TEST(ReplayTest, ACrashAtAnyMomentLosesNothingThatWasDurable) {
  Rng rng(TestSeed());
  TestNamenode nn(SmallCaches());
  for (int crash = 0; crash < 30; ++crash) {
    for (uint64_t i = 0, count = rng() % 60; i < count; ++i) {
      nn.clock().Advance(absl::Milliseconds(1));
      RunOp(nn, RandomOp(rng));
      if (rng() % 40 == 0) nn.Flush();
      if (rng() % 10 == 0) nn->RunMaintenance();
    }
    nn.ExpectConsistent();
    const Dump before = nn.Records();
    nn.Crash();
    ASSERT_OK(nn.Start());
    ASSERT_EQ(Difference(before, nn.Records()), "") << "crash " << crash;
    nn.RegisterDatanodes();
  }
}

// Followers and change feeds rely on it.
TEST(ReplayTest, AllEditsOnAnEmptyStoreGiveTheSameState) {
  Rng rng(TestSeed());
  TestNamenode nn(SmallCaches());
  for (int i = 0; i < 2000; ++i) {
    nn.clock().Advance(absl::Milliseconds(1));
    RunOp(nn, RandomOp(rng));
    if (rng() % 100 == 0) nn.Flush();
    if (rng() % 10 == 0) nn->RunMaintenance();
  }
  const Dump running = nn.Records();
  nn.Crash();
  nn.FormatAgain(nn.replayed());
  nn.clock().Advance(absl::Hours(5));  // replay asks no clock
  ASSERT_OK(nn.Start());
  EXPECT_EQ(Difference(running, nn.Records()), "");
}

// What a crash leaves is a prefix of the history, and any prefix makes a whole namespace.
TEST(ReplayTest, EveryPrefixOfAHistoryIsAWholeNamespace) {
  const uint64_t seed = TestSeed();
  Rng rng(seed);
  TestNamenode nn(SmallCaches());
  for (int i = 0; i < 150; ++i) RunOp(nn, RandomOp(rng));
  nn->RunMaintenance();
  const Edits all = nn.AllEdits();
  const Dump whole = nn.Records();
  for (size_t length = 0; length <= all.size(); length += 1 + rng() % 7) {
    nn.Crash();
    nn.FormatAgain({all.begin(), all.begin() + static_cast<int64_t>(length)});
    ASSERT_OK(nn.Start()) << length;
    ASSERT_EQ(Audit(nn.Records()), "") << "after " << length << " edits";
  }
}

// Everything a short history can be: all sequences of up to three operations on few names, a crash
// after each edit, the rest replayed from the journal over a store that was flushed there.
TEST(ReplayTest, AllShortHistoriesSurviveACrashAfterEachEdit) {
  const std::vector<Op> alphabet = {
      {Op::kMkdirs, "/a/b", "", false, true, 0755},
      {Op::kCreate, "/a/f", "", true, true, 0644},
      {Op::kAddBlock, "/a/f", "", false, false, 30},
      {Op::kComplete, "/a/f", "", false, false, 0},
      {Op::kTruncate, "/a/f", "", false, false, 0},
      {Op::kRename, "/a", "/c", false, false, 0},
      {Op::kRename2, "/a/f", "/c", true, false, 0},
      {Op::kDelete, "/a", "", true, false, 0},
      {Op::kSetPermission, "/a", "", false, false, 0700},
  };
  TestNamenode nn(SmallCaches());
  nn.Mkdir("/a");  // so that ids are reserved and the first operation finds something
  nn.Crash();
  const Edits begin = nn.replayed();
  size_t histories = 0;
  const size_t n = alphabet.size();
  for (size_t code = 0; code < n * n * n; ++code) {
    const size_t picks[] = {code / n / n, code / n % n, code % n};
    nn.FormatAgain(begin);
    ASSERT_OK(nn.Start());
    nn.RegisterDatanodes();
    // Flushed after the first operation or after the second: LevelDB ends inside the history.
    for (int i = 0; i < 3; ++i) {
      RunOp(nn, alphabet[picks[i]]);
      if (i == static_cast<int>(code % 3)) nn.Flush();
    }
    nn->RunMaintenance();
    const Dump before = nn.Records();
    ASSERT_EQ(Audit(before), "") << code;
    nn.Crash();
    ASSERT_OK(nn.Start());
    ASSERT_EQ(Difference(before, nn.Records()), "") << code;
    nn.Crash();
    ++histories;
    // Each prefix is what a crash before the next edit leaves; a longer one covers the shorter.
    const Edits all = nn.replayed();
    if (code % 16 != 0) continue;
    for (size_t length = begin.size(); length < all.size(); ++length) {
      nn.FormatAgain({all.begin(), all.begin() + static_cast<int64_t>(length)});
      ASSERT_OK(nn.Start());
      ASSERT_EQ(Audit(nn.Records()), "") << code << ", " << length << " edits";
      nn.Crash();
    }
  }
  EXPECT_EQ(histories, n * n * n);
  ASSERT_OK(nn.Start());
}

// The journal still holds the edit that ended the work, the store does not.
TEST(ReplayTest, ADeletionThatWasWorkedOffIsNotBegunAgain) {
  for (const bool flush : {false, true}) {
    TestNamenode nn;
    nn.Mkdir("/d/e");
    ASSERT_OK(nn->Delete(kSuper, "/d", true).value);
    if (flush) nn.Flush();  // the store knows of the deletion, or of nothing
    nn->RunMaintenance();
    EXPECT_FALSE(nn->HasBackgroundWork());
    nn.Restart();
    EXPECT_FALSE(nn->HasBackgroundWork());
    nn->RunMaintenance();
    nn.ExpectConsistent();
  }
}

TEST(ReplayTest, IdsAreNeverGivenOutTwice) {
  TestNamenode nn;
  uint64_t last_inode = 0, last_block = 0, last_stamp = 0;
  for (int i = 0; i < 5; ++i) {
    const std::string path = absl::StrCat("/f", i);
    const uint64_t inode = ToInt(nn.Create(path).id);
    const BlockVersion block = nn.AddBlock(path).block;
    EXPECT_GT(inode, last_inode);
    EXPECT_GT(ToInt(block.id), last_block);
    EXPECT_GT(ToInt(block.stamp), last_stamp);
    last_inode = inode;
    last_block = ToInt(block.id);
    last_stamp = ToInt(block.stamp);
    if (i % 2 == 0) nn.Flush();
    nn.Restart();
  }
}

TEST(ReplayTest, AJournalWithAGapIsDamage) {
  TestNamenode nn;
  nn.Mkdir("/a");
  nn.Mkdir("/b");
  nn.Crash();
  Edits edits = nn.replayed();
  edits.erase(edits.end() - 2);
  nn.FormatAgain(edits);
  EXPECT_THAT(nn.Start(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ReplayTest, AnEditThatDoesNotParseIsDamage) {
  TestNamenode nn;
  nn.Mkdir("/a");
  nn.Crash();
  Edits edits = nn.replayed();
  edits.back().second = "\xff\xff\xff";
  nn.FormatAgain(edits);
  EXPECT_THAT(nn.Start(), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace cairn::namenode
