// Flushes of erasure-coded files: each ends its group, and the namenode hears of the bytes before
// the writer does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/testing/group_streams_fixture.h"
#include "common/fs_error.h"

namespace cairn::client {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Groups = std::vector<uint64_t>;  // bytes of each

class StripedFlushTest : public GroupStreamsTest {
 protected:
  void SetUp() override { Create(); }
  void Create() { ASSERT_OK_AND_ASSIGN(out_, fs_->Create("/f")); }

  // Adds to what has to be there.
  void Put(uint64_t bytes) {
    const std::string more = RandomBytes(bytes);
    ASSERT_OK(out_->Write(more));
    data_ += more;
    for (uint64_t left = bytes; left > 0;) {
      if (ended_) groups_.push_back(0);
      const uint64_t taken = std::min(left, kGroupBytes - groups_.back());
      groups_.back() += taken;
      ended_ = groups_.back() == kGroupBytes;
      left -= taken;
    }
  }
  void Flush() {
    ASSERT_OK(out_->Hflush());
    ended_ = true;
    ExpectUnits(data_);
    EXPECT_EQ(GroupBytes(), groups_);
  }
  void Close() {
    ASSERT_OK(out_->Close());
    ExpectStored(data_);
    EXPECT_EQ(GroupBytes(), groups_);
  }
  std::vector<std::string> HistorySince(size_t seen) {
    std::vector<std::string> history = cluster_.History();
    history.erase(history.begin(), history.begin() + static_cast<ptrdiff_t>(seen));
    return history;
  }

