// A file's blocks replaced in one edit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ReplaceBlocksTest : public ::testing::Test {
 protected:
  std::vector<BlockVersion> BlocksOf(absl::string_view path) {
    std::vector<BlockVersion> blocks;
    const auto located = nn_->GetBlockLocations(kSuper, path, 0, UINT64_MAX);
    EXPECT_OK(located.value);
    for (const LocatedBlock& block : located.value->blocks) blocks.push_back(block.block);
    return blocks;
  }
  std::vector<uint64_t> LengthsOf(absl::string_view path) {
    std::vector<uint64_t> lengths;
    for (const BlockVersion& block : BlocksOf(path)) lengths.push_back(block.length);
    return lengths;
  }
  // /t, of which all is known, with `source`.
  ReplaceBlocksRequest Request(absl::string_view source, std::vector<BlockId> blocks) {
    ReplaceBlocksRequest request{.target = "/t", .source = source, .client_name = "changer"};
    request.target_id = nn_.Stat("/t")->id;
    request.expected = BlocksOf("/t");
    request.blocks = std::move(blocks);
    return request;
  }
  absl::Status Replace(const ReplaceBlocksRequest& request, const Caller& caller = kSuper) {
    return nn_->ReplaceBlocks(caller, request).value.status();
  }

  TestNamenode nn_;
};

TEST_F(ReplaceBlocksTest, TheFileHasTheBlocksNamedAndTheSourceIsGone) {
  nn_.WriteFile("/t", {kBlockBytes, kBlockBytes, 30});
  nn_.WriteFile("/d/s", {kBlockBytes, 40});
  const std::vector<BlockVersion> old = BlocksOf("/t"), added = BlocksOf("/d/s");
  const FileStatus before = *nn_.Stat("/t");
  nn_.clock().Advance(absl::Seconds(5));
  ASSERT_OK(Replace(Request("/d/s", {old[0].id, added[1].id, old[2].id, added[0].id})));
  EXPECT_THAT(LengthsOf("/t"), ElementsAre(kBlockBytes, 40, 30, kBlockBytes));
  EXPECT_THAT(nn_.List("/d"), IsEmpty());
  EXPECT_EQ(nn_.Stat("/t")->id, before.id);
  EXPECT_EQ(nn_.Stat("/t")->mtime_ms, before.mtime_ms + 5000);
  const auto located = nn_->GetBlockLocations(kSuper, "/t", 0, UINT64_MAX);
  for (const LocatedBlock& block : located.value->blocks) {
    EXPECT_THAT(block.storages, ::testing::SizeIs(1)) << block.offset;
  }
  EXPECT_EQ(nn_->GetContentSummary(kSuper, "/").value->length, 2 * kBlockBytes + 70);
  nn_.ExpectConsistent();
  nn_.Flush();
  nn_.Restart();
  nn_.SendFullReports();
  EXPECT_THAT(LengthsOf("/t"), ElementsAre(kBlockBytes, 40, 30, kBlockBytes));
  nn_.ExpectConsistent();
}

TEST_F(ReplaceBlocksTest, BlocksThatNobodyNamedAreDeletedFromTheDatanodes) {
  nn_.WriteFile("/t", {kBlockBytes, 20});
  nn_.WriteFile("/s", {30, 40});
  const std::vector<BlockVersion> old = BlocksOf("/t"), added = BlocksOf("/s");
  ASSERT_OK(Replace(Request("/s", {added[0].id, old[1].id})));
  std::vector<BlockId> deleted;
  for (int i = 0; i < 10; ++i) nn_->RunMaintenance();
  for (const DatanodeCommand& command : nn_.Heartbeat(0)) {
    const auto* const invalidate = std::get_if<InvalidateCommand>(&command);
    if (invalidate == nullptr) continue;
    for (const BlockVersion& block : invalidate->blocks) deleted.push_back(block.id);
  }
  EXPECT_THAT(deleted, ::testing::UnorderedElementsAre(old[0].id, added[1].id));
}

