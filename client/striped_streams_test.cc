// Reading erasure-coded files whose datanodes lose units, or fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/costly_nodes.h"
#include "client/erasure_convert.h"
#include "client/testing/streams_fixture.h"
#include "client/testing/striped_data.h"
#include "wire/transfer/block_checksum.h"
#include "wire/transfer/checksum.h"

namespace cairn::client {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kCell = 1024;
constexpr uint64_t kStripe = 3 * kCell;
constexpr uint64_t kUnit = 4 * kCell;  // of a whole group
constexpr uint64_t kGroup = 3 * kUnit;
constexpr ChecksumCombine kComposite = ChecksumCombine::kComposite;
constexpr ChecksumCombine kMd5 = ChecksumCombine::kMd5OfMd5;

// Moves at each look by what it is told to, and lets somebody else act at the next one.
class BusyClock final : public Clock {
 public:
  absl::Time Now() override { return clock_.Now(); }
  absl::Duration Monotonic() override {
    clock_.Advance(step);
    if (const auto act = std::exchange(next_act, nullptr)) act();
    return clock_.Monotonic();
  }

  absl::Duration step;
  std::function<void()> next_act;

 private:
  FakeClock clock_;
};

class StripedStreamsTest : public StreamsTest {
 protected:
  StripedStreamsTest() : StreamsTest(/*datanodes=*/5) {}

  std::string Put(const std::string& path, size_t bytes) {
    const std::string data = RandomBytes(bytes);
    cluster_.PutStriped(path, SmallCells(3, 2), data, kUnit);
    return data;
  }

  // It costs a reader of another file seconds, on `clock`, which `fs` goes by.
  void MakeNodeCostly(int node, FileSystem& fs, BusyClock& clock) {
    Put("/costs", kStripe);
    cluster_.DropUnit("/costs", 0, static_cast<uint32_t>(node));
    clock.step = CostlyNodes::kCostly;
    ASSERT_OK_AND_ASSIGN(const auto in, fs.Open("/costs"));
    std::byte byte;
    EXPECT_THAT(in->ReadAt(static_cast<uint64_t>(node) * kCell, std::span(&byte, 1)),
                IsOkAndHolds(1u));
    clock.step = absl::ZeroDuration();
  }

  // Pieces at random places, from one stream.
  void ExpectPieces(const std::string& path, const std::string& data, int pieces) {
    ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open(path));
    for (int i = 0; i < pieces; ++i) {
      const size_t offset = random_() % data.size();
      std::string part(1 + random_() % (2 * kStripe), '\0');
      ASSERT_OK_AND_ASSIGN(const size_t bytes,
                           in->ReadAt(offset, std::as_writable_bytes(std::span(part))));
      ASSERT_EQ(part.substr(0, bytes), data.substr(offset, part.size())) << offset;
    }
  }

  std::mt19937 random_{7};
};

TEST_F(StripedStreamsTest, FilesOfEveryLengthComeBackAsTheyWere) {
  for (const size_t bytes :
       {uint64_t{0}, uint64_t{1}, kCell - 1, kCell, kCell + 1, kStripe - 1, kStripe, kStripe + 1,
        kGroup - 1, kGroup, kGroup + 1, 5 * kGroup / 2}) {
    const std::string data = Put("/f", bytes);
    EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data)) << bytes;
    if (bytes > 0) ExpectPieces("/f", data, 40);
  }
}

