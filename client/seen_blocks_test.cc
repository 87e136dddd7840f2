#include "client/seen_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace cairn::client {
namespace {

using ::testing::Eq;
using ::testing::Optional;

struct Block {
  uint64_t id = 0;
  uint64_t bytes = 100;
  uint64_t stamp = 1;
};

hdfs::LocatedBlockProto At(uint64_t offset, const Block& block) {
  hdfs::LocatedBlockProto located;
  located.set_offset(offset);
  located.mutable_b()->set_blockid(block.id);
  located.mutable_b()->set_numbytes(block.bytes);
  located.mutable_b()->set_generationstamp(block.stamp);
  return located;
}

// What a namenode that tells no digest answers about a file of `blocks`, asked for the block at
// index `shown`.
hdfs::LocatedBlocksProto Told(const std::vector<Block>& blocks, size_t shown, bool open = false) {
  hdfs::LocatedBlocksProto found;
  uint64_t offset = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const bool last = i + 1 == blocks.size();
    if (last) *found.mutable_lastblock() = At(offset, blocks[i]);
    if (last && open) break;
    if (i == shown) *found.add_blocks() = At(offset, blocks[i]);
    offset += blocks[i].bytes;
  }
  found.set_filelength(offset);
  found.set_islastblockcomplete(!open);
  return found;
}

hdfs::LocatedBlocksProto WithDigest(uint64_t digest, hdfs::LocatedBlocksProto found) {
  found.set_contents(digest);
  return found;
}

class SeenBlocksTest : public ::testing::Test {
 protected:
  // Neither a contradiction nor anything to ask.
  bool Believes(const hdfs::LocatedBlocksProto& found) const {
    return !seen_.Contradicts(found) && !seen_.Witness(found).has_value();
  }
  SeenBlocks seen_;
};

TEST_F(SeenBlocksTest, AtFirstAnythingIsBelieved) {
  EXPECT_TRUE(Believes(Told({{1}, {2}}, 0)));
  EXPECT_TRUE(Believes(Told({}, 0)));
}

TEST_F(SeenBlocksTest, TheSameLastBlockIsEnough) {
  seen_.Note(Told({{1}, {2}, {3}, {4}}, 0));
  EXPECT_TRUE(Believes(Told({{1}, {2}, {3}, {4}}, 1)));
  EXPECT_TRUE(Believes(Told({{1}, {2}, {3}, {4, 150, 2}}, 2)));
}

TEST_F(SeenBlocksTest, AnotherBlockWhereOneWasSeenIsAnotherFile) {
  seen_.Note(Told({{1}, {2}, {3}}, 0));
  EXPECT_TRUE(seen_.Contradicts(Told({{7}, {2}, {3}}, 0)));
  EXPECT_TRUE(seen_.Contradicts(Told({{7}, {8}, {9}}, 1)));
  EXPECT_TRUE(seen_.Contradicts(Told({{7, 50}, {8}}, 1))) << "across the end of the first one";
  EXPECT_TRUE(seen_.Contradicts(Told({{7, 150}, {8}}, 1)));
}

TEST_F(SeenBlocksTest, WhatWasAppendedIsBelievedOnceTheFormerLastBlockWasSeen) {
  seen_.Note(Told({{1}, {2}, {3}}, 0));
  const auto grown = Told({{1}, {2}, {3}, {4}, {5}}, 1);
  EXPECT_FALSE(seen_.Contradicts(grown));
  EXPECT_THAT(seen_.Witness(grown), Optional(Eq(200)));
  EXPECT_TRUE(Believes(Told({{1}, {2}, {3}, {4}, {5}}, 2)));
  EXPECT_TRUE(seen_.Contradicts(Told({{1}, {2}, {8}, {4}, {5}}, 2)));
  seen_.Note(grown);
  EXPECT_TRUE(Believes(Told({{1}, {2}, {3}, {4}, {5}}, 3)));
}

TEST_F(SeenBlocksTest, ACutIsBelievedByABlockBeforeIt) {
  seen_.Note(Told({{1}, {2}, {3}}, 0));
  EXPECT_THAT(seen_.Witness(Told({{1}, {2, 50, 9}}, 1)), Optional(Eq(0)));
  EXPECT_TRUE(Believes(Told({{1}, {2, 50, 9}}, 0)));
  EXPECT_TRUE(Believes(Told({}, 0)));
}

TEST_F(SeenBlocksTest, WhatComesAfterACutIsBelievedOnlyIfTheCutWasSeen) {
  seen_.Note(Told({{1}, {2}, {3}}, 0));
  const auto after = Told({{1}, {2}, {4}}, 0);
  EXPECT_TRUE(seen_.Contradicts(after));
  seen_.Cut(200);
  EXPECT_TRUE(Believes(after));
  seen_.Cut(50);
  EXPECT_TRUE(Believes(Told({{1, 50, 2}, {5}}, 0)));
}

TEST_F(SeenBlocksTest, OfAnOpenBlockReadersMayHaveSeenMoreThanTheNamenode) {
  seen_.Note(Told({{1}, {2, 0}}, 0, /*open=*/true));
  EXPECT_TRUE(Believes(Told({{1}, {3, 0}}, 0, /*open=*/true))) << "nothing of it was seen";
  seen_.Note(At(100, {2, 60}));
  EXPECT_TRUE(Believes(Told({{1}, {2, 0, 5}}, 0, /*open=*/true)));
  EXPECT_TRUE(Believes(Told({{1}, {3, 0}}, 0, /*open=*/true))) << "written anew";
}

// The writer has abandoned the block, and written its bytes as another.
TEST_F(SeenBlocksTest, ABlockThatWasOpenMayGetAnotherIdBehindTheSameBlocks) {
  seen_.Note(Told({{1}, {2, 0}}, 0, /*open=*/true));
  seen_.Note(At(100, {2, 60}));
  EXPECT_TRUE(Believes(Told({{1}, {3, 0}}, 0, /*open=*/true)));
  EXPECT_TRUE(Believes(Told({{1}, {3}}, 0))) << "finished meanwhile";
  EXPECT_TRUE(seen_.Contradicts(Told({{7}, {3, 0}}, 0, /*open=*/true))) << "another file";
  EXPECT_TRUE(seen_.Contradicts(Told({{1}, {3, 0}}, 1, /*open=*/true))) << "nothing tells";
  seen_.Note(Told({{1}, {2}}, 0));
  EXPECT_TRUE(seen_.Contradicts(Told({{1}, {3}}, 0))) << "it was finished";
}

// A log that has been put aside for a new one looks like that.
TEST_F(SeenBlocksTest, AFirstBlockDoesNot) {
  seen_.Note(Told({{1, 0}}, 0, /*open=*/true));
  seen_.Note(At(0, {1, 60}));
  EXPECT_TRUE(seen_.Contradicts(Told({{2, 0}}, 0, /*open=*/true)));
}

TEST_F(SeenBlocksTest, TheDigestTellsOfChangesInPlace) {
  seen_.Note(WithDigest(5, Told({{1}, {2}, {3}}, 0)));
  EXPECT_TRUE(seen_.Contradicts(WithDigest(6, Told({{1}, {9}, {3}}, 1))));
  EXPECT_TRUE(Believes(WithDigest(6, Told({{1}, {2}, {3, 100, 2}}, 1)))) << "a new stamp";
  EXPECT_TRUE(Believes(Told({{1}, {2}, {3}}, 1))) << "a server that tells none";
}

}  // namespace
}  // namespace cairn::client
