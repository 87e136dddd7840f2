// The power goes between any two calls: what was promised is there, and what is there verifies.
#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/replica_test.h"

namespace cairn::datanode {
namespace {

using testing::kBlock;
using testing::kNewStamp;
using testing::kStamp;
using testing::ReplicaStoreTest;

TEST_F(ReplicaStoreTest, AFinalizedReplicaSurvivesThePowerCut) {
  Open();
  ASSERT_OK(WriteFinalized(300'000));
  store_.reset();
  fs_.Crash();
  Open();
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_));
}

// Every step of create, write, hsync, write on, hsync, finalize: after a cut there, what was synced
// is there, and whatever is there verifies.
TEST_F(ReplicaStoreTest, HsyncedBytesSurviveAPowerCutBetweenAnyTwoCalls) {
  bool finished = false;
  for (int cut = 1; !finished; ++cut) {
    ASSERT_LT(cut, 500);
    for (const uint64_t seed : {0, 7, 8, 9}) {
      SCOPED_TRACE(absl::StrCat("cut at call ", cut, ", seed ", seed));
      if (store_ != nullptr) store_.reset();
      // A fresh replica each time, in a fresh place.
      Open();
      ASSERT_OK(store_->Invalidate(kBlock, GenerationStamp{9999}));
      uint64_t synced = 0;
      bool done = false;
      fs_.CutPowerAt(cut);
      const auto scenario = [&]() -> absl::Status {
        ASSIGN_OR_RETURN(const auto writer, Create());
        for (const uint64_t end : {402u, 512u, 900u, 1024u, 1100u, 70'144u, 140'000u}) {
          RETURN_IF_ERROR(WriteTo(*writer, end));
          RETURN_IF_ERROR(writer->Sync());
          synced = end;
        }
        RETURN_IF_ERROR(WriteTo(*writer, 140'300));
        RETURN_IF_ERROR(writer->Finalize());
        synced = 140'300;
        return absl::OkStatus();
      };
      done = scenario().ok();
      store_.reset();
      fs_.Crash(seed);
      Open();
      if (synced > 0) {
        ASSERT_TRUE(store_->Find(kBlock).has_value());
        ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll());
        ASSERT_GE(bytes.size(), synced);
        EXPECT_EQ(bytes, data_.substr(0, bytes.size()));
      }
      finished = done;
    }
  }
}

// A pipeline's recovery takes a writer's place between two hsyncs; the records of both take turns.
TEST_F(ReplicaStoreTest, HsyncedBytesSurviveAPowerCutAfterStreamingRecovery) {
  bool finished = false;
  for (int cut = 1; !finished; ++cut) {
    ASSERT_LT(cut, 500);
    for (const uint64_t seed : {0, 7, 8, 9}) {
      SCOPED_TRACE(absl::StrCat("cut at call ", cut, ", seed ", seed));
      Open();
      ASSERT_OK(store_->Invalidate(kBlock, GenerationStamp{9999}));
      ASSERT_OK_AND_ASSIGN(auto writer, Create());
      ASSERT_OK(WriteTo(*writer, 402));
      ASSERT_OK(writer->Sync());
      writer->open().SetAcked(402);
      ASSERT_OK(WriteTo(*writer, 450));
      writer.reset();
      uint64_t synced = 402;
      fs_.CutPowerAt(cut);
      const auto scenario = [&]() -> absl::Status {
        ASSIGN_OR_RETURN(const auto next, store_->OpenForStreamingRecovery(
                                              kBlock, kStamp, GenerationStamp{1002}, 402));
        for (const uint64_t end : {480u, 512u, 700u}) {
          RETURN_IF_ERROR(WriteTo(*next, end));
          RETURN_IF_ERROR(next->Sync());
          synced = end;
        }
        return absl::OkStatus();
      };
      finished = scenario().ok();
      store_.reset();
      fs_.Crash(seed);
      Open();
      ASSERT_TRUE(store_->Find(kBlock).has_value());
      ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll());
      ASSERT_GE(bytes.size(), synced);
      EXPECT_EQ(bytes, data_.substr(0, bytes.size()));
      store_.reset();
    }
  }
}

// The same for an append to a finalized replica, which may end in a partial chunk.
TEST_F(ReplicaStoreTest, FinalizedBytesSurviveAnInterruptedAppend) {
  for (const uint64_t length : {1024u, 1300u}) {
    bool finished = false;
    for (int cut = 1; !finished; ++cut) {
      ASSERT_LT(cut, 500);
      for (const uint64_t seed : {0, 7, 8, 9}) {
        SCOPED_TRACE(absl::StrCat(length, " bytes, cut at call ", cut, ", seed ", seed));
        Open();
        ASSERT_OK(store_->Invalidate(kBlock, GenerationStamp{9999}));
        ASSERT_OK(WriteFinalized(length));
        fs_.CutPowerAt(cut);
        const auto scenario = [&]() -> absl::Status {
          ASSIGN_OR_RETURN(const auto writer,
                           store_->OpenForAppend(kBlock, kStamp, kNewStamp, length, false));
          RETURN_IF_ERROR(WriteTo(*writer, 1500));
          RETURN_IF_ERROR(WriteTo(*writer, 5000));
          return writer->Finalize();
        };
        finished = scenario().ok();
        store_.reset();
        fs_.Crash(seed);
        Open();
        ASSERT_TRUE(store_->Find(kBlock).has_value());
        ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll());
        ASSERT_GE(bytes.size(), finished ? 5000u : length);
        EXPECT_EQ(bytes, data_.substr(0, bytes.size()));
        store_.reset();
      }
    }
  }
}

// A recovery may keep less than an hsync of which nobody heard has synced.
TEST_F(ReplicaStoreTest, AReplicaThatWasCutBelowAnHsyncIsNotDamaged) {
  struct Case {
    uint64_t acked, synced;
  };
  for (const Case& c : {Case{402, 450}, Case{512, 900}, Case{700, 2048}, Case{1024, 2048},
                        Case{0, 100}, Case{0, 512}}) {
    bool finished = false;
    for (int cut = 1; !finished; ++cut) {
      ASSERT_LT(cut, 100);
      for (const uint64_t seed : {0, 7, 8, 9}) {
        SCOPED_TRACE(absl::StrCat(c.acked, " of ", c.synced, ", cut ", cut, ", seed ", seed));
        Open();
        ASSERT_OK(store_->Invalidate(kBlock, GenerationStamp{9999}));
        ASSERT_OK_AND_ASSIGN(auto writer, Create());
        ASSERT_OK(WriteTo(*writer, c.synced));
        ASSERT_OK(writer->Sync());
        writer->open().SetAcked(c.acked);
        writer.reset();
        fs_.CutPowerAt(cut);
        finished = store_->OpenForStreamingRecovery(kBlock, kStamp, kNewStamp, c.acked).ok();
        store_.reset();
        fs_.Crash(seed);
        Open();
        ASSERT_TRUE(store_->Find(kBlock).has_value());
        EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kWaitingRecovery);
        ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll());
        ASSERT_GE(bytes.size(), c.acked);
        EXPECT_EQ(bytes, data_.substr(0, bytes.size()));
        store_.reset();
      }
    }
  }
}

}  // namespace
}  // namespace cairn::datanode
