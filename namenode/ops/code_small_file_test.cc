// Files that are replicated as long as they are small, and what becomes of them when they grow.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "namenode/core/testing/cold_files.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr char kCold[] = "RS-3-2-1024k";
constexpr int kColdNodes = 6;
constexpr uint64_t kBytes = 1000;  // of a small file

class CodeSmallFileTest : public ::testing::Test {
 protected:
  explicit CodeSmallFileTest(const TestNamenode::Options& options = WithErasureCoding(kColdNodes))
      : nn_(options) {
    MakeCold(nn_);
  }

  static CreateOptions Small() {
    CreateOptions options = CreateFlags(true, false);
    options.replicate_while_small = true;
    options.replication = 2;
    return options;
  }
  FileStatus CreateSmall(absl::string_view path = "/cold/f") {
    const auto made = nn_->Create(kSuper, path, Small());
    EXPECT_OK(made.value);
    return *made.value;
  }
  void Close(absl::string_view path, const std::optional<BlockVersion>& last) {
    EXPECT_THAT(nn_->Complete(kSuper, path, kNoInode, "client", last, nullptr).value,
                IsOkAndHolds(true))
        << path;
  }
  // The first block of /cold/f, with its final length; on two datanodes.
  BlockVersion WriteBlock(uint64_t bytes = kBytes) {
    BlockVersion block = nn_.AddBlock("/cold/f").block;
    block.length = bytes;
    nn_.ReportFinalized(block, 2);
    return block;
  }
  // A closed file of one group, but for the units that are `lost`.
  void WriteCopy(absl::string_view path, uint64_t bytes = kBytes, std::set<uint32_t> lost = {}) {
    CreateOptions options = CreateFlags(true, false);
    options.erasure_policy = kCold;
    ASSERT_OK(nn_->Create(kSuper, path, options).value);
    Close(path, WriteGroup(path, bytes, lost));
  }
  // The next group of `path`, with its length, by one who was told of none before it.
  BlockVersion WriteGroup(absl::string_view path, uint64_t bytes, std::set<uint32_t> lost = {}) {
    const LocatedBlock group = nn_.AddBlock(path);
    EXPECT_THAT(group.units, SizeIs(5));
    for (size_t i = 0; i < group.units.size(); ++i) {
      const BlockVersion unit = UnitOfCold(group.block, bytes, group.units[i]);
      if (lost.contains(group.units[i]) || unit.length == 0) continue;
      EXPECT_OK(nn_.Report(static_cast<int>(group.storages[i]), unit, ReplicaState::kFinalized));
    }
    BlockVersion written = group.block;
    written.length = bytes;
    return written;
  }
  absl::Status Code(absl::string_view source = "", std::optional<BlockVersion> last = {},
                    absl::string_view client = "client", const Caller& caller = kSuper) {
    return nn_
        ->CodeSmallFile(caller, {.path = "/cold/f",
                                 .client_name = client,
                                 .file = nn_.Stat("/cold/f")->id,
                                 .source = source,
                                 .last = last})
        .value.status();
  }
  LocatedBlocks Locate() {
    auto located = nn_->GetBlockLocations(kSuper, "/cold/f", 0, UINT64_MAX);
    EXPECT_OK(located.value);
    return *std::move(located.value);
  }
  uint64_t SpaceUsed() { return nn_->GetContentSummary(kSuper, "/").value->space; }
  const erasure::Policy* PolicyTold() {
    const auto told = nn_->GetErasurePolicy(kSuper, "/cold/f");
    EXPECT_OK(told.value);
    return *told.value;
  }
  // The ids that datanodes are told to delete, and which of them.
  std::map<uint64_t, std::set<int>> Deletions() {
    for (int i = 0; i < 10; ++i) nn_->RunMaintenance();
    std::map<uint64_t, std::set<int>> deleted;
    for (int node = 0; node < kColdNodes; ++node) {
      for (const DatanodeCommand& command : nn_.Heartbeat(node)) {
        const auto* const invalidate = std::get_if<InvalidateCommand>(&command);
        if (invalidate == nullptr) continue;
        for (const BlockVersion& block : invalidate->blocks) {
          deleted[ToInt(block.id)].insert(node);
        }
      }
    }
    return deleted;
  }
  // From the journal, then from the store.
  void RestartTwice(const std::function<void()>& expect) {
    expect();
    nn_.Restart();
    nn_.SendFullReports();
    expect();
    nn_.Flush();
    nn_.Restart();
    nn_.SendFullReports();
    expect();
  }

