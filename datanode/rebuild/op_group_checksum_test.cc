// Checksums of block groups whose units several datanodes hold, over real sockets.
#include <set>

#include "absl/strings/str_cat.h"
#include "common/crc32c.h"
#include "datanode/testing/rebuild_fixture.h"
#include "wire/transfer/big_endian.h"
#include "wire/transfer/block_checksum.h"
#include "wire/transfer/group_token.h"

namespace cairn::datanode {
namespace {

using testing::CodedGroup;
using ::testing::HasSubstr;
using testing::kCell;
using testing::NodeAt;
using testing::Pattern;
using testing::RebuildFixture;
using testing::SilentNode;
using testing::TestBlock;
using testing::TestNode;
using testing::TokenOf;
using testing::TransferClient;
using Op = hdfs::OpBlockGroupChecksumProto;

constexpr erasure::Schema kSchema{erasure::Codec::kReedSolomon, 3, 2};
constexpr erasure::Schema kMoreParity{erasure::Codec::kReedSolomon, 3, 3};
constexpr uint64_t kStripe = 3 * kCell;
// Several pieces of each unit, with an end inside a chunk.
constexpr uint64_t kLarge = 3 * (3 * kRebuildPieceBytes) + 5 * kCell + 77;

std::string ToText(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// MD5 over the padded MD5s of the data units' shares.
std::string ExpectedMd5(const CodedGroup& group, uint64_t covered) {
  std::vector<std::byte> buffer;
  for (uint32_t unit = 0; unit < kSchema.data_units; ++unit) {
    const std::string share = group.units[unit].substr(0, group.layout.UnitBytes(covered, unit));
    if (share.empty()) continue;
    std::vector<std::byte> crcs(transfer::DataChecksum().ChecksumBytes(share.size()));
    transfer::DataChecksum().Compute(std::as_bytes(std::span(share)), crcs);
    const transfer::Md5Digest digest = transfer::Md5(crcs);
    buffer.insert(buffer.end(), digest.begin(), digest.end());
  }
  buffer.resize(buffer.size() <= 32 ? 32 : 64);
  return ToText(transfer::Md5(buffer));
}

std::string ExpectedCrc(const CodedGroup& group, uint64_t covered) {
  const std::string data = Pattern(group.length, static_cast<uint32_t>(ToInt(group.group)));
  std::byte crc[4];
  transfer::StoreBig32(Crc32c(std::as_bytes(std::span(data.data(), covered))), crc);
  return ToText(crc);
}

class GroupChecksumTest : public RebuildFixture {
 protected:
  explicit GroupChecksumTest(const erasure::Schema& schema = kSchema) : RebuildFixture(schema) {}

  // As Hadoop's client asks: it knows of all units but `lost`.
  Op OpFor(const CodedGroup& group, uint64_t covered, hdfs::BlockChecksumTypeProto mode,
           const std::set<uint32_t>& lost = {}) {
    Op op;
    *op.mutable_header()->mutable_block() =
        TestBlock{.id = ToInt(group.group), .length = group.length}.ToProto();
    *op.mutable_header()->mutable_token() = TokenOf(transfer::kGroupToken);
    op.mutable_ecpolicy()->set_id(65);
    op.mutable_ecpolicy()->set_cellsize(group.layout.cell_bytes());
    op.mutable_ecpolicy()->mutable_schema()->set_codecname("rs");
    op.mutable_ecpolicy()->mutable_schema()->set_dataunits(schema_.data_units);
    op.mutable_ecpolicy()->mutable_schema()->set_parityunits(schema_.parity_units);
    op.set_requestednumbytes(covered);
    op.mutable_blockchecksumoptions()->set_blockchecksumtype(mode);
    op.mutable_datanodes();
    for (uint32_t unit = 0; unit < schema_.units(); ++unit) {
      if (group.units[unit].empty() || lost.contains(unit)) continue;
      *op.mutable_datanodes()->add_datanodes() = NodeAt(holders_[unit]->port());
      op.add_blockindices(unit);
      *op.add_blocktokens() = TokenOf("");
    }
    return op;
  }
  static hdfs::BlockOpResponseProto Ask(TestNode& node, const Op& op) {
    TransferClient client(node.port());
    client.SendOp(transfer::Opcode::kBlockGroupChecksum, op);
    const auto reply = client.ReadReply();
    EXPECT_OK(reply.status());
    return reply.ok() ? *reply : hdfs::BlockOpResponseProto();
  }
  // Both modes, asked of `node`.
  void ExpectSums(TestNode& node, const CodedGroup& group, uint64_t covered,
                  const std::set<uint32_t>& lost = {}) {
    SCOPED_TRACE(absl::StrCat(covered, " of ", group.length, " bytes, ", lost.size(), " lost"));
    for (const auto mode : {hdfs::MD5CRC, hdfs::COMPOSITE_CRC}) {
      const auto reply = Ask(node, OpFor(group, covered, mode, lost));
      ASSERT_EQ(reply.status(), hdfs::STATUS_SUCCESS) << reply.ShortDebugString();
      const auto& sum = reply.checksumresponse();
      EXPECT_EQ(sum.blockchecksum(),
                mode == hdfs::MD5CRC ? ExpectedMd5(group, covered) : ExpectedCrc(group, covered));
      EXPECT_EQ(sum.bytespercrc(), 512u);
      EXPECT_EQ(sum.crctype(), hdfs::CHECKSUM_CRC32C);
      EXPECT_EQ(sum.crcperblock(), (group.units[0].size() + 511) / 512);
      EXPECT_EQ(sum.blockchecksumoptions().blockchecksumtype(), mode);
    }
  }
};

TEST_F(GroupChecksumTest, ItIsThatOfTheBytesWhateverIsLostAndHoweverMuchIsCovered) {
  for (const uint64_t length : {uint64_t{1}, uint64_t{511}, uint64_t{kCell}, uint64_t{kCell + 1},
                                kStripe - 1, kStripe + 513, 2 * kStripe + kCell + 700}) {
    const CodedGroup group = NewGroup(length);
    Store(group);
    for (const uint64_t covered : {length, length - length / 3}) {
      ExpectSums(rebuilder_, group, covered);
      for (const std::set<uint32_t>& lost :
           {std::set<uint32_t>{0}, {1}, {2}, {3, 4}, {0, 2}, {1, 2}, {0, 4}}) {
        ExpectSums(rebuilder_, group, covered, lost);
      }
    }
  }
}

TEST_F(GroupChecksumTest, LostUnitsOfManyPiecesAreSummedUp) {
  const CodedGroup group = NewGroup(kLarge);
  Store(group);
  ExpectSums(*holders_[2], group, kLarge);
  ExpectSums(*holders_[2], group, kLarge, {0, 1});
  ExpectSums(*holders_[2], group, kLarge - kStripe - 5, {0, 1});
}

// The client knows of a place, and nothing is there.
TEST_F(GroupChecksumTest, AUnitThatItsDatanodeHasLostIsComputed) {
  const CodedGroup group = NewGroup(2 * kStripe);
  Store(group);
  ASSERT_OK(holders_[1]->store->Invalidate(UnitOf(group.group, 1), GenerationStamp{1001}));
  ExpectSums(rebuilder_, group, group.length);
}

// Of its first bytes the datanode would give a checksum.
TEST_F(GroupChecksumTest, AUnitThatIsTooShortIsComputed) {
  const CodedGroup group = NewGroup(2 * kStripe);
  CodedGroup stored = group;
  stored.units[1].pop_back();
  Store(stored);
  ExpectSums(rebuilder_, group, group.length);
}

// What comes after the group's end, as far as the client knows it, is no part of it.
TEST_F(GroupChecksumTest, BytesBeyondTheGroupsEndDoNotCount) {
  const CodedGroup group = NewGroup(2 * kCell);
  CodedGroup stored = group;
  stored.units[1] += "more";
  Store(stored);
  ExpectSums(rebuilder_, group, group.length);
}

TEST_F(GroupChecksumTest, UnitsThatAreOlderThanTheGroupDoNotCount) {
  const CodedGroup group = NewGroup(kStripe);
  Store(group);
  Op op = OpFor(group, group.length, hdfs::MD5CRC);
  op.mutable_header()->mutable_block()->set_generationstamp(1002);
  const auto reply = Ask(rebuilder_, op);
  EXPECT_EQ(reply.status(), hdfs::STATUS_ERROR);
  EXPECT_THAT(reply.message(), HasSubstr("3 are needed"));
}

TEST_F(GroupChecksumTest, ADatanodeThatIsSilentIsNotWaitedForLong) {
  const CodedGroup group = NewGroup(2 * kStripe);
  Store(group);
  SilentNode silent(/*replies=*/false);
  TransferOptions options;
  options.unit_sum_limit = absl::Seconds(1);
  const auto asked = NewNode("asked", options);
  Op op = OpFor(group, group.length, hdfs::MD5CRC);
  op.mutable_datanodes()->mutable_datanodes(0)->mutable_id()->set_xferport(silent.port());
  const auto reply = Ask(*asked, op);
  ASSERT_EQ(reply.status(), hdfs::STATUS_SUCCESS) << reply.ShortDebugString();
  EXPECT_EQ(reply.checksumresponse().blockchecksum(), ExpectedMd5(group, group.length));
}

TEST_F(GroupChecksumTest, WithTooFewUnitsThereIsNone) {
  const CodedGroup group = NewGroup(kStripe);
  Store(group);
  const auto reply = Ask(rebuilder_, OpFor(group, group.length, hdfs::COMPOSITE_CRC, {0, 1, 2}));
  EXPECT_EQ(reply.status(), hdfs::STATUS_ERROR);
  EXPECT_THAT(reply.message(), HasSubstr("3 are needed"));
}

// Right checksums over wrong bytes: what is computed from them would be wrong.
TEST_F(GroupChecksumTest, FromUnitsThatContradictEachOtherThereIsNone) {
  CodedGroup group = NewGroup(kStripe);
  Spoil(group, 3, 100);
  Store(group);
  const auto reply = Ask(rebuilder_, OpFor(group, group.length, hdfs::MD5CRC, {0}));
  EXPECT_EQ(reply.status(), hdfs::STATUS_ERROR_CHECKSUM);
  EXPECT_THAT(reply.message(), HasSubstr("wrong bytes"));
}

// With one lost there are enough others to name the wrong one.
class GroupChecksumOfMoreParityTest : public GroupChecksumTest {
 protected:
  GroupChecksumOfMoreParityTest() : GroupChecksumTest(kMoreParity) {}
};

// Its datanode sums up bytes that do not belong to those that are computed without it.
TEST_F(GroupChecksumOfMoreParityTest, WithADataUnitThatIsFoundWrongThereIsNone) {
  CodedGroup group = NewGroup(kStripe);
  Spoil(group, 1, 100);
  Store(group);
  for (const auto mode : {hdfs::MD5CRC, hdfs::COMPOSITE_CRC}) {
    const auto reply = Ask(rebuilder_, OpFor(group, group.length, mode, {0}));
    EXPECT_EQ(reply.status(), hdfs::STATUS_ERROR_CHECKSUM);
    EXPECT_THAT(reply.message(), HasSubstr("where all others say"));
  }
}

TEST_F(GroupChecksumOfMoreParityTest, ParityThatIsFoundWrongIsNoPartOfIt) {
  CodedGroup group = NewGroup(kStripe);
  Spoil(group, 3, 100);
  Store(group);
  ExpectSums(rebuilder_, group, group.length, {0});
}

TEST_F(GroupChecksumTest, OnlySoManyComputeAtATime) {
  const CodedGroup group = NewGroup(kStripe);
  Store(group);
  TransferOptions options;
  options.most_computed_sums = 0;
  options.computed_sum_wait = absl::ZeroDuration();
  const auto asked = NewNode("asked", options);
  ExpectSums(*asked, group, group.length);
  ExpectSums(*asked, group, group.length, {4});
  const auto reply = Ask(*asked, OpFor(group, group.length, hdfs::MD5CRC, {0}));
  EXPECT_EQ(reply.status(), hdfs::STATUS_ERROR);
  EXPECT_THAT(reply.message(), HasSubstr("too many"));
}

// Or four clients, each with a source that drips, would have all turns for ever.
TEST_F(GroupChecksumTest, ComputingEndsAfterATime) {
  const CodedGroup group = NewGroup(kStripe);
  Store(group);
  TransferOptions options;
  options.computed_sum_limit = absl::ZeroDuration();
  options.most_computed_sums = 1;
  const auto asked = NewNode("asked", options);
  for (int turn = 0; turn < 2; ++turn) {
    const auto reply = Ask(*asked, OpFor(group, group.length, hdfs::MD5CRC, {0}));
    EXPECT_EQ(reply.status(), hdfs::STATUS_ERROR);
    EXPECT_THAT(reply.message(), HasSubstr("could not be computed within"));
  }
}

TEST_F(GroupChecksumTest, WhatMakesNoSenseIsRefused) {
  const CodedGroup group = NewGroup(kStripe);
  Store(group);
  Op op = OpFor(group, group.length + 1, hdfs::MD5CRC);
  EXPECT_EQ(Ask(rebuilder_, op).status(), hdfs::STATUS_ERROR_INVALID);
  op = OpFor(group, group.length, hdfs::MD5CRC);
  op.mutable_header()->mutable_block()->set_poolid("another");
  EXPECT_EQ(Ask(rebuilder_, op).status(), hdfs::STATUS_ERROR_INVALID);
  // It is longer than its units are.
  op = OpFor(group, 3 * kStripe, hdfs::MD5CRC);
  op.mutable_header()->mutable_block()->set_numbytes(3 * kStripe);
  EXPECT_EQ(Ask(rebuilder_, op).status(), hdfs::STATUS_ERROR);
}

}  // namespace
}  // namespace cairn::datanode