// One or two units are not there, in each of the ways in which they can be missing.
TEST_F(StripedStreamsTest, EveryLossOfTwoUnitsIsMadeGood) {
  for (uint32_t first = 0; first < 5; ++first) {
    for (uint32_t second = first; second < 5; ++second) {
      for (const size_t bytes : {kCell + 1, kStripe + 1, 5 * kGroup / 2}) {
        const std::string path = absl::StrCat("/f", first, second, "-", bytes);
        const std::string data = Put(path, bytes);
        for (size_t group = 0; group * kGroup < bytes; ++group) {
          const uint64_t in_group = std::min(bytes - group * kGroup, kGroup);
          const auto has_bytes = [&](uint32_t unit) {
            return unit >= 3 || unit * kCell < in_group;
          };
          if (has_bytes(first)) cluster_.HideUnit(path, group, first);
          if (second != first && has_bytes(second)) cluster_.DropUnit(path, group, second);
        }
        ASSERT_THAT(ReadFile(path), IsOkAndHolds(data)) << path;
        ExpectPieces(path, data, 10);
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_THAT(cluster_.BadReplicaReports(), IsEmpty());
}

TEST_F(StripedStreamsTest, AUnitThatEndsEarlyIsMadeGoodFromThere) {
  const std::string data = Put("/f", 2 * kGroup);
  cluster_.CutUnit("/f", 0, 1, kCell + 300);
  cluster_.CutUnit("/f", 0, 2, 512);
  EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data));
  ExpectPieces("/f", data, 40);
}

TEST_F(StripedStreamsTest, ABadUnitIsReportedUnderItsOwnIdAndComputedFromTheOthers) {
  const std::string data = Put("/f", 2 * kGroup);
  cluster_.FlipBit("/f", 1, 2, 2 * kCell + 5);
  cluster_.HideUnit("/f", 1, 0);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  for (int i = 0; i < 2; ++i) {
    std::string all(data.size(), '\0');
    ASSERT_THAT(in->ReadAt(0, std::as_writable_bytes(std::span(all))), IsOkAndHolds(data.size()));
    EXPECT_EQ(all, data);
  }
  EXPECT_THAT(cluster_.BadReplicaReports(), ElementsAre(2)) << "once: it is not asked again";
  EXPECT_THAT(cluster_.BadBlockReports(), ElementsAre(cluster_.UnitId("/f", 1, 2)));
}

// Only the one replica is bad: another group's unit on that node is read.
TEST_F(StripedStreamsTest, ANodeWithABadUnitIsStillReadFrom) {
  const std::string data = Put("/f", 2 * kGroup);
  cluster_.FlipBit("/f", 0, 1, 0);
  for (const uint32_t unit : {0u, 3u}) cluster_.HideUnit("/f", 1, unit);
  EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data));
  EXPECT_EQ(cluster_.Calls("getBlockLocations"), 1) << "no other round was needed";
}

TEST_F(StripedStreamsTest, BadParityIsNeverUsed) {
  const std::string data = Put("/f", kGroup);
  cluster_.HideUnit("/f", 0, 1);
  cluster_.FlipBit("/f", 0, 3, 100);
  EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data));
  EXPECT_THAT(cluster_.BadBlockReports(), ElementsAre(cluster_.UnitId("/f", 0, 3)));
}

TEST_F(StripedStreamsTest, ThreeLostUnitsAreAnErrorThatNamesTheGroup) {
  const std::string data = Put("/f", 2 * kGroup);
  cluster_.HideUnit("/f", 1, 0);
  cluster_.DropUnit("/f", 1, 3);
  cluster_.FlipBit("/f", 1, 2, 0);
  const std::string group =
      absl::StrCat("block group ", static_cast<int64_t>(cluster_.UnitId("/f", 1, 0)));
  EXPECT_THAT(ReadFile("/f").status(),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("/f"), HasSubstr(group), HasSubstr("unit 0"),
                             HasSubstr("unit 2"), HasSubstr("unit 3"))));

  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  std::string first_group(kGroup, '\0');
  ASSERT_OK(in->ReadFully(std::as_writable_bytes(std::span(first_group))));
  EXPECT_EQ(first_group, data.substr(0, kGroup)) << "the other group is whole";
  std::byte next;
  EXPECT_THAT(in->Read(std::span(&next, 1)), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(in->position(), kGroup);
}

TEST_F(StripedStreamsTest, WhereThreeUnitsAreBadTheErrorSaysDataLoss) {
  Put("/f", kGroup);
  for (const uint32_t unit : {1u, 2u, 4u}) cluster_.FlipBit("/f", 0, unit, 0);
  EXPECT_THAT(ReadFile("/f").status(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("/f")));
}

