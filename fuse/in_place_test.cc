// Which files can be changed in place, and what becomes of their blocks, against clusters in
// memory.
#include "fuse/in_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/testing/fake_cluster.h"
#include "client/testing/fake_groups.h"
#include "client/testing/striped_data.h"
#include "common/fs_error.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "fuse/paths.h"

namespace cairn::fuse {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kInode = 17'000;

class InPlaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(
        area_, StageArea::Open({.directory = directory_.Path("stage"), .bytes = 1 << 20}));
  }

  // What a program is told when it opens the file, and when it changes it.
  void ExpectPossible(const ClientPtr& fs, bool possible) {
    ASSERT_OK_AND_ASSIGN(const client::FileStatus status, fs->Stat(path_));
    EXPECT_THAT(InPlace::IsPossible(*fs, status), IsOkAndHolds(possible));
    const auto begun = InPlace::Begin(fs, kInode, *area_);
    EXPECT_EQ(begun.status().code(),
              possible ? absl::StatusCode::kOk : absl::StatusCode::kUnimplemented)
        << begun.status();
  }

  TempDir directory_;
  std::unique_ptr<StageArea> area_;
  const std::string path_ = PathOf(kInode);
};

// The server does not know cairn.ClientProtocol, or is older than the call that tells whether files
// of a policy are made.
class InPlaceOnAnOlderServerTest : public InPlaceTest {
 protected:
  client::FakeCluster cluster_{5};
  const ClientPtr fs_ = cluster_.Connect({});
};

TEST_F(InPlaceOnAnOlderServerTest, AReplicatedFileCanBeChanged) {
  ASSERT_OK_AND_ASSIGN(const auto out, fs_->Create(path_));
  ASSERT_OK(out->Write("bytes"));
  ASSERT_OK(out->Close());
  ExpectPossible(fs_, true);
}

// Create would refuse the temporary file when the bytes have been taken.
TEST_F(InPlaceOnAnOlderServerTest,
       AFileCannotBeChangedByAClientWhoseChecksumChunksDoNotDivideABlock) {
  ASSERT_OK_AND_ASSIGN(const auto out, fs_->Create(path_));  // of blocks of a power of two
  ASSERT_OK(out->Write("bytes"));
  ASSERT_OK(out->Close());
  client::ClientOptions options;
  options.bytes_per_checksum = 3 * 512;
  ExpectPossible(cluster_.Connect(options), false);
}

// Else a mapping of it takes stores, and loses them when its pages are written back.
TEST_F(InPlaceOnAnOlderServerTest, ACodedFileCannotBeChangedAndSaysSoWhenItIsOpened) {
  cluster_.PutStriped(path_, client::SmallCells(3, 2), std::string(5000, 'x'),
                      /*unit_bytes=*/4096);
  ExpectPossible(fs_, false);
}

TEST_F(InPlaceOnAnOlderServerTest, NorCanACodedFileOfNoBytes) {
  cluster_.PutStriped(path_, client::SmallCells(3, 2), /*data=*/"", /*unit_bytes=*/4096);
  ExpectPossible(fs_, false);
}

// A file of three groups, each of three pieces of the stage.
class CodedInPlaceTest : public InPlaceTest {
 protected:
  static constexpr uint64_t kGroupBytes = 3 * StagedFile::kPieceBytes;
  using Groups = std::vector<client::FakeGroups::Group>;

  static client::ClientOptions Options() {
    client::ClientOptions options;
    options.block_bytes = kGroupBytes / 3;
    return options;
  }

  void SetUp() override {
    InPlaceTest::SetUp();
    ASSERT_OK_AND_ASSIGN(const auto out, fs_->Create(path_));
    ASSERT_OK(out->Write(std::string(3 * kGroupBytes, 'x')));
    ASSERT_OK(out->Close());
    before_ = cluster_.Groups(path_);
    ASSERT_THAT(before_, SizeIs(3));
  }

  std::unique_ptr<InPlace> Begin() {
    auto begun = InPlace::Begin(fs_, kInode, *area_);
    EXPECT_OK(begun.status());
    return begun.ok() ? *std::move(begun) : nullptr;
  }
  static absl::Status Write(InPlace& change, uint64_t offset, const std::string& data) {
    return change.staged().Write(offset, std::as_bytes(std::span(data)));
  }
  // Of the file as it is: the place among the groups of before, or "new".
  std::vector<std::string> Origins() {
    std::vector<std::string> origins;
    for (const client::FakeGroups::Group& group : cluster_.Groups(path_)) {
      std::string origin = "new";
      for (size_t i = 0; i < before_.size(); ++i) {
        if (before_[i].id == group.id) origin = absl::StrCat(i);
      }
      origins.push_back(origin);
    }
    return origins;
  }

  const erasure::Policy policy_ = client::SmallCells(3, 2);
  client::FakeGroups cluster_{policy_, 5};
  const ClientPtr fs_ = cluster_.Connect(Options());
  Groups before_;
};

