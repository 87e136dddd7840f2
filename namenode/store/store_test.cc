#include "namenode/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/io/file_system.h"
#include "common/testing/eventually.h"
#include "common/testing/golden.h"
#include "common/testing/status_matchers.h"
#include "namenode/store/golden_records_testing.h"
#include "namenode/store/keys.h"
#include "namenode/store/store_testing.h"

namespace cairn::namenode {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// ---- Format and Open

class StoreTest : public StoreTestBase {};

TEST_F(StoreTest, AFormattedStoreHoldsItsRecordsAndNoEdit) {
  ASSERT_OK(Store::Format(options_, {{"N", "namespace"}, {"d1", "root"}}));
  ASSERT_OK(Open());
  EXPECT_EQ(store_->applied(), kNoTx);
  EXPECT_THAT(Get("N"), Optional(std::string("namespace")));
  EXPECT_THAT(Get("d1"), Optional(std::string("root")));
  EXPECT_EQ(Get("d2"), std::nullopt);
}

TEST_F(StoreTest, FormatRefusesADirectoryThatHoldsAnything) {
  ASSERT_OK(Store::Format(options_, {{"a", "1"}}));
  EXPECT_THAT(Store::Format(options_, {}), StatusIs(absl::StatusCode::kAlreadyExists));
  ASSERT_OK(Open());
  EXPECT_THAT(Get("a"), Optional(std::string("1")));

  StoreOptions other = options_;
  other.directory = temp_.Path("other");
  ASSERT_OK(PosixFileSystem().MakeDirectory(other.directory));
  std::ofstream(other.directory + "/notes.txt") << "mine";
  EXPECT_THAT(Store::Format(other, {}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("notes.txt")));
}

TEST_F(StoreTest, FormatTakesAnEmptyDirectoryAndClearsAnInterruptedTry) {
  ASSERT_OK(PosixFileSystem().MakeDirectory(options_.directory));
  ASSERT_OK(PosixFileSystem().MakeDirectory(options_.directory + ".new"));
  std::ofstream(options_.directory + ".new/CURRENT") << "half";
  options_.directory += "/";
  FormatAndOpen();
}

TEST_F(StoreTest, OpenRefusesWhatIsNotFormattedAndMakesNothing) {
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not formatted")));
  ASSERT_OK(PosixFileSystem().MakeDirectory(options_.directory));
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not formatted")));
  EXPECT_THAT(PosixFileSystem().List(options_.directory), IsOkAndHolds(IsEmpty()));
}

TEST_F(StoreTest, OnlyOneStoreOpensADirectory) {
  FormatAndOpen();
  const auto second = Store::Open(
      options_, [] { return kNoTx; }, [](std::function<void()> f) { f(); });
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("locked")));
}

// A store as the first release wrote it; docs/formats/store.md shows its records.
TEST_F(StoreTest, TheGoldenStoreOpens) {
  std::filesystem::copy(GoldenPath("store/directory"), options_.directory);
  ASSERT_OK(Open());
  EXPECT_EQ(ToInt(store_->applied()), 7u);
  std::map<std::string, std::string> want;
  for (const GoldenRecord& record : ReadGoldenRecords("records.txt")) {
    want[record.key] = record.value;
  }
  EXPECT_EQ(ScanAll("", 100), want);
}

// ---- Layers

TEST_F(StoreTest, TheActiveTailHidesTheFrozenOneAndThatHidesLevelDb) {
  FormatAndOpen();
  Edit("k", "stored");
  ASSERT_OK(store_->Flush());
  durable_ = 0;  // what follows cannot be flushed
  std::string value;
  EXPECT_EQ(Peek("k", &value), Store::Found::kUnknown);
  EXPECT_THAT(Get("k"), Optional(std::string("stored")));

  Edit("k", "frozen");
  Freeze();
  EXPECT_THAT(Get("k"), Optional(std::string("frozen")));
  Edit("k", "active");
  EXPECT_THAT(Get("k"), Optional(std::string("active")));
  EXPECT_THAT(store_->Load("k"), IsOkAndHolds(Optional(std::string("stored"))));
}