TEST_F(ReplaceBlocksTest, AFileOfNoBlocksCanGetSomeAndLoseThemAgain) {
  nn_.WriteFile("/t");
  nn_.WriteFile("/s", {30});
  ASSERT_OK(Replace(Request("/s", {BlocksOf("/s")[0].id})));
  EXPECT_EQ(nn_.Stat("/t")->length, 30u);
  ASSERT_OK(Replace(Request("", {})));
  EXPECT_EQ(nn_.Stat("/t")->length, 0u);
  nn_.ExpectConsistent();
}

// Two writers: the second one's idea of the file is old.
TEST_F(ReplaceBlocksTest, AChangeMeanwhileIsRefusedAndChangesNothing) {
  nn_.WriteFile("/t", {kBlockBytes, 20});
  nn_.WriteFile("/s", {30});
  nn_.WriteFile("/s2", {40});
  const std::vector<BlockVersion> old = BlocksOf("/t");
  const ReplaceBlocksRequest first = Request("/s", {old[0].id, BlocksOf("/s")[0].id});
  const ReplaceBlocksRequest second = Request("/s2", {old[0].id, BlocksOf("/s2")[0].id});
  ASSERT_OK(Replace(first));
  const absl::Status lost = Replace(second);
  EXPECT_THAT(lost, IsFsError(FsError::kChanged));
  EXPECT_TRUE(absl::IsAborted(lost));
  EXPECT_THAT(lost.message(), HasSubstr("/t"));
  EXPECT_THAT(LengthsOf("/t"), ElementsAre(kBlockBytes, 30));
  EXPECT_TRUE(nn_.Exists("/s2"));

  ReplaceBlocksRequest stale = Request("", {});
  stale.expected.back().stamp = GenerationStamp{ToInt(stale.expected.back().stamp) + 1};
  EXPECT_THAT(Replace(stale), IsFsError(FsError::kChanged));
  ReplaceBlocksRequest shorter = Request("", {});
  --shorter.expected.back().length;
  EXPECT_THAT(Replace(shorter), IsFsError(FsError::kChanged));
  ReplaceBlocksRequest fewer = Request("", {});
  fewer.expected.pop_back();
  EXPECT_THAT(Replace(fewer), IsFsError(FsError::kChanged));
  // Another file under the old name, with as many blocks: none.
  ReplaceBlocksRequest other = Request("", {});
  ASSERT_OK(nn_->Delete(kSuper, "/t", false).value);
  nn_.WriteFile("/t");
  other.expected.clear();
  EXPECT_THAT(Replace(other), IsFsError(FsError::kChanged));
}

TEST_F(ReplaceBlocksTest, AFileThatSomebodyWritesIsHis) {
  nn_.WriteFile("/t", {20});
  const ReplaceBlocksRequest request = Request("", {});
  ASSERT_OK(nn_->Append(kSuper, "/t", "writer", true).value);
  EXPECT_THAT(Replace(request), IsFsError(FsError::kAlreadyBeingCreated));
  // He is gone, and nothing that he wrote is in doubt.
  nn_.clock().Advance(absl::Minutes(2));
  EXPECT_OK(Replace(request));
}

TEST_F(ReplaceBlocksTest, WhatDoesNotFitIsRefused) {
  nn_.WriteFile("/t", {kBlockBytes, 20});
  nn_.WriteFile("/s", {30});
  nn_.WriteFile("/other", {30});
  CreateOptions large = CreateFlags(true, false);
  large.block_bytes = 2 * kBlockBytes;
  ASSERT_OK(nn_->Create(kSuper, "/large", large).value);
  ASSERT_THAT(nn_->Complete(kSuper, "/large", kNoInode, "client", {}, nullptr).value,
              IsOkAndHolds(true));
  nn_.Create("/open");
  nn_.Mkdir("/d");
  const BlockId first = BlocksOf("/t")[0].id;
  const auto expect = [&](FsError error, const ReplaceBlocksRequest& request) {
    EXPECT_THAT(Replace(request), IsFsError(error)) << request.source;
  };
  expect(FsError::kIllegalArgument, Request("/s", {first, first}));
  expect(FsError::kIllegalArgument, Request("/s", {BlocksOf("/other")[0].id}));
  expect(FsError::kIllegalArgument, Request("/t", {first}));
  expect(FsError::kIllegalArgument, Request("/large", {first}));
  expect(FsError::kIllegalArgument, Request("/open", {first}));
  expect(FsError::kFileNotFound, Request("/d", {first}));
  expect(FsError::kFileNotFound, Request("/missing", {first}));
  expect(FsError::kInvalidPath, Request("s", {first}));
  ReplaceBlocksRequest directory = Request("/s", {first});
  directory.target = "/d";
  expect(FsError::kFileNotFound, directory);
  ReplaceBlocksRequest nobody = Request("/s", {first});
  nobody.client_name = "";
  expect(FsError::kIllegalArgument, nobody);
  EXPECT_THAT(LengthsOf("/t"), ElementsAre(kBlockBytes, 20));
  EXPECT_TRUE(nn_.Exists("/s"));
}

