// A file that is open in the mount, against datanodes that fail on request.
#include "fuse/open_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/testing/fake_cluster.h"
#include "client/testing/fake_groups.h"
#include "client/testing/striped_data.h"
#include "common/status_macros.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "fuse/open_files.h"
#include "fuse/paths.h"

namespace cairn::fuse {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

constexpr uint64_t kInode = 17'000;
constexpr OpenFile::Place kEnd = {.at_end = true};

class OpenFileTest : public ::testing::Test {
 protected:
  explicit OpenFileTest(OpenFile::Surroundings around = {}) : files_(std::move(around)) {}
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(auto stream, fs_->Create(path_));
    file_->Adopt(std::move(stream));
  }

  static client::ClientOptions Options() {
    client::ClientOptions options;
    options.block_bytes = 1 << 20;
    options.replication = 1;
    options.read_retry_window = absl::ZeroDuration();
    return options;
  }

  absl::Status Write(OpenFile::Place place, absl::string_view data) {
    return file_->Write(fs_, place, std::as_bytes(std::span(data)), /*sync=*/false,
                        [] { return false; });
  }
  absl::Status Close() { return file_->Complete(OpenFile::Reason::kDescriptorClosed); }
  std::string Contents() { return cluster_.Contents(path_); }

  client::FakeCluster cluster_{1};
  ClientPtr fs_ = cluster_.Connect(Options());
  const std::string path_ = PathOf(kInode);
  OpenFiles files_;
  std::shared_ptr<OpenFile> file_ = files_.Open(kInode, /*writer=*/true);
};

struct Stage {
  Stage() {
    auto opened = StageArea::Open({.directory = directory.Path("stage"), .bytes = 1 << 20});
    EXPECT_OK(opened.status());
    area = *std::move(opened);
  }
  TempDir directory;
  std::unique_ptr<StageArea> area;
};

// The cluster has no ReplaceBlocks: what is written back fails at its end, or before.
class StagedOpenFileTest : protected Stage, public OpenFileTest {
 protected:
  StagedOpenFileTest() : OpenFileTest({.stage = area.get()}) {}

  absl::StatusOr<std::string> ReadStaged(uint64_t offset = 0) {
    std::string out(100, '-');
    ASSIGN_OR_RETURN(const std::optional<size_t> bytes,
                     file_->ReadStaged(offset, std::as_writable_bytes(std::span(out))));
    return bytes.has_value() ? out.substr(0, *bytes) : "nothing is staged";
  }
};

TEST_F(OpenFileTest, EachCloseCompletesTheFileAndAWriteAfterItAppends) {
  ASSERT_OK(Write({.offset = 0}, "one "));
  ASSERT_OK(Close());
  EXPECT_EQ(cluster_.Calls("complete"), 1);
  EXPECT_EQ(Contents(), "one ");
  ASSERT_OK(Write({.offset = 4}, "two"));
  ASSERT_OK(Close());
  EXPECT_EQ(cluster_.Calls("append"), 1);
  EXPECT_EQ(Contents(), "one two");
  ASSERT_OK(Close());  // nothing was written since
  EXPECT_EQ(cluster_.Calls("complete"), 2);
}

// A shell opens the file, copies the descriptor, and closes the first one before the command runs.
TEST_F(OpenFileTest, ANewFileIsNotCompletedByACloseBeforeItsFirstWrite) {
  ASSERT_OK(Close());
  EXPECT_EQ(cluster_.Calls("complete"), 0);
  ASSERT_OK(Write(kEnd, "x"));
  ASSERT_OK(Close());
  EXPECT_EQ(cluster_.Calls("append"), 0);
  EXPECT_EQ(Contents(), "x");
}

TEST_F(OpenFileTest, ANewFileIsCompletedWhenItsLastWriterGoes) {
  files_.Close(*file_, /*writer=*/true, *fs_);
  EXPECT_EQ(cluster_.Calls("complete"), 1);
  EXPECT_TRUE(files_.empty());
}

