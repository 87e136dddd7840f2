#include "datanode/volume/volume.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "common/testing/faulty_file_system.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "datanode/volume/tail_record.h"

namespace cairn::datanode {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(VolumeTest, SpecsAreWrittenAsInHdfs) {
  EXPECT_EQ(ParseVolumeSpec("/data/1")->path, "/data/1");
  EXPECT_EQ(ParseVolumeSpec("[ssd]/data/1/")->type, StorageType::kSsd);
  EXPECT_EQ(ParseVolumeSpec("[ARCHIVE]file:///data/2")->path, "/data/2");
  EXPECT_EQ(ParseVolumeSpec("file:/data/3")->path, "/data/3");
  for (const char* bad : {"data", "", "[TAPE]/data", "[SSD", "[SSD]"}) {
    EXPECT_THAT(ParseVolumeSpec(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

// As HDFS's datanodes have them, so that their tools find the files.
TEST(VolumeTest, UnitsHaveNegativeNamesInTheDirectoriesThatTheirLowBitsChoose) {
  FaultyFileSystem fs;
  ASSERT_OK_AND_ASSIGN(const auto volume, Volume::Open(fs, {.path = "/v"}, 0, "dn-1"));
  ASSERT_OK(volume->AdoptCluster("CID-mine", "BP-mine"));
  const BlockId unit = UnitOf(MakeGroupId(0x12345), 2);  // its id ends with 0x123452
  EXPECT_EQ(DataFileName(unit), "blk_-9223372036853582766");
  EXPECT_EQ(MetaFileName(unit, GenerationStamp{1001}), "blk_-9223372036853582766_1001.meta");
  EXPECT_THAT(volume->FinalizedDirectory(unit), ::testing::EndsWith("/subdir18/subdir20"));
}

TEST(VolumeTest, ASecondDaemonIsToldThePidOfTheFirst) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto volume,
                       Volume::Open(PosixFileSystem(), {.path = dir.Path("v")}, 0, "dn-1"));
  EXPECT_THAT(
      Volume::Open(PosixFileSystem(), {.path = dir.Path("v")}, 0, "dn-1").status(),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(absl::StrCat("pid ", ::getpid()))));
}

TEST(VolumeTest, AnotherClusterIsRefusedWithBothIds) {
  FaultyFileSystem fs;
  {
    ASSERT_OK_AND_ASSIGN(const auto volume, Volume::Open(fs, {.path = "/v"}, 0, "dn-1"));
    ASSERT_OK(volume->AdoptCluster("CID-mine", "BP-mine"));
  }
  fs.Crash();  // the adoption was durable
  ASSERT_OK_AND_ASSIGN(const auto volume, Volume::Open(fs, {.path = "/v"}, 0, "dn-1"));
  EXPECT_OK(volume->AdoptCluster("CID-mine", "BP-mine"));
  EXPECT_THAT(volume->AdoptCluster("CID-other", "BP-mine"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("CID-mine"), HasSubstr("CID-other"))));
}

TEST(VolumeTest, AnUnknownLayoutIsRefusedWithBothNumbers) {
  VolumeIdentity identity{.storage_uuid = "s", .datanode_uuid = "d", .layout_version = 99};
  EXPECT_THAT(ParseIdentity(FormatIdentity(identity)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("99"), HasSubstr("knows 1"))));
  EXPECT_THAT(ParseIdentity("rubbish"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseIdentity("clusterID=x\n"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(TailRecordTest, ATornRecordIsNone) {
  const TailRecord record{.block = BlockId{1073741825},
                          .sequence = 2,
                          .length = 402,
                          .bytes_per_checksum = 512,
                          .chunk_crc = 0x12345678};
  auto bytes = EncodeTailRecord(record);
  EXPECT_EQ(DecodeTailRecord(bytes), record);
  EXPECT_EQ(DecodeTailRecord(std::span(bytes).first(39)), std::nullopt);
  bytes[20] ^= std::byte{1};
  EXPECT_EQ(DecodeTailRecord(bytes), std::nullopt);
}

}  // namespace
}  // namespace cairn::datanode
