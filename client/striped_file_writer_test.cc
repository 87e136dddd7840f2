// Erasure-coded files written through libcairn, against datanodes that fail on request.
#include "client/striped_file_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/testing/group_streams_fixture.h"
#include "common/testing/eventually.h"

namespace cairn::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class StripedFileWriterTest : public GroupStreamsTest {};

TEST_F(StripedFileWriterTest, FilesOfEveryLengthAreStoredAsTheLayoutSays) {
  for (const uint64_t packet_bytes : {512u, 64u << 10}) {
    ClientOptions options = Options();
    options.write_packet_bytes = static_cast<uint32_t>(packet_bytes);
    const auto fs = cluster_.Connect(options);
    for (const uint64_t size :
         {uint64_t{0}, uint64_t{1}, kCell - 1, kCell, kCell + 1, kStripeBytes - 1, kStripeBytes,
          kStripeBytes + 1, kGroupBytes - 1, kGroupBytes, kGroupBytes + 1, kGroupBytes * 5 / 2}) {
      SCOPED_TRACE(absl::StrCat(size, " bytes in packets of ", packet_bytes));
      const std::string data = RandomBytes(size);
      ASSERT_OK(Write(data, *fs));
      ExpectStored(data);
      EXPECT_EQ(cluster_.Groups("/f").size(), (size + kGroupBytes - 1) / kGroupBytes);
    }
  }
  EXPECT_EQ(cluster_.Calls("updateBlockForPipeline"), 0);
}

TEST_F(StripedFileWriterTest, OneCallMayWriteSeveralGroups) {
  const std::string data = RandomBytes(3 * kGroupBytes + 100);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(data));
  EXPECT_EQ(out->position(), data.size());
  ASSERT_OK(out->Close());
  ExpectStored(data);
}

TEST_F(StripedFileWriterTest, OtherCodesAndCellsWorkAlike) {
  const erasure::Policy xor_code = {
      .id = 65,
      .name = "XOR-2-1-4k",
      .schema = {.codec = erasure::Codec::kXor, .data_units = 2, .parity_units = 1},
      .cell_bytes = 4096};
  erasure::Policy wide = SmallCells(10, 4);
  wide.cell_bytes = 3 * 1024;
  for (const erasure::Policy& policy : {xor_code, wide}) {
    FakeGroups cluster(policy, 14);
    ClientOptions options = Options();
    options.block_bytes = 16 << 10;  // of `wide` no multiple of a cell: five fit
    options.write_packet_bytes = 1000;
    const auto fs = cluster.Connect(options);
    const std::string data = RandomBytes(200'000);
    ASSERT_OK(Write(data, *fs));
    ExpectStored(cluster, policy, data);
  }
}

// Less than a stripe at a time may be on its way, and still all goes out.
TEST_F(StripedFileWriterTest, AWindowOfLessThanAStripeIsEnough) {
  ClientOptions options = Options();
  options.write_window_bytes = 100;
  fs_ = cluster_.Connect(options);
  const std::string data = RandomBytes(kGroupBytes * 2);
  ASSERT_OK(Write(data));
  ExpectStored(data);
}

TEST_F(StripedFileWriterTest, AGroupEndsWhereTheWriterSaysSo) {
  const std::string data = RandomBytes(kGroupBytes + 2000);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->EndBlock()) << "of nothing: no group is made";
  ASSERT_OK(out->Write(data.substr(0, 1500)));
  ASSERT_OK(out->EndBlock());
  ASSERT_OK(out->EndBlock());
  ASSERT_OK(out->Write(data.substr(1500)));
  ASSERT_OK(out->Close());
  ExpectStored(data);
  EXPECT_THAT(GroupBytes(), ElementsAre(1500, kGroupBytes, 500));
}

TEST_F(StripedFileWriterTest, AnAppendBeginsAGroup) {
  const std::string data = RandomBytes(5000);
  ASSERT_OK(Write(data.substr(0, 1500)));
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Append("/f", {.new_block = true}));
  EXPECT_EQ(out->position(), 1500u);
  ASSERT_OK(out->Write(data.substr(1500)));
  ASSERT_OK(out->Close());
  ExpectStored(data);
  EXPECT_THAT(GroupBytes(), ElementsAre(1500, 3500));
}

TEST_F(StripedFileWriterTest, CloseReturnsWhenTheFileIsComplete) {
  cluster_.DenyCompletion(1);
  const std::string data = RandomBytes(100);
  ASSERT_OK(Write(data));
  EXPECT_EQ(cluster_.Calls("complete"), 2);
  ExpectStored(data);
}

