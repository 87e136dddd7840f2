// The reads, and what permission they need.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ReadTest : public ::testing::Test {
 protected:
  TestNamenode nn_;
};

// ---- getFileInfo

TEST_F(ReadTest, AMissingPathHasNoStatus) {
  EXPECT_EQ(nn_.Stat("/missing"), std::nullopt);
  EXPECT_EQ(nn_.Stat("/missing/deeper"), std::nullopt);
  EXPECT_THAT(nn_->GetFileInfo(kSuper, "relative").value, IsFsError(FsError::kInvalidPath));
}

TEST_F(ReadTest, TheRootIsADirectoryWithItsId) {
  nn_.Mkdir("/a");
  nn_.WriteFile("/b");
  const auto root = nn_.Stat("/");
  ASSERT_TRUE(root.has_value());
  EXPECT_EQ(root->id, kRootInode);
  EXPECT_TRUE(root->directory);
  EXPECT_EQ(root->children, 2u);
  EXPECT_EQ(root->length, 0u);
  EXPECT_EQ(root->replication, 0u);
}

TEST_F(ReadTest, BelowAFileThereIsNothing) {
  nn_.WriteFile("/f");
  EXPECT_EQ(nn_.Stat("/f/x"), std::nullopt) << "as the superuser sees it";
  EXPECT_THAT(nn_->GetFileInfo(kAlice, "/f/x").value, IsFsError(FsError::kAccessControl));
  EXPECT_THAT(nn_->GetBlockLocations(kSuper, "/f/x", 0, 1).value,
              IsFsError(FsError::kAccessControl));
}

// A reader would take "nowhere" for "lost".
TEST_F(ReadTest, BlocksWhoseDatanodesAreStillToComeBackAreAskedForAgain) {
  nn_.WriteFile("/f", {10});
  nn_.WriteFile("/empty");
  nn_.Flush();
  nn_.Crash();
  ASSERT_OK(nn_.Start());
  nn_->StartSafeMode(absl::Seconds(30));
  const auto located = nn_->GetBlockLocations(kSuper, "/f", 0, 10).value;
  EXPECT_THAT(located, IsFsError(FsError::kRetriable));
  EXPECT_THAT(std::string(located.status().message()), HasSubstr("Zero blocklocations for /f"));
  EXPECT_OK(nn_->GetBlockLocations(kSuper, "/f", 10, 10).value) << "behind the end";
  EXPECT_OK(nn_->GetBlockLocations(kSuper, "/empty", 0, 10).value);
  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kEnter).value);
  EXPECT_OK(nn_->GetBlockLocations(kSuper, "/f", 0, 10).value) << "does not end by itself";
  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kLeave).value);
  EXPECT_OK(nn_->GetBlockLocations(kSuper, "/f", 0, 10).value) << "lost, as far as is known";
  nn_.RegisterDatanodes();
  EXPECT_THAT(nn_->GetBlockLocations(kSuper, "/f", 0, 10).value->blocks.at(0).storages,
              ElementsAre(0));
}

TEST_F(ReadTest, APathMayBeginAtAnInode) {
  nn_.WriteFile("/d/f", {10});
  const uint64_t d = ToInt(nn_.Stat("/d")->id);
  const std::string by_id = absl::StrCat("/.reserved/.inodes/", d);
  EXPECT_EQ(nn_.Stat(by_id)->id, nn_.Stat("/d")->id);
  EXPECT_EQ(nn_.Stat(by_id + "/f")->length, 10u);
  EXPECT_EQ(nn_.Stat(by_id + "/missing"), std::nullopt);
  EXPECT_EQ(nn_.Stat("/.reserved/.inodes/999999"), std::nullopt);
  EXPECT_EQ(nn_.Stat("/.reserved/.inodes/999999/f"), std::nullopt);
  EXPECT_EQ(nn_.Stat("/.reserved"), std::nullopt);
  ASSERT_OK(nn_->Rename(kSuper, "/d", "/e").value);
  EXPECT_EQ(nn_.Stat(by_id + "/f")->length, 10u);
  EXPECT_THAT(nn_->Mkdirs(kSuper, by_id + "/new", 0755, true).value, IsOkAndHolds(true));
  EXPECT_TRUE(nn_.Exists("/e/new"));
  EXPECT_THAT(nn_->Delete(kSuper, by_id, true).value, IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat(by_id), std::nullopt);
  EXPECT_EQ(nn_.Stat(by_id + "/f"), std::nullopt);
}

