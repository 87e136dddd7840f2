// What the scanner sees of a replica that is not as it was written, and when it looks.
#include "datanode/scanner/scanner.h"

#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/testing/eventually.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "datanode/scanner/directory_sweep.h"
#include "datanode/scanner/replica_scan.h"
#include "datanode/testing/test_store.h"

namespace cairn::datanode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::TestStore;

constexpr GenerationStamp kStamp{1001};
constexpr BlockId kOne{1073741825};
constexpr BlockId kTwo{1073741826};
constexpr BlockId kThree{1073741827};
// Not a whole number of chunks, of buffers, or of the disk's blocks.
constexpr uint64_t kLength = (uint64_t{1} << 20) + 70'000 + 77;

TEST(ScanPaceTest, BytesAreDueInProportionToTimeAndTheLastOnesBeforeItsEnd) {
  const ScanPace pace{.period = absl::Hours(100), .limit_bytes_per_second = 1000};
  EXPECT_EQ(pace.DueAt(0, 500), absl::ZeroDuration());
  EXPECT_EQ(pace.DueAt(250, 250), absl::Hours(45));
  EXPECT_EQ(pace.DueAt(500, 0), absl::Hours(90));
  EXPECT_EQ(pace.DueAt(0, 0), absl::ZeroDuration());
  EXPECT_EQ(pace.LeastTime(5000), absl::Seconds(5));
}

TEST(ScanPaceTest, ALapEndsInTimeUnlessTheLimitIsTooLow) {
  const ScanPace pace{.period = absl::Hours(100), .limit_bytes_per_second = 1000};
  EXPECT_EQ(pace.ExpectedEnd(absl::Hours(10), 1000), absl::Hours(90));
  EXPECT_EQ(pace.ExpectedEnd(absl::Hours(10), 3'600'000 * 200), absl::Hours(210));
}

TEST(ScanCursorTest, ComesBackAsItWasAndATornOneIsNone) {
  const ScanCursor cursor{.laps = 3,
                          .lap_started = absl::FromUnixMillis(1'700'000'000'123),
                          .position = kTwo,
                          .scanned_bytes = 77,
                          .suspects = {kThree, kOne}};
  const std::string text = FormatCursor(cursor);
  ASSERT_OK_AND_ASSIGN(const ScanCursor again, ParseCursor(text));
  EXPECT_EQ(FormatCursor(again), text);
  EXPECT_EQ(again.position, kTwo);
  EXPECT_THAT(again.suspects, ElementsAre(kThree, kOne));
  for (const std::string& bad :
       {text.substr(0, text.size() - 3), text.substr(5), std::string(),
        absl::StrReplaceAll(text, {{"scannedBytes=77", "scannedBytes=78"}})}) {
    EXPECT_THAT(ParseCursor(bad), StatusIs(absl::StatusCode::kDataLoss)) << bad;
  }
}

TEST(ScanCursorTest, HoldsUnitsOfGroupsAndAsManySuspectsAsAreKept) {
  ScanCursor cursor{.position = UnitOf(MakeGroupId(5), 15)};
  for (uint64_t i = 0; i < kMaxSuspects; ++i) {
    cursor.suspects.push_back(UnitOf(MakeGroupId(i + 1), 2));
  }
  FaultyFileSystem fs;
  ASSERT_OK(fs.MakeDirectories("/v"));
  ASSERT_OK(SaveCursor(fs, "/v/cursor", cursor));
  const ScanCursor again = LoadCursor(fs, "/v/cursor", absl::UnixEpoch());
  EXPECT_EQ(again.position, cursor.position);
  EXPECT_EQ(again.suspects, cursor.suspects);
}

