// What every journal does, file or memory: the contract that the namenode relies on.
#include "namenode/journal/journal.h"

#include <thread>

#include "absl/strings/str_cat.h"
#include "common/testing/eventually.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "namenode/journal/memory_journal.h"

namespace cairn::namenode {
namespace {

// Real files, real O_DIRECT where the file system has it.
class FileFixture {
 public:
  FileFixture() {
    options_.directory = dir_.Path("journal");
    options_.segment_bytes = 256 << 10;
    options_.max_edit_bytes = 64 << 10;
    options_.max_batch_bytes = 32 << 10;
    EXPECT_OK(FormatFileJournal(PosixFileSystem(), clock_, options_));
    auto opened = OpenFileJournal(PosixFileSystem(), clock_, options_, kNoTx, TxId{1},
                                  [](TxId, absl::string_view) { return absl::OkStatus(); });
    EXPECT_OK(opened);
    journal_ = *std::move(opened);
  }
  Journal& journal() { return *journal_; }
  void LetItCommit() {}

 private:
  TempDir dir_;
  FakeClock clock_;
  JournalOptions options_;
  std::unique_ptr<Journal> journal_;
};

class MemoryFixture {
 public:
  Journal& journal() { return journal_; }
  void LetItCommit() {}

 private:
  MemoryJournal journal_;
};

class SteppedFixture {
 public:
  Journal& journal() { return journal_; }
  void LetItCommit() { journal_.MakeAllDurable(); }

 private:
  MemoryJournal journal_{MemoryJournal::Mode::kStepped};
};

template <typename Fixture>
class JournalContractTest : public testing::Test {
 protected:
  Journal& journal() { return fixture_.journal(); }
  void AppendAndWait(uint64_t up_to) {
    for (uint64_t txid = ToInt(journal().last_appended()) + 1; txid <= up_to; ++txid) {
      ASSERT_OK(journal().Ready());
      journal().Append(TxId{txid}, absl::StrCat("edit ", txid));
    }
    fixture_.LetItCommit();
    ASSERT_OK(journal().WaitDurable(TxId{up_to}));
  }
  Fixture fixture_;
};

using Fixtures = testing::Types<FileFixture, MemoryFixture, SteppedFixture>;
TYPED_TEST_SUITE(JournalContractTest, Fixtures);

TYPED_TEST(JournalContractTest, ANewJournalIsEmptyAndReady) {
  EXPECT_OK(this->journal().Ready());
  EXPECT_EQ(this->journal().last_appended(), kNoTx);
  EXPECT_EQ(this->journal().durable(), kNoTx);
  EXPECT_EQ(this->journal().stats().first_kept, kNoTx);
}

TYPED_TEST(JournalContractTest, AppendedEditsBecomeDurable) {
  this->AppendAndWait(10);
  EXPECT_EQ(this->journal().last_appended(), TxId{10});
  EXPECT_EQ(this->journal().durable(), TxId{10});
  EXPECT_EQ(this->journal().stats().edits, 10u);
  EXPECT_EQ(this->journal().stats().first_kept, TxId{1});
}

TYPED_TEST(JournalContractTest, WaitDurableOfAnOldEditReturnsAtOnce) {
  this->AppendAndWait(3);
  EXPECT_OK(this->journal().WaitDurable(TxId{2}));
  EXPECT_OK(this->journal().WaitDurable(kNoTx));
}

TYPED_TEST(JournalContractTest, ListenersSeeDurableGrow) {
  std::atomic<uint64_t> seen{0};
  const auto handle = this->journal().Listen([&] {
    const uint64_t durable = ToInt(this->journal().durable());
    EXPECT_GT(durable, seen.exchange(durable));
  });
  this->AppendAndWait(5);
  EVENTUALLY(seen == 5);
}

TYPED_TEST(JournalContractTest, ADestroyedHandleIsNotCalledAgain) {
  std::atomic<int> calls{0};
  auto handle = this->journal().Listen([&] { ++calls; });
  this->AppendAndWait(1);
  EVENTUALLY(calls > 0);
  handle.reset();
  const int calls_before = calls;
  this->AppendAndWait(20);
  EXPECT_EQ(calls, calls_before);
}

TYPED_TEST(JournalContractTest, AListenerMayAddAnother) {
  std::shared_ptr<void> second;
  std::atomic<bool> added{false};
  std::atomic<int> second_calls{0};
  auto first = this->journal().Listen([&] {
    if (!added.exchange(true)) second = this->journal().Listen([&] { ++second_calls; });
  });
  this->AppendAndWait(1);
  EVENTUALLY(added);
  first.reset();  // waits for the call that added the second
  this->AppendAndWait(2);
  EVENTUALLY(second_calls > 0);
  second.reset();
}

TYPED_TEST(JournalContractTest, AnEditOfTheLargestSizeIsTaken) {
  const std::string large(64 << 10, 'L');
  for (uint64_t txid = 1; txid <= 8; ++txid) this->journal().Append(TxId{txid}, large);
  this->AppendAndWait(9);
}

TYPED_TEST(JournalContractTest, AGapInTheNumbersIsABug) {
  this->AppendAndWait(3);
  EXPECT_DEATH(this->journal().Append(TxId{5}, "gap"), "5 vs 4");
}

TYPED_TEST(JournalContractTest, ManyThreadsAppendUnderOneLock) {
  constexpr int kThreads = 4;
  constexpr uint64_t kEach = 500;
  Mutex mu;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (uint64_t n = 0; n < kEach; ++n) {
        MutexLock lock(mu);
        const TxId txid{ToInt(this->journal().last_appended()) + 1};
        this->journal().Append(txid, absl::StrCat("edit ", ToInt(txid)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  this->AppendAndWait(kThreads * kEach + 1);
}

TEST(MemoryJournalTest, AFailureIsFinalAndTold) {
  MemoryJournal journal(MemoryJournal::Mode::kStepped);
  absl::Status told;
  journal.OnFailure([&](absl::Status reason) { told = std::move(reason); });
  journal.Append(TxId{1}, "one");
  journal.Fail(absl::DataLossError("disk"));
  journal.MakeAllDurable();
  EXPECT_EQ(journal.durable(), kNoTx);
  EXPECT_THAT(told, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(journal.Ready(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(journal.WaitDurable(TxId{1}), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(MemoryJournalTest, AFullDiskHeals) {
  MemoryJournal journal;
  journal.SetReady(absl::ResourceExhaustedError("full"));
  EXPECT_THAT(journal.Ready(), StatusIs(absl::StatusCode::kResourceExhausted));
  journal.SetReady(absl::OkStatus());
  EXPECT_OK(journal.Ready());
}

}  // namespace
}  // namespace cairn::namenode
