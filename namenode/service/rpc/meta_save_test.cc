#include "namenode/service/rpc/meta_save.h"

#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "common/testing/eventually.h"
#include "common/testing/temp_dir.h"
#include "namenode/service/rpc/testing/edge_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class MetaSaveTest : public EdgeTest {
 protected:
  MetaSaveTest() { namenode_.summary = {.files = 3, .directories = 2}; }

  std::string Text() {
    std::string text;
    EXPECT_OK(WriteMetaSave(namenode_, clock_, "root", [&](absl::string_view more) {
      absl::StrAppend(&text, more);
      return absl::OkStatus();
    }));
    return text;
  }
  // One block, on the two datanodes: good on the first, bad on the second.
  void AddBlock(Need need) {
    AddDatanodes();
    const auto node = [&](const char* uuid) {
      return namenode_.cluster().View()->FindByUuid(uuid)->info;
    };
    BlockHealth& health = namenode_.health;
    health.block = {BlockId{71}, GenerationStamp{1001}, 500};
    health.path = "/a\nb";
    health.counts = {.live = 1, .corrupt = 1, .readable = 1};
    health.replicas = {{1, Standing::kLive, "DS-1", node("dn-1")},
                       {2, Standing::kCorrupt, "DS-2", node("dn-2")}};
    health.need = need;
    health.queued = BlockHealth::Queued{
        .need = need, .since = absl::Seconds(4), .blocked_by = "no datanode has room"};
    namenode_.in_need = {BlockId{71}};
    namenode_.their_need = need;
    namenode_.totals.by_need[static_cast<size_t>(need)] = 1;
  }

  FakeClock clock_;
};

TEST_F(MetaSaveTest, AWellClusterHasHeadingsAndDatanodesOnly) {
  AddDatanodes();
  namenode_.their_need = Need::kLow;
  const std::string text = Text();
  EXPECT_THAT(text, StartsWith("5 files and directories\n"
                               "Live Datanodes: 2\n"
                               "Dead Datanodes: 0\n"
                               "Metasave: Blocks waiting for reconstruction: 0\n"
                               "Metasave: Blocks currently missing: 0\n"
                               "Mis-replicated blocks that have been postponed:\n"
                               "Metasave: Blocks being reconstructed: 0\n"
                               "Metasave: Blocks 0 waiting deletion from 0 datanodes.\n"
                               "Corrupt Blocks:\n"
                               "Metasave: Number of datanodes: 2\n"
                               "10.0.0.1:9866 IN 1000(1000 B) 10(10 B) 1.00% 900(900 B) 0(0 B) "
                               "0(0 B) 100.00% 0(0 B) "));
}

TEST_F(MetaSaveTest, ABlockInNeedStandsUnderItsHeadingWithItsReplicasAndTheReason) {
  AddBlock(Need::kLow);
  const std::string text = Text();
  EXPECT_THAT(text,
              HasSubstr("Metasave: Blocks waiting for reconstruction: 1\n"
                        "/a\\nb: blk_71_1001 (replicas: live: 1 decommissioning and "
                        "decommissioned: 0 corrupt: 1 in excess: 0 maintenance mode: 0)  "
                        "10.0.0.1:9866 :  10.0.0.2:9866(corrupt) :  too few copies, known for 4s, "
                        "blocked: no datanode has room\n"
                        "Metasave: Blocks currently missing: 0\n"));
  EXPECT_THAT(text, HasSubstr("Corrupt Blocks:\nBlock=blk_71_1001\tSize=500\tNode=10.0.0.2:9866\t"
                              "StorageID=DS-2\tTotalReplicas=2\n"
                              "Metasave: Number"));
}

TEST_F(MetaSaveTest, AMissingBlockIsMarked) {
  AddBlock(Need::kMissing);
  namenode_.health.counts.readable = 0;
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr("waiting for reconstruction: 0\nMetasave: Blocks currently "
                              "missing: 1\n/a\\nb: blk_71_1001 MISSING (replicas:"));
}