  TestNamenode nn_;
};

TEST_F(CodeSmallFileTest, OneThatEndsSmallIsReplicatedAndOfItsPolicy) {
  const FileStatus made = CreateSmall();
  EXPECT_EQ(made.erasure, nullptr);
  ASSERT_NE(made.small_of, nullptr);
  EXPECT_EQ(made.small_of->name, kCold);
  EXPECT_EQ(made.replication, 2u);
  Close("/cold/f", WriteBlock());
  RestartTwice([&] {
    const FileStatus now = *nn_.Stat("/cold/f");
    EXPECT_EQ(now.erasure, nullptr);
    ASSERT_NE(now.small_of, nullptr);
    EXPECT_EQ(now.small_of->name, kCold);
    ASSERT_NE(PolicyTold(), nullptr);
    EXPECT_EQ(PolicyTold()->name, kCold);
    ASSERT_THAT(Locate().blocks, SizeIs(1));
    EXPECT_FALSE(IsGrouped(Locate().blocks[0].block.id));
    EXPECT_EQ(SpaceUsed(), 2 * kBytes);
    const auto listed = nn_->GetListing(kSuper, "/cold", "", false);
    ASSERT_OK(listed.value);
    ASSERT_THAT((*listed.value)->entries, SizeIs(1));
    EXPECT_EQ((*listed.value)->entries[0].status.small_of, now.small_of);
    nn_.ExpectConsistent();
  });
}

// As whoever does not ask for it, and whoever names a policy.
TEST_F(CodeSmallFileTest, OthersAreCodedFromTheStart) {
  nn_.Create("/cold/f");
  EXPECT_NE(nn_.Stat("/cold/f")->erasure, nullptr);
  EXPECT_EQ(nn_.Stat("/cold/f")->small_of, nullptr);
  CreateOptions named = Small();
  named.erasure_policy = kCold;
  ASSERT_OK(nn_->Create(kSuper, "/cold/named", named).value);
  EXPECT_NE(nn_.Stat("/cold/named")->erasure, nullptr);
  EXPECT_EQ(nn_.Stat("/cold/named")->small_of, nullptr);
  CreateOptions replicated = Small();
  replicated.should_replicate = true;
  ASSERT_OK(nn_->Create(kSuper, "/cold/replicated", replicated).value);
  EXPECT_EQ(nn_.Stat("/cold/replicated")->small_of, nullptr);
  ASSERT_OK(nn_->Create(kSuper, "/warm", Small()).value);
  EXPECT_EQ(nn_.Stat("/warm")->small_of, nullptr);
}

TEST_F(CodeSmallFileTest, WithoutBlocksItIsCodedFromThenOn) {
  CreateSmall();
  ASSERT_OK(Code());
  RestartTwice([&] {
    const FileStatus now = *nn_.Stat("/cold/f");
    ASSERT_NE(now.erasure, nullptr);
    EXPECT_EQ(now.erasure->name, kCold);
    EXPECT_EQ(now.small_of, nullptr);
    EXPECT_EQ(now.replication, 1u);
    EXPECT_TRUE(now.open);
    EXPECT_EQ(SpaceUsed(), 0u);
    nn_.ExpectConsistent();
  });
  Close("/cold/f", WriteGroup("/cold/f", 3 * kCell));
  EXPECT_EQ(SpaceUsed(), 5 * kCell);
  nn_.ExpectConsistent();
}

TEST_F(CodeSmallFileTest, ItTakesTheBlocksOfItsCopyAndItsWriterGoesOn) {
  const InodeId id = CreateSmall().id;
  const BlockVersion last = WriteBlock();
  const uint64_t contents = Locate().contents;
  WriteCopy("/copy");
  EXPECT_EQ(SpaceUsed(), 3 * kBytes) << "of the copy; of the open block nobody has told";
  ASSERT_OK(Code("/copy", last));
  RestartTwice([&] {
    const FileStatus now = *nn_.Stat("/cold/f");
    EXPECT_EQ(now.id, id);
    EXPECT_TRUE(now.open);
    ASSERT_NE(now.erasure, nullptr);
    EXPECT_EQ(now.small_of, nullptr);
    EXPECT_EQ(now.length, kBytes);
    EXPECT_EQ(SpaceUsed(), 3 * kBytes);
    EXPECT_FALSE(nn_.Exists("/copy"));
    const LocatedBlocks located = Locate();
    ASSERT_THAT(located.blocks, SizeIs(1));
    EXPECT_THAT(located.blocks[0].units, ElementsAre(0, 3, 4));
    EXPECT_TRUE(located.last_complete);
    EXPECT_EQ(located.file_length, kBytes);
    EXPECT_EQ(located.converted_from, contents) << "readers that knew the block go on";
    nn_.ExpectConsistent();
  });
  Close("/cold/f", WriteGroup("/cold/f", 3 * kCell));
  EXPECT_EQ(nn_.Stat("/cold/f")->length, kBytes + 3 * kCell);
  EXPECT_EQ(SpaceUsed(), 3 * kBytes + 5 * kCell);
  EXPECT_EQ(Locate().converted_from, contents);
  nn_.ExpectConsistent();
}