// What the namenode has found meanwhile is used.
TEST_F(StripedStreamsTest, AfterTooManyFailuresTheNamenodeIsAskedAgain) {
  const std::string data = Put("/f", kGroup);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  for (const uint32_t unit : {0u, 1u, 2u}) cluster_.DropUnit("/f", 0, unit);
  std::string part(100, '\0');
  EXPECT_THAT(in->ReadAt(0, std::as_writable_bytes(std::span(part))),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(cluster_.Calls("getBlockLocations"), 1 + Options().read_rounds);
  cluster_.PutUnit("/f", 0, 2, MakeUnits(SmallCells(3, 2), data)[2]);
  EXPECT_THAT(in->ReadAt(0, std::as_writable_bytes(std::span(part))), IsOkAndHolds(100u));
  EXPECT_EQ(part, data.substr(0, 100));
}

TEST_F(StripedStreamsTest, TokensThatAreTooOldAreAskedForOnce) {
  const std::string data = Put("/f", 2 * kGroup);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  cluster_.RenewTokens();
  std::string all(data.size(), '\0');
  ASSERT_THAT(in->ReadFully(std::as_writable_bytes(std::span(all))), IsOkAndHolds(data.size()));
  EXPECT_EQ(all, data);
  EXPECT_EQ(cluster_.Calls("getBlockLocations"), 2);
}

TEST_F(StripedStreamsTest, ANodeThatIsCutOffIsDoneWithout) {
  const std::string data = Put("/f", 2 * kGroup);
  cluster_.CutOff(1);
  ClientOptions options = Options();
  options.read_connect_timeout = absl::Milliseconds(50);
  fs_ = cluster_.Connect(options);
  EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data));
}

TEST_F(StripedStreamsTest, ACostlyNodeIsAskedBeforeAReadFails) {
  BusyClock clock;
  const auto fs = cluster_.Connect(Options(), clock);
  MakeNodeCostly(0, *fs, clock);
  const std::string data = Put("/f", kGroup);
  for (const uint32_t unit : {1u, 2u}) cluster_.DropUnit("/f", 0, unit);
  const int calls = cluster_.Calls("getBlockLocations");
  ASSERT_OK_AND_ASSIGN(const auto in, fs->Open("/f"));
  std::string all(data.size(), '\0');
  EXPECT_THAT(in->ReadFully(std::as_writable_bytes(std::span(all))), IsOkAndHolds(data.size()));
  EXPECT_EQ(all, data);
  EXPECT_EQ(cluster_.Calls("getBlockLocations"), calls + 1) << "no other round was needed";
}

// As datanodes end the streams of a consumer that has paused for minutes.
TEST_F(StripedStreamsTest, StreamsThatBreakAreOpenedAgain) {
  fs_ = cluster_.Connect(Options(), clock_);
  const std::string data = Put("/f", 2 * kGroup);
  for (const int node : {0, 1, 2}) cluster_.BreakReads(node, 1);
  EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data));
  EXPECT_EQ(cluster_.Calls("getBlockLocations"), 1) << "no other round was needed";
}

TEST_F(StripedStreamsTest, AStreamThatBreaksTwiceIsDoneWithout) {
  fs_ = cluster_.Connect(Options(), clock_);
  const std::string data = Put("/f", 2 * kGroup);
  cluster_.BreakReads(0, 100);
  EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data));
  EXPECT_EQ(cluster_.BrokenReads(0), 2) << "in the second group its node is not asked";
}

TEST_F(StripedStreamsTest, AStreamThatFellSilentIsNotOpenedAgain) {
  BusyClock clock;
  clock.step = CostlyNodes::kCostly;  // each attempt takes that long
  const auto fs = cluster_.Connect(Options(), clock);
  const std::string data = Put("/f", 1);
  cluster_.BreakReads(0, 100);
  ASSERT_OK_AND_ASSIGN(const auto in, fs->Open("/f"));
  char byte = 0;
  EXPECT_THAT(in->Read(std::as_writable_bytes(std::span(&byte, 1))), IsOkAndHolds(1u));
  EXPECT_EQ(byte, data[0]);
  EXPECT_EQ(cluster_.BrokenReads(0), 1);
}

