#include "fuse/told_xattrs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/testing/fake_namenode.h"
#include "common/fs_error.h"
#include "common/testing/status_matchers.h"

namespace cairn::fuse {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

constexpr uint64_t kTold = 17'000;

client::BlockLocation At(uint64_t offset, std::vector<std::string> names) {
  client::BlockLocation block;
  block.offset = offset;
  block.length = 10;
  block.block_id = 1073741825;
  block.names = std::move(names);
  return block;
}

TEST(LocationsTextTest, ABlockIsALine) {
  EXPECT_EQ(LocationsText({At(0, {"10.0.0.1:9866", "10.0.0.2:9866"}), At(10, {})}, 20),
            "0 10 blk_1073741825 10.0.0.1:9866,10.0.0.2:9866\n10 10 blk_1073741825 -");
  EXPECT_EQ(LocationsText({}, 0), "");
}

TEST(LocationsTextTest, AGroupTellsWhichUnitIsWhere) {
  client::BlockLocation group = At(0, {"10.0.0.1:9866", "10.0.0.2:9866"});
  group.block_id = uint64_t{1} << 63;
  group.units = {4, 0};
  EXPECT_EQ(LocationsText({group}, 10),
            "0 10 blk_-9223372036854775808 4=10.0.0.1:9866,0=10.0.0.2:9866");
}

TEST(LocationsTextTest, NoServerForgesALine) {
  EXPECT_EQ(LocationsText({At(0, {"a\n10 10 blk_7 b"})}, 10),
            "0 10 blk_1073741825 a\\n10 10 blk_7 b");
}

// What is left out must not look as if it were not there.
TEST(LocationsTextTest, WhatDoesNotFitIsSaid) {
  std::vector<client::BlockLocation> blocks;
  for (uint64_t i = 0; i < 2000; ++i) blocks.push_back(At(i * 10, {"10.0.0.1:9866"}));
  const std::string text = LocationsText(blocks, 20'000);
  EXPECT_LE(text.size(), 65'536u);
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  ASSERT_GT(lines.size(), 1000u);
  EXPECT_EQ(lines.back(), absl::StrCat("# not shown: from ", (lines.size() - 1) * 10, " on"));
}

client::BlockReport Replicas(std::vector<client::Standing> standings, client::Need need) {
  client::BlockReport block;
  block.wanted = 2;
  for (const client::Standing standing : standings) {
    client::ReplicaReport replica;
    replica.standing = standing;
    block.replicas.push_back(replica);
  }
  block.need = need;
  return block;
}

const client::BlockReport kGoodBlock =
    Replicas({client::Standing::kLive, client::Standing::kLive}, client::Need::kNone);
const client::BlockReport kLowBlock = Replicas({client::Standing::kLive}, client::Need::kHighest);

client::FileReport ReportOf(std::vector<client::BlockReport> blocks) {
  client::FileReport file;
  file.blocks = std::move(blocks);
  return file;
}

TEST(HealthTextTest, CountsTheBlocksThatAreNotWell) {
  EXPECT_EQ(HealthText(ReportOf({})), "healthy");
  EXPECT_EQ(HealthText(ReportOf({kGoodBlock, kGoodBlock})), "healthy");
  EXPECT_EQ(HealthText(ReportOf({kLowBlock})), "low-redundancy 1 of 1 block");
  EXPECT_EQ(HealthText(ReportOf({
                kGoodBlock,
                kLowBlock,
                kLowBlock,
                Replicas({client::Standing::kDead}, client::Need::kMissing),
                Replicas({client::Standing::kCorrupt}, client::Need::kNone),
                Replicas({client::Standing::kLive}, client::Need::kBadlySpread),
            })),
            "missing 2, low-redundancy 2, badly-spread 1 of 6 blocks");
}

TEST(HealthTextTest, WhatIsBeingWrittenIsNotLookedAt) {
  client::BlockReport written = Replicas({}, client::Need::kMissing);
  written.under_construction = true;
  EXPECT_EQ(HealthText(ReportOf({kGoodBlock, written})), "healthy");
}

// An Apache HDFS tells where the replicas are, and no more.
TEST(HealthTextTest, WithoutCompleteKnowledgeReplicasAreCounted) {
  client::FileReport file = ReportOf({kGoodBlock, kLowBlock, Replicas({}, client::Need::kNone)});
  file.blocks[1].need = client::Need::kNone;
  file.complete_knowledge = false;
  EXPECT_EQ(HealthText(file), "missing 1, low-redundancy 1 of 3 blocks");
}

client::BlockReport Group(int units, client::Need need) {
  client::BlockReport group;
  group.need = need;
  group.units_needed = 2;
  group.wanted = 3;
  for (int i = 0; i < 3; ++i) {
    group.units.push_back(i < units ? Replicas({client::Standing::kLive}, client::Need::kNone)
                                    : Replicas({}, client::Need::kMissing));
  }
  return group;
}

// A unit that is lost is computed from the others.
TEST(HealthTextTest, AGroupIsMissingWhenTooFewUnitsAreLeft) {
  EXPECT_EQ(HealthText(ReportOf({Group(3, client::Need::kNone)})), "healthy");
  EXPECT_EQ(HealthText(ReportOf({Group(2, client::Need::kMissing)})),
            "low-redundancy 1 of 1 block");
  EXPECT_EQ(HealthText(ReportOf({Group(1, client::Need::kMissing)})), "missing 1 of 1 block");
  client::FileReport hdfs =
      ReportOf({Group(2, client::Need::kNone), Group(3, client::Need::kNone)});
  hdfs.complete_knowledge = false;
  EXPECT_EQ(HealthText(hdfs), "low-redundancy 1 of 2 blocks");
}

class TellTest : public ::testing::Test {
 protected:
  absl::Status Answer(absl::string_view method, google::protobuf::MessageLite& response) {
    asked_.emplace_back(method);
    if (method == "getFileInfo") {
      *client::As<hdfs::GetFileInfoResponseProto>(response).mutable_fs() = status_;
    } else if (method == "getErasureCodingPolicy") {
      return MakeFsError(FsError::kNoSuchMethod, "Unknown method");
    } else {
      return absl::InternalError(method);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<std::string>> Ask(absl::string_view name,
                                                 Wanted wanted = Wanted::kValue) {
    return Tell(
        *fs_, []() -> absl::StatusOr<AdminPtr> { return absl::InternalError("no admin"); }, kTold,
        name, wanted);
  }

  hdfs::HdfsFileStatusProto status_ = client::FakeStatus();
  std::vector<std::string> asked_;
  const ClientPtr fs_ = client::FileSystem::Over(client::FakeContext(
      [this](absl::string_view method, const std::string&,
             google::protobuf::MessageLite& response) { return Answer(method, response); },
      client::ClientOptions(), SystemClock()));
};

TEST_F(TellTest, TheInodeIsKnownWithoutAsking) {
  EXPECT_THAT(Ask("user.cairn.inode"), IsOkAndHolds(Optional(std::string("17000"))));
  EXPECT_THAT(Ask("user.cairn.nothing"), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(Ask("user.cairn."), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(Ask("user.inode"), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(asked_, ElementsAre());
}

TEST_F(TellTest, APolicySaysHowTheBytesAreKept) {
  status_.set_block_replication(2);
  EXPECT_THAT(Ask("user.cairn.policy"), IsOkAndHolds(Optional(std::string("replicated 2"))));
  status_.set_filetype(hdfs::HdfsFileStatusProto::IS_DIR);
  EXPECT_THAT(Ask("user.cairn.policy"), IsOkAndHolds(Optional(std::string("replicated"))));
}

TEST_F(TellTest, ADirectoryHasNoBlocks) {
  status_.set_filetype(hdfs::HdfsFileStatusProto::IS_DIR);
  for (const char* const name :
       {"user.cairn.locations", "user.cairn.health", "user.cairn.checksum"}) {
    EXPECT_THAT(Ask(name), IsOkAndHolds(std::nullopt)) << name;
  }
}

// getfattr(1) asks for the size, and then for the value.
TEST_F(TellTest, WhoAsksForAChecksumsSizeHasNoneComputed) {
  const auto bound = Ask("user.cairn.checksum", Wanted::kSize);
  ASSERT_OK(bound);
  ASSERT_TRUE(bound->has_value());
  EXPECT_GE((*bound)->size(), 100u);
  EXPECT_THAT(asked_, ElementsAre("getFileInfo"));
}

TEST_F(TellTest, AListingNamesNoChecksum) {
  EXPECT_THAT(ToldNames(/*is_directory=*/true),
              ElementsAre("user.cairn.inode", "user.cairn.policy"));
  EXPECT_THAT(ToldNames(/*is_directory=*/false),
              ElementsAre("user.cairn.inode", "user.cairn.policy", "user.cairn.locations",
                          "user.cairn.health"));
}

TEST_F(TellTest, AnErrorIsTold) {
  EXPECT_EQ(Ask("user.cairn.health").status().message(), "no admin");
  EXPECT_EQ(Ask("user.cairn.locations").status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace cairn::fuse
