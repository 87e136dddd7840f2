#include <string>

#include "namenode/service/rpc/testing/edge_fixture.h"

namespace cairn::namenode {
namespace {

class ReadTest : public EdgeTest {
 protected:
  FakeAnswer GetListing(absl::string_view start_after, bool locations = false) {
    hdfs::GetListingRequestProto request;
    request.set_src("/d");
    request.set_startafter(std::string(start_after));
    request.set_needlocation(locations);
    return Call("getListing", request);
  }
  FakeAnswer GetBlockLocations(uint64_t offset, uint64_t length) {
    hdfs::GetBlockLocationsRequestProto request;
    request.set_src("/f");
    request.set_offset(offset);
    request.set_length(length);
    return Call("getBlockLocations", request);
  }
};

TEST_F(ReadTest, FileInfoTellsTheStatusWithAnEmptyPath) {
  namenode_.status = SomeDirectory();
  hdfs::GetFileInfoRequestProto request;
  request.set_src("/a");
  const auto answer = Ask<hdfs::GetFileInfoResponseProto>("getFileInfo", request);
  EXPECT_EQ(namenode_.last_call(), "GetFileInfo(/a)");
  EXPECT_EQ(answer.fs().filetype(), hdfs::HdfsFileStatusProto::IS_DIR);
  EXPECT_EQ(answer.fs().path(), "");
  EXPECT_EQ(answer.fs().childrennum(), 7);
  EXPECT_EQ(answer.fs().permission().perm(), 01755u);
}

// Trap 7: a missing path is an empty answer where clients test for one, ...
TEST_F(ReadTest, Trap7MissingPathIsAnEmptyAnswer) {
  for (const char* method : {"getFileInfo", "getFileLinkInfo", "getLocatedFileInfo"}) {
    const FakeAnswer answer = CallBytes(method, "\x0a\x02/a");
    EXPECT_OK(answer.status) << method;
    EXPECT_EQ(answer.bytes, "") << method;
  }
  const FakeAnswer listing = GetListing("");
  EXPECT_OK(listing.status);
  EXPECT_EQ(listing.bytes, "");
}

// ... and FileNotFoundException where they open it.
TEST_F(ReadTest, Trap7MissingFileIsAnErrorForThoseWhoReadIt) {
  namenode_.error = MakeFsError(FsError::kFileNotFound, "File does not exist: /f");
  EXPECT_THAT(GetBlockLocations(0, 1).status, IsFsError(FsError::kFileNotFound));
  hdfs::GetContentSummaryRequestProto request;
  request.set_path("/f");
  EXPECT_THAT(Call("getContentSummary", request).status, IsFsError(FsError::kFileNotFound));
}

TEST_F(ReadTest, LocatedFileInfoOfAFileCarriesItsBlocks) {
  AddDatanodes();
  namenode_.status = SomeFile();
  namenode_.located.file_length = 5;
  LocatedBlock block;
  block.block = {BlockId{9}, GenerationStamp{1001}, 5};
  block.storages = {2};
  namenode_.located.blocks = {block};
  hdfs::GetLocatedFileInfoRequestProto request;
  request.set_src("/f");
  const auto answer = Ask<hdfs::GetLocatedFileInfoResponseProto>("getLocatedFileInfo", request);
  EXPECT_EQ(namenode_.last_call(), "GetBlockLocations(/f, 0, 9223372036854775807)");
  ASSERT_EQ(answer.fs().locations().blocks_size(), 1);
  EXPECT_EQ(answer.fs().locations().blocks(0).locs(0).id().ipaddr(), "10.0.0.2");
}

TEST_F(ReadTest, LocatedFileInfoOfAFileThatGoesMeanwhileIsThatOfAMissingOne) {
  namenode_.status = SomeFile();
  namenode_.located_error = MakeFsError(FsError::kFileNotFound, "gone");
  const FakeAnswer answer = CallBytes("getLocatedFileInfo", "\x0a\x02/f");
  EXPECT_OK(answer.status);
  EXPECT_EQ(answer.bytes, "");
  namenode_.located_error = MakeFsError(FsError::kAccessControl, "no");
  EXPECT_THAT(CallBytes("getLocatedFileInfo", "\x0a\x02/f").status,
              IsFsError(FsError::kAccessControl));
}

TEST_F(ReadTest, LocatedFileInfoOfADirectoryHasNoBlocks) {
  namenode_.status = SomeDirectory();
  const auto answer =
      Parse<hdfs::GetLocatedFileInfoResponseProto>(CallBytes("getLocatedFileInfo", "\x0a\x02/d"));
  EXPECT_FALSE(answer.fs().has_locations());
  EXPECT_THAT(CallBytes("getLocatedFileInfo", "").status, IsFsError(FsError::kIllegalArgument));
}

// Trap 8: names are local, as bytes, in the order of the namenode.
TEST_F(ReadTest, Trap8ListingNamesAreLocalAndAnyBytes) {
  namenode_.listing.emplace();
  namenode_.listing->entries = {{.name = "a", .status = SomeFile()},
                                {.name = "\xff\xfe", .status = SomeDirectory()}};
  namenode_.listing->remaining = 3;
  const auto answer = Parse<hdfs::GetListingResponseProto>(GetListing("A\xff"));
  EXPECT_EQ(namenode_.last_call(), "GetListing(/d, A\xff, 0)");
  ASSERT_EQ(answer.dirlist().partiallisting_size(), 2);
  EXPECT_EQ(answer.dirlist().partiallisting(0).path(), "a");
  EXPECT_EQ(answer.dirlist().partiallisting(1).path(), "\xff\xfe");
  EXPECT_EQ(answer.dirlist().remainingentries(), 3u);
}

TEST_F(ReadTest, EmptyDirectoryIsAListingWithoutEntries) {
  namenode_.listing.emplace();
  const auto answer = Parse<hdfs::GetListingResponseProto>(GetListing(""));
  EXPECT_TRUE(answer.has_dirlist());
  EXPECT_EQ(answer.dirlist().partiallisting_size(), 0);
}

TEST_F(ReadTest, Trap8AnEmptyPageNeverPromisesMore) {
  namenode_.listing.emplace();
  namenode_.listing->remaining = 1;
  EXPECT_THAT(GetListing("").status, IsFsError(FsError::kIo));
}

TEST_F(ReadTest, AListingMayStartAfterAnInodesPath) {
  namenode_.listing.emplace();
  EXPECT_OK(GetListing("/.reserved/.inodes/16400").status);
  EXPECT_EQ(namenode_.last_call(), "GetListing(/d, /.reserved/.inodes/16400, 0)");
  namenode_.error = MakeFsError(FsError::kListingStartGone, "gone");
  EXPECT_THAT(GetListing("/.reserved/.inodes/16400").status, IsFsError(FsError::kListingStartGone));
}

TEST_F(ReadTest, ListingWithLocationsAsksForThem) {
  AddDatanodes();
  namenode_.listing.emplace();
  LocatedBlock block;
  block.storages = {1};
  LocatedBlocks located;
  located.blocks = {block};
  namenode_.listing->entries = {{.name = "f", .status = SomeFile(), .located = located}};
  const auto answer = Parse<hdfs::GetListingResponseProto>(GetListing("", true));
  EXPECT_EQ(namenode_.last_call(), "GetListing(/d, , 1)");
  EXPECT_EQ(answer.dirlist().partiallisting(0).locations().blocks_size(), 1);
}

TEST_F(ReadTest, BlockLocationsRefuseNegativeNumbersAndTakeTheLargest) {
  EXPECT_THAT(GetBlockLocations(~uint64_t{0}, 1).status, IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(GetBlockLocations(0, uint64_t{1} << 63).status, IsFsError(FsError::kIllegalArgument));
  EXPECT_TRUE(namenode_.calls.empty());
  const auto answer = Parse<hdfs::GetBlockLocationsResponseProto>(GetBlockLocations(0, INT64_MAX));
  EXPECT_EQ(namenode_.last_call(), "GetBlockLocations(/f, 0, 9223372036854775807)");
  EXPECT_TRUE(answer.has_locations());
  EXPECT_FALSE(answer.locations().has_lastblock());  // an empty file
}

TEST_F(ReadTest, AskingForBlocksIsAnAccess) {
  namenode_.status = SomeFile();
  EXPECT_OK(GetBlockLocations(0, 1).status);
  EXPECT_EQ(namenode_.last_call(), "GetBlockLocations(/f, 0, 1)") << "it is not due";
  namenode_.located.access_due = InodeId{16390};
  EXPECT_OK(GetBlockLocations(0, 1).status);
  EXPECT_EQ(namenode_.last_call(), "Accessed(16390)");
  EXPECT_OK(CallBytes("getLocatedFileInfo", "\x0a\x02/f").status);
  EXPECT_EQ(namenode_.last_call(), "GetBlockLocations(/f, 0, 9223372036854775807)") << "a look";
}

// `hdfs dfs -count -e` and -du read the last field; of a directory they want what is set there.
TEST_F(ReadTest, AFilesSummaryNamesItsPolicyAndADirectorysDoesNot) {
  hdfs::GetContentSummaryRequestProto request;
  request.set_path("/x");
  const auto ask = [&] {
    return Ask<hdfs::GetContentSummaryResponseProto>("getContentSummary", request).summary();
  };
  namenode_.summary = {.length = 10, .files = 1, .directories = 0, .space = 30};
  namenode_.status = SomeFile();
  EXPECT_EQ(ask().erasurecodingpolicy(), "Replicated");
  namenode_.status->erasure = erasure::FindSystemPolicy("RS-6-3-1024k");
  EXPECT_EQ(ask().erasurecodingpolicy(), "RS-6-3-1024k");
  namenode_.summary.directories = 1;
  EXPECT_FALSE(ask().has_erasurecodingpolicy());

  // It has gone in between.
  namenode_.summary.directories = 0;
  namenode_.status.reset();
  EXPECT_THAT(Call("getContentSummary", request).status, IsFsError(FsError::kFileNotFound));
}

TEST_F(ReadTest, SummaryAndQuotaUsage) {
  namenode_.summary = {.length = 10, .files = 2, .directories = 1, .space = 30};
  hdfs::GetContentSummaryRequestProto summary;
  summary.set_path("/d");
  const auto content = Ask<hdfs::GetContentSummaryResponseProto>("getContentSummary", summary);
  EXPECT_EQ(content.summary().filecount(), 2u);
  hdfs::GetQuotaUsageRequestProto quota;
  quota.set_path("/d");
  const auto usage = Ask<hdfs::GetQuotaUsageResponseProto>("getQuotaUsage", quota);
  EXPECT_EQ(usage.usage().fileanddirectorycount(), 3u);
}

TEST_F(ReadTest, PreferredBlockSizeIsThatOfAFile) {
  hdfs::GetPreferredBlockSizeRequestProto request;
  request.set_filename("/f");
  EXPECT_THAT(Call("getPreferredBlockSize", request).status, IsFsError(FsError::kFileNotFound));
  namenode_.status = SomeDirectory();
  EXPECT_THAT(Call("getPreferredBlockSize", request).status, IsFsError(FsError::kFileNotFound));
  namenode_.status = SomeFile();
  EXPECT_EQ(Ask<hdfs::GetPreferredBlockSizeResponseProto>("getPreferredBlockSize", request).bsize(),
            128u << 20);
}

TEST_F(ReadTest, IsFileClosedAndCheckAccess) {
  hdfs::IsFileClosedRequestProto closed;
  closed.set_src("/f");
  namenode_.result = false;
  EXPECT_FALSE(Ask<hdfs::IsFileClosedResponseProto>("isFileClosed", closed).result());
  hdfs::CheckAccessRequestProto access;
  access.set_path("/f");
  access.set_mode(hdfs::AclEntryProto::READ_EXECUTE);
  EXPECT_EQ(Call("checkAccess", access).bytes, "");
  EXPECT_EQ(namenode_.last_call(), "CheckAccess(/f, 5)");
}

TEST_F(ReadTest, ServerDefaults) {
  const auto answer = Ask<hdfs::GetServerDefaultsResponseProto>(
      "getServerDefaults", hdfs::GetServerDefaultsRequestProto());
  EXPECT_EQ(answer.serverdefaults().blocksize(), 128u << 20);
  EXPECT_EQ(answer.serverdefaults().bytesperchecksum(), 512u);
  EXPECT_TRUE(answer.serverdefaults().has_keyprovideruri());
}

TEST_F(ReadTest, TheEnclosingRootIsTheRoot) {
  hdfs::GetEnclosingRootRequestProto request;
  request.set_filename("/d/f");
  const auto root = [&] {
    return Ask<hdfs::GetEnclosingRootResponseProto>("getEnclosingRoot", request)
        .enclosingrootpath();
  };
  EXPECT_EQ(root(), "/");
  EXPECT_EQ(namenode_.last_call(), "CheckAccess(/d/f, 4)");
  namenode_.error = MakeFsError(FsError::kFileNotFound, "File does not exist: /d/f");
  EXPECT_EQ(root(), "/") << "of a missing path too";
  namenode_.error = MakeFsError(FsError::kAccessControl, "Permission denied");
  EXPECT_THAT(Call("getEnclosingRoot", request).status, IsFsError(FsError::kAccessControl));
}

TEST_F(ReadTest, LinkTargetOfWhatIsNoLink) {
  hdfs::GetLinkTargetRequestProto request;
  request.set_path("/f");
  EXPECT_THAT(Call("getLinkTarget", request).status, IsFsError(FsError::kFileNotFound));
  namenode_.status = SomeFile();
  EXPECT_THAT(Call("getLinkTarget", request).status, IsFsError(FsError::kIo));
}

TEST_F(ReadTest, MsyncIsAnsweredAtOnce) { EXPECT_OK(CallBytes("msync", "").status); }

}  // namespace
}  // namespace cairn::namenode