TEST_F(StripedStreamsTest, ASeekGoesOverCellsAndGroups) {
  const std::string data = Put("/f", 5 * kGroup / 2);
  cluster_.HideUnit("/f", 1, 1);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  for (const uint64_t offset : {uint64_t{100}, kCell + 50, kGroup + 10, kGroup + 2 * kStripe - 20,
                                uint64_t{3}, uint64_t{data.size()}}) {
    ASSERT_OK(in->Seek(offset));
    std::string part(2000, '\0');
    ASSERT_OK_AND_ASSIGN(const size_t bytes,
                         in->ReadFully(std::as_writable_bytes(std::span(part))));
    EXPECT_EQ(part.substr(0, bytes), data.substr(offset, 2000));
  }
}

TEST_F(StripedStreamsTest, SeveralThreadsReadAtDifferentPlaces) {
  const std::string data = Put("/f", 5 * kGroup / 2);
  cluster_.DropUnit("/f", 0, 0);
  cluster_.FlipBit("/f", 1, 2, 700);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 30; ++i) {
        const size_t offset = random() % data.size();
        std::string part(random() % (2 * kGroup), '\0');
        const auto bytes = in->ReadAt(offset, std::as_writable_bytes(std::span(part)));
        if (!bytes.ok() || part.substr(0, *bytes) != data.substr(offset, part.size())) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_THAT(cluster_.BadReplicaReports(), Each(2));
}

// As far as the namenode knows; no datanode is asked.
TEST_F(StripedStreamsTest, AGroupBeingWrittenIsReadUpToWhatTheNamenodeKnows) {
  const std::string data = Put("/f", kGroup + 2 * kStripe);
  const uint64_t known = kStripe + kCell + 5;
  cluster_.OpenLastGroup("/f", known);
  ASSERT_OK_AND_ASSIGN(auto in, fs_->Open("/f"));
  EXPECT_EQ(in->length(), kGroup + known);
  EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data.substr(0, kGroup + known)));

  // Parity of the last stripe that is known is of bytes that are not.
  cluster_.HideUnit("/f", 1, 1);
  std::string part(kStripe, '\0');
  ASSERT_OK_AND_ASSIGN(in, fs_->Open("/f"));
  EXPECT_THAT(in->ReadAt(kGroup, std::as_writable_bytes(std::span(part))), IsOkAndHolds(kStripe));
  EXPECT_EQ(part, data.substr(kGroup, kStripe));
  EXPECT_THAT(in->ReadAt(kGroup + kStripe, std::as_writable_bytes(std::span(part))),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("being written")));
}

// It is then known whole, also to a stream from before.
TEST_F(StripedStreamsTest, AGroupThatHasBeenClosedIsComputedToItsEnd) {
  const std::string data = Put("/f", kGroup + 2 * kStripe);
  const uint64_t known = kStripe + kCell + 5;
  cluster_.OpenLastGroup("/f", known);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  cluster_.DropUnit("/f", 1, 1);
  cluster_.CloseLastGroup("/f");
  std::string part(known, '\0');
  EXPECT_THAT(in->ReadAt(kGroup, std::as_writable_bytes(std::span(part))), IsOkAndHolds(known));
  EXPECT_EQ(part, data.substr(kGroup, known));
}

// How many bytes a group has and that these are all is known from one moment.
TEST_F(StripedStreamsTest, AGroupThatIsClosedWhileAReaderAttachesIsNotTakenForTheShorterOne) {
  BusyClock clock;
  const auto fs = cluster_.Connect(Options(), clock);
  MakeNodeCostly(0, *fs, clock);  // whether it is, a reader that attaches asks the clock

  const std::string data = Put("/f", 2 * kStripe);
  cluster_.OpenLastGroup("/f", kStripe + kCell + 5);
  cluster_.DropUnit("/f", 0, 1);
  ASSERT_OK_AND_ASSIGN(const auto in, fs->Open("/f"));
  clock.next_act = [&] {
    cluster_.CloseLastGroup("/f");
    EXPECT_THAT(in->RefreshLength(), IsOkAndHolds(data.size()));
  };
  std::string part(5, '\0');
  EXPECT_THAT(in->ReadAt(kStripe + kCell, std::as_writable_bytes(std::span(part))),
              IsOkAndHolds(5u));
  EXPECT_FALSE(clock.next_act) << "the file was closed meanwhile";
  EXPECT_EQ(part, data.substr(kStripe + kCell, 5));
}

