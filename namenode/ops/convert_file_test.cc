// A file's bytes kept in another form, in one edit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "erasure/layout.h"
#include "namenode/core/testing/test_namenode.h"
#include "namenode/namespace/units.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kPolicy[] = "RS-3-2-1024k";
constexpr char kOther[] = "XOR-2-1-1024k";
constexpr int kNodes = 6;

class ConvertFileTest : public ::testing::Test {
 protected:
  static TestNamenode::Options SixNodes() {
    TestNamenode::Options options;
    options.namenode.erasure_coding = true;
    options.datanodes = kNodes;
    return options;
  }
  ConvertFileTest() {
    for (const char* const policy : {kPolicy, kOther}) {
      EXPECT_OK(nn_->ChangeErasurePolicy(kSuper, policy, ErasurePolicyState::kEnabled).value);
    }
  }

  void Close(absl::string_view path, const std::optional<BlockVersion>& last) {
    EXPECT_THAT(nn_->Complete(kSuper, path, kNoInode, "client", last, nullptr).value,
                IsOkAndHolds(true))
        << path;
  }
  // Blocks of these lengths, each on two datanodes.
  void WriteReplicated(absl::string_view path, const std::vector<uint64_t>& lengths) {
    CreateOptions options = CreateFlags(true, false);
    options.should_replicate = true;
    options.replication = 2;
    ASSERT_OK(nn_->Create(kSuper, path, options).value);
    std::optional<BlockVersion> last;
    for (const uint64_t bytes : lengths) {
      last = nn_.AddBlock(path, last).block;
      last->length = bytes;
      nn_.ReportFinalized(*last, 2);
    }
    Close(path, last);
  }
  // One group, but for the units that are `lost`; or none.
  void WriteCoded(absl::string_view path, uint64_t bytes, std::set<uint32_t> lost = {},
                  const char* policy = kPolicy) {
    CreateOptions options = CreateFlags(true, false);
    options.erasure_policy = policy;
    ASSERT_OK(nn_->Create(kSuper, path, options).value);
    if (bytes == 0) return Close(path, {});
    const LocatedBlock group = nn_.AddBlock(path);
    const erasure::Policy& layout_of = *erasure::FindSystemPolicy(policy);
    const erasure::Layout layout(layout_of.schema, layout_of.cell_bytes);
    for (size_t i = 0; i < group.units.size(); ++i) {
      const uint32_t unit = group.units[i];
      if (lost.contains(unit) || layout.UnitBytes(bytes, unit) == 0) continue;
      ReportUnit(group, unit, layout.UnitBytes(bytes, unit));
    }
    BlockVersion last = group.block;
    last.length = bytes;
    Close(path, last);
  }
  void ReportUnit(const LocatedBlock& group, uint32_t unit, uint64_t bytes) {
    EXPECT_OK(nn_.Report(static_cast<int>(group.storages[unit]),
                         {UnitOf(group.block.id, unit), group.block.stamp, bytes},
                         ReplicaState::kFinalized));
  }
  LocatedBlocks Locate(absl::string_view path) {
    auto located = nn_->GetBlockLocations(kSuper, path, 0, UINT64_MAX);
    EXPECT_OK(located.value);
    return *std::move(located.value);
  }
  std::set<uint64_t> UnitIds(absl::string_view path) {
    std::set<uint64_t> ids;
    for (const LocatedBlock& block : Locate(path).blocks) {
      if (block.units.empty()) ids.insert(ToInt(block.block.id));
      for (const uint8_t unit : block.units) ids.insert(ToInt(UnitOf(block.block.id, unit)));
    }
    return ids;
  }
  std::set<uint64_t> Deletions() {
    for (int i = 0; i < 10; ++i) nn_->RunMaintenance();
    std::set<uint64_t> ids;
    for (int node = 0; node < kNodes; ++node) ids.merge(DeletionsOf(node));
    return ids;
  }
  std::set<uint64_t> DeletionsOf(int node) {
    std::set<uint64_t> ids;
    for (const DatanodeCommand& command : nn_.Heartbeat(node)) {
      const auto* const invalidate = std::get_if<InvalidateCommand>(&command);
      if (invalidate == nullptr) continue;
      for (const BlockVersion& block : invalidate->blocks) ids.insert(ToInt(block.id));
    }
    return ids;
  }
  // /t, of which all is known.
  ConvertFileRequest Request(absl::string_view source) {
    ConvertFileRequest request{.target = "/t", .source = source};
    request.target_id = nn_.Stat("/t")->id;
    for (const LocatedBlock& block : Locate("/t").blocks) request.expected.push_back(block.block);
    return request;
  }
  absl::Status Convert(const ConvertFileRequest& request, const Caller& caller = kSuper) {
    return nn_->ConvertFile(caller, request).value.status();
  }