class ScanTest : public ::testing::Test {
 protected:
  ScanTest() {
    for (const BlockId block : {kOne, kTwo, kThree}) {
      EXPECT_OK(store_.WriteFinalized(block, kStamp, 0, kLength + Extra(block)));
    }
    paths_ = store_.Paths(kOne);
  }
  static uint64_t Extra(BlockId block) { return block == kThree ? 1 : 0; }
  static bool Go(uint64_t) { return true; }
  ScanResult Scan(BlockId block) {
    auto buffer = buffers_.TryTake();
    return ScanReplica(*store_, block, *buffer, Go);
  }
  std::string Contents(const std::string& path) { return *store_.fs.ReadAll(path, 4 << 20); }
  void Replace(const std::string& path, const std::string& contents) {
    ASSERT_OK(store_.fs.WriteDurably(path, contents));
  }
  void ExpectFound(BlockId block) {
    EXPECT_EQ(Scan(block).verdict, ScanVerdict::kBad);
    EXPECT_EQ(store_->Find(block)->state, ReplicaState::kCorrupt);
    EXPECT_THAT(store_.events.Of(ReplicaEvents::Kind::kCorrupt), SizeIs(1));
    EXPECT_FALSE(store_.volume(0).failed());
    EXPECT_EQ(Scan(block).verdict, ScanVerdict::kSkipped);
    EXPECT_EQ(Scan(kTwo).verdict, ScanVerdict::kGood);
  }

  TestStore store_;
  BufferPool buffers_{kScanBufferBytes, 1};
  ReplicaPaths paths_;  // of the first
};

TEST_F(ScanTest, AGoodReplicaIsReadWholeAndLeftAlone) {
  const ScanResult result = Scan(kOne);
  EXPECT_EQ(result.verdict, ScanVerdict::kGood);
  EXPECT_EQ(result.bytes, kLength);
  EXPECT_THAT(store_.events.Of(ReplicaEvents::Kind::kCorrupt), IsEmpty());
}

TEST_F(ScanTest, ABitOfTheDataFlips) {
  ASSERT_OK(store_.fs.FlipBit(paths_.data, 5, 3));
  ExpectFound(kOne);
}

TEST_F(ScanTest, ABitOfThePartialLastChunkFlips) {
  ASSERT_OK(store_.fs.FlipBit(paths_.data, kLength - 1, 0));
  ExpectFound(kOne);
}

TEST_F(ScanTest, ABitOfAChecksumFlips) {
  ASSERT_OK(store_.fs.FlipBit(paths_.meta, 7 + 4 * 2100 + 2, 3));
  ExpectFound(kOne);
}

TEST_F(ScanTest, TheMetaFilesHeaderIsNonsense) {
  ASSERT_OK(store_.fs.FlipBit(paths_.meta, 0, 7));
  ExpectFound(kOne);
}

TEST_F(ScanTest, TheMetaFileIsCutOrMissing) {
  Replace(paths_.meta, Contents(paths_.meta).substr(0, 100));
  ExpectFound(kOne);
}

TEST_F(ScanTest, TheMetaFileIsMissing) {
  ASSERT_OK(store_.fs.Remove(paths_.meta));
  ExpectFound(kOne);
}

TEST_F(ScanTest, TheMetaFileIsAnotherBlocks) {
  Replace(paths_.meta, Contents(store_.Paths(kThree).meta));
  ExpectFound(kOne);
}

TEST_F(ScanTest, TheDataFileIsCut) {
  Replace(paths_.data, Contents(paths_.data).substr(0, kLength - 1));
  ExpectFound(kOne);
}

TEST_F(ScanTest, TheDataFileHasGrown) {
  Replace(paths_.data, Contents(paths_.data) + "x");
  ExpectFound(kOne);
}

TEST_F(ScanTest, TheDataFileIsMissing) {
  ASSERT_OK(store_.fs.Remove(paths_.data));
  ExpectFound(kOne);
}

TEST_F(ScanTest, TheDataAreZeros) {
  Replace(paths_.data, std::string(kLength, '\0'));
  ExpectFound(kOne);
}

TEST_F(ScanTest, BothFilesAreAnotherBlocks) {
  Replace(paths_.data, Contents(store_.Paths(kThree).data));
  Replace(paths_.meta, Contents(store_.Paths(kThree).meta));
  ExpectFound(kOne);  // by the length, which the store knows
}