TEST_F(CodeSmallFileTest, AnAppendGrowsIntoItsPolicyToo) {
  CreateSmall();
  const BlockVersion last = WriteBlock();
  Close("/cold/f", last);
  WriteCopy("/copy");
  const auto appended = nn_->Append(kSuper, "/cold/f", "client", /*new_block=*/false);
  ASSERT_OK(appended.value);
  ASSERT_TRUE(appended.value->block.has_value());
  ASSERT_NE(appended.value->status.small_of, nullptr);
  ASSERT_OK(Code("/copy", last));
  Close("/cold/f", WriteGroup("/cold/f", kCell));
  EXPECT_EQ(nn_.Stat("/cold/f")->length, kBytes + kCell);
  EXPECT_EQ(SpaceUsed(), 3 * (kBytes + kCell));
  nn_.ExpectConsistent();
}

// Of its last block the writer was not told: it is full.
TEST_F(CodeSmallFileTest, AlsoOfAFullBlock) {
  CreateSmall();
  Close("/cold/f", WriteBlock(kBlockBytes));
  WriteCopy("/copy", kBlockBytes);
  const auto appended = nn_->Append(kSuper, "/cold/f", "client", /*new_block=*/false);
  ASSERT_OK(appended.value);
  ASSERT_FALSE(appended.value->block.has_value());
  ASSERT_OK(Code("/copy"));
  RestartTwice([&] {
    EXPECT_TRUE(nn_.Stat("/cold/f")->open);
    EXPECT_EQ(nn_.Stat("/cold/f")->length, kBlockBytes);
    EXPECT_EQ(SpaceUsed(), 3 * kBlockBytes);
    nn_.ExpectConsistent();
  });
  Close("/cold/f", WriteGroup("/cold/f", kCell));
  EXPECT_EQ(nn_.Stat("/cold/f")->length, kBlockBytes + kCell);
  nn_.ExpectConsistent();
}

TEST_F(CodeSmallFileTest, TheOldBlockStaysForReadersAMinuteAndThenGoes) {
  CreateSmall();
  const BlockVersion last = WriteBlock();
  WriteCopy("/copy");
  Deletions();  // of the units that have no bytes
  ASSERT_OK(Code("/copy", last));
  EXPECT_THAT(Deletions(), IsEmpty());
  nn_.ExpectConsistent();
  nn_.clock().Advance(absl::Minutes(1));
  EXPECT_THAT(Deletions(), ElementsAre(Pair(ToInt(last.id), ElementsAre(0, 1))));
  nn_.ExpectConsistent();
}

// The writer has all acknowledgements, and is faster than what the datanodes tell the namenode.
TEST_F(CodeSmallFileTest, ReplicasOfTheOldBlockThatAreReportedLateGoAsWell) {
  for (const bool restarts : {false, true}) {
    SCOPED_TRACE(restarts);
    CreateSmall();
    BlockVersion last = nn_.AddBlock("/cold/f").block;
    last.length = kBytes;
    ASSERT_OK(nn_.Report(0, last, ReplicaState::kBeingWritten));
    WriteCopy("/copy");
    Deletions();  // of the units that have no bytes
    ASSERT_OK(Code("/copy", last));
    nn_.ExpectConsistent();
    ASSERT_OK(nn_.Report(0, last, ReplicaState::kFinalized));
    if (restarts) {
      nn_.Restart();
      nn_.SendFullReports();
    } else {
      EXPECT_THAT(Deletions(), IsEmpty()) << "somebody may read it";
      nn_.clock().Advance(absl::Minutes(1));
    }
    EXPECT_THAT(Deletions()[ToInt(last.id)], ElementsAre(0));
    // Behind a partition, say.
    ASSERT_OK(nn_.Report(1, last, ReplicaState::kFinalized));
    EXPECT_THAT(Deletions()[ToInt(last.id)], ElementsAre(1));
    nn_.ExpectConsistent();
    ASSERT_OK(nn_->Delete(kSuper, "/cold/f", false).value);
    Deletions();
  }
}

