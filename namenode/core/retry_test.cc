// Calls that a client sends twice take effect once; tickets; and what readers see of edits that are
// not durable yet.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "namenode/core/retry_cache.h"
#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;

constexpr uint8_t kClientId[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

Caller Call(int32_t call_id) {
  Caller caller = kSuper;
  caller.client_id = kClientId;
  caller.call_id = call_id;
  return caller;
}

// ---- the cache itself

TEST(RetryCacheTest, AnAnswerIsKeptForItsTime) {
  RetryCache cache(10, absl::Minutes(10));
  const auto key = RetryCache::MakeKey(kClientId, 7);
  EXPECT_EQ(cache.Find(key, absl::ZeroDuration()), nullptr);
  cache.Add(key, {TxId{5}, InodeId{6}}, absl::ZeroDuration());
  ASSERT_NE(cache.Find(key, absl::Minutes(10) - absl::Nanoseconds(1)), nullptr);
  EXPECT_EQ(cache.Find(key, absl::ZeroDuration())->txid, TxId{5});
  EXPECT_EQ(cache.Find(key, absl::Minutes(10)), nullptr);
  EXPECT_EQ(cache.Find(RetryCache::MakeKey(kClientId, 8), absl::ZeroDuration()), nullptr);
}

TEST(RetryCacheTest, TheOldestGoesFirstWhenItIsFull) {
  RetryCache cache(3, absl::Minutes(10));
  for (int i = 0; i < 5; ++i) {
    cache.Add(RetryCache::MakeKey(kClientId, i), {TxId{1u + i}, kNoInode}, absl::Seconds(i));
  }
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.Find(RetryCache::MakeKey(kClientId, 1), absl::Seconds(5)), nullptr);
  EXPECT_NE(cache.Find(RetryCache::MakeKey(kClientId, 2), absl::Seconds(5)), nullptr);
}

TEST(RetryCacheTest, AKeyAddedAgainLivesOn) {
  RetryCache cache(10, absl::Minutes(10));
  const auto key = RetryCache::MakeKey(kClientId, 7);
  cache.Add(key, {TxId{1}, kNoInode}, absl::ZeroDuration());
  cache.Add(key, {TxId{2}, kNoInode}, absl::Minutes(5));
  cache.Add(RetryCache::MakeKey(kClientId, 8), {TxId{3}, kNoInode}, absl::Minutes(11));
  ASSERT_NE(cache.Find(key, absl::Minutes(11)), nullptr);
  EXPECT_EQ(cache.Find(key, absl::Minutes(11))->txid, TxId{2});
}

// ---- calls

class RetryTest : public ::testing::TestWithParam<bool> {
 protected:
  // The answer was lost; with the parameter, the namenode was too.
  void Again() {
    appended_ = nn_.journal().last_appended();
    if (!GetParam()) return;
    nn_.Flush();
    nn_.Restart();
    appended_ = nn_.journal().last_appended();
  }
  void ExpectNothingWritten() { EXPECT_EQ(nn_.journal().last_appended(), appended_); }

  static TestNamenode::Options Coding() {
    TestNamenode::Options options;
    options.namenode.erasure_coding = true;
    return options;
  }

  TestNamenode nn_{Coding()};
  TxId appended_{};
};

TEST_P(RetryTest, Create) {
  const auto first = nn_->Create(Call(1), "/f", CreateFlags(true, false));
  ASSERT_OK(first.value);
  Again();
  const auto second = nn_->Create(Call(1), "/f", CreateFlags(true, false));
  ASSERT_OK(second.value);
  EXPECT_EQ(second.value->id, first.value->id);
  EXPECT_GE(second.ticket, first.ticket);
  ExpectNothingWritten();
  EXPECT_THAT(nn_->Create(Call(2), "/f", CreateFlags(true, false)).value,
              IsFsError(FsError::kAlreadyBeingCreated));
}

TEST_P(RetryTest, CreateWithOverwriteKeepsTheFirstsFile) {
  nn_.WriteFile("/f", {10});
  const auto first = nn_->Create(Call(1), "/f", CreateFlags(true, true));
  ASSERT_OK(first.value);
  Again();
  EXPECT_EQ(nn_->Create(Call(1), "/f", CreateFlags(true, true)).value->id, first.value->id);
  ExpectNothingWritten();
}

