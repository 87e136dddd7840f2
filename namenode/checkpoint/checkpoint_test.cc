#include "namenode/checkpoint/checkpoint.h"

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/testing/fake_clock.h"
#include "common/testing/golden.h"
#include "namenode/store/store_testing.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class CheckpointTest : public StoreTestBase {
 protected:
  CheckpointTest() {
    FormatAndOpen();
    parent_ = temp_.Path("checkpoints");
  }

  absl::StatusOr<Checkpoint> Make() {
    RETURN_IF_ERROR(store_->Flush());
    return MakeCheckpoint(files_, clock_,
                          {.parent = parent_,
                           .cluster_id = "CID-1",
                           .block_pool_id = "BP-1",
                           .layout_version = 1,
                           .copy = [this](const std::string& to) { return store_->CopyTo(to); }});
  }
  std::vector<uint64_t> Listed() {
    std::vector<uint64_t> txids;
    const auto list = ListCheckpoints(files_, parent_);
    for (const Checkpoint& checkpoint : list->whole) {
      txids.push_back(ToInt(checkpoint.txid));
    }
    return txids;
  }
  // The records of a checkpoint's store, read from a copy: a checkpoint never changes.
  std::map<std::string, std::string> Records(const Checkpoint& checkpoint) {
    store_.reset();
    options_.directory = temp_.Path(absl::StrCat("opened-", ++opened_));
    std::filesystem::copy(checkpoint.store(), options_.directory);
    CHECK_OK(Open());
    return ScanAll("d", 100);
  }
  static void Flip(const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(10);
    const char byte = static_cast<char>(file.get() ^ 0x20);
    file.seekp(10);
    file.put(byte);
  }

  FileSystem& files_ = PosixFileSystem();
  FakeClock clock_;
  std::string parent_;
  int opened_ = 0;
};

TEST_F(CheckpointTest, HoldsExactlyTheEditsUpToItsTransaction) {
  Edit("d1", "one");
  Edit("d2", "two");
  const auto made = Make();
  ASSERT_OK(made);
  EXPECT_EQ(made->txid, TxId{2});
  Edit("d1", std::nullopt);
  Edit("d3", "three");
  ASSERT_OK(store_->Flush());
  ASSERT_OK(VerifyCheckpoint(files_, *made));
  EXPECT_EQ(Records(*made), (std::map<std::string, std::string>{{"d1", "one"}, {"d2", "two"}}));
  EXPECT_EQ(store_->applied(), TxId{2});
}

TEST_F(CheckpointTest, TablesAreLinkedAndTheirChecksumsAreThoseOfTheFirstTime) {
  Edit("d1", std::string(1 << 20, 'x'));
  ASSERT_OK(store_->Flush());
  ASSERT_OK(Open());  // what was in the log becomes a table
  const auto first = Make();
  ASSERT_OK(first);
  std::string table;
  for (const CheckpointFile& file : first->files) {
    if (absl::EndsWith(file.name, ".ldb")) table = file.name;
  }
  ASSERT_NE(table, "");
  EXPECT_GE(std::filesystem::hard_link_count(first->store() + "/" + table), 2u);
  // Rot between two checkpoints is not sealed by the second one's checksum.
  Flip(first->store() + "/" + table);
  Edit("d2", "more");
  const auto second = Make();
  ASSERT_OK(second);
  EXPECT_THAT(VerifyCheckpoint(files_, *second),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(table)));
}

TEST_F(CheckpointTest, AFlippedMissingOrShortFileIsFoundAndNamed) {
  Edit("d1", "one");
  const auto made = Make();
  ASSERT_OK(made);
  for (const CheckpointFile& file : made->files) {
    const std::string path = made->store() + "/" + file.name;
    std::filesystem::copy_file(path, temp_.Path("kept"),
                               std::filesystem::copy_options::overwrite_existing);
    const auto damaged = [&] {
      EXPECT_THAT(VerifyCheckpoint(files_, *made),
                  StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path)));
    };
    Flip(path);
    damaged();
    std::filesystem::resize_file(path, file.bytes - 1);
    damaged();
    std::filesystem::remove(path);
    damaged();
    std::filesystem::copy_file(temp_.Path("kept"), path);
    EXPECT_OK(VerifyCheckpoint(files_, *made));
  }
}

TEST_F(CheckpointTest, ADamagedDescriptionIsListedAsDamagedAndHidesNoOther) {
  Edit("d1", "one");
  ASSERT_OK(Make());
  Edit("d2", "two");
  const auto second = Make();
  ASSERT_OK(second);
  EXPECT_THAT(Listed(), ElementsAre(1, 2));
  Flip(second->directory + "/CHECKPOINT");
  EXPECT_THAT(Listed(), ElementsAre(1));
  const auto list = ListCheckpoints(files_, parent_);
  ASSERT_EQ(list->damaged.size(), 1u);
  EXPECT_EQ(list->damaged[0].first, second->directory);
  // It can be made anew.
  ASSERT_OK(Make());
  EXPECT_THAT(Listed(), ElementsAre(1, 2));
}

