// Erasure-coded files some of whose units are read from the files of this machine's datanodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/costly_nodes.h"
#include "client/testing/streams_fixture.h"
#include "client/testing/striped_data.h"
#include "common/testing/temp_dir.h"

namespace cairn::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kCell = 1024;
constexpr uint64_t kStripe = 3 * kCell;
constexpr uint64_t kUnit = 4 * kCell;  // of a whole group
constexpr uint64_t kGroup = 3 * kUnit;

// Unit u of each group is on datanode u.
class LocalUnitsTest : public StreamsTest {
 protected:
  // What a range of a file is, and how much of it came from files.
  struct Got {
    std::string bytes;
    uint64_t local = 0;
    bool operator==(const Got&) const = default;
  };

  LocalUnitsTest() : StreamsTest(/*datanodes=*/5) {}

  void Connect(const std::vector<int>& local, ClientOptions options = Options()) {
    if (!local.empty()) cluster_.PassDescriptors(directory_.path(), local);
    options.domain_socket_path = directory_.Path("dn._PORT");
    fs_ = cluster_.Connect(std::move(options), clock_);
  }
  std::string Put(const std::string& path, size_t bytes) {
    const std::string data = RandomBytes(bytes);
    cluster_.PutStriped(path, SmallCells(3, 2), data, kUnit);
    return data;
  }
  static absl::StatusOr<Got> ReadAt(InputStream& in, uint64_t offset, size_t length) {
    Got got;
    got.bytes.resize(length);
    const uint64_t before = in.local_bytes();
    ASSIGN_OR_RETURN(const size_t bytes,
                     in.ReadAt(offset, std::as_writable_bytes(std::span(got.bytes))));
    got.bytes.resize(bytes);
    got.local = in.local_bytes() - before;
    return got;
  }
  // All of it, by a stream of its own.
  absl::StatusOr<Got> ReadAll(const std::string& path) {
    ASSIGN_OR_RETURN(const auto in, fs_->Open(path));
    Got got;
    got.bytes.resize(in->length());
    ASSIGN_OR_RETURN(const size_t bytes,
                     in->ReadFully(std::as_writable_bytes(std::span(got.bytes))));
    got.bytes.resize(bytes);
    got.local = in->local_bytes();
    return got;
  }

  const TempDir directory_;
};

TEST_F(LocalUnitsTest, EveryByteOfEveryLengthComesFromTheFiles) {
  Connect({0, 1, 2, 3, 4});
  for (const size_t bytes : {uint64_t{1}, kCell - 1, kCell, kCell + 1, kStripe - 1, kStripe,
                             kStripe + 1, kGroup - 1, kGroup, kGroup + 1, 5 * kGroup / 2}) {
    const std::string data = Put("/f", bytes);
    ASSERT_THAT(ReadAll("/f"), IsOkAndHolds(Got{data, bytes})) << bytes;
    ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
    for (const uint64_t border : {kCell, kStripe, kUnit, kGroup}) {
      for (const uint64_t offset : {border - 1, border, border + 1}) {
        const std::string expected = offset < bytes ? data.substr(offset, kCell + 3) : "";
        ASSERT_THAT(ReadAt(*in, offset, kCell + 3), IsOkAndHolds(Got{expected, expected.size()}))
            << bytes << ", from " << offset;
      }
    }
  }
}

TEST_F(LocalUnitsTest, APieceOfOneCellIsReadFromThatUnitAlone) {
  Connect({0, 1, 2, 3, 4});
  const std::string data = Put("/f", kGroup);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  EXPECT_THAT(ReadAt(*in, kStripe + kCell + 10, 100),
              IsOkAndHolds(Got{data.substr(kStripe + kCell + 10, 100), 100}));
  EXPECT_EQ(cluster_.DescriptorRequests(), 1);
  EXPECT_THAT(ReadAt(*in, 10, 100), IsOkAndHolds(Got{data.substr(10, 100), 100}));
  EXPECT_EQ(cluster_.DescriptorRequests(), 2);
}

// As on a machine that has one of the datanodes.
TEST_F(LocalUnitsTest, LocalAndRemoteUnitsAreReadTogether) {
  Connect({0, 3});
  const std::string data = Put("/f", 2 * kGroup);
  EXPECT_THAT(ReadAll("/f"), IsOkAndHolds(Got{data, 2 * kUnit}));
  // Computed from both kinds.
  for (const size_t group : {0u, 1u}) cluster_.HideUnit("/f", group, 1);
  EXPECT_THAT(ReadAll("/f"), IsOkAndHolds(Got{data, 2 * kUnit}));
}

TEST_F(LocalUnitsTest, ABadUnitIsConfirmedByItsDatanodeReportedAndComputed) {
  Connect({0, 1, 2, 3, 4});
  const std::string data = Put("/f", 2 * kGroup);
  cluster_.FlipBit("/f", 1, 2, 2 * kCell + 5);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(const Got got, ReadAt(*in, 0, data.size()));
    EXPECT_EQ(got.bytes, data);
    EXPECT_EQ(got.local, data.size() - kUnit) << "computed bytes are not local";
  }
  EXPECT_THAT(cluster_.BadReplicaReports(), ElementsAre(2)) << "once: it is not asked again";
  EXPECT_THAT(cluster_.BadBlockReports(), ElementsAre(cluster_.UnitId("/f", 1, 2)));
}