  TestNamenode nn_{SixNodes()};
};

TEST_F(ConvertFileTest, AReplicatedFileBecomesACodedOneAndIsTheSameFile) {
  WriteReplicated("/t", {kBlockBytes, kBlockBytes, kBlockBytes});
  ASSERT_OK(nn_->SetOwner(kSuper, "/t", "alice", "staff").value);
  ASSERT_OK(nn_->SetPermission(kSuper, "/t", 0640).value);
  ASSERT_OK(nn_->SetTimes(kSuper, "/t", 111, 222).value);
  WriteCoded("/d/s", 3 * kBlockBytes);
  const FileStatus before = *nn_.Stat("/t");
  const uint64_t contents = Locate("/t").contents;
  nn_.clock().Advance(absl::Seconds(5));
  ASSERT_OK(Convert(Request("/d/s")));

  const auto expect = [&] {
    const FileStatus after = *nn_.Stat("/t");
    EXPECT_EQ(after.id, before.id);
    EXPECT_EQ(after.mode, before.mode);
    EXPECT_EQ(after.owner, "alice");
    EXPECT_EQ(after.group, "staff");
    EXPECT_EQ(after.mtime_ms, 111u);
    EXPECT_EQ(after.atime_ms, 222u);
    EXPECT_EQ(after.length, before.length);
    ASSERT_NE(after.erasure, nullptr);
    EXPECT_EQ(after.erasure->name, kPolicy);
    const LocatedBlocks located = Locate("/t");
    ASSERT_THAT(located.blocks, SizeIs(1));
    EXPECT_THAT(located.blocks[0].units, ElementsAre(0, 1, 2, 3, 4));
    EXPECT_NE(located.contents, contents);
    EXPECT_EQ(located.converted_from, contents);
    EXPECT_THAT(nn_.List("/d"), IsEmpty());
    EXPECT_EQ(nn_->GetContentSummary(kSuper, "/").value->length, 3 * kBlockBytes);
    EXPECT_EQ(nn_->GetContentSummary(kSuper, "/").value->space, 5 * kBlockBytes);
    nn_.ExpectConsistent();
  };
  expect();
  nn_.Restart();  // from the journal
  nn_.SendFullReports();
  expect();
  nn_.Flush();
  nn_.Restart();  // from the store
  expect();
}

TEST_F(ConvertFileTest, AndBackAgainUnderTheDigestThatReadersKnewFirst) {
  WriteReplicated("/t", {kBlockBytes, 7});
  const uint64_t contents = Locate("/t").contents;
  WriteCoded("/s", kBlockBytes + 7);
  ASSERT_OK(Convert(Request("/s")));
  WriteReplicated("/s", {7, kBlockBytes});
  ASSERT_OK(Convert(Request("/s")));
  EXPECT_EQ(nn_.Stat("/t")->erasure, nullptr);
  EXPECT_EQ(nn_.Stat("/t")->replication, 2u);
  EXPECT_EQ(Locate("/t").converted_from, contents);
  EXPECT_EQ(nn_->GetContentSummary(kSuper, "/").value->space, 2 * (kBlockBytes + 7));
  EXPECT_EQ(nn_->DescribeBlock(kSuper, Locate("/t").blocks[0].block.id).value->wanted, 2u);
  nn_.ExpectConsistent();
}

TEST_F(ConvertFileTest, AChangeEndsWhatWasSaidOfOldBytes) {
  for (const bool append : {true, false}) {
    WriteReplicated("/t", {kBlockBytes, 7});
    WriteCoded("/s", kBlockBytes + 7);
    ASSERT_OK(Convert(Request("/s")));
    if (append) {
      const BlockVersion last = Locate("/t").blocks.back().block;
      ASSERT_OK(nn_->Append(kSuper, "/t", "client", false).value);
      Close("/t", last);
    } else {
      ASSERT_THAT(nn_->Truncate(kSuper, "/t", 0, "client").value, IsOkAndHolds(true));
    }
    EXPECT_EQ(Locate("/t").converted_from, 0u);
    nn_.Flush();
    nn_.Restart();
    EXPECT_EQ(Locate("/t").converted_from, 0u);
    ASSERT_OK(nn_->Delete(kSuper, "/t", false).value);
  }
}

