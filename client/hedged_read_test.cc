// Positioned reads of which another replica is asked when one takes long. Which one answers first
// is never a question of time here: one that is to lose is silent, and a threshold that is not to
// pass is an hour.
#include "client/hedged_read.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "client/testing/streams_fixture.h"
#include "common/testing/eventually.h"

namespace cairn::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class HedgedReadTest : public StreamsTest {
 protected:
  HedgedReadTest() { Connect(Hedging()); }

  // A silent datanode is waited for as long as it takes: only another one's answer ends a read.
  static ClientOptions Hedging() {
    ClientOptions options = Options();
    options.short_circuit = false;  // the datanodes are asked in the order of the namenode
    options.hedged_read_threads = 16;
    options.hedged_read_threshold = absl::Milliseconds(1);
    options.read_silence_limit = absl::ZeroDuration();
    options.read_timeout = absl::InfiniteDuration();
    return options;
  }

  void Connect(const ClientOptions& options) {
    fs_ = cluster_.Connect(options, clock_);
    in_.reset();
  }

  void Put(size_t bytes) {
    data_ = RandomBytes(bytes);
    ASSERT_OK(WriteFile("/f", data_));
    ASSERT_THAT(cluster_.ReplicaNodes("/f", 0), ElementsAre(0, 1, 2));
  }

  // The first time it opens the file.
  absl::StatusOr<std::string> ReadAt(uint64_t offset, size_t bytes) {
    if (in_ == nullptr) {
      ASSIGN_OR_RETURN(in_, fs_->Open("/f"));
    }
    std::string part(bytes, '\0');
    ASSIGN_OR_RETURN(const size_t read,
                     in_->ReadAt(offset, std::as_writable_bytes(std::span(part))));
    part.resize(read);
    return part;
  }

  HedgedReadMetrics Metrics() const { return fs_->GetHedgedReadMetrics(); }

  std::string data_;
  std::unique_ptr<InputStream> in_;
};

TEST_F(HedgedReadTest, ASilentReplicaIsReadFromTheNextOne) {
  Put(100'000);
  cluster_.StallReads(0);
  EXPECT_THAT(ReadAt(500, 70'000), IsOkAndHolds(data_.substr(500, 70'000)));
  EXPECT_EQ(Metrics(), (HedgedReadMetrics{.ops = 1, .wins = 1}));
}