// By the stamp that its block had before the append they know it.
TEST_F(CodeSmallFileTest, WhoReadItBeforeTheAppendIsLedToItsGroupsToo) {
  CreateSmall();
  const BlockVersion before = WriteBlock();
  Close("/cold/f", before);
  const uint64_t contents = Locate().contents;
  ASSERT_OK(nn_->Append(kSuper, "/cold/f", "client", /*new_block=*/false).value);
  const auto renewed = nn_->UpdateBlockForPipeline(kSuper, before, "client");
  ASSERT_OK(renewed.value);
  BlockVersion last = renewed.value->block;
  last.length = kBytes;
  ASSERT_OK(nn_->UpdatePipeline(kSuper, "client", before, last, {}, {}).value);
  nn_.ReportFinalized(last, 2);
  EXPECT_NE(Locate().contents, contents);
  WriteCopy("/copy");
  ASSERT_OK(Code("/copy", last));
  RestartTwice([&] {
    EXPECT_EQ(Locate().converted_from, contents);
    nn_.ExpectConsistent();
  });
}

TEST_F(CodeSmallFileTest, ACrashRightAfterItForgetsNeitherTheNewNorTheOldBlock) {
  for (const bool flushed : {true, false}) {
    CreateSmall();
    const BlockVersion last = WriteBlock();
    WriteCopy("/copy");
    Deletions();
    ASSERT_OK(Code("/copy", last));
    if (flushed) nn_.Flush();
    nn_.Restart();
    nn_.SendFullReports();
    const auto deleted = Deletions();
    EXPECT_TRUE(deleted.contains(ToInt(last.id))) << flushed;
    const LocatedBlock group = Locate().blocks.at(0);
    EXPECT_THAT(group.units, ElementsAre(0, 3, 4)) << flushed;
    for (const uint8_t unit : group.units) {
      EXPECT_FALSE(deleted.contains(ToInt(UnitOf(group.block.id, unit)))) << flushed;
    }
    nn_.ExpectConsistent();
    // Its writer is gone, and what it had told is all there.
    EXPECT_THAT(nn_->RecoverLease(kSuper, "/cold/f", "other").value, IsOkAndHolds(true));
    EXPECT_EQ(nn_.Stat("/cold/f")->length, kBytes);
    ASSERT_OK(nn_->Delete(kSuper, "/cold/f", false).value);
    Deletions();
  }
}

TEST_F(CodeSmallFileTest, AWriterThatDiesBeforeItsFirstGroupLeavesAnEmptyFile) {
  CreateSmall();
  ASSERT_OK(Code());
  EXPECT_THAT(nn_->RecoverLease(kSuper, "/cold/f", "other").value, IsOkAndHolds(true));
  EXPECT_FALSE(nn_.Stat("/cold/f")->open);
  EXPECT_NE(nn_.Stat("/cold/f")->erasure, nullptr);
  nn_.ExpectConsistent();
}

TEST_F(CodeSmallFileTest, OnlyItsWriterMay) {
  CreateSmall();
  EXPECT_THAT(Code("", {}, "another"), IsFsError(FsError::kLeaseExpired));
  Close("/cold/f", {});
  EXPECT_THAT(Code(), IsFsError(FsError::kLeaseExpired));
  EXPECT_EQ(nn_.Stat("/cold/f")->erasure, nullptr);
}