TEST_F(ConvertFileTest, TheOldBlocksStayForReadersAMinuteAndThenGo) {
  WriteReplicated("/t", {kBlockBytes, 20});
  WriteCoded("/s", kBlockBytes + 20);
  Deletions();  // of the unit that has no bytes
  const std::set<uint64_t> old = UnitIds("/t");
  ASSERT_OK(Convert(Request("/s")));
  EXPECT_THAT(Deletions(), IsEmpty());
  nn_.clock().Advance(absl::Seconds(59));
  EXPECT_THAT(Deletions(), IsEmpty());
  EXPECT_FALSE(nn_->HasBackgroundWork());
  nn_.ExpectConsistent();
  nn_.clock().Advance(absl::Seconds(1));
  EXPECT_TRUE(nn_->HasBackgroundWork()) << "many are not released at leisure";
  EXPECT_EQ(Deletions(), old);
  EXPECT_FALSE(nn_->HasBackgroundWork());
  nn_.ExpectConsistent();
}

// What a start has found, or has no room in memory, is looked for among the records of all.
TEST_F(ConvertFileTest, TheyStayAsWellWhileOtherRemovedBlocksAreLookedFor) {
  WriteReplicated("/gone", {20});
  WriteReplicated("/t", {kBlockBytes, kBlockBytes, kBlockBytes});
  WriteCoded("/s", 3 * kBlockBytes);
  const std::set<uint64_t> gone = UnitIds("/gone"), old = UnitIds("/t");
  nn_.Flush();
  nn_.Restart();
  nn_.SendFullReports();
  ASSERT_THAT(nn_->Delete(kSuper, "/gone", false).value, IsOkAndHolds(true));
  nn_.Flush();
  nn_.Restart();
  nn_.SendFullReports();
  ASSERT_OK(Convert(Request("/s")));
  EXPECT_EQ(Deletions(), gone);
  EXPECT_FALSE(nn_->HasBackgroundWork()) << "all records were looked at";
  nn_.clock().Advance(absl::Seconds(59));
  EXPECT_THAT(Deletions(), IsEmpty());
  nn_.ExpectConsistent();
  nn_.clock().Advance(absl::Seconds(1));
  EXPECT_EQ(Deletions(), old);
  nn_.ExpectConsistent();
}

TEST_F(ConvertFileTest, AReplicaThatIsMovedMeanwhileStaysAndGoesAsWell) {
  WriteReplicated("/t", {kBlockBytes});
  WriteCoded("/s", kBlockBytes);
  Deletions();  // of the units that have no bytes
  const LocatedBlock old = Locate("/t").blocks.at(0);
  const int from = static_cast<int>(old.storages.at(0));
  int to = 0;  // has none of its replicas
  while (std::count(old.storages.begin(), old.storages.end(), to) != 0) ++to;
  ASSERT_OK(Convert(Request("/s")));
  ASSERT_OK(nn_.Report(to, old.block, ReplicaState::kFinalized));
  ASSERT_OK(nn_.Report(from, old.block, ReplicaState::kDeleted));
  EXPECT_THAT(Deletions(), IsEmpty());
  nn_.ExpectConsistent();
  nn_.clock().Advance(absl::Minutes(1));
  for (int i = 0; i < 10; ++i) nn_->RunMaintenance();
  EXPECT_EQ(DeletionsOf(to), std::set<uint64_t>{ToInt(old.block.id)});
  EXPECT_THAT(DeletionsOf(from), IsEmpty());
  nn_.ExpectConsistent();
}

// Of another version than the file had it is of no use to anybody.
TEST_F(ConvertFileTest, AnOlderReplicaOfAWaitingBlockGoesAtOnce) {
  WriteReplicated("/t", {kBlockBytes});
  WriteCoded("/s", kBlockBytes);
  Deletions();
  const LocatedBlock old = Locate("/t").blocks.at(0);
  int other = 0;
  while (std::count(old.storages.begin(), old.storages.end(), other) != 0) ++other;
  ASSERT_OK(Convert(Request("/s")));
  BlockVersion older = old.block;
  older.stamp = GenerationStamp{ToInt(older.stamp) - 1};
  ASSERT_OK(nn_.Report(other, older, ReplicaState::kFinalized));
  EXPECT_EQ(DeletionsOf(other), std::set<uint64_t>{ToInt(old.block.id)});
}

