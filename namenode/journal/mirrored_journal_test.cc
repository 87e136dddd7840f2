// One journal in several directories: agreement at start, and a copy that fails while it runs.
#include "namenode/journal/mirrored_journal.h"

#include <gmock/gmock.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/testing/eventually.h"
#include "common/testing/fake_clock.h"
#include "common/testing/faulty_file_system.h"
#include "common/testing/status_matchers.h"
#include "common/testing/wrapped_file_system.h"
#include "namenode/journal/journal_reader.h"
#include "namenode/journal/segment.h"
#include "namenode/journal/segment_files.h"

namespace cairn::namenode {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class MirroredJournalTest : public testing::Test {
 protected:
  // Writes below a directory that is out of order fail.
  struct Files final : FileSystemWrapper {
    explicit Files(FileSystem& below) : FileSystemWrapper(below) {}
    absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                               const OpenOptions& options) override {
      auto file = FileSystemWrapper::Open(path, options);
      if (!file.ok() || !options.write) return file;
      return std::make_unique<Written>(*std::move(file), *this, path);
    }
    struct Written final : FileWrapper {
      Written(std::unique_ptr<File> file, Files& owner, std::string path)
          : FileWrapper(std::move(file)), files(owner), name(std::move(path)) {}
      absl::Status WriteAt(uint64_t offset, std::span<const std::byte> data) override {
        if (files.broken && absl::StartsWith(name, "/b/")) return absl::DataLossError("EIO");
        return FileWrapper::WriteAt(offset, data);
      }
      Files& files;
      const std::string name;
    };
    std::atomic<bool> broken = false;
  };

  MirroredJournalTest() {
    options_.cluster_id = "CID-1";
    options_.segment_bytes = 64 << 10;
    options_.max_edit_bytes = 8 << 10;
    options_.max_batch_bytes = 8 << 10;
    options_.retry_interval = absl::Milliseconds(1);
    for (const char* const parent : {"/a", "/b", "/c"}) CHECK_OK(fs_.MakeDirectory(parent));
    Format("/a/journal");
    Format("/b/journal");
  }

  void Format(const std::string& directory) {
    JournalOptions options = options_;
    options.directory = directory;
    CHECK_OK(FormatFileJournal(fs_, clock_, options));
  }
  absl::Status Open(std::vector<std::string> directories = {"/a/journal", "/b/journal"}) {
    journal_.reset();
    replayed_ = 0;
    auto opened = OpenMirroredJournal(files_, clock_, options_, directories, kNoTx, TxId{1},
                                      [this](TxId txid, absl::string_view edit) {
                                        EXPECT_EQ(ToInt(txid), replayed_ + 1);
                                        EXPECT_THAT(std::string(edit), HasSubstr("edit"));
                                        replayed_ = ToInt(txid);
                                        return absl::OkStatus();
                                      });
    if (!opened.ok()) return opened.status();
    journal_ = *std::move(opened);
    return absl::OkStatus();
  }
  void Append(int count, absl::string_view what = "edit") {
    for (int i = 0; i < count; ++i) {
      const TxId txid{ToInt(journal_->last_appended()) + 1};
      journal_->Append(txid, absl::StrCat(what, " ", ToInt(txid)));
      ASSERT_OK(journal_->WaitDurable(txid));
    }
  }
  uint64_t LastIn(const std::string& directory) {
    const auto extent =
        ReadJournalDirectory(fs_, directory, TxId{1},
                             {.on_edit = [](const JournalEdit&) { return absl::OkStatus(); },
                              .on_damage =
                                  [](const JournalDamage& damage) {
                                    ADD_FAILURE() << damage.Describe();
                                    return absl::OkStatus();
                                  }});
    CHECK_OK(extent.status());
    return ToInt(extent->last);
  }
  void Flip(const std::string& path, uint64_t offset) {
    const auto file = *fs_.Open(path, {.write = true});
    std::byte byte;
    CHECK_OK(file->ReadAt(offset, {&byte, 1}).status());
    byte ^= std::byte{4};
    CHECK_OK(file->WriteAt(offset, {&byte, 1}));
  }

  FaultyFileSystem fs_;
  Files files_{fs_};
  FakeClock clock_;
  JournalOptions options_;
  uint64_t replayed_ = 0;
  std::atomic<int> failures_ = 0;  // told by the journal's thread
  std::unique_ptr<MirroredJournal> journal_;
};

TEST_F(MirroredJournalTest, AnEditIsDurableOnceEveryCopyHasIt) {
  ASSERT_OK(Open());
  std::atomic<int> told = 0;
  auto listening = journal_->Listen([&] { ++told; });
  Append(20);
  EXPECT_EQ(LastIn("/a/journal"), 20u);
  EXPECT_EQ(LastIn("/b/journal"), 20u);
  EXPECT_GT(told, 0);
  listening.reset();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_, 20u);
}