TEST_F(StripedFileWriterTest, WhoAsksForItHasEveryUnitSyncedAtItsEnd) {
  for (const bool sync : {false, true}) {
    ClientOptions options = Options();
    options.sync_blocks = sync;
    fs_ = cluster_.Connect(options);
    ASSERT_OK(Write(RandomBytes(kGroupBytes + 1)));
    for (const FakeGroups::Group& group : cluster_.Groups("/f")) {
      for (const FakeGroups::Unit& unit : group.units) EXPECT_EQ(unit.synced, sync && unit.there);
    }
  }
}

TEST_F(StripedFileWriterTest, WhileNothingIsWrittenEveryUnitGetsHeartbeats) {
  ClientOptions options = Options();
  options.read_timeout = absl::Milliseconds(40);
  fs_ = cluster_.Connect(options);
  const std::string data = RandomBytes(kStripeBytes + 1);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(data));
  EVENTUALLY(cluster_.Heartbeats() >= 10);
  ASSERT_OK(out->Close());
  ExpectStored(data);
}

TEST_F(StripedFileWriterTest, ChecksumsThatDoNotDivideACellAreRefused) {
  ClientOptions options = Options();
  options.bytes_per_checksum = 2048;
  fs_ = cluster_.Connect(options);
  EXPECT_THAT(fs_->Create("/f").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("RS-3-2-1k")));
  EXPECT_FALSE(cluster_.IsOpen("/f"));
}

TEST_F(StripedFileWriterTest, ABlockThatHasNoRoomForACellIsRefused) {
  EXPECT_THAT(fs_->Create("/f", {.block_bytes = 512}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("block size 512")));
  EXPECT_FALSE(cluster_.IsOpen("/f"));
}

TEST_F(StripedFileWriterTest, UnitsThatTheServerNumbersWronglyAreRefused) {
  cluster_.NumberUnitsWrongly();
  EXPECT_THAT(Write(RandomBytes(10)), StatusIs(absl::StatusCode::kInternal, HasSubstr("/f")));
}

// ---- Units that fail ----

// What it has is of the old stamp then, and is not taken for the unit.
TEST_F(StripedFileWriterTest, AUnitThatFailsInTheMiddleIsLeftBehindUnderTheOldStamp) {
  cluster_.DieAfterBytes(2, 2 * kCell);
  const std::string data = RandomBytes(kGroupBytes + 1);
  ASSERT_OK(Write(data));
  ExpectStored(data, {{2}});
  const FakeGroups::Group group = cluster_.Groups("/f")[0];
  EXPECT_THAT(group.lost, ElementsAre(2));
  EXPECT_EQ(group.units[2].bytes,
            MakeUnits(SmallCells(3, 2), data.substr(0, kGroupBytes))[2].substr(0, 2 * kCell));
  EXPECT_LT(group.units[2].stamp, group.stamp);
}

TEST_F(StripedFileWriterTest, AUnitThatFailsAtItsLastDataIsLeftBehind) {
  cluster_.DieAfterBytes(0, kUnitBytes - 1);
  const std::string data = RandomBytes(kGroupBytes);
  ASSERT_OK(Write(data));
  ExpectStored(data, {{0}});
  EXPECT_THAT(cluster_.Groups("/f")[0].lost, ElementsAre(0));
}

// In a stripe that is short, after which there is no other.
TEST_F(StripedFileWriterTest, AUnitThatFailsInTheLastStripeIsLeftBehind) {
  cluster_.DieAfterBytes(3, kCell);
  const std::string data = RandomBytes(kStripeBytes + 10);
  ASSERT_OK(Write(data));
  ExpectStored(data, {{3}});
  EXPECT_THAT(cluster_.Groups("/f")[0].lost, ElementsAre(3));
}

// It has all its data: no other has to take a new stamp because of it.
TEST_F(StripedFileWriterTest, AUnitThatFailsAtItsClosingPacketIsMerelyCounted) {
  cluster_.DieAtClose(0);
  cluster_.DieAtClose(3);
  const std::string data = RandomBytes(kGroupBytes);
  ASSERT_OK(Write(data));
  ExpectStored(data, {{0, 3}});
  EXPECT_EQ(cluster_.Calls("updateBlockForPipeline"), 0);
}

TEST_F(StripedFileWriterTest, AsManyUnitsAsThereIsParityMayFailAtOnce) {
  cluster_.DieAfterBytes(1, kCell);
  cluster_.DieAfterBytes(2, kCell);
  const std::string data = RandomBytes(kGroupBytes);
  ASSERT_OK(Write(data));
  ExpectStored(data, {{1, 2}});
  EXPECT_THAT(cluster_.Groups("/f")[0].lost, ElementsAre(1, 2));
}