TEST_F(ReadTest, APathMayBeginAtTheDirectoryOfAnInode) {
  nn_.WriteFile("/d/f", {10});
  nn_.WriteFile("/e/g", {20});
  const std::string f = absl::StrCat("/.reserved/.inodes/", ToInt(nn_.Stat("/d/f")->id));
  EXPECT_EQ(nn_.Stat(f + "/..")->id, nn_.Stat("/d")->id);
  EXPECT_EQ(nn_.Stat(f + "/../f")->length, 10u);
  EXPECT_EQ(nn_.Stat(f + "/../g"), std::nullopt);
  ASSERT_OK(nn_->Rename(kSuper, "/d/f", "/e/f").value);
  EXPECT_EQ(nn_.Stat(f + "/../g")->length, 20u);
  nn_.WriteFile(f + "/../made");
  EXPECT_TRUE(nn_.Exists("/e/made"));
  EXPECT_EQ(nn_.Stat(absl::StrCat("/.reserved/.inodes/", ToInt(kRootInode), "/.."))->id,
            kRootInode);
}

TEST_F(ReadTest, AnInodesAncestorsAreSearchedToo) {
  nn_.Mkdir("/closed", kSuper, 0700);
  nn_.WriteFile("/closed/f");
  const std::string by_id = absl::StrCat("/.reserved/.inodes/", ToInt(nn_.Stat("/closed/f")->id));
  EXPECT_THAT(nn_->GetFileInfo(kAlice, by_id).value, IsFsError(FsError::kAccessControl));
}

// ---- getListing

TEST_F(ReadTest, AListingIsInByteOrder) {
  for (const char* const name : {"/d/b", "/d/a", "/d/Z", "/d/\xc3\xa9", "/d/a.b", "/d/a b"}) {
    nn_.WriteFile(name);
  }
  EXPECT_THAT(nn_.List("/d"), ElementsAre("Z", "a", "a b", "a.b", "b", "\xc3\xa9"));
}

TEST_F(ReadTest, WhatAListingOfNothingIs) {
  nn_.Mkdir("/empty");
  EXPECT_EQ(*nn_->GetListing(kSuper, "/missing", "", false).value, std::nullopt);
  const auto empty = nn_->GetListing(kSuper, "/empty", "", false);
  ASSERT_TRUE(empty.value->has_value());
  EXPECT_THAT((*empty.value)->entries, IsEmpty());
  EXPECT_EQ((*empty.value)->remaining, 0u);
}

TEST_F(ReadTest, AFileIsListedAsItself) {
  nn_.WriteFile("/f", {10});
  const auto listing = nn_->GetListing(kSuper, "/f", "", true);
  ASSERT_THAT((*listing.value)->entries, SizeIs(1));
  EXPECT_EQ((*listing.value)->entries[0].name, "");
  EXPECT_EQ((*listing.value)->entries[0].status.length, 10u);
  EXPECT_EQ((*listing.value)->entries[0].located->file_length, 10u);
}

TEST_F(ReadTest, ALargeDirectoryComesInPages) {
  TestNamenode::Options options;
  options.namenode.listing_limit = 4;
  TestNamenode nn(options);
  std::vector<std::string> names;
  for (int i = 10; i < 23; ++i) {
    names.push_back(absl::StrCat(i));
    nn.WriteFile(absl::StrCat("/d/", i), {7});
    if (i == 15) nn.Flush();  // a part in LevelDB, a part in the tails
  }
  nn.Mkdir("/dd");  // not a part of /d, though its key is near
  ASSERT_OK(nn->Delete(kSuper, "/d/12", false).value);
  names.erase(names.begin() + 2);
  EXPECT_EQ(nn.List("/d"), names);
  const auto first = nn->GetListing(kSuper, "/d", "", false);
  EXPECT_THAT((*first.value)->entries, SizeIs(4));
  EXPECT_EQ((*first.value)->remaining, 8u);
  const auto after_a_deleted_name = nn->GetListing(kSuper, "/d", "12", false);
  EXPECT_EQ((*after_a_deleted_name.value)->entries.at(0).name, "13");
  const auto last = nn->GetListing(kSuper, "/d", "20", false);
  EXPECT_THAT((*last.value)->entries, SizeIs(2));
  EXPECT_EQ((*last.value)->remaining, 0u);
}