// What is being written then is another group.
TEST_F(StripedStreamsTest, AGroupThatWasClosedShortBeforeAnAppendIsComputedToItsEnd) {
  const std::string data = Put("/f", 2 * kStripe);
  const uint64_t known = kStripe + kCell + 5;
  cluster_.OpenLastGroup("/f", known);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  cluster_.AppendGroup("/f", RandomBytes(kStripe));
  cluster_.OpenLastGroup("/f", 0);
  cluster_.DropUnit("/f", 0, 1);
  std::string part(known, '\0');
  EXPECT_THAT(in->ReadAt(0, std::as_writable_bytes(std::span(part))), IsOkAndHolds(known));
  EXPECT_EQ(part, data.substr(0, known));
}

// Its bytes would be somewhere else.
TEST_F(StripedStreamsTest, AFileOfAnotherPolicyIsNotTheFileThatWasOpened) {
  Put("/f", kGroup);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  EXPECT_THAT(in->RefreshLength(), IsOkAndHolds(kGroup));
  cluster_.TellPolicy("/f", ToProto(SmallCells(4, 1)));
  EXPECT_THAT(in->RefreshLength(), IsFsError(FsError::kChanged));
  cluster_.TellPolicy("/f", std::nullopt);
  EXPECT_THAT(in->RefreshLength(), IsFsError(FsError::kChanged));
}

TEST_F(StripedStreamsTest, APolicyThatIsNotKnownIsAnErrorWithThePath) {
  Put("/f", kGroup);
  hdfs::ErasureCodingPolicyProto policy;
  policy.set_id(64);
  cluster_.TellPolicy("/f", policy);
  EXPECT_THAT(fs_->Open("/f"), StatusIs(absl::StatusCode::kUnimplemented,
                                        AllOf(HasSubstr("/f"), HasSubstr("policy 64"))));
}

TEST_F(StripedStreamsTest, UnitsThatThePolicyDoesNotHaveAreRefused) {
  Put("/f", kGroup);
  cluster_.TellPolicy("/f", ToProto(SmallCells(2, 2)));
  EXPECT_THAT(fs_->Open("/f"), StatusIs(absl::StatusCode::kInternal, HasSubstr("/f")));
}

// Of a system policy an Apache HDFS sends the id alone.
TEST_F(StripedStreamsTest, APolicyHasItsNameAlsoWhereTheServerSendsNone) {
  Put("/f", kGroup);
  EXPECT_THAT(fs_->GetEcPolicy("/f"), IsOkAndHolds(SmallCells(3, 2).name));
  hdfs::ErasureCodingPolicyProto policy;
  policy.set_id(1);
  cluster_.TellPolicy("/f", policy);
  EXPECT_THAT(fs_->GetEcPolicy("/f"), IsOkAndHolds("RS-6-3-1024k"));
  cluster_.TellPolicy("/f", std::nullopt);
  EXPECT_THAT(fs_->GetEcPolicy("/f"), IsOkAndHolds(""));
}

TEST_F(StripedStreamsTest, LocationsAreThoseOfTheUnits) {
  Put("/f", kGroup + 1);
  ASSERT_OK_AND_ASSIGN(const auto locations, fs_->GetBlockLocations("/f", 0, 2 * kGroup));
  ASSERT_THAT(locations, SizeIs(2));
  EXPECT_EQ(locations[0].length, kGroup);
  EXPECT_THAT(locations[0].hosts, SizeIs(5));
  EXPECT_EQ(locations[1].offset, kGroup);
  EXPECT_THAT(locations[1].names, SizeIs(3)) << "one cell, and parity of it";
}

// It does not depend on the layout.
TEST_F(StripedStreamsTest, TheCompositeChecksumIsThatOfTheBytes) {
  for (const size_t bytes : {uint64_t{1}, kCell + 1, kStripe + 700, kGroup, 5 * kGroup / 2 + 3}) {
    const std::string data = Put("/f", bytes);
    ASSERT_OK(WriteFile("/replicated", data));
    for (const uint64_t length : {uint64_t{UINT64_MAX}, uint64_t{bytes - bytes / 3}}) {
      ASSERT_OK_AND_ASSIGN(const FileChecksum expected,
                           fs_->GetFileChecksum("/replicated", kComposite, length));
      EXPECT_EQ(expected.algorithm, "COMPOSITE-CRC32C");
      ASSERT_OK_AND_ASSIGN(const FileChecksum found,
                           fs_->GetFileChecksum("/f", kComposite, length));
      EXPECT_EQ(found.algorithm, expected.algorithm);
      EXPECT_EQ(found.bytes, expected.bytes) << bytes << ", of which " << length;
    }
  }
}