TEST_P(RetryTest, CreateOfAFileThatIsGoneAgain) {
  ASSERT_OK(nn_->Create(Call(1), "/f", CreateFlags(true, false)).value);
  ASSERT_OK(nn_->Delete(kSuper, "/f", false).value);
  Again();
  EXPECT_THAT(nn_->Create(Call(1), "/f", CreateFlags(true, false)).value,
              IsFsError(FsError::kFileNotFound));
  EXPECT_FALSE(nn_.Exists("/f")) << "it is not made a second time";
}

TEST_P(RetryTest, RenameDeleteAndMkdirs) {
  ASSERT_THAT(nn_->Mkdirs(Call(1), "/a", 0755, true).value, IsOkAndHolds(true));
  ASSERT_THAT(nn_->Rename(Call(2), "/a", "/b").value, IsOkAndHolds(true));
  ASSERT_OK(nn_->Rename2(Call(3), "/b", "/c", false, false).value);
  Again();
  EXPECT_THAT(nn_->Rename(Call(2), "/a", "/b").value, IsOkAndHolds(true));
  EXPECT_OK(nn_->Rename2(Call(3), "/b", "/c", false, false).value);
  EXPECT_THAT(nn_->Mkdirs(Call(1), "/a", 0755, true).value, IsOkAndHolds(true));
  EXPECT_THAT(nn_.List("/"), ElementsAre("c"));
  ASSERT_THAT(nn_->Delete(Call(4), "/c", true).value, IsOkAndHolds(true));
  nn_.Mkdir("/c");
  Again();
  EXPECT_THAT(nn_->Delete(Call(4), "/c", true).value, IsOkAndHolds(true));
  EXPECT_TRUE(nn_.Exists("/c")) << "somebody made it since";
  ExpectNothingWritten();
}

TEST_P(RetryTest, ACallThatFailedIsRunAgain) {
  EXPECT_THAT(nn_->Rename(Call(1), "/a", "/b").value, IsOkAndHolds(false));
  EXPECT_THAT(nn_->Rename2(Call(2), "/a", "/b", false, false).value,
              IsFsError(FsError::kFileNotFound));
  nn_.Mkdir("/a");
  Again();
  EXPECT_THAT(nn_->Rename(Call(1), "/a", "/b").value, IsOkAndHolds(true));
}

TEST_P(RetryTest, Append) {
  nn_.WriteFile("/f", {30});
  const auto first = nn_->Append(Call(1), "/f", "client", false);
  ASSERT_OK(first.value);
  Again();
  const auto second = nn_->Append(Call(1), "/f", "client", false);
  ASSERT_OK(second.value);
  ASSERT_TRUE(second.value->block.has_value());
  EXPECT_EQ(second.value->block->block.id, first.value->block->block.id);
  EXPECT_EQ(second.value->block->storages, first.value->block->storages);
  EXPECT_EQ(second.value->status.id, first.value->status.id);
  ExpectNothingWritten();
}

TEST_P(RetryTest, AnAppendThatTookAnAbandonedFileOver) {
  nn_.Create("/f", kSuper, "gone");
  nn_.clock().Advance(absl::Seconds(60));
  ASSERT_OK(nn_->Append(Call(1), "/f", "client", false).value);
  Again();
  EXPECT_OK(nn_->Append(Call(1), "/f", "client", false).value);
  ExpectNothingWritten();
}

TEST_P(RetryTest, ARecoveryIsNotTheCallThatBeganIt) {
  nn_.Create("/f", kSuper, "gone");
  const BlockVersion block = nn_.AddBlock("/f", {}, "gone").block;
  nn_.clock().Advance(absl::Seconds(60));
  EXPECT_THAT(nn_->Append(Call(1), "/f", "client", false).value,
              IsFsError(FsError::kRecoveryInProgress));
  Again();
  EXPECT_THAT(nn_->Append(Call(1), "/f", "client", false).value,
              IsFsError(FsError::kRecoveryInProgress));
  (void)block;
}