// Nothing in the files names their block: of equal length, only the readers can tell.
TEST_F(ScanTest, BothFilesOfAnotherBlockOfTheSameLengthPass) {
  std::string other(kLength, 'x');
  const transfer::DataChecksum checksum;
  std::string meta = Contents(paths_.meta);
  checksum.Compute(std::as_bytes(std::span(other)),
                   std::as_writable_bytes(std::span(meta)).subspan(7));
  Replace(paths_.data, other);
  Replace(paths_.meta, meta);
  EXPECT_EQ(Scan(kOne).verdict, ScanVerdict::kGood);
}

TEST_F(ScanTest, AReadThatFailsOnceIsTriedAgain) {
  store_.fs.FailCall(FileCall::kRead, 3, absl::DataLossError("EIO"));  // of data
  EXPECT_EQ(Scan(kOne).verdict, ScanVerdict::kGood);
  EXPECT_EQ(store_->Find(kOne)->state, ReplicaState::kFinalized);
}

TEST_F(ScanTest, WhatIsBeingWrittenIsLeftAlone) {
  ASSERT_OK_AND_ASSIGN(const auto writer,
                       store_->OpenForAppend(kOne, kStamp, GenerationStamp{1002}, kLength, false));
  EXPECT_EQ(Scan(kOne).verdict, ScanVerdict::kSkipped);
  EXPECT_EQ(Scan(BlockId{99}).verdict, ScanVerdict::kSkipped);
}

TEST_F(ScanTest, ASweepFindsReplicasWithoutFilesAndFilesWithoutReplicas) {
  ASSERT_OK(store_.fs.Remove(paths_.data));
  ASSERT_OK(store_.fs.Remove(paths_.meta));
  ASSERT_OK(store_.fs.Remove(store_.Paths(kTwo).meta));
  const ReplicaPaths third = store_.Paths(kThree);
  const BlockId stranger{1073741828};
  const ReplicaPaths found =
      PathsIn(store_.volume(0).FinalizedDirectory(stranger), stranger, kStamp);
  ASSERT_OK(store_.fs.Link(third.data, found.data));
  ASSERT_OK(store_.fs.Link(third.meta, found.meta));
  ASSERT_OK(store_.volume(1).MakeFinalizedDirectory(kThree));
  const ReplicaPaths twice = PathsIn(store_.volume(1).FinalizedDirectory(kThree), kThree, kStamp);
  ASSERT_OK(store_.fs.Link(third.data, twice.data));
  ASSERT_OK(store_.fs.Link(third.meta, twice.meta));

  const SweepResult first = SweepDirectories(*store_, 0, [] { return true; });
  EXPECT_TRUE(first.complete);
  EXPECT_EQ(first.vanished, 1u);
  EXPECT_EQ(first.adopted, 1u);
  EXPECT_EQ(store_->Find(kOne), std::nullopt);
  EXPECT_THAT(store_.events.Of(ReplicaEvents::Kind::kDeleted), SizeIs(1));
  EXPECT_EQ(store_->Find(kTwo)->state, ReplicaState::kCorrupt);
  EXPECT_EQ(store_->Find(stranger)->length, kLength + 1);
  EXPECT_EQ(Scan(stranger).verdict, ScanVerdict::kGood);
  EXPECT_EQ(SweepDirectories(*store_, 1, [] { return true; }).elsewhere, 1u);
  EXPECT_EQ(store_->Find(kThree)->volume, 0);
}

TEST_F(ScanTest, UnitsOfGroupsAreReadAndSweptLikeOtherReplicas) {
  const BlockId good = UnitOf(MakeGroupId(5), 0), rotten = UnitOf(MakeGroupId(5), 8);
  const BlockId stranger = UnitOf(MakeGroupId(6), 1);
  for (const BlockId unit : {good, rotten}) {
    ASSERT_OK(store_.WriteFinalized(unit, kStamp, 0, kLength));
  }
  ASSERT_OK(store_.fs.FlipBit(store_.Paths(rotten).data, kLength / 2, 1));
  ASSERT_OK(store_.volume(0).MakeFinalizedDirectory(stranger));
  const ReplicaPaths from = store_.Paths(good);
  const ReplicaPaths to = PathsIn(store_.volume(0).FinalizedDirectory(stranger), stranger, kStamp);
  ASSERT_OK(store_.fs.Link(from.data, to.data));
  ASSERT_OK(store_.fs.Link(from.meta, to.meta));

  const SweepResult swept = SweepDirectories(*store_, 0, [] { return true; });
  EXPECT_EQ(swept.vanished, 0u);
  EXPECT_EQ(swept.adopted, 1u);
  EXPECT_EQ(Scan(good).verdict, ScanVerdict::kGood);
  EXPECT_EQ(Scan(stranger).verdict, ScanVerdict::kGood);
  EXPECT_EQ(Scan(rotten).verdict, ScanVerdict::kBad);
  EXPECT_EQ(store_->Find(rotten)->state, ReplicaState::kCorrupt);
}

