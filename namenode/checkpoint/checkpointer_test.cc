#include "namenode/checkpoint/checkpointer.h"

#include <gmock/gmock.h>

#include <atomic>
#include <future>

#include "common/testing/eventually.h"
#include "common/testing/fake_clock.h"
#include "common/testing/wrapped_file_system.h"
#include "namenode/journal/memory_journal.h"
#include "namenode/store/store_testing.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;

TEST(CheckpointDueTest, TheFirstAtOnceAndThenByTimeEditsOrBytes) {
  const CheckpointPolicy policy{
      .period = absl::Hours(1), .transactions = 1000, .journal_bytes = 5000, .retained = 2};
  EXPECT_TRUE(IsCheckpointDue(policy, {.any = false}));
  EXPECT_FALSE(IsCheckpointDue(policy, {.any = true, .edits = 999, .time = absl::Minutes(59)}));
  EXPECT_TRUE(IsCheckpointDue(policy, {.any = true, .edits = 1000}));
  EXPECT_TRUE(IsCheckpointDue(policy, {.any = true, .edits = 1, .time = absl::Hours(1)}));
  EXPECT_FALSE(IsCheckpointDue(policy, {.any = true, .edits = 0, .time = absl::Hours(9)}))
      << "nothing has changed";
  EXPECT_TRUE(IsCheckpointDue(policy, {.any = true, .edits = 1, .journal_bytes = 5000}));
}

class CheckpointerTest : public StoreTestBase {
 protected:
  CheckpointerTest() { FormatAndOpen(); }
  ~CheckpointerTest() override {
    files_.LetGo();
    checkpointer_.reset();
  }

  void Start() {
    checkpointer_.reset();
    auto started = Checkpointer::Start(
        files_, clock_,
        {.parent = temp_.Path("checkpoints"),
         .cluster_id = "CID-1",
         .block_pool_id = "BP-1",
         .layout_version = 1,
         .policy = {.period = absl::Hours(1), .transactions = 10, .retained = 2}},
        *store_, journal_);
    ASSERT_OK(started);
    checkpointer_ = *std::move(started);
  }
  void Edits(int count) {
    for (int i = 0; i < count; ++i) {
      journal_.Append(TxId{txid_ + 1}, "");
      Edit("d", "x");
    }
  }
  absl::StatusOr<Checkpoint> Ask() {
    std::promise<absl::StatusOr<Checkpoint>> answer;
    checkpointer_->Request([&](const absl::StatusOr<Checkpoint>& made) { answer.set_value(made); });
    return answer.get_future().get();
  }
  std::vector<uint64_t> Listed() {
    std::vector<uint64_t> txids;
    const auto list = ListCheckpoints(PosixFileSystem(), temp_.Path("checkpoints"));
    for (const Checkpoint& checkpoint : list->whole) {
      txids.push_back(ToInt(checkpoint.txid));
    }
    return txids;
  }

  struct Files final : FileSystemWrapper {
    std::atomic<bool> fail_renames = false;
    std::atomic<bool> hold_renames = false;
    std::atomic<bool> is_held = false;
    absl::Status Rename(const std::string& from, const std::string& to) override {
      if (hold_renames) is_held = true;
      hold_renames.wait(true);
      if (fail_renames) return absl::InternalError("rename: out of order");
      return FileSystemWrapper::Rename(from, to);
    }
    void LetGo() {
      hold_renames = false;
      hold_renames.notify_all();
    }
  };
  Files files_;
  FakeClock clock_;
  MemoryJournal journal_;
  std::atomic<size_t> made_ = 0, refused_ = 0;  // as was answered
  std::unique_ptr<Checkpointer> checkpointer_;
};

TEST_F(CheckpointerTest, TheFirstComesByItselfAndTheJournalIsKeptFromTheOldestOn) {
  Edits(3);
  Start();
  EVENTUALLY(checkpointer_->oldest() == TxId{3});
  Edits(1);
  ASSERT_OK(Ask());
  EXPECT_EQ(checkpointer_->oldest(), TxId{3});
  Edits(1);
  ASSERT_OK(Ask());
  EXPECT_THAT(Listed(), ElementsAre(4, 5));
  EXPECT_EQ(checkpointer_->oldest(), TxId{4});
  EXPECT_EQ(checkpointer_->newest(), TxId{5});
}

TEST_F(CheckpointerTest, ItComesByItselfAfterEnoughEditsOrEnoughTime) {
  Start();
  EVENTUALLY(!Listed().empty());
  Edits(10);
  EVENTUALLY(checkpointer_->newest() == TxId{10});
  Edits(1);
  clock_.Advance(absl::Hours(1));
  EVENTUALLY(checkpointer_->newest() == TxId{11});
}

TEST_F(CheckpointerTest, AfterARestartItGoesOnFromWhatIsThere) {
  Start();
  Edits(2);
  const auto made = Ask();
  ASSERT_OK(made);
  Start();
  EXPECT_EQ(checkpointer_->newest(), TxId{2});
  EXPECT_EQ(checkpointer_->age().edits, 0u);
}

TEST_F(CheckpointerTest, OnAFullDiskAllButTheNewestMakeRoom) {
  Start();
  EVENTUALLY(!Listed().empty());
  Edits(2);
  ASSERT_OK(Ask());
  EXPECT_THAT(Listed(), ElementsAre(0, 2));
  journal_.SetReady(absl::ResourceExhaustedError("full"));
  EVENTUALLY(checkpointer_->oldest() == TxId{2});
  EXPECT_THAT(Listed(), ElementsAre(2));
}

TEST_F(CheckpointerTest, OnlySoManyWaitForTheNextOne) {
  Start();
  EVENTUALLY(checkpointer_->oldest() == TxId{0});
  const auto ask = [&] {
    checkpointer_->Request([&](const absl::StatusOr<Checkpoint>& answer) {
      if (answer.ok()) ++made_;
      if (absl::IsResourceExhausted(answer.status())) ++refused_;
    });
  };
  Edits(1);
  files_.hold_renames = true;
  ask();
  EVENTUALLY(files_.is_held);
  for (size_t i = 0; i < Checkpointer::kMostWaiting; ++i) ask();
  EXPECT_EQ(refused_, 0u);
  ask();
  EXPECT_EQ(refused_, 1u) << "at once";
  files_.LetGo();
  EVENTUALLY(made_ == 1 + Checkpointer::kMostWaiting);
  ask();
  EVENTUALLY(made_ == 2 + Checkpointer::kMostWaiting);
  EXPECT_EQ(refused_, 1u);
}

TEST_F(CheckpointerTest, AFailureIsToldAndTheOldOneStays) {
  Start();
  EVENTUALLY(!Listed().empty());
  Edits(1);
  files_.fail_renames = true;
  EXPECT_THAT(Ask(), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(Listed(), ElementsAre(0));
  files_.fail_renames = false;
  EXPECT_OK(Ask());
  EXPECT_THAT(Listed(), ElementsAre(0, 1));
}

}  // namespace
}  // namespace cairn::namenode