TEST_F(ConvertFileTest, ACrashForgetsNoneOfThemAndTakesNoneOfTheNewOnes) {
  for (const bool flushed : {true, false}) {
    WriteCoded("/t", 3 * kBlockBytes);
    WriteReplicated("/s", {kBlockBytes, kBlockBytes, kBlockBytes});
    const std::set<uint64_t> old = UnitIds("/t");
    ASSERT_OK(Convert(Request("/s")));
    if (flushed) nn_.Flush();
    nn_.Restart();
    nn_.SendFullReports();
    EXPECT_EQ(Deletions(), old) << flushed;
    EXPECT_THAT(Locate("/t").blocks[0].storages, SizeIs(2)) << flushed;
    nn_.ExpectConsistent();
    ASSERT_OK(nn_->Delete(kSuper, "/t", false).value);
    Deletions();
  }
}

TEST_F(ConvertFileTest, AFileWithoutBytesTakesTheForm) {
  WriteReplicated("/t", {});
  WriteCoded("/s", 0);
  ASSERT_OK(Convert(Request("/s")));
  ASSERT_NE(nn_.Stat("/t")->erasure, nullptr);
  EXPECT_EQ(Locate("/t").converted_from, 0u);
  nn_.ExpectConsistent();
}

TEST_F(ConvertFileTest, AChangeMeanwhileIsRefusedAndChangesNothing) {
  WriteReplicated("/t", {kBlockBytes, 20});
  WriteCoded("/s", kBlockBytes + 20);
  const ConvertFileRequest request = Request("/s");
  ASSERT_OK(nn_->Append(kSuper, "/t", "writer", /*new_block=*/true).value);
  EXPECT_THAT(Convert(request), IsFsError(FsError::kAlreadyBeingCreated));
  BlockVersion last = nn_.AddBlock("/t", {}, "writer").block;
  last.length = 5;
  nn_.ReportFinalized(last, 2);
  ASSERT_THAT(nn_->Complete(kSuper, "/t", kNoInode, "writer", last, nullptr).value,
              IsOkAndHolds(true));
  EXPECT_THAT(Convert(request), IsFsError(FsError::kChanged));
  ASSERT_THAT(nn_->Truncate(kSuper, "/t", kBlockBytes + 20, "writer").value, IsOkAndHolds(true));
  // Its bytes are the ones expected again.
  EXPECT_OK(Convert(request));

  // Another file of that name.
  WriteReplicated("/s2", {kBlockBytes, 20});
  ConvertFileRequest other = Request("/s2");
  ASSERT_OK(nn_->Delete(kSuper, "/t", false).value);
  WriteCoded("/t", kBlockBytes + 20);
  EXPECT_THAT(Convert(other), IsFsError(FsError::kChanged));
  ConvertFileRequest stale = Request("/s2");
  stale.expected[0].stamp = GenerationStamp{ToInt(stale.expected[0].stamp) + 1};
  EXPECT_THAT(Convert(stale), IsFsError(FsError::kChanged));
  EXPECT_TRUE(nn_.Exists("/s2"));
  EXPECT_NE(nn_.Stat("/t")->erasure, nullptr);
}