TEST_P(RetryTest, Truncate) {
  nn_.WriteFile("/f", {30});
  ASSERT_THAT(nn_->Truncate(Call(1), "/f", 10, "client").value, IsOkAndHolds(false));
  Again();
  EXPECT_THAT(nn_->Truncate(Call(1), "/f", 10, "client").value, IsOkAndHolds(false))
      << "its replicas are not cut yet";
  ExpectNothingWritten();
  nn_.WriteFile("/g", {30});
  ASSERT_THAT(nn_->Truncate(Call(2), "/g", 0, "client").value, IsOkAndHolds(true));
  Again();
  EXPECT_THAT(nn_->Truncate(Call(2), "/g", 0, "client").value, IsOkAndHolds(true));
}

TEST_P(RetryTest, Concat) {
  nn_.WriteFile("/t", {10});
  nn_.WriteFile("/a", {20});
  ASSERT_OK(nn_->Concat(Call(1), "/t", {"/a"}).value);
  Again();
  EXPECT_OK(nn_->Concat(Call(1), "/t", {"/a"}).value);
  EXPECT_EQ(nn_.Stat("/t")->length, 30u);
}

TEST_P(RetryTest, ReplaceBlocks) {
  nn_.WriteFile("/t", {10});
  nn_.WriteFile("/s", {20});
  ReplaceBlocksRequest request{.target = "/t", .source = "/s", .client_name = "c"};
  request.target_id = nn_.Stat("/t")->id;
  request.expected = {nn_->GetBlockLocations(kSuper, "/t", 0, 1).value->blocks.at(0).block};
  request.blocks = {nn_->GetBlockLocations(kSuper, "/s", 0, 1).value->blocks.at(0).block.id};
  ASSERT_OK(nn_->ReplaceBlocks(Call(1), request).value);
  Again();
  EXPECT_OK(nn_->ReplaceBlocks(Call(1), request).value);
  EXPECT_EQ(nn_.Stat("/t")->length, 20u);
  ExpectNothingWritten();
  EXPECT_THAT(nn_->ReplaceBlocks(Call(2), request).value, IsFsError(FsError::kFileNotFound))
      << "the source";
}

TEST_P(RetryTest, ConvertFile) {
  nn_.WriteFile("/t");
  ASSERT_OK(nn_->ChangeErasurePolicy(kSuper, "XOR-2-1-1024k", ErasurePolicyState::kEnabled).value);
  CreateOptions options = CreateFlags(true, false);
  options.erasure_policy = "XOR-2-1-1024k";
  ASSERT_OK(nn_->Create(kSuper, "/s", options).value);
  ASSERT_THAT(nn_->Complete(kSuper, "/s", kNoInode, "client", {}, nullptr).value,
              IsOkAndHolds(true));
  ConvertFileRequest request{.target = "/t", .source = "/s"};
  request.target_id = nn_.Stat("/t")->id;
  ASSERT_OK(nn_->ConvertFile(Call(1), request).value);
  Again();
  EXPECT_OK(nn_->ConvertFile(Call(1), request).value);
  ExpectNothingWritten();
  EXPECT_THAT(nn_->ConvertFile(Call(2), request).value, IsFsError(FsError::kFileNotFound));
}

TEST_P(RetryTest, CodeSmallFile) {
  nn_.Mkdir("/d");
  ASSERT_OK(nn_->ChangeErasurePolicy(kSuper, "XOR-2-1-1024k", ErasurePolicyState::kEnabled).value);
  ASSERT_OK(nn_->SetErasurePolicy(kSuper, "/d", "XOR-2-1-1024k").value);
  CreateOptions options = CreateFlags(true, false);
  options.replicate_while_small = true;
  ASSERT_OK(nn_->Create(kSuper, "/d/f", options).value);
  CodeSmallFileRequest request{.path = "/d/f", .client_name = "client"};
  request.file = nn_.Stat("/d/f")->id;
  ASSERT_OK(nn_->CodeSmallFile(Call(1), request).value);
  Again();
  EXPECT_OK(nn_->CodeSmallFile(Call(1), request).value);
  ExpectNothingWritten();
  EXPECT_THAT(nn_->CodeSmallFile(Call(2), request).value, IsFsError(FsError::kIllegalArgument));
  EXPECT_NE(nn_.Stat("/d/f")->erasure, nullptr);
}

