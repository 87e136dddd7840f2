#include "namenode/offline/image_export.h"

#include <sstream>

#include "absl/strings/str_split.h"
#include "namenode/offline/json_text.h"
#include "namenode/offline/testing/directory_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ImageExportTest : public DirectoryFixture {
 protected:
  void Export(const std::string& path, ImageFormat format = ImageFormat::kJsonLines) {
    const auto store = FindImage(files_, path);
    ASSERT_OK(store);
    std::ostringstream out;
    const auto image = ExportImage(files_, *store, format, out);
    ASSERT_OK(image);
    image_ = *image;
    lines_ = absl::StrSplit(out.str(), '\n', absl::SkipEmpty());
  }
  void CreateFile(const std::string& path) {
    const auto made = namenode_->Create(kSuperuser, path, {.client_name = "writer"});
    ASSERT_OK(made.value);
    ASSERT_OK(
        namenode_->Complete(kSuperuser, path, kNoInode, "writer", std::nullopt, nullptr).value);
  }

  ExportedImage image_;
  std::vector<std::string> lines_;
};

TEST_F(ImageExportTest, ACheckpointIsALinePerInodeDirectoriesFirst) {
  Start();
  Mkdir("/b/c");
  Mkdir("/a");
  CreateFile("/b/f");
  const Checkpoint made = MakeOne();
  Mkdir("/later");
  Export(made.directory);
  std::vector<std::string> paths;
  for (const std::string& line : lines_) paths.push_back(Json::parse(line)["path"]);
  EXPECT_THAT(paths, ElementsAre("/", "/a", "/b", "/b/c", "/b/f"));
  EXPECT_EQ(image_.inodes, 5u);
  EXPECT_EQ(image_.txid, made.txid);
  const Json file = Json::parse(lines_.back());
  EXPECT_EQ(file["type"], "file");
  EXPECT_EQ(file["owner"], "hdfs");
  EXPECT_EQ(file["mode"], "0644");
  EXPECT_EQ(file["length"], 0);
  EXPECT_EQ(file["blocks"], Json::array());
  // It is as it was.
  EXPECT_OK(VerifyCheckpoint(files_, made));
}

TEST_F(ImageExportTest, OfANamenodesDirectoryTheNewestCheckpointIsTaken) {
  Start();
  Mkdir("/a");
  const Checkpoint made = MakeOne();
  EXPECT_THAT(FindImage(files_, directory_), IsOkAndHolds(made.store()));
}

TEST_F(ImageExportTest, ADirectoryOfManyPagesIsWhole) {
  Start();
  for (int i = 0; i < 2500; ++i) {
    CHECK_OK(namenode_->Mkdirs(kSuperuser, absl::StrCat("/d/", i), 0755, true).value.status());
  }
  Export(MakeOne().directory);
  EXPECT_EQ(lines_.size(), 2502u);
}

TEST_F(ImageExportTest, CsvQuotesWhatNeedsIt) {
  Start();
  Mkdir("/a,\"b\"");
  Export(MakeOne().directory, ImageFormat::kCsv);
  ASSERT_EQ(lines_.size(), 3u);
  EXPECT_THAT(lines_[0], HasSubstr("path,type,id,owner"));
  EXPECT_THAT(lines_[2], HasSubstr("\"/a,\"\"b\"\"\",directory,"));
}

TEST_F(ImageExportTest, ADirectoryWithNothingInItIsRefused) {
  EXPECT_THAT(FindImage(files_, temp_.path()), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace cairn::namenode
