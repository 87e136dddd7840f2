// Which files can be changed in place, against a cluster in memory that has no ReplaceBlocks.
#include "fuse/in_place.h"

#include <gtest/gtest.h>

#include <string>

#include "client/testing/fake_cluster.h"
#include "client/testing/striped_data.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "fuse/paths.h"

namespace cairn::fuse {
namespace {

constexpr uint64_t kInode = 17'000;

class InPlaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(
        area_, StageArea::Open({.directory = directory_.Path("stage"), .bytes = 1 << 20}));
  }

  // What a program is told when it opens the file, and when it changes it.
  void ExpectPossible(bool possible) {
    ASSERT_OK_AND_ASSIGN(const client::FileStatus status, fs_->Stat(path_));
    EXPECT_EQ(InPlace::IsPossible(status), possible);
    const auto begun = InPlace::Begin(fs_, kInode, *area_);
    EXPECT_EQ(begun.status().code(),
              possible ? absl::StatusCode::kOk : absl::StatusCode::kUnimplemented)
        << begun.status();
  }

  TempDir directory_;
  std::unique_ptr<StageArea> area_;
  client::FakeCluster cluster_{5};
  const ClientPtr fs_ = cluster_.Connect({});
  const std::string path_ = PathOf(kInode);
};

TEST_F(InPlaceTest, AReplicatedFileCanBeChanged) {
  ASSERT_OK_AND_ASSIGN(const auto out, fs_->Create(path_));
  ASSERT_OK(out->Write("bytes"));
  ASSERT_OK(out->Close());
  ExpectPossible(true);
}

// Else a mapping of it takes stores, and loses them when its pages are written back.
TEST_F(InPlaceTest, ACodedFileCannotBeChangedAndSaysSoWhenItIsOpened) {
  cluster_.PutStriped(path_, client::SmallCells(3, 2), std::string(5000, 'x'),
                      /*unit_bytes=*/4096);
  ExpectPossible(false);
}

TEST_F(InPlaceTest, NorCanACodedFileOfNoBytes) {
  cluster_.PutStriped(path_, client::SmallCells(3, 2), /*data=*/"", /*unit_bytes=*/4096);
  ExpectPossible(false);
}

}  // namespace
}  // namespace cairn::fuse