// Space counts with the target's.
TEST_F(ReplaceBlocksTest, ASourceMayHaveAnotherReplication) {
  nn_.WriteFile("/t", {20});
  nn_.WriteFile("/s", {30});
  ASSERT_OK(nn_->SetReplication(kSuper, "/t", 3).value);
  ASSERT_OK(nn_->SetReplication(kSuper, "/s", 2).value);
  ASSERT_OK(Replace(Request("/s", {BlocksOf("/t")[0].id, BlocksOf("/s")[0].id})));
  EXPECT_EQ(nn_->GetContentSummary(kSuper, "/").value->space, 150u);
  EXPECT_EQ(nn_->DescribeBlock(kSuper, BlocksOf("/t")[1].id).value->wanted, 3u);
  nn_.ExpectConsistent();
}

TEST_F(ReplaceBlocksTest, AFileHasNoMoreBlocksThanMayBe) {
  TestNamenode::Options options;
  options.namenode.max_blocks_per_file = 2;
  TestNamenode few(options);
  few.WriteFile("/t", {1, 1});
  few.WriteFile("/s", {1});
  ReplaceBlocksRequest request{.target = "/t", .source = "/s", .client_name = "c"};
  request.target_id = few.Stat("/t")->id;
  for (const char* const path : {"/t", "/s"}) {
    const auto located = few->GetBlockLocations(kSuper, path, 0, UINT64_MAX);
    for (const LocatedBlock& block : located.value->blocks) {
      if (path == request.target) request.expected.push_back(block.block);
      request.blocks.push_back(block.block.id);
    }
  }
  EXPECT_THAT(few->ReplaceBlocks(kSuper, request).value, IsFsError(FsError::kIllegalArgument));
  request.blocks.pop_back();
  EXPECT_OK(few->ReplaceBlocks(kSuper, request).value);
}

TEST_F(ReplaceBlocksTest, ItTakesTheRightToWriteTheFileAndToReadAndRemoveTheSource) {
  nn_.Mkdir("/own", kSuper, 0777);
  nn_.WriteFile("/own/s", {30}, kAlice);
  nn_.WriteFile("/closed/s", {30});
  nn_.WriteFile("/t", {20});
  const ReplaceBlocksRequest own = Request("/own/s", {BlocksOf("/own/s")[0].id});
  EXPECT_THAT(Replace(own, kAlice), IsFsError(FsError::kAccessControl)) << "the file";
  ASSERT_OK(nn_->SetPermission(kSuper, "/t", 0666).value);
  EXPECT_THAT(Replace(Request("/closed/s", {}), kAlice), IsFsError(FsError::kAccessControl))
      << "its directory";
  ASSERT_OK(nn_->SetPermission(kSuper, "/own/s", 0200).value);
  EXPECT_THAT(Replace(own, kAlice), IsFsError(FsError::kAccessControl)) << "unreadable";
  ASSERT_OK(nn_->SetPermission(kSuper, "/own/s", 0600).value);
  EXPECT_OK(Replace(own, kAlice));
}

}  // namespace
}  // namespace cairn::namenode