// What sorts as a name before nearly all others would give the first page again, for ever.
TEST_F(ReadTest, AListingMayGoOnAfterAnInodesPath) {
  for (const char* const name : {"/d/a", "/d/b", "/d/c", "/d/d", "/e/x"}) nn_.WriteFile(name);
  const auto encode = [](const Listing& listing) {
    std::string names;
    for (const ListingEntry& entry : listing.entries) absl::StrAppend(&names, entry.name);
    return names;
  };
  const auto page = [&](absl::string_view after) {
    const auto listing = nn_->GetListing(kSuper, "/d", after, false).value;
    if (!listing.ok()) return absl::StatusOr<std::string>(listing.status());
    // The other way to the same page.
    EXPECT_EQ(**nn_->GetEncodedListing(kSuper, "/d", after, encode).value, encode(**listing));
    return absl::StatusOr<std::string>(encode(**listing));
  };
  const std::string b = absl::StrCat("/.reserved/.inodes/", ToInt(nn_.Stat("/d/b")->id));
  EXPECT_THAT(page(b), IsOkAndHolds("cd"));
  ASSERT_OK(nn_->Rename(kSuper, "/d/b", "/d/bb").value);
  EXPECT_THAT(page(b), IsOkAndHolds("cd"));
  ASSERT_OK(nn_->Rename(kSuper, "/d/bb", "/e/cc").value);
  EXPECT_THAT(page(b), IsOkAndHolds("d")) << "by its name, wherever it is";
  nn_.Restart();
  EXPECT_THAT(page(b), IsOkAndHolds("d"));
  ASSERT_OK(nn_->Delete(kSuper, "/e/cc", false).value);
  EXPECT_THAT(page(b), IsFsError(FsError::kListingStartGone));
  EXPECT_THAT(page("/.reserved/.inodes/nonsense"), IsFsError(FsError::kListingStartGone));
  EXPECT_THAT(page("/d//b"), IsFsError(FsError::kListingStartGone));
  EXPECT_THAT(page("/"), IsFsError(FsError::kListingStartGone)) << "it has no name";
}

TEST_F(ReadTest, AListingMayCarryLocations) {
  nn_.WriteFile("/d/f", {10, 20});
  nn_.Mkdir("/d/e");
  const auto listing = nn_->GetListing(kSuper, "/d", "", true);
  const auto& entries = (*listing.value)->entries;
  ASSERT_THAT(entries, SizeIs(2));
  EXPECT_FALSE(entries[0].located.has_value());
  ASSERT_TRUE(entries[1].located.has_value());
  EXPECT_THAT(entries[1].located->blocks, SizeIs(2));
}

// Clients come again for the rest, as they do when a directory has many names.
TEST_F(ReadTest, APageEndsWhereItsFilesHaveManyReplicas) {
  TestNamenode::Options options;
  options.namenode.listing_limit = 6;
  TestNamenode nn(options);
  const std::vector<uint64_t> two(2, 10), three(3, 10);
  for (const char* name : {"a", "b", "d"}) nn.WriteFile(absl::StrCat("/d/", name), two);
  nn.Mkdir("/d/c");
  nn.WriteFile("/d/e", three);
  const uint32_t replication = nn.Stat("/d/a")->replication;
  ASSERT_EQ(replication, 3u);
  const auto page = [&](const char* after) {
    return *nn->GetListing(kSuper, "/d", after, true).value.value();
  };
  const auto names = [](const Listing& listing) {
    std::vector<std::string> all;
    for (const ListingEntry& entry : listing.entries) all.push_back(entry.name);
    return all;
  };
  const Listing first = page("");
  EXPECT_THAT(names(first), ElementsAre("a")) << "2 blocks, 3 replicas each";
  EXPECT_THAT(first.entries[0].located->blocks, SizeIs(2));
  EXPECT_EQ(first.remaining, 4u);
  const Listing third = page("b");
  EXPECT_THAT(names(third), ElementsAre("c", "d")) << "a directory costs nothing";
  EXPECT_GT(third.remaining, 0u);
  const Listing last = page("d");
  EXPECT_THAT(names(last), ElementsAre("e")) << "a file alone is always told";
  EXPECT_EQ(last.remaining, 0u);
  EXPECT_THAT((*nn->GetListing(kSuper, "/d", "", false).value)->entries, SizeIs(5));
}