// Its answer tells the writer to begin with replicas, also the second time.
TEST_P(RetryTest, CreateOfASmallFile) {
  nn_.Mkdir("/d");
  ASSERT_OK(nn_->ChangeErasurePolicy(kSuper, "XOR-2-1-1024k", ErasurePolicyState::kEnabled).value);
  ASSERT_OK(nn_->SetErasurePolicy(kSuper, "/d", "XOR-2-1-1024k").value);
  CreateOptions options = CreateFlags(true, false);
  options.replicate_while_small = true;
  ASSERT_OK(nn_->Create(Call(1), "/d/f", options).value);
  Again();
  const auto second = nn_->Create(Call(1), "/d/f", options);
  ASSERT_OK(second.value);
  ASSERT_NE(second.value->small_of, nullptr);
  EXPECT_EQ(second.value->small_of->name, "XOR-2-1-1024k");
  EXPECT_EQ(second.value->erasure, nullptr);
  ExpectNothingWritten();
}

TEST_P(RetryTest, UpdatePipeline) {
  nn_.Create("/f");
  const BlockVersion block = nn_.AddBlock("/f").block;
  BlockVersion renewed = nn_->UpdateBlockForPipeline(kSuper, block, "client").value->block;
  const auto update = [&] {
    return nn_->UpdatePipeline(Call(1), "client", block, renewed, {}, {}).value;
  };
  ASSERT_OK(update());
  Again();
  EXPECT_OK(update());
}

TEST_P(RetryTest, AnotherClientsCallIsAnother) {
  ASSERT_THAT(nn_->Mkdirs(Call(1), "/a", 0755, true).value, IsOkAndHolds(true));
  Again();
  uint8_t other[16] = {9};
  Caller caller = Call(1);
  caller.client_id = other;
  EXPECT_THAT(nn_->Delete(caller, "/a", true).value, IsOkAndHolds(true));
  EXPECT_FALSE(nn_.Exists("/a"));
}

INSTANTIATE_TEST_SUITE_P(, RetryTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "AfterARestart" : "AtOnce"; });

// ---- tickets: an answer leaves once the journal has come up to its ticket

class TicketTest : public ::testing::Test {
 protected:
  static TestNamenode::Options Stepped() {
    TestNamenode::Options options;
    options.journal = MemoryJournal::Mode::kStepped;
    return options;
  }
  TicketTest() {
    nn_->Mkdirs(kSuper, "/a/b", 0755, true);
    nn_->Create(kSuper, "/a/f", CreateFlags(true, false));
    nn_->Complete(kSuper, "/a/f", kNoInode, "client", std::nullopt, nullptr);
    nn_.journal().MakeAllDurable();
    settled_ = Last();
  }
  uint64_t Last() { return ToInt(nn_.journal().last_appended()); }
  // What an edit changed is seen only with a ticket that waits for it.
  template <typename T>
  void ExpectWaits(const Outcome<T>& outcome) {
    EXPECT_EQ(outcome.ticket, Last());
    EXPECT_GT(outcome.ticket, settled_);
  }
  TestNamenode nn_{Stepped()};
  uint64_t settled_ = 0;
};

TEST_F(TicketTest, WhatIsSettledIsAnsweredAtOnce) {
  EXPECT_LE(nn_->GetFileInfo(kSuper, "/a/f").ticket, settled_);
  EXPECT_LE(nn_->GetListing(kSuper, "/a", "", false).ticket, settled_);
  EXPECT_LE(nn_->GetFileInfo(kSuper, "/missing").ticket, settled_);
  ASSERT_OK(nn_->Mkdirs(kSuper, "/elsewhere/x", 0755, true).value);
  EXPECT_LE(nn_->GetFileInfo(kSuper, "/a/f").ticket, Last());
}