TEST_F(CodeSmallFileTest, WhatIsNoSmallFileOrNoCopyOfItIsRefused) {
  nn_.Create("/cold/f");
  EXPECT_THAT(Code(), IsFsError(FsError::kIllegalArgument)) << "coded already";
  ASSERT_OK(nn_->Delete(kSuper, "/cold/f", false).value);
  CreateSmall();
  const BlockVersion last = WriteBlock();
  WriteCopy("/copy");
  WriteCopy("/longer", kBytes + 1);
  CreateOptions open = CreateFlags(true, false);
  open.erasure_policy = kCold;
  ASSERT_OK(nn_->Create(kSuper, "/open", open).value);
  nn_.WriteFile("/replicated", {kBytes});
  const auto expect = [&](FsError error, absl::string_view source,
                          std::optional<BlockVersion> named) {
    EXPECT_THAT(Code(source, named), IsFsError(error)) << source;
    EXPECT_EQ(nn_.Stat("/cold/f")->erasure, nullptr);
  };
  expect(FsError::kIllegalArgument, "", {});
  expect(FsError::kIllegalArgument, "/longer", last);
  expect(FsError::kIllegalArgument, "/open", last);
  expect(FsError::kIllegalArgument, "/replicated", last);
  expect(FsError::kIllegalArgument, "/cold/f", last);
  expect(FsError::kIllegalArgument, "/copy", {});
  BlockVersion other = last;
  other.id = BlockId{ToInt(last.id) + 1000};
  expect(FsError::kIllegalArgument, "/copy", other);
  BlockVersion stale = last;
  stale.stamp = GenerationStamp{ToInt(last.stamp) + 1};
  expect(FsError::kIo, "/copy", stale);
  expect(FsError::kFileNotFound, "/missing", last);
  expect(FsError::kInvalidPath, "copy", last);
  nn_.ExpectConsistent();
  EXPECT_OK(Code("/copy", last));
}

TEST_F(CodeSmallFileTest, ACopyOfWhichAUnitIsMissingIsWaitedFor) {
  CreateSmall();
  const BlockVersion last = WriteBlock();
  WriteCopy("/copy", kBytes, /*lost=*/{4});
  EXPECT_THAT(Code("/copy", last), IsFsError(FsError::kNotReplicatedYet));
  EXPECT_TRUE(nn_.Exists("/copy"));
  const auto located = nn_->GetBlockLocations(kSuper, "/copy", 0, UINT64_MAX);
  ASSERT_OK(located.value);
  const LocatedBlock& group = located.value->blocks.at(0);
  int free = 0;  // a datanode that has none of its units
  while (std::count(group.storages.begin(), group.storages.end(), free) != 0) ++free;
  ASSERT_OK(nn_.Report(free, UnitOfCold(group.block, kBytes, 4), ReplicaState::kFinalized));
  EXPECT_OK(Code("/copy", last));
}

TEST_F(CodeSmallFileTest, APolicyThatIsNotEnabledAnyMoreIsGivenToNone) {
  CreateSmall();
  ASSERT_OK(nn_->ChangeErasurePolicy(kSuper, kCold, ErasurePolicyState::kDisabled).value);
  EXPECT_THAT(Code(), IsFsError(FsError::kIllegalArgument));
  Close("/cold/f", WriteBlock());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, kBytes);
}

// The namenode began again without it.
TEST(SmallFilesWhereCodingIsOffTest, TheyStayReplicatedAndNoneAreMade) {
  TestNamenode::Options options = WithErasureCoding(kColdNodes);
  TestNamenode on(options);
  MakeCold(on);
  CreateOptions small = CreateFlags(true, false);
  small.replicate_while_small = true;
  ASSERT_OK(on->Create(kSuper, "/cold/f", small).value);
  on.Crash();
  options.namenode.erasure_coding = false;
  TestNamenode off(options);
  off.Crash();
  off.FormatAgain(on.AllEdits());
  ASSERT_OK(off.Start());
  off.RegisterDatanodes();
  EXPECT_NE(off.Stat("/cold/f")->small_of, nullptr);
  EXPECT_THAT(
      off->CodeSmallFile(
             kSuper, {.path = "/cold/f", .client_name = "client", .file = off.Stat("/cold/f")->id})
          .value,
      IsFsError(FsError::kUnsupported));
  EXPECT_THAT(off->Create(kSuper, "/cold/g", small).value, IsFsError(FsError::kUnsupported));
}

TEST_F(CodeSmallFileTest, AConversionEndsIt) {
  CreateSmall();
  const BlockVersion last = WriteBlock();
  Close("/cold/f", last);
  WriteCopy("/copy");
  ConvertFileRequest request{.target = "/cold/f", .source = "/copy"};
  request.target_id = nn_.Stat("/cold/f")->id;
  request.expected = {last};
  ASSERT_OK(nn_->ConvertFile(kSuper, request).value);
  EXPECT_NE(nn_.Stat("/cold/f")->erasure, nullptr);
  EXPECT_EQ(nn_.Stat("/cold/f")->small_of, nullptr);
  nn_.ExpectConsistent();
}

}  // namespace
}  // namespace cairn::namenode