TEST_F(CodedInPlaceTest, ItCanBeChangedAsLongAsFilesOfItsPolicyAreMade) {
  ExpectPossible(fs_, true);
  cluster_.DisablePolicy();
  ExpectPossible(fs_, false);
  EXPECT_THAT(cluster_.Complaints(), IsEmpty());
}

// As above, of cells.
TEST_F(CodedInPlaceTest, ItCannotBeChangedByAClientWhoseChecksumChunksDoNotDivideACell) {
  client::ClientOptions options = Options();
  options.bytes_per_checksum = 2048;
  ExpectPossible(cluster_.Connect(options), false);
}

TEST_F(CodedInPlaceTest, ItsFullBlocksAreWholeGroups) {
  ASSERT_OK_AND_ASSIGN(const client::FileBlocks blocks, fs_->GetFileVersion(path_));
  EXPECT_EQ(blocks.full_block_bytes, kGroupBytes);
  ASSERT_THAT(blocks.blocks, SizeIs(3));
  EXPECT_EQ(blocks.blocks[1].id, before_[1].id);
  EXPECT_EQ(blocks.blocks[1].length, kGroupBytes);
}

TEST_F(CodedInPlaceTest, OnlyAGroupWithAChangedByteIsWrittenAnewWithItsParity) {
  const auto change = Begin();
  ASSERT_NE(change, nullptr);
  const std::string middle(kGroupBytes, 'n');
  ASSERT_OK(Write(*change, kGroupBytes, middle));
  ASSERT_OK(change->WriteBack(/*sync=*/true));
  EXPECT_THAT(Origins(), ElementsAre("0", "new", "2"));
  const std::vector<std::string> units = client::MakeUnits(policy_, middle);
  const client::FakeGroups::Group written = cluster_.Groups(path_)[1];
  ASSERT_EQ(written.units.size(), units.size());
  for (size_t unit = 0; unit < units.size(); ++unit) {
    EXPECT_EQ(written.units[unit].bytes, units[unit]) << unit;
    EXPECT_TRUE(written.units[unit].finished) << unit;
    EXPECT_TRUE(written.units[unit].synced) << unit;
  }
  EXPECT_THAT(cluster_.Complaints(), IsEmpty());
  EXPECT_FALSE(cluster_.IsOpen(path_));
}

// What is written side by side is one range: apart from it, groups begin anew.
TEST_F(CodedInPlaceTest, RangesThatAreApartAreGroupsOfTheirOwn) {
  const auto change = Begin();
  ASSERT_NE(change, nullptr);
  ASSERT_OK(Write(*change, 0, std::string(kGroupBytes, 'a')));
  ASSERT_OK(change->staged().Truncate(3 * kGroupBytes + 10));
  ASSERT_OK(change->WriteBack(/*sync=*/false));
  EXPECT_THAT(Origins(), ElementsAre("new", "1", "2", "new"));
  const Groups after = cluster_.Groups(path_);
  EXPECT_EQ(after[0].bytes, kGroupBytes);
  EXPECT_EQ(after[3].bytes, 10u);
  EXPECT_EQ(after[3].units[0].bytes, std::string(10, '\0'));
  EXPECT_THAT(cluster_.Complaints(), IsEmpty());
}

TEST_F(CodedInPlaceTest, AGroupThatIsCutOffIsNotWritten) {
  const auto change = Begin();
  ASSERT_NE(change, nullptr);
  ASSERT_OK(change->staged().Truncate(2 * kGroupBytes));
  const int made = cluster_.Calls("create");
  ASSERT_OK(change->WriteBack(/*sync=*/true));
  EXPECT_THAT(Origins(), ElementsAre("0", "1"));
  EXPECT_EQ(cluster_.Calls("create"), made);
}

TEST_F(CodedInPlaceTest, APolicyThatIsDisabledMeanwhileLeavesTheOldFile) {
  const auto change = Begin();
  ASSERT_NE(change, nullptr);
  ASSERT_OK(Write(*change, 0, std::string(kGroupBytes, 'n')));
  cluster_.DisablePolicy();
  EXPECT_THAT(change->WriteBack(/*sync=*/true), StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(Origins(), ElementsAre("0", "1", "2"));
}

TEST_F(CodedInPlaceTest, WhoeverIsSlowerChangesNothing) {
  const auto first = Begin();
  const auto second = Begin();
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  ASSERT_OK(Write(*first, 0, std::string(kGroupBytes, 'f')));
  ASSERT_OK(Write(*second, 2 * kGroupBytes, std::string(kGroupBytes, 's')));
  ASSERT_OK(first->WriteBack(/*sync=*/false));
  EXPECT_THAT(second->WriteBack(/*sync=*/false), IsFsError(FsError::kChanged));
  EXPECT_THAT(Origins(), ElementsAre("new", "1", "2"));
  EXPECT_EQ(cluster_.Calls("delete"), 1);  // what the second one had made
}

}  // namespace
}  // namespace cairn::fuse