TEST_F(ConvertFileTest, WhatIsNoCopyInAnotherFormIsRefused) {
  WriteReplicated("/t", {kBlockBytes, 20});
  WriteReplicated("/same", {20, kBlockBytes});
  WriteCoded("/shorter", kBlockBytes + 19);
  CreateOptions options = CreateFlags(true, false);
  options.erasure_policy = kPolicy;
  ASSERT_OK(nn_->Create(kSuper, "/open", options).value);
  nn_.Mkdir("/d");
  const auto expect = [&](FsError error, absl::string_view source) {
    EXPECT_THAT(Convert(Request(source)), IsFsError(error)) << source;
  };
  expect(FsError::kIllegalArgument, "/same");
  expect(FsError::kIllegalArgument, "/shorter");
  expect(FsError::kIllegalArgument, "/open");
  expect(FsError::kIllegalArgument, "/t");
  expect(FsError::kFileNotFound, "/d");
  expect(FsError::kFileNotFound, "/missing");
  expect(FsError::kInvalidPath, "s");
  ConvertFileRequest directory = Request("/same");
  directory.target = "/d";
  EXPECT_THAT(Convert(directory), IsFsError(FsError::kFileNotFound));

  // A reader that has it open would put the other policy's groups together wrongly.
  WriteCoded("/s", kBlockBytes + 20);
  ASSERT_OK(Convert(Request("/s")));
  WriteCoded("/xor", kBlockBytes + 20, {}, kOther);
  const absl::Status refused = Convert(Request("/xor"));
  EXPECT_THAT(refused, IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(refused.message(), HasSubstr("from RS-3-2-1024k to XOR-2-1-1024k"));
  nn_.ExpectConsistent();
}

// The old ones are all there; the new ones are to be as safe before they go.
TEST_F(ConvertFileTest, ACopyOfWhichUnitsOrReplicasAreMissingIsWaitedFor) {
  WriteReplicated("/t", {1000});
  WriteCoded("/s", 1000, /*lost=*/{3});
  const absl::Status refused = Convert(Request("/s"));
  EXPECT_THAT(refused, IsFsError(FsError::kNotReplicatedYet));
  EXPECT_EQ(nn_.Stat("/t")->erasure, nullptr);
  const LocatedBlock group = Locate("/s").blocks[0];
  int free = 0;  // a datanode that has none of its units
  while (std::count(group.storages.begin(), group.storages.end(), free) != 0) ++free;
  ASSERT_OK(nn_.Report(free, {UnitOf(group.block.id, 3), group.block.stamp, 1000},
                       ReplicaState::kFinalized));
  EXPECT_OK(Convert(Request("/s")));

  CreateOptions options = CreateFlags(true, false);
  options.should_replicate = true;
  ASSERT_OK(nn_->Create(kSuper, "/r", options).value);
  BlockVersion only = nn_.AddBlock("/r").block;
  only.length = 1000;
  nn_.ReportFinalized(only, 1);
  Close("/r", only);
  EXPECT_THAT(Convert(Request("/r")), IsFsError(FsError::kNotReplicatedYet));
  nn_.ReportFinalized(only, 1, 1);
  EXPECT_OK(Convert(Request("/r")));
}

// They are recorded all the same: a dead datanode, or a disk, may come back.
TEST_F(ConvertFileTest, UnitsAndReplicasThatCannotBeReadDoNotCount) {
  WriteReplicated("/t", {kBlockBytes, kBlockBytes, kBlockBytes});
  WriteCoded("/s", 3 * kBlockBytes);
  const int holder = static_cast<int>(Locate("/s").blocks[0].storages[4]);
  nn_.Heartbeat(holder, /*failed=*/true);
  EXPECT_THAT(Convert(Request("/s")), IsFsError(FsError::kNotReplicatedYet)) << "a failed disk";
  ASSERT_OK(nn_.RegisterDatanode(holder).status());
  nn_.SendFullReport(holder);
  for (int minute = 0; minute < 6; ++minute) {
    nn_.clock().Advance(absl::Minutes(1));
    for (int node = 0; node < kNodes; ++node) {
      if (node != holder) nn_.Heartbeat(node);
    }
  }
  nn_->RunMaintenance();
  EXPECT_THAT(Convert(Request("/s")), IsFsError(FsError::kNotReplicatedYet)) << "a dead datanode";
  EXPECT_EQ(nn_.Stat("/t")->erasure, nullptr);
  ASSERT_OK(nn_.RegisterDatanode(holder).status());
  nn_.SendFullReport(holder);
  EXPECT_OK(Convert(Request("/s")));
}

TEST_F(ConvertFileTest, ItTakesTheRightToWriteTheFileAndWhereItIsAndToRemoveTheCopy) {
  WriteReplicated("/in/t", {20});
  nn_.Mkdir("/own", kSuper, 0777);
  WriteCoded("/own/s", 20);
  ConvertFileRequest request{.target = "/in/t", .source = "/own/s"};
  request.target_id = nn_.Stat("/in/t")->id;
  request.expected = {Locate("/in/t").blocks[0].block};
  EXPECT_THAT(Convert(request, kAlice), IsFsError(FsError::kAccessControl)) << "the file";
  ASSERT_OK(nn_->SetPermission(kSuper, "/in/t", 0666).value);
  EXPECT_THAT(Convert(request, kAlice), IsFsError(FsError::kAccessControl)) << "its directory";
  ASSERT_OK(nn_->SetPermission(kSuper, "/in", 0777).value);
  ASSERT_OK(nn_->SetPermission(kSuper, "/own/s", 0600).value);
  EXPECT_THAT(Convert(request, kAlice), IsFsError(FsError::kAccessControl)) << "unreadable";
  ASSERT_OK(nn_->SetPermission(kSuper, "/own/s", 0644).value);
  ASSERT_OK(nn_->SetPermission(kSuper, "/own", 01777).value);
  EXPECT_THAT(Convert(request, kAlice), IsFsError(FsError::kAccessControl)) << "sticky";
  ASSERT_OK(nn_->SetPermission(kSuper, "/own", 0777).value);
  EXPECT_OK(Convert(request, kAlice));
}

}  // namespace
}  // namespace cairn::namenode