TEST_F(CheckpointTest, WithoutAnEditInBetweenItStaysTheSame) {
  Edit("d1", "one");
  const auto first = Make();
  clock_.Advance(absl::Hours(1));
  const auto second = Make();
  ASSERT_OK(second);
  EXPECT_EQ(second->time, first->time);
  EXPECT_THAT(Listed(), ElementsAre(1));
}

TEST_F(CheckpointTest, RemovingAndCleaningLeaveNothingBehind) {
  Edit("d1", "one");
  const auto made = Make();
  ASSERT_OK(made);
  ASSERT_OK(RemoveCheckpoint(files_, *made));
  ASSERT_OK(files_.MakeDirectory(parent_ + "/making"));
  ASSERT_OK(files_.MakeDirectory(parent_ + "/making/store"));
  ASSERT_OK(CleanCheckpoints(files_, parent_));
  EXPECT_THAT(*files_.List(parent_), IsEmpty());
}

TEST_F(CheckpointTest, IsConsistentWhileTheStoreIsWrittenAndCompacts) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      // Each edit rewrites a pair: a checkpoint never has one half of it.
      WriterLock lock(namespace_lock_);
      const std::string value = absl::StrCat(i, std::string(2000, 'v'));
      store_->Put(absl::StrCat("d", i % 200, "a"), value);
      store_->Put(absl::StrCat("d", i % 200, "b"), value);
      store_->EndEdit(TxId{++txid_});
      if (i % 300 == 0) store_->Freeze();
    }
  });
  std::vector<Checkpoint> made;
  for (int i = 0; i < 10; ++i) {
    auto checkpoint = Make();
    ASSERT_OK(checkpoint);
    made.push_back(*std::move(checkpoint));
  }
  stop = true;
  writer.join();
  for (const Checkpoint& checkpoint : made) {
    ASSERT_OK(VerifyCheckpoint(files_, checkpoint));
    const auto records = Records(checkpoint);
    EXPECT_EQ(store_->applied(), checkpoint.txid);
    for (const auto& [key, value] : records) {
      if (key.back() == 'a') {
        const auto other = records.find(key.substr(0, key.size() - 1) + "b");
        ASSERT_TRUE(other != records.end() && other->second == value) << key;
      }
    }
  }
}

Checkpoint Example() {
  return {.cluster_id = "CID-1",
          .block_pool_id = "BP-1-127.0.0.1-1",
          .layout_version = 1,
          .txid = TxId{4711},
          .time = absl::FromUnixMillis(1700000000123),
          .files = {{"000005.ldb", 1234, 0xdeadbeef}, {"CURRENT", 16, 1}}};
}

TEST(CheckpointTextTest, IsReadBackAsItWasWritten) {
  const std::string text = EncodeCheckpoint(Example());
  const auto read = ParseCheckpoint(text);
  ASSERT_OK(read);
  EXPECT_EQ(EncodeCheckpoint(*read), text);
  EXPECT_EQ(read->time, Example().time);
  EXPECT_EQ(read->bytes(), 1250u);
}

// docs/formats/checkpoint.md shows it.
TEST(CheckpointTextTest, TheGoldenTextIsReadAndWrittenAsBefore) {
  const std::string golden = ReadGolden("checkpoint/CHECKPOINT");
  EXPECT_EQ(EncodeCheckpoint(Example()), golden);
  ASSERT_OK_AND_ASSIGN(const Checkpoint read, ParseCheckpoint(golden));
  EXPECT_EQ(read.cluster_id, "CID-1");
  EXPECT_EQ(read.block_pool_id, "BP-1-127.0.0.1-1");
  EXPECT_EQ(read.layout_version, 1u);
  EXPECT_EQ(read.txid, TxId{4711});
  EXPECT_EQ(read.time, absl::FromUnixMillis(1700000000123));
  ASSERT_THAT(read.files, SizeIs(2));
  EXPECT_EQ(read.files[0].name, "000005.ldb");
  EXPECT_EQ(read.files[0].bytes, 1234u);
  EXPECT_EQ(read.files[0].crc32c, 0xdeadbeef);
  EXPECT_EQ(read.files[1].name, "CURRENT");
}

TEST(CheckpointTextTest, EveryFlippedByteAndEveryShorterTextIsRefused) {
  const std::string text = EncodeCheckpoint(Example());
  for (size_t i = 0; i < text.size(); ++i) {
    std::string bad = text;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(ParseCheckpoint(bad).ok()) << i;
    EXPECT_FALSE(ParseCheckpoint(text.substr(0, i)).ok()) << i;
  }
}

TEST(CheckpointTextTest, ANewerVersionSaysSo) {
  const std::string text =
      absl::StrReplaceAll(EncodeCheckpoint(Example()), {{"checkpoint 1\n", "checkpoint 2\n"}});
  EXPECT_THAT(ParseCheckpoint(text), StatusIs(absl::StatusCode::kUnimplemented));
}

TEST(CheckpointTextTest, AFileNameNeverLeadsOutOfTheDirectory) {
  for (const char* const name : {"../x", "a/b", "", ".hidden", "/etc/passwd"}) {
    Checkpoint bad = Example();
    bad.files[0].name = name;
    EXPECT_THAT(ParseCheckpoint(EncodeCheckpoint(bad)), Not(IsOk())) << name;
  }
}

}  // namespace
}  // namespace cairn::namenode