// As a datanode does whose disk hangs: the header and the checksums have been sent.
TEST_F(HedgedReadTest, SoIsOneThatFallsSilentInsideAPacket) {
  Put(100'000);
  cluster_.StallReads(0, FakeCluster::Silence::kInsideAPacket);
  EXPECT_THAT(ReadAt(0, 100'000), IsOkAndHolds(data_));
  EXPECT_EQ(Metrics(), (HedgedReadMetrics{.ops = 1, .wins = 1}));
}

TEST_F(HedgedReadTest, ARangeOverBlocksIsReadInPiecesThatAreEachHedged) {
  Put(kBlockBytes * 2 + 5000);
  cluster_.StallReads(0);
  const size_t bytes = data_.size() - 100;
  EXPECT_THAT(ReadAt(100, bytes), IsOkAndHolds(data_.substr(100)));
  EXPECT_EQ(Metrics(), (HedgedReadMetrics{.ops = 3, .wins = 3}));
  EXPECT_THAT(ReadAt(data_.size() - 10, 100), IsOkAndHolds(data_.substr(data_.size() - 10)));
}

TEST_F(HedgedReadTest, AnAnswerWithinTheThresholdIsNotHedged) {
  ClientOptions options = Hedging();
  options.hedged_read_threshold = absl::Hours(1);
  Connect(options);
  Put(kBlockBytes + 5000);
  EXPECT_THAT(ReadAt(0, data_.size()), IsOkAndHolds(data_));
  EXPECT_EQ(Metrics(), HedgedReadMetrics());
}

TEST_F(HedgedReadTest, AReplicaThatFailsWithinItIsFollowedByTheNextAtOnce) {
  ClientOptions options = Hedging();
  options.hedged_read_threshold = absl::Hours(1);
  Connect(options);
  Put(100'000);
  cluster_.CorruptReads(0);
  EXPECT_THAT(ReadAt(0, data_.size()), IsOkAndHolds(data_));
  EXPECT_THAT(cluster_.BadReplicaReports(), ElementsAre(0));
  EXPECT_EQ(Metrics(), HedgedReadMetrics());
}

TEST_F(HedgedReadTest, ByDefaultNothingIsHedged) {
  EXPECT_EQ(ClientOptions().hedged_read_threads, 0u);
  ClientOptions options = Hedging();
  options.hedged_read_threads = 0;
  options.read_silence_limit = absl::Milliseconds(100);
  options.read_timeout = absl::Hours(1);
  Connect(options);
  Put(100'000);
  cluster_.StallReads(0);
  EXPECT_THAT(ReadAt(0, data_.size()), IsOkAndHolds(data_));
  EXPECT_EQ(Metrics(), HedgedReadMetrics());
}

TEST_F(HedgedReadTest, WithoutAnotherReplicaThereIsNothingToHedgeWith) {
  ClientOptions options = Hedging();
  options.replication = 1;
  options.read_timeout = absl::Milliseconds(50);
  options.read_rounds = 1;
  Connect(options);
  ASSERT_OK(WriteFile("/f", RandomBytes(1000)));
  cluster_.StallReads(cluster_.ReplicaNodes("/f", 0)[0]);
  EXPECT_THAT(ReadAt(0, 1000), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(Metrics(), HedgedReadMetrics());
}

TEST_F(HedgedReadTest, BytesThatDoNotMatchTheirChecksumsNeverWin) {
  Put(100'000);
  cluster_.StallReads(0);
  cluster_.CorruptReads(1);
  EXPECT_THAT(ReadAt(0, data_.size()), IsOkAndHolds(data_));
  EXPECT_THAT(cluster_.BadReplicaReports(), ElementsAre(1));
  EXPECT_EQ(Metrics(), (HedgedReadMetrics{.ops = 2, .wins = 1}));
}

TEST_F(HedgedReadTest, WhereAllHedgesFailTheFirstOneIsWaitedFor) {
  Put(100'000);
  cluster_.StallReads(0);
  cluster_.CorruptReads(1);
  cluster_.CorruptReads(2);
  std::thread resumes([this] {
    EVENTUALLY(cluster_.BadReplicaReports().size() == 2);
    cluster_.ResumeReads(0);
  });
  const absl::StatusOr<std::string> read = ReadAt(0, data_.size());
  resumes.join();
  EXPECT_THAT(read, IsOkAndHolds(data_));
  EXPECT_EQ(Metrics(), (HedgedReadMetrics{.ops = 2, .wins = 0}));
}

// On a thread of the pool nobody else would catch what is thrown.
TEST_F(HedgedReadTest, AReplicaThatThereIsNoMemoryForHasFailed) {
  Put(1000);
  const auto context = cluster_.NewContext(Hedging(), clock_);
  LocatedFile file(context, "/f");
  ASSERT_OK(file.Refresh());
  ASSERT_OK_AND_ASSIGN(const KnownBlock known, file.BlockAt(0, /*fresh=*/false));
  HedgedRead read(*context, {.block = known.block, .bytes = size_t{1} << 63});
  read.Ask(known.block->locs(0));
  const std::optional<HedgedRead::Outcome> outcome = read.Await(absl::InfiniteDuration());
  ASSERT_TRUE(outcome.has_value());
  EXPECT_THAT(outcome->status, StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(HedgedReadTest, WhenAllReplicasFailTheReadFails) {
  Put(100'000);
  for (int node = 0; node < 4; ++node) cluster_.CorruptReads(node);
  EXPECT_THAT(ReadAt(0, data_.size()), StatusIs(absl::StatusCode::kDataLoss));
}

// The one thread has the first replica, and the reader's own reads the next.
TEST_F(HedgedReadTest, WithAllThreadsBusyTheReaderReadsItself) {
  ClientOptions options = Hedging();
  options.hedged_read_threads = 1;
  Connect(options);
  Put(100'000);
  cluster_.StallReads(0);
  EXPECT_THAT(ReadAt(0, data_.size()), IsOkAndHolds(data_));
  EXPECT_EQ(Metrics(), (HedgedReadMetrics{.ops = 1, .wins = 1, .in_current_thread = 1}));
}

// It was asked in the reader's thread, which is not to wait for it any more.
TEST_F(HedgedReadTest, AHedgeOfTheReadersOwnThreadIsEndedByTheFirstOnesAnswer) {
  ClientOptions options = Hedging();
  options.hedged_read_threads = 1;
  Connect(options);
  Put(100'000);
  cluster_.StallReads(0);
  cluster_.StallReads(1);
  std::thread resumes([this] {
    EVENTUALLY(Metrics().in_current_thread == 1);
    cluster_.ResumeReads(0);
  });
  const absl::StatusOr<std::string> read = ReadAt(0, data_.size());
  resumes.join();
  EXPECT_THAT(read, IsOkAndHolds(data_));
  EXPECT_EQ(Metrics(), (HedgedReadMetrics{.ops = 1, .wins = 0, .in_current_thread = 1}));
}

// Nothing but the shutdown of its connection ends the loser's wait: there is no limit on silence.
TEST_F(HedgedReadTest, TheLoserIsEndedAndWritesNothingToTheReadersMemory) {
  for (const auto silence :
       {FakeCluster::Silence::kFromTheStart, FakeCluster::Silence::kInsideAPacket}) {
    Connect(Hedging());
    Put(100'000);
    cluster_.StallReads(0, silence);
    ASSERT_OK_AND_ASSIGN(in_, fs_->Open("/f"));
    std::string room(data_.size(), '\0');
    ASSERT_THAT(in_->ReadAt(0, std::as_writable_bytes(std::span(room))),
                IsOkAndHolds(data_.size()));
    ASSERT_EQ(room, data_);
    std::fill(room.begin(), room.end(), 'x');
    // It comes to an end while its datanode is still silent.
    in_.reset();
    fs_.reset();
    EXPECT_EQ(room, std::string(data_.size(), 'x'));
    cluster_.ResumeReads(0);
  }
}

TEST_F(HedgedReadTest, AStreamMayGoWhileTheLoserIsStillBeingRead) {
  Put(100'000);
  cluster_.StallReads(0);
  ASSERT_THAT(ReadAt(0, 1000), IsOkAndHolds(data_.substr(0, 1000)));
  in_.reset();
  cluster_.ResumeReads(0);
  EXPECT_THAT(ReadAt(0, 1000), IsOkAndHolds(data_.substr(0, 1000)));
}

// The threshold is not to be paid for each piece of a file whose first datanode hangs.
TEST_F(HedgedReadTest, ANodeThatLosesAgainAndAgainIsAskedLastForAWhile) {
  Put(100'000);
  cluster_.StallReads(0);
  for (int i = 0; i < CostlyNodes::kOutrunInARow; ++i) ASSERT_OK(ReadAt(0, 10));
  EXPECT_EQ(Metrics().ops, 3u);
  cluster_.StallReads(1);
  EXPECT_THAT(ReadAt(0, 10), IsOkAndHolds(data_.substr(0, 10)));
  EXPECT_EQ(Metrics(), (HedgedReadMetrics{.ops = 4, .wins = 4})) << "of node 1, by node 2";
  cluster_.ResumeReads(1);
  clock_.Advance(CostlyNodes::kOutrunLife);
  EXPECT_THAT(ReadAt(0, 10), IsOkAndHolds(data_.substr(0, 10)));
  EXPECT_EQ(Metrics().ops, 5u) << "it is the first again";
}

// Else the one that is left would be waited for alone.
TEST_F(HedgedReadTest, NodesThatHaveLostAreStillAskedBesideOneThatHangs) {
  Put(100'000);
  for (const int node : {0, 1}) {
    cluster_.StallReads(node);
    for (int i = 0; i < CostlyNodes::kOutrunInARow; ++i) ASSERT_OK(ReadAt(0, 10));
  }
  cluster_.ResumeReads(0);
  cluster_.ResumeReads(1);
  cluster_.StallReads(2);
  EXPECT_THAT(ReadAt(0, 10), IsOkAndHolds(data_.substr(0, 10)));
  EXPECT_EQ(Metrics(), (HedgedReadMetrics{.ops = 7, .wins = 7}));
}

TEST_F(HedgedReadTest, SeveralThreadsReadAtDifferentPlacesWithFewThreadsToHedge) {
  ClientOptions options = Hedging();
  options.hedged_read_threads = 3;
  // Who reads a silent replica itself has nobody to ask another one meanwhile.
  options.read_silence_limit = absl::Milliseconds(200);
  Connect(options);
  Put(2 * kBlockBytes + 5000);
  cluster_.StallReads(0, FakeCluster::Silence::kInsideAPacket);
  ASSERT_OK_AND_ASSIGN(in_, fs_->Open("/f"));
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 30; ++i) {
        const size_t offset = random() % data_.size();
        std::string part(random() % 300'000, '\0');
        const auto bytes = in_->ReadAt(offset, std::as_writable_bytes(std::span(part)));
        if (!bytes.ok() || part.substr(0, *bytes) != data_.substr(offset, part.size())) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_THAT(cluster_.BadReplicaReports(), IsEmpty());
}

}  // namespace
}  // namespace cairn::client