TEST_F(LocalUnitsTest, WhatIsWrongWithFilesAloneIsHeldAgainstNobody) {
  Connect({0, 1, 2, 3, 4});
  const std::string data = Put("/f", 2 * kGroup);
  cluster_.FlipBitInFiles("/f", 0, 1, 0);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(ReadAll("/f"), IsOkAndHolds(Got{data, data.size() - kUnit}));
  }
  EXPECT_THAT(cluster_.BadReplicaReports(), IsEmpty());
  EXPECT_EQ(cluster_.Calls("getBlockLocations"), 2) << "no other round was needed";
}

TEST_F(LocalUnitsTest, OfParityAsWell) {
  Connect({0, 1, 2, 3, 4});
  const std::string data = Put("/f", kGroup);
  cluster_.HideUnit("/f", 0, 0);
  cluster_.FlipBitInFiles("/f", 0, 3, kUnit - 1);
  EXPECT_THAT(ReadAll("/f"), IsOkAndHolds(Got{data, data.size() - kUnit}));
  EXPECT_THAT(cluster_.BadReplicaReports(), IsEmpty());
}

TEST_F(LocalUnitsTest, WhoDoesNotWantChecksumsGetsWhatTheFilesHold) {
  ClientOptions options = Options();
  options.verify_local = false;
  Connect({0, 1, 2, 3, 4}, options);
  std::string data = Put("/f", kGroup);
  cluster_.FlipBitInFiles("/f", 0, 1, 7);
  data[kCell + 7] ^= 1;
  EXPECT_THAT(ReadAll("/f"), IsOkAndHolds(Got{data, data.size()}));
}

// What a unit's datanode cannot sum up is read, but not in this way.
TEST_F(LocalUnitsTest, AChecksumIsOfNoBytesThatNobodyVerified) {
  ClientOptions options = Options();
  options.verify_local = false;
  Connect({0, 1, 2, 3, 4}, options);
  const std::string data = Put("/f", kGroup);
  ASSERT_OK_AND_ASSIGN(const FileChecksum right,
                       fs_->GetFileChecksum("/f", ChecksumCombine::kComposite));
  cluster_.FlipBitInFiles("/f", 0, 1, 7);
  ASSERT_OK_AND_ASSIGN(const Got got, ReadAll("/f"));
  ASSERT_NE(got.bytes, data) << "its files are at hand";
  cluster_.DropUnit("/f", 0, 1);
  ASSERT_OK_AND_ASSIGN(const FileChecksum found,
                       fs_->GetFileChecksum("/f", ChecksumCombine::kComposite));
  EXPECT_EQ(found.bytes, right.bytes);
}

TEST_F(LocalUnitsTest, FilesThatAreTooShortAreNotRead) {
  Connect({0, 1, 2, 3, 4});
  const std::string data = Put("/f", kGroup);
  cluster_.CutUnit("/f", 0, 1, kUnit - 1);
  EXPECT_THAT(ReadAll("/f"), IsOkAndHolds(Got{data, data.size() - kUnit}));
}

TEST_F(LocalUnitsTest, UnitsThatAreGoneAreReadAsLongAsTheirFilesAreInHand) {
  Connect({0, 1, 2, 3, 4});
  const std::string data = Put("/f", 2 * kGroup);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  ASSERT_THAT(ReadAt(*in, 0, data.size()), IsOkAndHolds(Got{data, data.size()}));
  for (const size_t group : {0u, 1u}) {
    for (uint32_t unit = 0; unit < 5; ++unit) cluster_.DropUnit("/f", group, unit);
  }
  EXPECT_THAT(ReadAt(*in, 0, data.size()), IsOkAndHolds(Got{data, data.size()}));
  EXPECT_EQ(cluster_.DescriptorRequests(), 6) << "parity was not needed";
}

TEST_F(LocalUnitsTest, FilesInHandAreNotThoseOfAnotherStamp) {
  Connect({0, 1, 2, 3, 4});
  const std::string data = Put("/f", kGroup);
  ASSERT_THAT(ReadAll("/f"), IsOkAndHolds(Got{data, data.size()}));
  EXPECT_EQ(cluster_.DescriptorRequests(), 3);
  // The group has a new one, and its units the bytes of another.
  cluster_.Cut("/f", kGroup - kCell);
  const std::string other = RandomBytes(kGroup - kCell);
  const std::vector<std::string> units = MakeUnits(SmallCells(3, 2), other);
  for (uint32_t unit = 0; unit < 5; ++unit) cluster_.PutUnit("/f", 0, unit, units[unit]);
  EXPECT_THAT(ReadAll("/f"), IsOkAndHolds(Got{other, other.size()}));
  EXPECT_EQ(cluster_.DescriptorRequests(), 6);
}

