#include "namenode/core/listing_cache.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace cairn::namenode {
namespace {

const int kEncoder = 0, kOther = 0;

ListingCache::Page MakePage(uint64_t version, const std::string& bytes) {
  return {version, 5, &kEncoder, nullptr, std::make_shared<const std::string>(bytes)};
}

TEST(ListingCacheTest, FindsThePageOfThatVersionPlaceAndEncoderOnly) {
  ListingCache cache(1 << 20);
  cache.Insert(InodeId{7}, "b", MakePage(3, "page"));
  const auto page = cache.Find(InodeId{7}, "b", 3, &kEncoder, nullptr);
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(*page->bytes, "page");
  EXPECT_EQ(page->ticket, 5u);
  EXPECT_FALSE(cache.Find(InodeId{7}, "b", 4, &kEncoder, nullptr).has_value());
  EXPECT_FALSE(cache.Find(InodeId{7}, "", 3, &kEncoder, nullptr).has_value());
  EXPECT_FALSE(cache.Find(InodeId{8}, "b", 3, &kEncoder, nullptr).has_value());
  EXPECT_FALSE(cache.Find(InodeId{7}, "b", 3, &kOther, nullptr).has_value());
}

TEST(ListingCacheTest, WhatIsSetAboveBelongsToAPage) {
  ListingCache cache(1 << 20);
  cache.Insert(InodeId{7}, "", MakePage(3, "page"));
  EXPECT_FALSE(cache.Find(InodeId{7}, "", 3, &kEncoder, &kOther).has_value());
  EXPECT_TRUE(cache.Find(InodeId{7}, "", 3, &kEncoder, nullptr).has_value());
}

TEST(ListingCacheTest, ANewVersionTakesThePlaceOfTheOld) {
  ListingCache cache(1 << 20);
  cache.Insert(InodeId{7}, "", MakePage(3, "old"));
  cache.Insert(InodeId{7}, "", MakePage(4, "new"));
  EXPECT_FALSE(cache.Find(InodeId{7}, "", 3, &kEncoder, nullptr).has_value());
  EXPECT_EQ(*cache.Find(InodeId{7}, "", 4, &kEncoder, nullptr)->bytes, "new");
}

TEST(ListingCacheTest, StaysWithinItsBoundAndKeepsWhatIsAskedFor) {
  constexpr uint64_t kMost = 100'000;
  ListingCache cache(kMost);
  cache.Insert(InodeId{1}, "", MakePage(1, "asked for"));
  const std::string large(1000, 'x');
  for (uint64_t i = 2; i < 1000; ++i) {
    cache.Insert(InodeId{i}, "", MakePage(1, large));
    ASSERT_TRUE(cache.Find(InodeId{1}, "", 1, &kEncoder, nullptr).has_value()) << i;
  }
  uint64_t kept = 0;
  for (uint64_t i = 2; i < 1000; ++i)
    kept += cache.Find(InodeId{i}, "", 1, &kEncoder, nullptr) ? 1 : 0;
  EXPECT_LE(kept * large.size(), kMost);
  EXPECT_GT(kept, 10u);
}

TEST(ListingCacheTest, APageThatWouldFillItIsNotKept) {
  ListingCache cache(1000);
  cache.Insert(InodeId{1}, "", MakePage(1, std::string(500, 'x')));
  EXPECT_FALSE(cache.Find(InodeId{1}, "", 1, &kEncoder, nullptr).has_value());
}

}  // namespace
}  // namespace cairn::namenode
