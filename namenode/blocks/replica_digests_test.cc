#include "namenode/blocks/replica_digests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Bucket = ReplicaDigests::Bucket;

constexpr uint32_t kShift = 4;
constexpr uint32_t kDisk = 2;

BlockVersion Version(uint64_t id, uint64_t stamp = 1001, uint64_t length = 100) {
  return {BlockId{id}, GenerationStamp{stamp}, length};
}

ReplicaDigest DigestOf(const std::vector<BlockVersion>& versions) {
  ReplicaDigest sum;
  for (const BlockVersion& v : versions) sum += ReplicaDigest::Of(v.id, v.stamp, v.length);
  return sum;
}

// All records walked: none.
ReplicaDigests Walked() {
  ReplicaDigests digests(kShift);
  digests.EndPage(digests.BeginPage(), BlockId{}, /*last=*/true);
  return digests;
}

std::vector<uint64_t> Compare(const ReplicaDigests& digests, const std::vector<Bucket>& theirs,
                              size_t most = 1000) {
  std::vector<uint64_t> differing;
  for (std::optional<uint64_t> next = 0; next;) {
    next = digests.Compare(kDisk, theirs, *next, most, &differing);
  }
  return differing;
}

TEST(ReplicaDigestTest, TheOrderMakesNoDifferenceAndEachFieldDoes) {
  EXPECT_EQ(DigestOf({Version(1), Version(2)}), DigestOf({Version(2), Version(1)}));
  const ReplicaDigest one = DigestOf({Version(1)});
  EXPECT_NE(one, DigestOf({Version(2)}));
  EXPECT_NE(one, DigestOf({Version(1, 1002)}));
  EXPECT_NE(one, DigestOf({Version(1, 1001, 101)}));
  // Two replicas that swap what belongs to them.
  EXPECT_NE(DigestOf({Version(1, 1001), Version(2, 1002)}),
            DigestOf({Version(1, 1002), Version(2, 1001)}));
}

TEST(ReplicaDigestsTest, WhatIsAddedAndTakenAwayAgainLeavesNothing) {
  ReplicaDigests digests = Walked();
  digests.Add(kDisk, Version(17));
  digests.Add(kDisk, Version(18));
  EXPECT_EQ(digests.Find(kDisk, 1), DigestOf({Version(17), Version(18)}));
  digests.Remove(kDisk, Version(17));
  digests.Remove(kDisk, Version(18));
  EXPECT_EQ(digests.buckets(), 0u);
}