TEST_F(StoreTest, ADeleteHidesEveryLayerBelow) {
  FormatAndOpen();
  Edit("a", "1");
  Edit("b", "1");
  ASSERT_OK(store_->Flush());
  durable_ = 0;
  Edit("a", std::nullopt);
  Freeze();
  EXPECT_EQ(Get("a"), std::nullopt);
  Edit("b", std::nullopt);
  EXPECT_EQ(Get("b"), std::nullopt);
  Edit("a", "again");
  EXPECT_THAT(Get("a"), Optional(std::string("again")));

  durable_ = kAll;
  ASSERT_OK(store_->Flush());
  EXPECT_THAT(store_->Load("a"), IsOkAndHolds(Optional(std::string("again"))));
  EXPECT_THAT(store_->Load("b"), IsOkAndHolds(std::nullopt));
}

// ---- Flushing

TEST_F(StoreTest, AFlushNeverRunsAheadOfTheJournal) {
  FormatAndOpen();
  durable_ = 2;
  Edit("a", "1");
  Edit("b", "2");
  Edit("c", "3");
  Freeze();
  // The flusher polls; opening a second round of it proves nothing, so look at the result: with 2
  // durable, a tail that ends at 3 stays in memory, and with 3 it goes.
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(ToInt(store_->applied()), 0u);
    EXPECT_THAT(store_->Load("a"), IsOkAndHolds(std::nullopt));
    std::this_thread::yield();
  }
  EXPECT_EQ(FlushCount(), 0u);
  durable_ = 3;
  ASSERT_OK(store_->WaitFlushed());
  EXPECT_EQ(ToInt(store_->applied()), 3u);
  EXPECT_EQ(FlushCount(), 1u);
}

TEST_F(StoreTest, TheDurableTxIdIsAskedForBeforeEveryBatch) {
  // The journal answers one step further each time; no batch may be in LevelDB before its answer.
  ASSERT_OK(Store::Format(options_, {}));
  std::atomic<uint64_t> answered{0};
  std::atomic<Store*> store{nullptr};
  std::atomic<bool> ahead{false};
  auto opened = Store::Open(
      options_,
      [&]() -> TxId {
        if (store != nullptr && ToInt(store.load()->applied()) > answered) ahead = true;
        return TxId{++answered};
      },
      [&](std::function<void()> f) {
        WriterLock lock(namespace_lock_);
        f();
      });
  ASSERT_OK(opened);
  store_ = *std::move(opened);
  store = store_.get();
  for (int i = 0; i < 50; ++i) {
    Edit(absl::StrCat("k", i), "v");
    Freeze();
  }
  ASSERT_OK(store_->Flush());
  EXPECT_FALSE(ahead);
  EXPECT_GE(answered, 50u);
  EXPECT_EQ(ToInt(store_->applied()), 50u);
  store = nullptr;
  store_.reset();
}

TEST_F(StoreTest, FlushCountGrowsWithEachTailThatReachedLevelDb) {
  FormatAndOpen();
  EXPECT_EQ(FlushCount(), 0u);
  ASSERT_OK(store_->Flush());
  EXPECT_EQ(FlushCount(), 0u) << "an empty tail is not flushed";
  Edit("a", "1");
  ASSERT_OK(store_->Flush());
  EXPECT_EQ(FlushCount(), 1u);
  Edit("a", "2");
  ASSERT_OK(store_->Flush());
  EXPECT_EQ(FlushCount(), 2u);
  EXPECT_EQ(store_->stats().flushes, 2u);
}

TEST_F(StoreTest, ATailIsFrozenAtItsSize) {
  options_.tail_bytes = 64 << 10;
  FormatAndOpen();
  const std::string value(1024, 'v');
  for (int i = 0; i < 60; ++i) Edit(absl::StrCat("k", i), value);
  EXPECT_EQ(store_->stats().frozen_bytes, 0u);
  for (int i = 60; i < 70; ++i) Edit(absl::StrCat("k", i), value);
  EVENTUALLY(FlushCount() == 1);
  EXPECT_GT(ToInt(store_->applied()), 60u);
}