TEST_F(MetaSaveTest, CopiesUnderWayAndDeletionsAreCounted) {
  AddBlock(Need::kLow);
  namenode_.health.copies = {{1, 2, absl::Seconds(3), {}}, {1, 2, absl::Seconds(9), {}}};
  namenode_.totals.copies = 2;
  namenode_.pending_deletions = {{1, 7}, {2, 5}};
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr("Metasave: Blocks being reconstructed: 2\nblk_71_1001 StartTime: "));
  EXPECT_THAT(text, HasSubstr(" NumReconstructInProgress: 2\n"
                              "Metasave: Blocks 12 waiting deletion from 2 datanodes.\n"));
  EXPECT_THAT(text, HasSubstr(" 7 blocks to be invalidated;\n"));
}

TEST_F(MetaSaveTest, WhatFailsEndsTheText) {
  AddBlock(Need::kLow);
  int writes = 0;
  EXPECT_THAT(WriteMetaSave(namenode_, clock_, "root",
                            [&](absl::string_view) {
                              ++writes;
                              return absl::ResourceExhaustedError("disk full");
                            }),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(writes, 1);
  namenode_.error = absl::DataLossError("record of blk_71");
  EXPECT_THAT(
      WriteMetaSave(namenode_, clock_, "root", [](absl::string_view) { return absl::OkStatus(); }),
      StatusIs(absl::StatusCode::kDataLoss));
}

class MetaSaverTest : public MetaSaveTest {
 protected:
  absl::Status Save(absl::string_view name) {
    Mutex mu;
    std::optional<absl::Status> status;
    MetaSaver saver(PosixFileSystem(), clock_, namenode_, directory_);
    saver.Save("root", name, [&](const absl::Status& done) {
      MutexLock lock(mu);
      status = done;
    });
    EXPECT_TRUE(Eventually([&] {
      MutexLock lock(mu);
      return status.has_value();
    }));
    MutexLock lock(mu);
    return status.value_or(absl::UnknownError("no answer"));
  }
  std::string Contents(const std::string& name) {
    std::ifstream file(directory_ + "/" + name);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::vector<std::string> Files() { return *PosixFileSystem().List(directory_); }

  TempDir temp_;
  const std::string directory_ = temp_.path() + "/log";
};

TEST_F(MetaSaverTest, TheFileIsMadeAndOverwrittenByTheNext) {
  AddDatanodes();
  ASSERT_OK(Save("state.txt"));
  EXPECT_THAT(Contents("state.txt"), StartsWith("5 files and directories\nLive Datanodes: 2\n"));
  namenode_.summary.files = 10;
  ASSERT_OK(Save("state.txt"));
  EXPECT_THAT(Contents("state.txt"), StartsWith("12 files and directories\n"));
  EXPECT_EQ(Files(), std::vector<std::string>{"state.txt"});
}

TEST_F(MetaSaverTest, OnlyAPlainNameInTheLogDirectoryIsTaken) {
  for (const std::string name :
       {"", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a b", "a\nb"}) {
    EXPECT_THAT(Save(name), IsFsError(FsError::kIllegalArgument)) << name;
  }
  EXPECT_THAT(Save(std::string("a\0b", 3)), IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(Save(std::string(201, 'a')), IsFsError(FsError::kIllegalArgument));
  EXPECT_FALSE(PosixFileSystem().Exists(directory_));
}

TEST_F(MetaSaverTest, WhatOthersWroteIsLeftAlone) {
  ASSERT_OK(PosixFileSystem().MakeDirectories(directory_ + "/sub"));
  ASSERT_OK(PosixFileSystem().WriteDurably(directory_ + "/namenode.log", "a log\n"));
  EXPECT_THAT(Save("namenode.log"), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(Save("sub"), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(Contents("namenode.log"), "a log\n");
}

TEST_F(MetaSaverTest, AfterAFailureTheEarlierFileIsStillThere) {
  ASSERT_OK(Save("state"));
  namenode_.error = absl::DataLossError("record of the root");
  EXPECT_THAT(Save("state"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Contents("state"), StartsWith("5 files and directories\n"));
  EXPECT_EQ(Files(), std::vector<std::string>{"state"});
}

}  // namespace
}  // namespace cairn::namenode