// Nobody has to wait for the datanode.
TEST_F(LocalUnitsTest, UnitsInHandAreReadThoughTheirDatanodeIsCostlyOrDead) {
  ClientOptions options = Options();
  options.domain_socket_path = directory_.Path("dn._PORT");
  cluster_.PassDescriptors(directory_.path(), {0});
  const std::shared_ptr<ClientContext> context = cluster_.NewContext(options, clock_);
  fs_ = FileSystem::Over(context);
  const std::string data = Put("/f", 2 * kGroup);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  ASSERT_THAT(ReadAt(*in, 0, kGroup), IsOkAndHolds(Got{data.substr(0, kGroup), kUnit}));

  context->costly_nodes.Failed("uuid-0", CostlyNodes::kCostly);
  EXPECT_THAT(ReadAt(*in, 0, kGroup), IsOkAndHolds(Got{data.substr(0, kGroup), kUnit}));
  EXPECT_THAT(ReadAt(*in, kGroup, kGroup), IsOkAndHolds(Got{data.substr(kGroup), 0}))
      << "what is not in hand is read from others";

  // The stream finds it dead in the second group.
  clock_.Advance(CostlyNodes::kLife);
  cluster_.DropUnit("/f", 1, 0);
  EXPECT_THAT(ReadAt(*in, kGroup, kGroup), IsOkAndHolds(Got{data.substr(kGroup), 0}));
  EXPECT_THAT(ReadAt(*in, 0, kGroup), IsOkAndHolds(Got{data.substr(0, kGroup), kUnit}));
}

TEST_F(LocalUnitsTest, AGroupBeingWrittenIsNotReadFromFiles) {
  Connect({0, 1, 2, 3, 4});
  const std::string data = Put("/f", kGroup + 2 * kStripe);
  const uint64_t known = kStripe + kCell + 5;
  cluster_.OpenLastGroup("/f", known);
  EXPECT_THAT(ReadAll("/f"), IsOkAndHolds(Got{data.substr(0, kGroup + known), kGroup}));
  cluster_.CloseLastGroup("/f");
  EXPECT_THAT(ReadAll("/f"), IsOkAndHolds(Got{data, data.size()}));
}

// A group has more units than are kept, or none is.
TEST_F(LocalUnitsTest, FewKeptFilesAreEnough) {
  cluster_.PassDescriptors(directory_.path(), {0, 1, 2, 3, 4});
  const std::string data = Put("/f", 5 * kGroup / 2);
  for (const size_t kept : {0u, 1u, 2u}) {
    ClientOptions options = Options();
    options.local_replicas = kept;
    Connect({}, options);
    EXPECT_THAT(ReadAll("/f"), IsOkAndHolds(Got{data, data.size()})) << kept;
  }
}

TEST_F(LocalUnitsTest, OldTokensMeanTheOtherWay) {
  Connect({0, 1, 2, 3, 4});
  const std::string data = Put("/f", kGroup);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  cluster_.RenewTokens();
  EXPECT_THAT(ReadAt(*in, 0, kGroup), IsOkAndHolds(Got{data, 2 * kUnit}))
      << "unit 0 was refused both ways before the tokens were renewed";
  clock_.Advance(absl::Seconds(6));
  EXPECT_THAT(ReadAt(*in, 0, kGroup), IsOkAndHolds(Got{data, kGroup}));
}

TEST_F(LocalUnitsTest, AFileThatIsConvertedShowsTheSameBytes) {
  cluster_.PassDescriptors(directory_.path(), {0, 1, 2, 3, 4});
  const std::string data = RandomBytes(5 * kGroup / 2);
  const auto put = [&](const std::string& path, bool coded) {
    if (coded) {
      cluster_.PutStriped(path, SmallCells(3, 2), data, kUnit);
      return absl::OkStatus();
    }
    fs_ = cluster_.Connect(Options());
    return WriteFile(path, data);
  };
  for (const size_t kept : {0u, 256u}) {
    for (const bool to_coded : {false, true}) {
      SCOPED_TRACE(absl::StrCat(kept, " ", to_coded));
      ASSERT_OK(put("/f", !to_coded));
      ASSERT_OK(put("/copy", to_coded));
      ClientOptions options = Options();
      options.local_replicas = kept;
      Connect({}, options);
      ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
      ASSERT_THAT(ReadAt(*in, 0, 2000), IsOkAndHolds(Got{data.substr(0, 2000), 2000}));
      cluster_.Convert("/f", "/copy");
      for (const uint64_t offset : {uint64_t{0}, kGroup + 100, uint64_t{data.size() - 700}}) {
        ASSERT_OK_AND_ASSIGN(const Got got, ReadAt(*in, offset, 700));
        EXPECT_EQ(got.bytes, data.substr(offset, 700));
      }
      EXPECT_THAT(ReadAll("/f"), IsOkAndHolds(Got{data, data.size()}));
    }
  }
}

}  // namespace
}  // namespace cairn::client