TEST_F(TicketTest, AChangeIsSeenWithItsTicket) {
  ExpectWaits(nn_->SetPermission(kSuper, "/a/f", 0600));
  ExpectWaits(nn_->GetFileInfo(kSuper, "/a/f"));
  ExpectWaits(nn_->GetListing(kSuper, "/a", "", false));
}

TEST_F(TicketTest, SoIsADeletion) {
  const InodeId file = nn_.Stat("/a/f")->id;
  const std::string by_id = absl::StrCat("/.reserved/.inodes/", ToInt(file));
  ExpectWaits(nn_->Delete(kSuper, "/a/f", false));
  ExpectWaits(nn_->GetFileInfo(kSuper, "/a/f"));
  ExpectWaits(nn_->GetListing(kSuper, "/a", "", false));
  ExpectWaits(nn_->GetBlockLocations(kSuper, "/a/f", 0, 1));
  ExpectWaits(nn_->GetFileInfo(kSuper, by_id));
  AddBlockRequest request;
  request.path = "/a/f";
  request.file = file;
  request.client_name = "client";
  ExpectWaits(nn_->AddBlock(kSuper, request, nullptr));
}

TEST_F(TicketTest, SoIsTheDeletionOfAnAncestor) {
  const InodeId file = nn_.Stat("/a/f")->id;
  ExpectWaits(nn_->Delete(kSuper, "/a", true));
  ExpectWaits(nn_->GetFileInfo(kSuper, "/a/b"));
  ExpectWaits(nn_->GetFileInfo(kSuper, absl::StrCat("/.reserved/.inodes/", ToInt(file))));
}

TEST_F(TicketTest, SoIsARename) {
  ExpectWaits(nn_->Rename(kSuper, "/a/f", "/a/b/g"));
  ExpectWaits(nn_->GetFileInfo(kSuper, "/a/f"));
  ExpectWaits(nn_->GetFileInfo(kSuper, "/a/b/g"));
}

TEST_F(TicketTest, SoAreSumsThoughTheChangeIsFarBelow) {
  ASSERT_OK(nn_->Create(kSuper, "/a/b/new", CreateFlags(true, false)).value);
  ExpectWaits(nn_->GetContentSummary(kSuper, "/"));
}

TEST_F(TicketTest, SoIsAPermissionThatForbids) {
  ExpectWaits(nn_->SetPermission(kSuper, "/a", 0700));
  ExpectWaits(nn_->GetFileInfo(kAlice, "/a/f"));
}

TEST_F(TicketTest, AFailedCallWaitsForWhatItSaw) {
  ASSERT_OK(nn_->Mkdirs(kSuper, "/a/new", 0755, true).value);
  ExpectWaits(nn_->Create(kSuper, "/a/new", CreateFlags(true, false)));
}

TEST_F(TicketTest, ARepeatedCallWaitsForTheFirst) {
  const auto first = nn_->Mkdirs(Call(1), "/x", 0755, true);
  EXPECT_EQ(nn_->Mkdirs(Call(1), "/x", 0755, true).ticket, first.ticket);
}

TEST_F(TicketTest, APromisedStampWaitsForItsReservation) {
  ASSERT_OK(nn_->Create(kSuper, "/a/open", CreateFlags(true, false)).value);
  AddBlockRequest request;
  request.path = "/a/open";
  request.client_name = "client";
  const BlockVersion block = nn_->AddBlock(kSuper, request, nullptr).value->block;
  nn_.journal().MakeAllDurable();
  nn_.Restart();  // all reserved ids are spent: the next one reserves anew
  const auto promised = nn_->UpdateBlockForPipeline(kSuper, block, "client");
  ASSERT_OK(promised.value);
  EXPECT_EQ(promised.ticket, Last());
}

TEST_F(TicketTest, WhatWasNotDurableIsGoneAfterACrash) {
  ASSERT_OK(nn_->Mkdirs(kSuper, "/lost", 0755, true).value);
  nn_->WithLock([&] { nn_.store().Freeze(); });
  nn_.Restart();
  EXPECT_FALSE(nn_.Exists("/lost"));
  nn_.ExpectConsistent();
}

}  // namespace
}  // namespace cairn::namenode