TEST_F(OpenFileTest, WritesBeforeTheEndAreRefusedAndDoNoHarm) {
  ASSERT_OK(Write({.offset = 0}, "abc"));
  EXPECT_THAT(Write({.offset = 1}, "x"), StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(Write({.offset = 3 + OpenFile::kMaxGapBytes + 1}, "x"),
              StatusIs(absl::StatusCode::kUnimplemented));
  ASSERT_OK(Write({.offset = 3}, "d"));
  ASSERT_OK(Close());
  EXPECT_EQ(Contents(), "abcd");
}

TEST_F(OpenFileTest, AGapIsFilledWithZeros) {
  ASSERT_OK(Write({.offset = 2}, "c"));
  ASSERT_OK(Close());
  EXPECT_EQ(Contents(), std::string("\0\0c", 3));
}

TEST_F(OpenFileTest, AFillThatIsInterruptedLeavesAFileThatCanBeWrittenOn) {
  const absl::string_view data = "x";
  EXPECT_THAT(
      file_->Write(fs_, {.offset = 10}, std::as_bytes(std::span(data)), false, [] { return true; }),
      StatusIs(absl::StatusCode::kCancelled));
  ASSERT_OK(Write(kEnd, "y"));
  ASSERT_OK(Close());
  EXPECT_EQ(Contents(), "y");
}

TEST_F(OpenFileTest, TheLengthIsTheWritersUntilTheFileIsComplete) {
  EXPECT_THAT(file_->written(), Optional(testing::Field(&OpenFile::Written::length, 0)));
  ASSERT_OK(Write(kEnd, "abc"));
  EXPECT_THAT(file_->written(), Optional(testing::Field(&OpenFile::Written::length, 3)));
  ASSERT_OK(Close());
  EXPECT_EQ(file_->written(), std::nullopt);
}

// Of an erasure-coded file what is cut can be read until it is done.
TEST_F(OpenFileTest, ReadersThatWereMadeWhileACutIsWaitedForLookAgain) {
  ASSERT_OK(Write({.offset = 0}, "abcdef"));
  std::optional<uint64_t> meanwhile;
  ASSERT_OK(file_->Truncate(fs_, 2, [&] {
    meanwhile = file_->cuts();
    return false;
  }));
  ASSERT_TRUE(meanwhile.has_value());
  EXPECT_GT(file_->cuts(), *meanwhile);
}

// The second fsync of a program that tries again must not succeed because nothing is left to do.
TEST_F(OpenFileTest, AFailureIsFinalAndItsBytesAreNotShown) {
  cluster_.RefuseSetUp(0);
  const absl::Status written = Write(kEnd, "lost");
  const absl::Status synced = file_->Sync();
  EXPECT_FALSE(written.ok() && synced.ok());
  EXPECT_EQ(file_->written(), std::nullopt);
  EXPECT_GT(file_->cuts(), 0u);
  cluster_.AllowSetUp(0);
  EXPECT_FALSE(file_->Sync().ok());
  EXPECT_FALSE(Write(kEnd, "x").ok());
  EXPECT_FALSE(Close().ok());
  EXPECT_FALSE(Close().ok());
}

TEST_F(OpenFileTest, WhenAllWritersHaveGoneAFailedFileCanBeWrittenAgain) {
  cluster_.RefuseSetUp(0);
  Write(kEnd, "lost").IgnoreError();  // it or the next shows it
  EXPECT_FALSE(file_->Sync().ok());
  cluster_.AllowSetUp(0);
  const auto reader = files_.Open(kInode, /*writer=*/false);
  files_.Close(*file_, /*writer=*/true, *fs_);
  EXPECT_EQ(cluster_.Calls("recoverLease"), 1);
  EXPECT_EQ(files_.Open(kInode, /*writer=*/true), reader);
  ASSERT_OK(Write(kEnd, "kept"));
  ASSERT_OK(Close());
  EXPECT_EQ(Contents(), "kept");
}

// The lease of a writer that failed while the namenode was away stays with the mount, whose other
// files have it renewed.
TEST_F(OpenFileTest, AFileThatCouldNotBeGivenBackIsTakenBackByTheNextWrite) {
  cluster_.RefuseSetUp(0);
  Write(kEnd, "lost").IgnoreError();  // it or the next shows it
  EXPECT_FALSE(file_->Sync().ok());
  cluster_.RefuseRecovery(true);
  files_.Close(*file_, /*writer=*/true, *fs_);
  cluster_.AllowSetUp(0);
  file_ = files_.Open(kInode, /*writer=*/true);
  EXPECT_FALSE(Write(kEnd, "too early").ok());
  cluster_.RefuseRecovery(false);
  ASSERT_OK(Write(kEnd, "kept"));
  ASSERT_OK(Close());
  EXPECT_EQ(Contents(), "kept");
}

// The last writer's close waits for the cluster, and fails, while the next writer begins.
TEST_F(OpenFileTest, WhoOpensTheFileBeforeTheLastWriterHasFailedHearsOfIt) {
  ASSERT_OK(Write(kEnd, "synced"));
  ASSERT_OK(file_->Sync());
  cluster_.HoldPackets(true);
  ASSERT_OK(Write(kEnd, "lost"));
  std::thread closer([&] { files_.Close(*file_, /*writer=*/true, *fs_); });
  EVENTUALLY(!files_.HasWriters(kInode));
  const auto next = files_.Open(kInode, /*writer=*/true);
  cluster_.RefuseSetUp(0);
  cluster_.AckOutOfTurn(0);
  cluster_.HoldPackets(false);
  closer.join();
  EXPECT_FALSE(next->Sync().ok());
  files_.Close(*next, /*writer=*/true, *fs_);
  EXPECT_EQ(cluster_.Calls("recoverLease"), 1);
}

// The writer waits for the datanodes: what he writes is more than a block.
TEST_F(OpenFileTest, WhoReadsBytesThatAreThereDoesNotWaitForThoseThatFollow) {
  ASSERT_OK(Write(kEnd, "there"));
  ASSERT_OK(Close());
  cluster_.HoldPackets(true);
  const std::string more(2 << 20, 'x');
  absl::Status written;
  std::thread writer([&] { written = Write(kEnd, more); });
  // He has his stream, and holds the file until his bytes are taken.
  const bool begun = Eventually([&] { return file_->written().has_value(); });
  std::atomic<bool> read = false;
  std::string out(4096, '-');  // as the kernel asks
  std::thread reader([&] {
    EXPECT_THAT(file_->ReadStaged(0, std::as_writable_bytes(std::span(out))),
                IsOkAndHolds(std::nullopt));
    EXPECT_OK(file_->MakeReadable(out.size()));
    read = true;
  });
  const bool read_meanwhile = Eventually([&] { return read.load(); });
  cluster_.HoldPackets(false);
  reader.join();
  writer.join();
  EXPECT_TRUE(begun);
  EXPECT_TRUE(read_meanwhile);
  ASSERT_OK(written);
  ASSERT_OK(Close());
  EXPECT_EQ(Contents(), absl::StrCat("there", more));
}

TEST_F(OpenFileTest, TheEndOfTheMountTellsWhatCouldNotBeCompletedAndGivesItUp) {
  cluster_.RefuseSetUp(0);
  Write(kEnd, "lost").IgnoreError();  // it or the next shows it
  EXPECT_FALSE(files_.CloseAll(*fs_).ok());
  EXPECT_EQ(cluster_.Calls("recoverLease"), 1);
}

// ---- Changes in place ----

TEST_F(StagedOpenFileTest, WhileAChangeIsWrittenBackReadersGetItAndDoNotWait) {
  ASSERT_OK(Write({.offset = 0}, "0123456789"));
  ASSERT_OK(Close());
  ASSERT_OK(Write({.offset = 3}, "abc"));
  EXPECT_THAT(ReadStaged(), IsOkAndHolds("012abc6789"));
  cluster_.HoldPackets(true);
  absl::Status synced;
  std::thread syncer([&] { synced = file_->Sync(); });
  const bool begun = Eventually([&] { return cluster_.Calls("addBlock") == 2; });
  std::atomic<bool> read = false;
  absl::StatusOr<std::string> found;
  std::thread reader([&] {
    found = ReadStaged();
    read = true;
  });
  const bool read_meanwhile = Eventually([&] { return read.load(); });
  cluster_.HoldPackets(false);
  reader.join();
  syncer.join();
  EXPECT_TRUE(begun);
  EXPECT_TRUE(read_meanwhile);
  EXPECT_THAT(found, IsOkAndHolds("012abc6789"));
  EXPECT_FALSE(synced.ok());
}

// The namenode has done the change, and its answer is on its way: what the change left as it was
// can be read of the new blocks only.
TEST_F(StagedOpenFileTest, AReaderWhoseOldBlocksAreGoneWaitsForTheEndOfTheWriteBack) {
  const std::string data(3 * StagedFile::kPieceBytes, 'x');
  ASSERT_OK(Write({.offset = 0}, data));
  ASSERT_OK(Close());
  ASSERT_OK_AND_ASSIGN(const auto other, fs_->Create("/other"));
  ASSERT_OK(other->Write(data));
  ASSERT_OK(other->Close());
  ASSERT_OK(Write({.offset = 3}, "abc"));
  const int blocks = cluster_.Calls("addBlock");
  cluster_.HoldPackets(true);
  std::thread syncer([&] { file_->Sync().IgnoreError(); });
  const bool begun = Eventually([&] { return cluster_.Calls("addBlock") > blocks; });
  cluster_.Move("/other", path_);
  const int asked = cluster_.Calls("getBlockLocations");
  absl::StatusOr<std::string> found;
  std::thread reader([&] { found = ReadStaged(2 * StagedFile::kPieceBytes); });
  const bool missed = Eventually([&] { return cluster_.Calls("getBlockLocations") > asked; });
  cluster_.HoldPackets(false);
  reader.join();
  syncer.join();
  EXPECT_TRUE(begun);
  EXPECT_TRUE(missed);
  EXPECT_THAT(found, IsOkAndHolds("nothing is staged"));
}

TEST_F(StagedOpenFileTest, AChangeThatCouldNotBeWrittenBackIsNotReadAnyMore) {
  ASSERT_OK(Write({.offset = 0}, "0123456789"));
  ASSERT_OK(Close());
  ASSERT_OK(Write({.offset = 3}, "abc"));
  const uint64_t cuts = file_->cuts();
  EXPECT_FALSE(file_->Sync().ok());
  EXPECT_GT(file_->cuts(), cuts);
  EXPECT_THAT(ReadStaged(), IsOkAndHolds("nothing is staged"));
  EXPECT_EQ(area->used(), 0u);
  EXPECT_EQ(Contents(), "0123456789");
}

// ---- Erasure-coded files ----

// Each is a group of its own. What is flushed already costs none, nor does the end.
TEST(CodedOpenFileTest, ASyncAndAReadOfWhatWasJustWrittenAreFlushes) {
  client::FakeGroups cluster(client::SmallCells(3, 2), 5);
  client::ClientOptions options;
  options.block_bytes = 4096;
  const ClientPtr fs = cluster.Connect(options);
  OpenFiles files;
  const std::shared_ptr<OpenFile> file = files.Open(kInode, /*writer=*/true);
  ASSERT_OK_AND_ASSIGN(auto stream, fs->Create(PathOf(kInode)));
  file->Adopt(std::move(stream));
  const auto write = [&](absl::string_view data, bool sync) {
    return file->Write(fs, kEnd, std::as_bytes(std::span(data)), sync, [] { return false; });
  };
  ASSERT_OK(write("synced", /*sync=*/true));
  ASSERT_OK(write("read", /*sync=*/false));
  ASSERT_OK(file->MakeReadable(10));
  ASSERT_OK(file->MakeReadable(10));
  ASSERT_OK(file->Sync());
  ASSERT_OK(file->Complete(OpenFile::Reason::kDescriptorClosed));
  EXPECT_THAT(cluster.History(), ElementsAre("addBlock", "finished", "finished", "finished",
                                             "fsync 6", "addBlock after 6", "finished", "finished",
                                             "finished", "fsync 4", "complete 4"));
  EXPECT_THAT(cluster.Complaints(), IsEmpty());
}

// A stage is there, and the file's policy has been disabled since it was made.
TEST(CodedOpenFileTest, AWriteThatCouldNotBeWrittenBackIsRefusedAndTheFileGrowsOn) {
  client::FakeGroups cluster(client::SmallCells(3, 2), 5);
  client::ClientOptions options;
  options.block_bytes = 4096;
  const ClientPtr fs = cluster.Connect(options);
  const Stage stage;
  OpenFiles files({.stage = stage.area.get()});
  const std::shared_ptr<OpenFile> file = files.Open(kInode, /*writer=*/true);
  ASSERT_OK_AND_ASSIGN(auto stream, fs->Create(PathOf(kInode)));
  file->Adopt(std::move(stream));
  const auto write = [&](OpenFile::Place place, absl::string_view data) {
    return file->Write(fs, place, std::as_bytes(std::span(data)), /*sync=*/false,
                       [] { return false; });
  };
  ASSERT_OK(write(kEnd, "old bytes"));
  cluster.DisablePolicy();
  EXPECT_THAT(write({.offset = 2}, "new"), StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_EQ(stage.area->used(), 0u);
  ASSERT_OK(write(kEnd, "more"));
  ASSERT_OK(file->Complete(OpenFile::Reason::kDescriptorClosed));
  const auto groups = cluster.Groups(PathOf(kInode));
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].units[0].bytes, "old bytes");
  EXPECT_EQ(groups[1].units[0].bytes, "more");
  EXPECT_THAT(cluster.Complaints(), IsEmpty());
}

}  // namespace
}  // namespace cairn::fuse