// A power cut as a segment began: the copy has all that was before, though none of it is wanted.
TEST_F(MirroredJournalTest, ACopyWhoseNewestSegmentIsTornAtItsBeginningIsBroughtUp) {
  const auto newest = [this](const std::string& directory) {
    std::string found;
    const std::vector<std::string> names = *fs_.List(directory);
    for (const std::string& name : names) {
      if (ParseSegmentName(name).has_value()) found = std::max(found, name);
    }
    return directory + "/" + found;
  };
  ASSERT_OK(Open());
  const std::string before = newest("/a/journal");
  while (newest("/a/journal") == before) Append(1);
  const uint64_t last = ToInt(journal_->last_appended());
  journal_.reset();
  Flip(newest("/a/journal"), kJournalBlockBytes + 30);
  uint64_t replayed = last - 1;
  auto opened = OpenMirroredJournal(files_, clock_, options_, {"/a/journal", "/b/journal"},
                                    TxId{last - 1}, TxId{last}, [&](TxId txid, absl::string_view) {
                                      EXPECT_EQ(ToInt(txid), ++replayed);
                                      return absl::OkStatus();
                                    });
  ASSERT_OK(opened.status());
  EXPECT_EQ(replayed, last);
  journal_ = *std::move(opened);
  Append(3);
  EXPECT_EQ(LastIn("/a/journal"), last + 3);
  EXPECT_EQ(LastIn("/b/journal"), last + 3);
}

TEST_F(MirroredJournalTest, ACopyThatFailsIsDroppedAndABringUpMendsIt) {
  ASSERT_OK(Open());
  journal_->OnFailure([this](absl::Status) { ++failures_; });
  Append(3);
  files_.broken = true;
  Append(5);
  EXPECT_EQ(failures_, 0) << "the other goes on";
  EXPECT_FALSE(journal_->copies()[1].dropped.ok());
  EXPECT_EQ(journal_->copies()[1].durable, TxId{3});
  EXPECT_OK(journal_->copies()[0].dropped);
  files_.broken = false;
  Append(1);
  EXPECT_EQ(LastIn("/b/journal"), 3u) << "not used again before a restart";
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_, 9u);
  EXPECT_EQ(LastIn("/b/journal"), 9u);
  Append(1);
  EXPECT_EQ(LastIn("/b/journal"), 10u);
}

TEST_F(MirroredJournalTest, WhenTheLastCopyFailsItIsFinal) {
  ASSERT_OK(Open({"/b/journal"}));
  journal_->OnFailure([this](absl::Status) { ++failures_; });
  files_.broken = true;
  journal_->Append(TxId{1}, "edit 1");
  EXPECT_FALSE(journal_->WaitDurable(TxId{1}).ok());
  EXPECT_FALSE(journal_->Ready().ok());
  EVENTUALLY(failures_ == 1);
  journal_->OnFailure([this](absl::Status) { ++failures_; });
  EXPECT_EQ(failures_, 2) << "who comes late is told at once";
}

TEST_F(MirroredJournalTest, TheLongestWinsWhicheverComesFirst) {
  ASSERT_OK(Open());
  Append(2);
  ASSERT_OK(Open({"/b/journal"}));
  Append(2);
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_, 4u);
  EXPECT_EQ(LastIn("/a/journal"), 4u);
}

TEST_F(MirroredJournalTest, DifferentEditsUnderOneNumberStopTheStart) {
  ASSERT_OK(Open());
  Append(2);
  ASSERT_OK(Open({"/a/journal"}));
  Append(1, "edit of one history");
  ASSERT_OK(Open({"/b/journal"}));
  Append(2, "edit of another");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("/a/journal"), HasSubstr("/b/journal"),
                                     HasSubstr("disagree about edit 3"))));
}

TEST_F(MirroredJournalTest, ADamagedCopyIsPutAsideAndWrittenAnewFromTheWholeOne) {
  ASSERT_OK(Open());
  Append(4);
  journal_.reset();
  Flip("/a/journal/journal-00000000000000000001", 4096 + kFrameHeaderBytes);
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_, 4u);
  EXPECT_EQ(LastIn("/a/journal"), 4u);
  bool aside = false;
  const std::vector<std::string> names = *fs_.List("/a/journal");
  for (const std::string& name : names) aside |= absl::StartsWith(name, "aside-");
  EXPECT_TRUE(aside) << "nothing is deleted";
}

TEST_F(MirroredJournalTest, ANewDirectoryIsFilled) {
  ASSERT_OK(Open());
  Append(3);
  ASSERT_OK(Open({"/a/journal", "/b/journal", "/c/journal"}));
  EXPECT_EQ(LastIn("/c/journal"), 3u);
}

TEST_F(MirroredJournalTest, AMemberThatIsGoneOrHasLostItsContentsStopsTheStart) {
  ASSERT_OK(Open());
  Append(3);
  journal_.reset();
  const std::vector<std::string> names = *fs_.List("/b/journal");
  for (const std::string& name : names) {
    ASSERT_OK(fs_.Remove("/b/journal/" + name));
  }
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is empty")));
  ASSERT_OK(fs_.RemoveDirectory("/b/journal"));
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is empty")));
  ASSERT_OK(fs_.RemoveDirectory("/b"));
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is not there")));
  // The operator decides: once without it, and then it may come back.
  ASSERT_OK(Open({"/a/journal"}));
  ASSERT_OK(fs_.MakeDirectory("/b"));
  ASSERT_OK(Open());
  EXPECT_EQ(LastIn("/b/journal"), 3u);
}

TEST_F(MirroredJournalTest, RollingAndReleasingConcernEveryCopy) {
  ASSERT_OK(Open());
  Append(3);
  ASSERT_THAT(journal_->Roll(), IsOkAndHolds(TxId{4}));
  Append(1);
  for (const char* const directory : {"/a/journal", "/b/journal"}) {
    EVENTUALLY(fs_.Exists(absl::StrCat(directory, "/journal-00000000000000000004")));
  }
}

}  // namespace
}  // namespace cairn::namenode
