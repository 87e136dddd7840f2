#include <string>
#include <vector>

#include "namenode/service/rpc/testing/edge_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class BatchedListingTest : public EdgeTest {
 protected:
  using Response = hdfs::GetBatchedListingResponseProto;

  BatchedListingTest() { SetLimits(100, 4); }

  void SetLimits(int paths, size_t entries) {
    ClientProtocolOptions options;
    options.batched_paths = paths;
    options.listing_limit = entries;
    MakeService(std::move(options));
    namenode_.page_entries = entries;
  }
  void AddDirectory(const std::string& path, const std::vector<std::string>& names) {
    Listing listing;
    for (const std::string& name : names) {
      listing.entries.push_back({.name = name, .status = SomeFile()});
    }
    namenode_.listings.insert_or_assign(path, std::move(listing));
  }
  FakeAnswer Send(const std::vector<std::string>& paths, absl::string_view after,
                  bool locations = false) {
    hdfs::GetBatchedListingRequestProto request;
    for (const std::string& path : paths) request.add_paths(path);
    request.set_startafter(std::string(after));
    request.set_needlocation(locations);
    return Call("getBatchedListing", request);
  }
  Response Page(const std::vector<std::string>& paths, absl::string_view after = "") {
    return Parse<Response>(Send(paths, after));
  }
  // "INDEX:name,name" for each part; an exception's class in the place of names.
  static std::vector<std::string> PartsOf(const Response& page) {
    std::vector<std::string> parts;
    for (const hdfs::BatchedDirectoryListingProto& part : page.listings()) {
      std::string text = absl::StrCat(part.parentidx(), ":");
      for (const auto& entry : part.partiallisting()) absl::StrAppend(&text, entry.path(), ",");
      if (part.has_exception()) absl::StrAppend(&text, part.exception().classname());
      parts.push_back(text);
    }
    return parts;
  }
};

TEST_F(BatchedListingTest, DirectoriesComeTogetherWithTheirIndices) {
  AddDirectory("/a", {"1", "2"});
  AddDirectory("/empty", {});
  AddDirectory("/f", {""});
  namenode_.ticket = 7;
  const FakeAnswer answer = Send({"/a", "/empty", "/f"}, "");
  EXPECT_EQ(answer.ticket, 7u);
  const Response page = Parse<Response>(answer);
  EXPECT_THAT(PartsOf(page), ElementsAre("0:1,2,", "1:", "2:,"));
  EXPECT_FALSE(page.hasmore());
  EXPECT_EQ(page.startafter(), "");
  EXPECT_THAT(Page({}).listings(), IsEmpty());
}

TEST_F(BatchedListingTest, APathThatFailsKeepsNoOtherBack) {
  AddDirectory("/a", {"1"});
  namenode_.listings.insert_or_assign("/closed", MakeFsError(FsError::kAccessControl, "denied"));
  const Response page = Page({"/missing", "/closed", "/a"});
  EXPECT_THAT(PartsOf(page),
              ElementsAre("0:java.io.FileNotFoundException",
                          "1:org.apache.hadoop.security.AccessControlException", "2:1,"));
  EXPECT_THAT(page.listings(0).exception().message(), HasSubstr("Path /missing does not exist"));
  EXPECT_FALSE(page.hasmore());
}

TEST_F(BatchedListingTest, WhatPassesIsTheWholeCallsError) {
  AddDirectory("/a", {"1"});
  namenode_.listings.insert_or_assign("/b", MakeFsError(FsError::kRetriable, "later"));
  EXPECT_THAT(Send({"/a", "/b"}, "").status, IsFsError(FsError::kRetriable));
}

TEST_F(BatchedListingTest, PagesGoOnWithinADirectoryAndWithTheNextOne) {
  AddDirectory("/a", {"1", "2", "3"});
  AddDirectory("/b", {"1", "2", "3", "4", "5", "6"});
  AddDirectory("/c", {"1"});
  const std::vector<std::string> paths = {"/a", "/b", "/missing", "/c"};
  const Response first = Page(paths);
  EXPECT_THAT(PartsOf(first), ElementsAre("0:1,2,3,", "1:1,2,3,4,")) << "4 and what is on its page";
  EXPECT_TRUE(first.hasmore());
  MakeService({.listing_limit = 4});  // a restart makes no difference
  const Response second = Page(paths, first.startafter());
  EXPECT_EQ(namenode_.calls[namenode_.calls.size() - 3], "GetListing(/b, 4, 0)");
  EXPECT_THAT(PartsOf(second), ElementsAre("1:5,6,", "2:java.io.FileNotFoundException", "3:1,"));
  EXPECT_FALSE(second.hasmore());
}

// Neither an empty page at the end nor a file that is listed twice.
TEST_F(BatchedListingTest, WhatEndsWithThePageIsNotAskedForAgain) {
  AddDirectory("/a", {"1", "2", "3", "4"});
  AddDirectory("/f", {""});
  EXPECT_FALSE(Page({"/a"}).hasmore());
  const Response first = Page({"/a", "/f", "/a"});
  EXPECT_THAT(PartsOf(first), ElementsAre("0:1,2,3,4,"));
  const Response second = Page({"/a", "/f", "/a"}, first.startafter());
  EXPECT_THAT(PartsOf(second), ElementsAre("1:,", "2:1,2,3,4,"));
  EXPECT_FALSE(second.hasmore());
}

TEST_F(BatchedListingTest, ReplicasFillAPageToo) {
  AddDatanodes();
  LocatedBlock block;
  block.storages = {1};
  LocatedBlocks located;
  located.blocks = {block, block};
  Listing listing;
  listing.entries = {{.name = "f", .status = SomeFile(), .located = located}};
  namenode_.listings.insert_or_assign("/a", listing);
  namenode_.listings.insert_or_assign("/b", listing);
  const Response page = Parse<Response>(Send({"/a", "/b"}, "", /*locations=*/true));
  EXPECT_EQ(namenode_.last_call(), "GetListing(/a, , 1)") << "2 blocks, 3 replicas each";
  EXPECT_TRUE(page.hasmore());
  ASSERT_THAT(page.listings(), SizeIs(1));
  EXPECT_EQ(page.listings(0).partiallisting(0).locations().blocks_size(), 2);
}

TEST_F(BatchedListingTest, AnEmptyPageNeverPromisesMore) {
  namenode_.listing.emplace();
  namenode_.listing->remaining = 1;
  EXPECT_THAT(PartsOf(Page({"/a"})), ElementsAre("0:java.io.IOException"));
}

TEST_F(BatchedListingTest, TooManyPathsAndForeignPlacesAreRefused) {
  SetLimits(2, 1);
  AddDirectory("/a", {"1"});
  AddDirectory("/b", {"1"});
  EXPECT_THAT(Send({"/a", "/b", "/a"}, "").status, IsFsError(FsError::kJavaIllegalArgument));
  const std::string place = Page({"/a", "/b"}).startafter();
  EXPECT_THAT(Send({"/a", "/a"}, place).status, IsFsError(FsError::kJavaIllegalArgument));
  EXPECT_THAT(Send({"/a/b"}, place).status, IsFsError(FsError::kJavaIllegalArgument));
  EXPECT_THAT(Send({"/a", "/b"}, "nonsense").status, IsFsError(FsError::kJavaIllegalArgument));
  EXPECT_THAT(PartsOf(Page({"/a", "/b"}, place)), ElementsAre("1:1,"));
}

}  // namespace
}  // namespace cairn::namenode