TEST(ReplicaDigestsTest, DifferencesAreFoundOnBothSidesAndInSlices) {
  ReplicaDigests digests = Walked();
  for (const uint64_t id : {1, 17, 33, 65}) digests.Add(kDisk, Version(id));
  const std::vector<Bucket> theirs = {{0, DigestOf({Version(1)})},
                                      {1, DigestOf({Version(18)})},
                                      {3, DigestOf({Version(49)})},
                                      {4, DigestOf({Version(65)})}};
  for (const size_t most : {1, 2, 1000}) {
    EXPECT_THAT(Compare(digests, theirs, most), ElementsAre(1, 2, 3)) << most;
  }
  EXPECT_THAT(Compare(digests, {}), ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(Compare(Walked(), {}), IsEmpty());
}

TEST(ReplicaDigestsTest, ReplicasAreCountedByBucketsAndInSlices) {
  ReplicaDigests digests = Walked();
  for (const uint64_t id : {1, 2, 17, 33, 34, 35, 65}) digests.Add(kDisk, Version(id));
  const auto count = [&](uint32_t storage, uint64_t from, uint64_t end, size_t most) {
    uint64_t replicas = 0;
    for (std::optional<uint64_t> next = from; next;) {
      next = digests.Count(storage, *next, end, most, &replicas);
    }
    return replicas;
  };
  for (const size_t most : {1, 2, 1000}) {
    EXPECT_EQ(count(kDisk, 0, 5, most), 7u) << most;
    EXPECT_EQ(count(kDisk, 1, 4, most), 4u) << most;
    EXPECT_EQ(count(kDisk, 3, 4, most), 0u) << most;
  }
  EXPECT_EQ(count(kDisk + 1, 0, 5, 1000), 0u);
  uint64_t replicas = 0;
  EXPECT_EQ(digests.Count(kDisk, 0, 5, 2, &replicas), 2u) << "where to go on";
  EXPECT_EQ(replicas, 3u);
}

TEST(ReplicaDigestsTest, AChangeOfABlockThatThePageMayHaveIsSortedOutAtItsEnd) {
  ReplicaDigests digests(kShift);
  // Snapshot of {1, 20}. While it is read, 20 goes, 2 and 21 come. The page ends behind 16.
  ReplicaDigests::Page page = digests.BeginPage();
  digests.Remove(kDisk, Version(20));
  digests.Add(kDisk, Version(2));
  digests.Add(kDisk, Version(21));
  page.Add(kDisk, Version(1));
  digests.EndPage(page, BlockId{16}, /*last=*/false);
  EXPECT_EQ(digests.Find(kDisk, 0), DigestOf({Version(1), Version(2)}));
  digests.Add(kDisk, Version(22));  // between pages: the next one has it
  ReplicaDigests::Page rest = digests.BeginPage();
  rest.Add(kDisk, Version(21));
  rest.Add(kDisk, Version(22));
  digests.EndPage(rest, BlockId{}, /*last=*/true);
  EXPECT_EQ(digests.Find(kDisk, 1), DigestOf({Version(21), Version(22)}));
}

// Changes at any moment of a walk with pages of any size: at the end the digests are those of the
// records.
TEST(ReplicaDigestsTest, AWalkAmongRandomChangesEndsWithTheDigestsOfTheRecords) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 rng(seed);
    std::map<uint64_t, BlockVersion> records;
    ReplicaDigests digests(kShift);
    const auto change = [&] {
      const uint64_t id = 1 + rng() % 100;
      if (const auto found = records.find(id); found != records.end()) {
        digests.Remove(kDisk, found->second);
        records.erase(found);
      }
      if (rng() % 3 == 0) return;
      digests.Add(kDisk, records[id] = Version(id, 1001 + rng() % 3, rng() % 3));
    };
    for (int i = 0; i < 100; ++i) change();
    while (!digests.complete()) {
      for (uint64_t i = rng() % 5; i > 0; --i) change();
      const std::map<uint64_t, BlockVersion> snapshot = records;
      ReplicaDigests::Page page = digests.BeginPage();
      uint64_t left = rng() % 20, reached = ToInt(digests.walked());
      auto at = snapshot.upper_bound(reached);
      for (; at != snapshot.end() && left > 0; ++at, --left) {
        if (rng() % 2 == 0) change();
        page.Add(kDisk, at->second);
        reached = at->first;
      }
      for (uint64_t i = rng() % 5; i > 0; --i) change();
      digests.EndPage(page, BlockId{reached}, at == snapshot.end());
    }
    std::map<uint64_t, ReplicaDigest> expected;
    for (const auto& [id, version] : records) {
      expected[DigestBucket(BlockId{id}, kShift)] += DigestOf({version});
    }
    std::vector<Bucket> theirs;
    for (const auto& [number, digest] : expected) theirs.push_back({number, digest});
    ASSERT_THAT(Compare(digests, theirs), IsEmpty()) << "seed " << seed;
  }
}

TEST(ReplicaDigestsTest, BucketsGrowWithTheNumberOfStorages) {
  EXPECT_EQ(ReplicaDigests::ShiftFor(0), ReplicaDigests::kMinShift);
  EXPECT_EQ(ReplicaDigests::ShiftFor(3), ReplicaDigests::kMinShift);
  EXPECT_EQ(ReplicaDigests::ShiftFor(1200), 18u);
}

}  // namespace
}  // namespace cairn::namenode