TEST_F(ReadTest, AListingNeedsReadAndSearch) {
  nn_.Mkdir("/no-read", kSuper, 0711);
  nn_.Mkdir("/no-search", kSuper, 0744);
  EXPECT_THAT(nn_->GetListing(kAlice, "/no-read", "", false).value,
              IsFsError(FsError::kAccessControl));
  EXPECT_THAT(nn_->GetListing(kAlice, "/no-search", "", false).value,
              IsFsError(FsError::kAccessControl));
  EXPECT_OK(nn_->GetListing(kSuper, "/no-read", "", false).value);
}

// ---- getBlockLocations

TEST_F(ReadTest, BlocksInTheRangeAndTheLast) {
  nn_.WriteFile("/f", {100, 100, 50});
  const auto locate = [&](uint64_t offset, uint64_t length) {
    auto located = nn_->GetBlockLocations(kSuper, "/f", offset, length);
    EXPECT_OK(located.value);
    return *located.value;
  };
  EXPECT_THAT(locate(0, 250).blocks, SizeIs(3));
  EXPECT_THAT(locate(0, INT64_MAX).blocks, SizeIs(3));
  EXPECT_THAT(locate(100, UINT64_MAX).blocks, SizeIs(2));
  ASSERT_THAT(locate(99, 2).blocks, SizeIs(2));
  ASSERT_THAT(locate(100, 100).blocks, SizeIs(1));
  EXPECT_EQ(locate(100, 100).blocks[0].offset, 100u);
  EXPECT_THAT(locate(0, 0).blocks, IsEmpty());
  const LocatedBlocks behind = locate(250, 10);
  EXPECT_THAT(behind.blocks, IsEmpty());
  EXPECT_EQ(behind.file_length, 250u);
  ASSERT_TRUE(behind.last.has_value());
  EXPECT_EQ(behind.last->offset, 200u);
  EXPECT_TRUE(behind.last_complete);
  EXPECT_FALSE(behind.under_construction);
  EXPECT_THAT(behind.last->storages, ElementsAre(0));
}

