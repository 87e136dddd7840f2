#include "namenode/offline/edits_dump.h"

#include <sstream>

#include "absl/strings/str_split.h"
#include "namenode/offline/json_text.h"
#include "namenode/offline/testing/directory_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EditsDumpTest : public DirectoryFixture {
 protected:
  absl::Status Dump(EditsDumpOptions options) {
    std::ostringstream out;
    const absl::Status status = DumpEdits(files_, options, out);
    lines_.clear();
    for (const absl::string_view line : absl::StrSplit(out.str(), '\n', absl::SkipEmpty())) {
      lines_.push_back(Json::parse(line));
    }
    return status;
  }
  std::vector<std::string> Kinds() const {
    std::vector<std::string> kinds;
    for (const Json& line : lines_) kinds.push_back(line.value("kind", "damage"));
    return kinds;
  }

  std::vector<Json> lines_;
};

TEST_F(EditsDumpTest, ShowsEachEditOfARunningNamenode) {
  Start();
  Mkdir("/a");
  const TxId last = Mkdir("/b");
  ASSERT_OK(Dump({.paths = {directory_}}));
  EXPECT_THAT(Kinds(), ElementsAre("reserve_ids", "make_directories", "make_directories"));
  const Json& edit = lines_[1];
  EXPECT_EQ(edit["fields"]["directories"][0]["name"], "a");
  EXPECT_EQ(edit["fields"]["directories"][0]["owner"], "hdfs");
  EXPECT_EQ(edit["time"], TimeText(clock_.Now()));
  EXPECT_EQ(lines_[2]["txid"], ToInt(last));
}

TEST(EditToJsonTest, WhatIsNoTextIsBase64) {
  edit::Edit edit;
  edit.mutable_rename()->set_to_name("\xff");
  edit.mutable_rename()->set_inode(7);
  edit.set_client_id(std::string("\x01\x02", 2));
  const Json json = Json::parse(EditToJson(TxId{5}, edit));
  EXPECT_EQ(json["kind"], "rename");
  EXPECT_EQ(json["client_id"], "0102");
  EXPECT_EQ(json["fields"]["inode"], 7);
  EXPECT_EQ(json["fields"]["to_name"]["base64"], "/w==");
}

TEST_F(EditsDumpTest, ShowsARangeAlone) {
  Start();
  Mkdir("/a");
  const TxId wanted = Mkdir("/b");
  Mkdir("/c");
  ASSERT_OK(Dump({.paths = {JournalDirectory(directory_)}, .from = wanted, .to = wanted}));
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0]["txid"], ToInt(wanted));
}

TEST_F(EditsDumpTest, DamageIsALineOfItsOwnAndWhatFollowsIsShown) {
  Start();
  Mkdir("/a");
  Mkdir("/b");
  Stop();
  Flip(Segment(), 4096 + 30);  // the first edit; a batch holds it and the second
  EXPECT_THAT(Dump({.paths = {Segment()}}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(Segment() + ": damaged at offset")));
  EXPECT_EQ(Kinds().front(), "damage");
  EXPECT_EQ(Kinds().back(), "make_directories");
  EXPECT_EQ(lines_.front()["from"], 1);
}

TEST_F(EditsDumpTest, AFileThatIsNotThereIsAnError) {
  EXPECT_THAT(Dump({.paths = {temp_.Path("nothing")}}), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace cairn::namenode