TEST_F(ScanTest, ASweepOfAVanishedVolumeReportsNoReplicaAsDeleted) {
  ASSERT_OK(store_.fs.Rename("/v1/current", "/v1/gone"));
  EXPECT_FALSE(SweepDirectories(*store_, 0, [] { return true; }).complete);
  EXPECT_TRUE(store_.volume(0).failed());
  EXPECT_THAT(store_.events.Of(ReplicaEvents::Kind::kDeleted), IsEmpty());
  EXPECT_THAT(store_.events.Of(ReplicaEvents::Kind::kCorrupt), IsEmpty());
}

// Time stands still: only what is due now is read.
class VolumeScannerTest : public ScanTest {
 protected:
  std::unique_ptr<VolumeScanner> Start() {
    return std::make_unique<VolumeScanner>(*store_, 0, options_, clock_);
  }
  ScanOptions options_{
      .pace = {.period = absl::Hours(100), .limit_bytes_per_second = uint64_t{1} << 60}};
  FakeClock clock_;
};

TEST_F(VolumeScannerTest, GoesOnWhereItWasWhenTheProcessEnded) {
  {
    const auto scanner = Start();
    EVENTUALLY(scanner->report().position == kOne);
    EXPECT_EQ(scanner->report().lap_left_bytes, 2 * kLength + 1);
  }
  clock_.Advance(absl::Hours(31));  // a third of the lap's time is over
  {
    const auto scanner = Start();
    EVENTUALLY(scanner->report().position == kTwo);
    EXPECT_EQ(scanner->report().replicas, 1u);
    EXPECT_EQ(scanner->report().lap_bytes, 2 * kLength);
  }
  clock_.Advance(absl::Hours(200));  // a new lap is due once this one has ended
  const auto scanner = Start();
  EVENTUALLY(scanner->report().laps == 1 && scanner->report().position == kOne);
  EXPECT_EQ(scanner->report().replicas, 2u);
}

TEST_F(VolumeScannerTest, SuspectsAreLookedAtWhateverIsDue) {
  const auto scanner = Start();
  EVENTUALLY(scanner->report().replicas == 1);
  ASSERT_OK(store_.fs.FlipBit(store_.Paths(kThree).data, 70, 1));
  scanner->Suspect(kThree);
  EVENTUALLY(scanner->report().findings == 1);
  EXPECT_EQ(store_->Find(kThree)->state, ReplicaState::kCorrupt);
  EXPECT_EQ(scanner->report().position, kOne);
}

// Memory forgets which replicas are corrupt; the disk does not become good by that.
TEST_F(VolumeScannerTest, AFindingIsLookedAtAgainAfterARestart) {
  {
    const auto scanner = Start();
    EVENTUALLY(scanner->report().replicas == 1);
    ASSERT_OK(store_.fs.FlipBit(store_.Paths(kThree).data, 70, 1));
    scanner->Suspect(kThree);
    EVENTUALLY(scanner->report().findings == 1);
  }
  store_.Restart();
  EXPECT_EQ(store_->Find(kThree)->state, ReplicaState::kFinalized);
  const auto scanner = Start();
  EVENTUALLY(store_->Find(kThree)->state == ReplicaState::kCorrupt);
}

TEST_F(VolumeScannerTest, NothingIsReadWhenTurnedOff) {
  options_.pace.limit_bytes_per_second = 0;
  const auto scanner = Start();
  scanner->Suspect(kOne);
  EXPECT_EQ(scanner->report().replicas, 0u);
}

}  // namespace
}  // namespace cairn::datanode