TEST_F(StoreTest, ATailIsFrozenAtItsAge) {
  options_.tail_age = absl::Milliseconds(10);
  FormatAndOpen();
  Edit("k", "v");
  EVENTUALLY(FlushCount() == 1);
  EXPECT_THAT(store_->Load("k"), IsOkAndHolds(Optional(std::string("v"))));
}

TEST_F(StoreTest, ATailThatOutgrewItsSizeDuringAFlushFollowsAtOnce) {
  options_.tail_bytes = 64 << 10;
  FormatAndOpen();
  durable_ = 0;
  const std::string value(1024, 'v');
  for (int i = 0; i < 300; ++i) Edit(absl::StrCat("k", i), value);
  EXPECT_GT(store_->stats().active_bytes, 2 * options_.tail_bytes)
      << "only one frozen tail at once";
  durable_ = kAll;
  EVENTUALLY(FlushCount() == 2);
  EXPECT_EQ(ToInt(store_->applied()), 300u);
}

TEST_F(StoreTest, BeyondTheTailLimitNoEditMayBegin) {
  options_.tail_bytes = 16 << 10;
  options_.tail_limit_bytes = 64 << 10;
  FormatAndOpen();
  durable_ = 0;
  const std::string value(1024, 'v');
  for (int i = 0; i < 40; ++i) Edit(absl::StrCat("k", i), value);
  EXPECT_OK(store_->Ready());
  for (int i = 40; i < 70; ++i) Edit(absl::StrCat("k", i), value);
  EXPECT_THAT(store_->Ready(), StatusIs(absl::StatusCode::kResourceExhausted));
  durable_ = kAll;
  ASSERT_OK(store_->Flush());
  EXPECT_OK(store_->Ready());
}

TEST_F(StoreTest, UnjournalledRecordsRideAlongAndMoveNoTxId) {
  FormatAndOpen();
  Edit("a", "1");
  {
    WriterLock lock(namespace_lock_);
    store_->PutUnjournalled("r1", "replicas");
    store_->PutUnjournalled("r2", "replicas");
    store_->DeleteUnjournalled("r2");
  }
  EXPECT_THAT(Get("r1"), Optional(std::string("replicas")));
  ASSERT_OK(store_->Flush());
  EXPECT_EQ(ToInt(store_->applied()), 1u);

  durable_ = 1;  // no edit waits: the journal does not matter
  {
    WriterLock lock(namespace_lock_);
    store_->PutUnjournalled("r3", "replicas");
  }
  ASSERT_OK(store_->Flush());
  EXPECT_EQ(ToInt(store_->applied()), 1u);
  ASSERT_OK(Open());
  EXPECT_EQ(ToInt(store_->applied()), 1u);
  EXPECT_THAT(Get("r3"), Optional(std::string("replicas")));
  EXPECT_EQ(Get("r2"), std::nullopt);
}

TEST_F(StoreTest, NoTailIsFrozenInsideAGroup) {
  options_.tail_bytes = 16 << 10;
  FormatAndOpen();
  const std::string large(options_.tail_bytes, 'v');
  {
    WriterLock lock(namespace_lock_);
    const StoreGroup group(*store_);
    store_->PutUnjournalled("r1", large);
    {
      const StoreGroup inner(*store_);
      store_->PutUnjournalled("r2", large);
    }
    store_->DeleteUnjournalled("n1");
    EXPECT_EQ(store_->stats().frozen_bytes, 0u);
  }
  EVENTUALLY(FlushCount() == 1);
  EXPECT_THAT(store_->Load("r1"), IsOkAndHolds(Optional(large)));
  EXPECT_THAT(store_->Load("r2"), IsOkAndHolds(Optional(large)));
}

TEST_F(StoreTest, ReopeningFindsExactlyWhatWasFlushed) {
  FormatAndOpen();
  Edit("a", "1");
  Edit("b", "2");
  ASSERT_OK(store_->Flush());
  Edit("a", "lost with the process: the journal has it");
  ASSERT_OK(Open());
  EXPECT_EQ(ToInt(store_->applied()), 2u);
  EXPECT_THAT(Get("a"), Optional(std::string("1")));
  EXPECT_THAT(ScanAll("", 10), UnorderedElementsAre(Pair("a", "1"), Pair("b", "2"),
                                                    Pair(keys::Applied(), ::testing::_)));
}

