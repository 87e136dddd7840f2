// The bytes of a tail file, and what a start makes of an open replica as an earlier program left
// it. Both are in tests/golden/open_replica, and explained in docs/formats/replica.md.
#include "datanode/volume/tail_file.h"

#include "absl/strings/str_cat.h"
#include "common/testing/golden.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/replica_test.h"

namespace cairn::datanode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kBlock;
using testing::kStamp;
using testing::ReplicaStoreTest;

constexpr uint32_t kCrcOfCairn = 0x6eede7b6;           // CRC32C of "cairn"
constexpr uint32_t kCrcOfCairnGrown = 0x058ad837;      // and of "cairn, grown"
constexpr absl::string_view kSynced = "cairn, grown";  // by the second hsync

TEST(TailFileGoldenTest, TwoHsyncsWriteTheDocumentedBytes) {
  FaultyFileSystem fs;
  uint64_t sequence = 0;
  ASSERT_OK(WriteTailRecord(fs, "/tail", kBlock, {}, 5, kCrcOfCairn, &sequence, true));
  ASSERT_OK(WriteTailRecord(fs, "/tail", kBlock, {}, 12, kCrcOfCairnGrown, &sequence, true));
  EXPECT_EQ(sequence, 2u);
  EXPECT_THAT(fs.ReadAll("/tail", 1 << 20),
              IsOkAndHolds(ReadGolden("open_replica/blk_1073741825.tail")));
}

TEST(TailFileGoldenTest, TheGoldenFileHoldsTwoRecords) {
  const TailRecord first{.block = kBlock,
                         .sequence = 1,
                         .length = 5,
                         .bytes_per_checksum = 512,
                         .chunk_crc = kCrcOfCairn};
  const TailRecord second{.block = kBlock,
                          .sequence = 2,
                          .length = 12,
                          .bytes_per_checksum = 512,
                          .chunk_crc = kCrcOfCairnGrown};
  EXPECT_THAT(
      ReadTailRecords(PosixFileSystem(), GoldenPath("open_replica/blk_1073741825.tail"), kBlock),
      IsOkAndHolds(ElementsAre(second, first)));
}

// Three more bytes were written after the second hsync; the power went with their CRC on the disk
// and zeros in their place.
class GoldenOpenReplicaTest : public ReplicaStoreTest {
 protected:
  // Puts the golden files where a datanode leaves them, and starts.
  void StartWithGoldenReplica() {
    Open();
    const std::string rbw = store_->volumes()[0]->RbwDirectory();
    store_.reset();
    for (const char* const name :
         {"blk_1073741825", "blk_1073741825_1001.meta", "blk_1073741825.tail"}) {
      ASSERT_OK(fs_.WriteDurably(absl::StrCat(rbw, "/", name),
                                 ReadGolden(absl::StrCat("open_replica/", name))));
    }
    Open();
  }
};

TEST_F(GoldenOpenReplicaTest, AStartFindsWhatWasSynced) {
  StartWithGoldenReplica();
  ASSERT_TRUE(store_->Find(kBlock).has_value());
  const ReplicaInfo info = *store_->Find(kBlock);
  EXPECT_EQ(info.state, ReplicaState::kWaitingRecovery);
  EXPECT_EQ(info.stamp, kStamp);
  EXPECT_EQ(info.length, kSynced.size());
  EXPECT_THAT(ReadAll(), IsOkAndHolds(kSynced));
  EXPECT_THAT(fs_.ReadAll(Paths().meta, 1 << 20),
              IsOkAndHolds(std::string("\0\1\2\0\0\2\0\x05\x8a\xd8\x37", 11)));
}

// Without the records it would pass for a torn write, and be cut to nothing.
TEST_F(GoldenOpenReplicaTest, RotInWhatWasSyncedIsReportedAndNothingIsCut) {
  StartWithGoldenReplica();
  ExpectDamagedAtStartWithRotAt(3);
}

}  // namespace
}  // namespace cairn::datanode