  std::unique_ptr<OutputStream> out_;
  std::string data_;
  Groups groups_;
  bool ended_ = true;  // the last of groups_
};

TEST_F(StripedFlushTest, WhateverIsFlushedIsAGroupOfItsOwnWithItsParity) {
  for (const uint64_t bytes :
       {uint64_t{1}, kCell - 1, kCell, kCell + 1, kStripeBytes - 1, kStripeBytes, kStripeBytes + 1,
        2 * kStripeBytes + kCell / 2, kGroupBytes - 1, kGroupBytes, kGroupBytes + 1}) {
    SCOPED_TRACE(absl::StrCat("flushed after ", bytes));
    Create();
    data_.clear();
    groups_.clear();
    ended_ = true;
    Put(bytes);
    Flush();
    EXPECT_TRUE(cluster_.IsOpen("/f"));
    Put(kCell + 7);
    Flush();
    Put(2 * kGroupBytes + 5);
    Close();
    EXPECT_EQ(out_->position(), data_.size());
  }
  EXPECT_EQ(cluster_.Calls("updateBlockForPipeline"), 0);
}

TEST_F(StripedFlushTest, FlushesAmongWritesOfAnyLengthLoseNoByte) {
  std::mt19937 random(7);
  for (int i = 0; i < 60; ++i) {
    Put(1 + random() % (random() % 4 == 0 ? 2 * kGroupBytes : kStripeBytes));
    if (random() % 3 != 0) Flush();
  }
  Close();
}

TEST_F(StripedFlushTest, TheUnitsAreFinishedThenTheNamenodeKnowsThenTheWriter) {
  Put(1500);
  EXPECT_THAT(cluster_.History(), IsEmpty());
  Flush();
  EXPECT_THAT(cluster_.History(),
              ElementsAre("addBlock", "finished", "finished", "finished", "finished", "fsync 1500"))
      << "of two data cells and two of parity";
  Put(200);
  ASSERT_OK(out_->Hsync());
  EXPECT_THAT(HistorySince(6),
              ElementsAre("addBlock after 1500", "finished", "finished", "finished", "fsync 200"));
  ended_ = true;
  Put(100);
  Close();
  EXPECT_THAT(HistorySince(11), ElementsAre("addBlock after 200", "finished", "finished",
                                            "finished", "complete 100"));
}

TEST_F(StripedFlushTest, WithoutABytesMoreAFlushCostsNothing) {
  ASSERT_OK(out_->Hflush());
  ASSERT_OK(out_->Hsync());
  EXPECT_EQ(cluster_.Calls("addBlock"), 0);
  EXPECT_EQ(cluster_.Calls("fsync"), 0);
  Put(10);
  Flush();
  const size_t seen = cluster_.History().size();
  Flush();
  ASSERT_OK(out_->Hsync());
  EXPECT_THAT(HistorySince(seen), IsEmpty());
  EXPECT_EQ(cluster_.Calls("fsync"), 1);
  Close();
}

// Its bytes are no less acknowledged than those of one that the flush has ended.
TEST_F(StripedFlushTest, TheNamenodeIsToldOfAGroupThatHadEndedBefore) {
  Put(kGroupBytes);
  const size_t full = cluster_.History().size();
  Flush();
  EXPECT_THAT(HistorySince(full), ElementsAre(absl::StrCat("fsync ", kGroupBytes)));
  Put(10);
  ASSERT_OK(out_->EndBlock());
  const size_t ended = cluster_.History().size();
  Flush();
  Flush();
  EXPECT_THAT(HistorySince(ended), ElementsAre("fsync 10"));
  Close();
}

TEST_F(StripedFlushTest, CloseAfterAFlushCompletesWithTheGroupThatHasEnded) {
  Put(1500);
  Flush();
  const size_t seen = cluster_.History().size();
  Close();
  EXPECT_THAT(HistorySince(seen), ElementsAre("complete 1500"));
}

TEST_F(StripedFlushTest, AnAppendThatHasWrittenNothingHasNothingToFlush) {
  Put(1500);
  Close();
  ASSERT_OK_AND_ASSIGN(out_, fs_->Append("/f", {.new_block = true}));
  ASSERT_OK(out_->Hflush());
  EXPECT_EQ(cluster_.Calls("fsync"), 0);
  ended_ = true;
  Put(100);
  Flush();
  Close();
}

TEST_F(StripedFlushTest, AnHsyncHasTheUnitsOfItsGroupAndOfLaterOnesSynced) {
  Put(1500);
  Flush();
  Put(1500);
  ASSERT_OK(out_->Hsync());
  ended_ = true;
  Put(1500);
  Close();
  const std::vector<FakeGroups::Group> groups = cluster_.Groups("/f");
  for (size_t i = 0; i < groups.size(); ++i) {
    for (const FakeGroups::Unit& unit : groups[i].units) {
      EXPECT_EQ(unit.synced, i > 0 && unit.there) << i;
    }
  }
}

// The mount asks for it when all that it is going to write has to be durable.
TEST_F(StripedFlushTest, AnHsyncBeforeTheFirstByteHasEveryUnitSynced) {
  ASSERT_OK(out_->Hsync());
  Put(kGroupBytes + 1);
  Close();
  for (const FakeGroups::Group& group : cluster_.Groups("/f")) {
    for (const FakeGroups::Unit& unit : group.units) EXPECT_EQ(unit.synced, unit.there);
  }
}

// ---- Units that fail ----

TEST_F(StripedFlushTest, UnitsThatFailAtTheirClosingPacketAreLostAndTheNextGroupGoesElsewhere) {
  cluster_.DieAtClose(0);
  cluster_.DieAtClose(3);
  Put(kStripeBytes + 10);
  ASSERT_OK(out_->Hflush());
  ended_ = true;
  ExpectUnits(data_, {{0, 3}});
  EXPECT_EQ(cluster_.History().back(), absl::StrCat("fsync ", kStripeBytes + 10));
  Put(kStripeBytes);
  ASSERT_OK(out_->Close());
  ExpectStored(data_, {{0, 3}});
  EXPECT_EQ(GroupBytes(), groups_);
}

// The others are finished under a new stamp, and the next group follows one of that stamp.
TEST_F(StripedFlushTest, AUnitThatFailsInTheShortStripeIsLeftBehindBeforeTheOthersAreFinished) {
  cluster_.DieAfterBytes(3, kCell);
  Put(kStripeBytes + 10);
  ASSERT_OK(out_->Hflush());
  ended_ = true;
  ExpectUnits(data_, {{3}});
  EXPECT_THAT(cluster_.Groups("/f")[0].lost, ElementsAre(3));
  Put(100);
  ASSERT_OK(out_->Close());
  ExpectStored(data_, {{3}});
}

TEST_F(StripedFlushTest, WithMoreLostThanThereIsParityTheFlushFailsAndTheErrorStays) {
  for (const int node : {0, 1, 4}) cluster_.DieAtClose(node);
  Put(kStripeBytes + 10);
  const absl::Status failed = out_->Hflush();
  EXPECT_THAT(failed,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("has lost 3 of its 5 units")));
  const std::vector<absl::Status> later = {out_->Write("more"), out_->Hflush(), out_->Hsync(),
                                           out_->Close()};
  EXPECT_THAT(later, Each(failed));
  EXPECT_EQ(cluster_.Calls("fsync"), 0);
  EXPECT_EQ(cluster_.Calls("complete"), 0);
}

TEST_F(StripedFlushTest, WhatTheNamenodeDoesNotTakeIsNotAcknowledged) {
  cluster_.RefuseFsync();
  Put(100);
  const absl::Status failed = out_->Hflush();
  EXPECT_THAT(failed, IsFsError(FsError::kIo));
  EXPECT_EQ(out_->Close(), failed);
  EXPECT_EQ(cluster_.Calls("complete"), 0);
}

}  // namespace
}  // namespace cairn::client