TEST_F(StoreTest, EditsMayNotGoBack) {
  FormatAndOpen();
  Edit("a", "1");
  txid_ = 0;
  EXPECT_DEATH(Edit("a", "2"), "out of order");
}

// ---- Scans

TEST_F(StoreTest, AScanMergesTheLayersAndReturnsEachKeyOnce) {
  FormatAndOpen();
  for (const char* key : {"d1", "d2", "d3", "d4", "e1"}) Edit(key, "stored");
  ASSERT_OK(store_->Flush());
  durable_ = 0;
  Edit("d2", "frozen");
  Edit("d3", std::nullopt);
  Edit("d5", "frozen");
  Freeze();
  Edit("d2", "active");
  Edit("d5", std::nullopt);
  Edit("d0", "active");
  EXPECT_THAT(ScanAll("d", 100), UnorderedElementsAre(Pair("d0", "active"), Pair("d1", "stored"),
                                                      Pair("d2", "active"), Pair("d4", "stored")));
  EXPECT_THAT(ScanAll("f", 100), IsEmpty());
}

TEST_F(StoreTest, AScanGoesOnAfterAKey) {
  FormatAndOpen();
  for (const char* key : {"d1", "d3"}) Edit(key, "stored");
  ASSERT_OK(store_->Flush());
  for (const char* key : {"d2", "d4"}) Edit(key, "tail");
  for (const auto& [after, first] : std::map<std::string, std::string>{
           {"", "d1"}, {"d", "d1"}, {"d1", "d2"}, {"d2", "d3"}, {"d25", "d3"}, {"d3", "d4"}}) {
    const auto range = Scan("d", after, 10);
    ASSERT_TRUE(range->Valid()) << after;
    EXPECT_EQ(range->key(), first) << after;
  }
  EXPECT_FALSE(Scan("d", "d4", 10)->Valid());
}

TEST_F(StoreTest, AtItsLimitAScanSaysWhetherThereIsMore) {
  FormatAndOpen();
  for (const char* key : {"d1", "d2", "d3"}) Edit(key, "v");
  ASSERT_OK(store_->Flush());
  auto range = Scan("d", "", 2);
  int count = 0;
  for (; range->Valid(); range->Next()) ++count;
  EXPECT_EQ(count, 2);
  EXPECT_TRUE(range->more());
  EXPECT_EQ(range->resume_after(), "d2");

  range = Scan("d", "", 3);
  for (; range->Valid(); range->Next()) {
  }
  EXPECT_FALSE(range->more()) << "the limit fell on the end";
}

TEST_F(StoreTest, DeletesInATailEndAScanAtItsHorizonNotBeyond) {
  FormatAndOpen();
  for (int i = 100; i < 200; ++i) Edit(absl::StrCat("d", i), "v");
  ASSERT_OK(store_->Flush());
  for (int i = 100; i < 190; ++i) Edit(absl::StrCat("d", i), std::nullopt);

  const auto range = Scan("d", "", 10);
  EXPECT_FALSE(range->Valid());
  EXPECT_TRUE(range->more());
  EXPECT_EQ(range->resume_after(), "d109");
  EXPECT_EQ(ScanAll("d", 10).size(), 10u);
  EXPECT_EQ(ScanAll("d", 1000).size(), 10u);
}

TEST_F(StoreTest, ARangeKeepsItsViewWhileEditsAndFlushesGoOn) {
  FormatAndOpen();
  Edit("d1", "old");
  Edit("d2", "old");
  ASSERT_OK(store_->Flush());
  Edit("d2", "newer");
  const auto range = Scan("d", "", 10);  // not sought yet
  Edit("d1", "changed later");
  Edit("d3", "later");
  Edit("d2", std::nullopt);
  ASSERT_OK(store_->Flush());
  std::map<std::string, std::string> seen;
  for (; range->Valid(); range->Next()) {
    seen[std::string(range->key())] = std::string(range->value());
  }
  EXPECT_THAT(seen, UnorderedElementsAre(Pair("d1", "old"), Pair("d2", "newer")));
}