TEST_F(ReadTest, WhatHasNoBlocks) {
  nn_.WriteFile("/empty");
  nn_.Mkdir("/d");
  const auto empty = nn_->GetBlockLocations(kSuper, "/empty", 0, 10);
  EXPECT_EQ(empty.value->file_length, 0u);
  EXPECT_THAT(empty.value->blocks, IsEmpty());
  EXPECT_FALSE(empty.value->last.has_value());
  const absl::Status missing = nn_->GetBlockLocations(kSuper, "/missing", 0, 1).value.status();
  EXPECT_THAT(missing, IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(std::string(missing.message()), HasSubstr("File does not exist: /missing"));
  const absl::Status directory = nn_->GetBlockLocations(kSuper, "/d", 0, 1).value.status();
  EXPECT_THAT(directory, IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(std::string(directory.message()), HasSubstr("Path is not a file: /d"));
}

TEST_F(ReadTest, AnOpenFilesLastBlockIsTheReadersToAskFor) {
  nn_.Create("/f");
  BlockVersion first = nn_.AddBlock("/f").block;
  first.length = 100;
  nn_.ReportFinalized(first);
  nn_.AddBlock("/f", first);
  ASSERT_OK(nn_->Fsync(kSuper, "/f", kNoInode, "client", 30).value);
  const LocatedBlocks located = *nn_->GetBlockLocations(kSuper, "/f", 0, 1000).value;
  EXPECT_TRUE(located.under_construction);
  EXPECT_EQ(located.file_length, 100u);
  EXPECT_THAT(located.blocks, SizeIs(1));
  ASSERT_TRUE(located.last.has_value());
  EXPECT_EQ(located.last->offset, 100u);
  EXPECT_EQ(located.last->block.length, 30u);
  EXPECT_FALSE(located.last_complete);
  EXPECT_THAT(located.last->storages, SizeIs(3));
}

TEST_F(ReadTest, LocationsComeFromTheStoreAfterARestart) {
  nn_.WriteFile("/f", {100});
  nn_.Flush();
  nn_.Restart();
  EXPECT_THAT(nn_->GetBlockLocations(kSuper, "/f", 0, 1).value->blocks.at(0).storages,
              ElementsAre(0));
}

TEST_F(ReadTest, ReadingBlocksNeedsReadPermission) {
  nn_.WriteFile("/f", {10});
  ASSERT_OK(nn_->SetPermission(kSuper, "/f", 0600).value);
  EXPECT_THAT(nn_->GetBlockLocations(kAlice, "/f", 0, 1).value, IsFsError(FsError::kAccessControl));
}

// ---- others

TEST_F(ReadTest, ContentSummaries) {
  nn_.WriteFile("/d/e/f", {100, 50});
  nn_.WriteFile("/d/g", {7});
  ASSERT_OK(nn_->SetReplication(kSuper, "/d/g", 1).value);
  const auto directory = nn_->GetContentSummary(kSuper, "/d");
  EXPECT_EQ(directory.value->directories, 2u);
  EXPECT_EQ(directory.value->files, 2u);
  EXPECT_EQ(directory.value->length, 157u);
  EXPECT_EQ(directory.value->space, 457u);
  const auto file = nn_->GetContentSummary(kSuper, "/d/g");
  EXPECT_EQ(file.value->directories, 0u);
  EXPECT_EQ(file.value->files, 1u);
  EXPECT_THAT(nn_->GetContentSummary(kSuper, "/missing").value, IsFsError(FsError::kFileNotFound));
}

TEST_F(ReadTest, IsFileClosedNeedsAFile) {
  EXPECT_THAT(nn_->IsFileClosed(kSuper, "/missing").value, IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(nn_->IsFileClosed(kSuper, "/").value, IsFsError(FsError::kFileNotFound));
}

TEST_F(ReadTest, AccessIsDecidedByOwnerThenGroupThenOther) {
  nn_.WriteFile("/f");
  ASSERT_OK(nn_->SetOwner(kSuper, "/f", "alice", "staff").value);
  ASSERT_OK(nn_->SetPermission(kSuper, "/f", 0467).value);
  const auto access = [&](const Caller& caller, uint32_t rwx) {
    return nn_->CheckAccess(caller, "/f", rwx).value.status();
  };
  EXPECT_OK(access(kAlice, 4));
  EXPECT_THAT(access(kAlice, 2), IsFsError(FsError::kAccessControl)) << "her own bits, no others";
  EXPECT_OK(access(kBob, 6));
  EXPECT_THAT(access(kBob, 1), IsFsError(FsError::kAccessControl));
  EXPECT_OK(access(kCarol, 7));
  EXPECT_OK(access(kSuper, 7));
  EXPECT_OK(access({.user = "admin"}, 7)) << "a member of the supergroup";
  EXPECT_EQ(std::string(access(kAlice, 2).message()),
            "Permission denied: user=alice, access=WRITE, "
            "inode=\"/f\":alice:staff:-r--rw-rwx");
  EXPECT_THAT(nn_->CheckAccess(kSuper, "/missing", 0).value, IsFsError(FsError::kFileNotFound));
}

TEST_F(ReadTest, EveryAncestorMustBeSearchable) {
  nn_.Mkdir("/a/b/c", kSuper, 0755);
  ASSERT_OK(nn_->SetPermission(kSuper, "/a", 0600).value);
  EXPECT_THAT(nn_->GetFileInfo(kAlice, "/a/b/c").value, IsFsError(FsError::kAccessControl));
  EXPECT_THAT(nn_->GetFileInfo(kAlice, "/a/missing").value, IsFsError(FsError::kAccessControl));
  EXPECT_OK(nn_->GetFileInfo(kAlice, "/a").value);
  EXPECT_OK(nn_->GetFileInfo(kSuper, "/a/b/c").value);
}

}  // namespace
}  // namespace cairn::namenode