// Of each group the MD5 of its data units' MD5s, in a buffer of 32 * 2^k bytes; the file's is that
// of its groups, in the same way.
std::string ExpectedMd5(const std::string& data) {
  const auto padded = [](std::vector<std::byte> digests) {
    digests.resize(std::bit_ceil(std::max<size_t>(digests.size(), 32)));
    return transfer::Md5(digests);
  };
  std::vector<std::byte> groups;
  for (size_t at = 0; at < data.size(); at += kGroup) {
    const std::vector<std::string> units = MakeUnits(SmallCells(3, 2), data.substr(at, kGroup));
    std::vector<std::byte> digests;
    for (uint32_t number = 0; number < 3 && !units[number].empty(); ++number) {
      std::vector<std::byte> crcs(transfer::DataChecksum().ChecksumBytes(units[number].size()));
      transfer::DataChecksum().Compute(std::as_bytes(std::span(units[number])), crcs);
      const transfer::Md5Digest digest = transfer::Md5(crcs);
      digests.insert(digests.end(), digest.begin(), digest.end());
    }
    const transfer::Md5Digest digest = padded(std::move(digests));
    groups.insert(groups.end(), digest.begin(), digest.end());
  }
  const transfer::DataChecksum checksum;
  return transfer::SerializeMd5FileChecksum(
      checksum, data.size() > kGroup ? checksum.ChunkCount(kUnit) : 0, padded(std::move(groups)));
}

// Whether a datanode puts a group's checksum together, or each unit's is asked for.
TEST_F(StripedStreamsTest, TheChecksumByMd5IsHadoops) {
  for (const bool by_datanodes : {false, true}) {
    if (by_datanodes) cluster_.SumUpGroups();
    for (const size_t bytes : {uint64_t{1}, kCell + 1, kStripe + 700, kGroup, 5 * kGroup / 2 + 3}) {
      const std::string data = Put("/f", bytes);
      ASSERT_OK_AND_ASSIGN(const FileChecksum found, fs_->GetFileChecksum("/f", kMd5));
      EXPECT_EQ(found.algorithm,
                bytes > kGroup ? "MD5-of-8MD5-of-512CRC32C" : "MD5-of-0MD5-of-512CRC32C");
      EXPECT_EQ(found.bytes, ExpectedMd5(data)) << bytes << ", by datanodes: " << by_datanodes;
      // A first part is what a file of so many bytes would have.
      ASSERT_OK_AND_ASSIGN(const FileChecksum part,
                           fs_->GetFileChecksum("/f", kMd5, bytes - bytes / 3));
      EXPECT_EQ(part.bytes, ExpectedMd5(data.substr(0, bytes - bytes / 3))) << bytes;
    }
  }
}

TEST_F(StripedStreamsTest, ADatanodeThatSumsUpGroupsIsAskedOnceForEach) {
  const std::string data = Put("/f", 3 * kGroup);
  ASSERT_OK_AND_ASSIGN(const FileChecksum expected, fs_->GetFileChecksum("/f", kComposite));
  const int refused = cluster_.GroupSums();
  EXPECT_LE(refused, 3) << "of the first group's datanodes, and of no other";
  cluster_.SumUpGroups();
  ASSERT_OK_AND_ASSIGN(const FileChecksum found, fs_->GetFileChecksum("/f", kComposite));
  EXPECT_EQ(found.bytes, expected.bytes);
  EXPECT_EQ(cluster_.GroupSums(), refused + 3);
}