// ---- Against a model

uint64_t Seed() {
  uint64_t seed = std::random_device()();
  if (const char* const given = std::getenv("CAIRN_SEED")) CHECK(absl::SimpleAtoi(given, &seed));
  return seed;
}

TEST_F(StoreTest, RandomEditsFlushesAndReopeningsAgreeWithAMap) {
  const uint64_t seed = Seed();
  SCOPED_TRACE(absl::StrCat("CAIRN_SEED=", seed));
  std::cout << "CAIRN_SEED=" << seed << "\n";
  std::mt19937_64 random(seed);
  options_.tail_bytes = 8 << 10;
  options_.write_buffer_bytes = 64 << 10;
  FormatAndOpen();
  std::map<std::string, std::string> model;
  const auto random_key = [&] {
    return absl::StrCat(std::string(1, "dix"[random() % 3]), random() % 200);
  };
  for (int step = 0; step < 4000; ++step) {
    const int what = static_cast<int>(random() % 100);
    const std::string key = random_key();
    if (what < 50) {
      const std::string value(random() % 100, static_cast<char>('a' + random() % 26));
      Edit(key, value);
      model[key] = value;
    } else if (what < 80) {
      Edit(key, std::nullopt);
      model.erase(key);
    } else if (what < 90) {
      const auto at = model.find(key);
      ASSERT_EQ(Get(key), at == model.end() ? std::nullopt : std::optional(at->second)) << key;
    } else if (what < 96) {
      const std::string prefix = key.substr(0, 1 + random() % 2);
      std::map<std::string, std::string> want;
      for (const auto& [k, v] : model) {
        if (absl::StartsWith(k, prefix)) want[k] = v;
      }
      ASSERT_EQ(ScanAll(prefix, 1 + random() % 40), want) << prefix;
    } else if (what < 98) {
      durable_ = random() % 2 == 0 ? kAll : txid_;
      Freeze();
    } else if (what < 99) {
      durable_ = kAll;
      ASSERT_OK(store_->Flush());
    } else {
      durable_ = kAll;
      ASSERT_OK(store_->Flush());
      ASSERT_OK(Open());
      ASSERT_EQ(ToInt(store_->applied()), txid_);
    }
  }
  ASSERT_EQ(ScanAll("d", 7).size() + ScanAll("i", 50).size() + ScanAll("x", 1000).size(),
            model.size());
}

// Readers beside an editor and the flusher: no answer is older than the editor had made it.
TEST_F(StoreTest, ReadersBesideFlushesNeverSeeAnOldValue) {
  options_.tail_bytes = 4 << 10;
  options_.write_buffer_bytes = 64 << 10;
  FormatAndOpen();
  constexpr int kKeys = 50;
  constexpr int kRounds = 200;
  std::atomic<int> done{0};  // rounds that are complete
  for (int k = 0; k < kKeys; ++k) Edit(absl::StrCat("k", k), "0");
  std::thread reader([&] {
    std::mt19937 random(1);
    while (done < kRounds) {
      const int floor = done;
      int value = -1;
      const auto got = Get(absl::StrCat("k", random() % kKeys));
      ASSERT_TRUE(got.has_value() && absl::SimpleAtoi(*got, &value));
      ASSERT_GE(value, floor);
      for (const auto& [key, text] : ScanAll("k", 20)) {
        ASSERT_TRUE(absl::SimpleAtoi(text, &value));
        ASSERT_GE(value, floor) << key;
      }
    }
  });
  for (int round = 1; round <= kRounds; ++round) {
    for (int k = 0; k < kKeys; ++k) Edit(absl::StrCat("k", k), absl::StrCat(round));
    done = round;
    if (round % 10 == 0) Freeze();
    if (round % 20 == 0) {
      EXPECT_OK(store_->WaitFlushed());
    }
  }
  reader.join();
  EXPECT_GE(FlushCount(), 10u);
}

}  // namespace
}  // namespace cairn::namenode