TEST_F(StripedFileWriterTest, OneThatFailsWhileItTakesTheNewStampIsLeftBehindUnderANewerOne) {
  cluster_.DieAfterBytes(1, 2 * kCell);
  cluster_.RefuseRecovery(3);
  const std::string data = RandomBytes(kGroupBytes);
  ASSERT_OK(Write(data));
  ExpectStored(data, {{1, 3}});
  EXPECT_THAT(cluster_.Groups("/f")[0].lost, ElementsAre(1, 3));
  EXPECT_EQ(cluster_.Calls("updateBlockForPipeline"), 2);
  EXPECT_EQ(cluster_.Calls("updatePipeline"), 1);
}

TEST_F(StripedFileWriterTest, WithMoreLostThanThereIsParityTheWriteFailsAndSaysWhy) {
  for (const int node : {0, 3, 4}) cluster_.DieAfterBytes(node, kCell);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  absl::Status failed = out->Write(RandomBytes(kGroupBytes));
  const std::string message(failed.message());
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("/f")));
  const int64_t group = static_cast<int64_t>(cluster_.Groups("/f")[0].id);
  EXPECT_THAT(message,
              HasSubstr(absl::StrCat("block group ", group, " has lost 3 of its 5 units")));
  EXPECT_THAT(message, HasSubstr("unit 0: "));
  EXPECT_THAT(message, HasSubstr("transfer status"));
  EXPECT_THAT(message, HasSubstr("unit 3: "));
  EXPECT_THAT(message, HasSubstr("unit 4: "));
  EXPECT_EQ(out->Write("more"), failed);
  EXPECT_EQ(out->Close(), failed);
  EXPECT_EQ(cluster_.Calls("complete"), 0);
  EXPECT_TRUE(cluster_.IsOpen("/f"));
}

TEST_F(StripedFileWriterTest, WithTooManyThatFailAtTheirClosingPacketCloseFails) {
  for (const int node : {0, 1, 2}) cluster_.DieAtClose(node);
  EXPECT_THAT(Write(RandomBytes(kStripeBytes)),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("has lost 3 of its 5 units")));
  EXPECT_EQ(cluster_.Calls("complete"), 0);
}

TEST_F(StripedFileWriterTest, UnitsWithoutAPlaceAreLostFromTheStart) {
  cluster_.OfferAtMost(3);
  const std::string data = RandomBytes(kGroupBytes + 1);
  ASSERT_OK(Write(data));
  ExpectStored(data, {{3, 4}, {3, 4}});
  EXPECT_EQ(cluster_.Calls("updateBlockForPipeline"), 0) << "the namenode knows";
}

TEST_F(StripedFileWriterTest, UnitsWithoutAPlaceCountAmongThoseThatAreLost) {
  cluster_.OfferAtMost(4);
  cluster_.DieAfterBytes(0, kCell);
  const std::string data = RandomBytes(kGroupBytes);
  ASSERT_OK(Write(data));
  ExpectStored(data, {{0, 4}, {4}});
  EXPECT_THAT(cluster_.Groups("/f")[0].lost, ElementsAre(0, 4));

  cluster_.OfferAtMost(3);
  cluster_.DieAfterBytes(1, kCell);
  EXPECT_THAT(Write(data), StatusIs(absl::StatusCode::kUnavailable,
                                    HasSubstr("the namenode had no datanode for it")));
}

TEST_F(StripedFileWriterTest, AUnitThatFallsSilentIsGivenUpLongBeforeTheSocketTimeout) {
  ClientOptions options = Options();
  options.silence_limit = absl::Seconds(3);  // more than a busy machine keeps the others
  fs_ = cluster_.Connect(options);
  cluster_.FallSilent(1);
  const std::string data = RandomBytes(kGroupBytes);
  ASSERT_OK(Write(data));
  ExpectStored(data, {{1}});
  EXPECT_THAT(cluster_.Groups("/f")[0].lost, ElementsAre(1));
}

// Without parity left there is nothing to be won by giving it up.
TEST(SpareSilenceTest, OneThatCanBeDoneWithoutIsGivenUpAsSoonAsOneOfSeveral) {
  ClientOptions options;
  EXPECT_EQ(SilenceLimit(options, 1, /*spare=*/true), absl::Seconds(6));
  EXPECT_EQ(SilenceLimit(options, 1, /*spare=*/false), absl::Seconds(65));
}

}  // namespace
}  // namespace cairn::client