TEST_F(StripedStreamsTest, AChecksumIsThatOfTheBytesWithAsManyUnitsLostAsThePolicyAllows) {
  const std::string data = Put("/f", 3 * kGroup / 2 + 700);
  ASSERT_OK(WriteFile("/replicated", data));
  ASSERT_OK_AND_ASSIGN(const FileChecksum crc, fs_->GetFileChecksum("/replicated", kComposite));
  cluster_.DropUnit("/f", 0, 0);
  cluster_.DropUnit("/f", 0, 2);
  cluster_.DropUnit("/f", 1, 1);
  ASSERT_OK_AND_ASSIGN(const FileChecksum composite, fs_->GetFileChecksum("/f", kComposite));
  EXPECT_EQ(composite.bytes, crc.bytes);
  ASSERT_OK_AND_ASSIGN(const FileChecksum md5, fs_->GetFileChecksum("/f", kMd5));
  EXPECT_EQ(md5.bytes, ExpectedMd5(data));
}

// How it is checksummed is known from parity then.
TEST_F(StripedStreamsTest, TheOnlyDataUnitOfAFileMayBeLost) {
  const std::string data = Put("/f", 700);
  cluster_.DropUnit("/f", 0, 0);
  ASSERT_OK_AND_ASSIGN(const FileChecksum md5, fs_->GetFileChecksum("/f", kMd5));
  EXPECT_EQ(md5.bytes, ExpectedMd5(data));
}

TEST_F(StripedStreamsTest, AChecksumOfWhatIsStoredNeedsEveryDataUnit) {
  Put("/f", kGroup);
  cluster_.SumUpGroups();
  const auto ask = [&] {
    return fs_->GetFileChecksum("/f", kComposite, UINT64_MAX, LostUnits::kRefuse);
  };
  cluster_.HideUnit("/f", 0, 3);
  EXPECT_OK(ask());
  cluster_.DropUnit("/f", 0, 1);
  EXPECT_THAT(ask(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("/f")));
  EXPECT_EQ(cluster_.GroupSums(), 0);
}

// Here nothing would be seen of it: what is lost would be read from as many units as it takes.
TEST_F(StripedStreamsTest, WhereDatanodesSayThatUnitsContradictEachOtherThereIsNoChecksum) {
  Put("/f", kGroup);
  cluster_.DropUnit("/f", 0, 1);
  ASSERT_OK(fs_->GetFileChecksum("/f", kMd5));
  const int before = cluster_.GroupSums();
  cluster_.SumUpGroups(hdfs::STATUS_ERROR_CHECKSUM);
  EXPECT_THAT(fs_->GetFileChecksum("/f", kMd5),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("/f")));
  EXPECT_EQ(cluster_.GroupSums(), before + 3) << "another one may know better";
}

TEST_F(StripedStreamsTest, WithTooFewUnitsThereIsNoChecksum) {
  Put("/f", kGroup);
  for (const uint32_t unit : {0u, 2u, 4u}) cluster_.DropUnit("/f", 0, unit);
  EXPECT_THAT(fs_->GetFileChecksum("/f", kMd5), StatusIs(absl::StatusCode::kUnavailable));
}

// A file is closed when as many units are reported as it takes to read it.
TEST_F(StripedStreamsTest, AUnitThatIsNotReportedYetIsWaitedFor) {
  const std::string data = Put("/f", kGroup);
  // Nothing else would give its bytes.
  cluster_.DropUnit("/f", 0, 3);
  cluster_.DropUnit("/f", 0, 4);
  cluster_.TellUnitLater("/f", 0, 1, /*calls=*/2);
  ASSERT_OK_AND_ASSIGN(const FileChecksum md5, fs_->GetFileChecksum("/f", kMd5));
  EXPECT_EQ(md5.bytes, ExpectedMd5(data));
  EXPECT_EQ(cluster_.Calls("getBlockLocations"), 3);
}

// But not for ever.
TEST_F(StripedStreamsTest, AUnitThatIsNeverReportedIsComputed) {
  const std::string data = Put("/f", kGroup);
  cluster_.HideUnit("/f", 0, 1);
  ASSERT_OK_AND_ASSIGN(const FileChecksum md5, fs_->GetFileChecksum("/f", kMd5));
  EXPECT_EQ(md5.bytes, ExpectedMd5(data));
}

}  // namespace
}  // namespace cairn::client
