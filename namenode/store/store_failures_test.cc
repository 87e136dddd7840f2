// The store, when its disk fails, is full, or has no descriptors or memory for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/io/file_system.h"
#include "common/status_macros.h"
#include "common/testing/eventually.h"
#include "common/testing/few_descriptors.h"
#include "common/testing/status_matchers.h"
#include "common/testing/wrapped_file_system.h"
#include "namenode/store/leveldb_env.h"
#include "namenode/store/store_testing.h"

namespace cairn::namenode {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

// ---- A flush that fails

// The machine's files, except that LevelDB's log can be told to fail its syncs, and calls on the
// files with some suffix to find no space, or no descriptors.
class FailingFiles final : public FileSystemWrapper {
 public:
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                             const OpenOptions& options) override {
    RETURN_IF_ERROR(Room("open", path, options.create ? full_for_new : full_for_old));
    ASSIGN_OR_RETURN(std::unique_ptr<File> file, FileSystemWrapper::Open(path, options));
    return std::make_unique<FailingFile>(std::move(file), path, *this);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    RETURN_IF_ERROR(Room("rename", to, full_for_new));
    return FileSystemWrapper::Rename(from, to);
  }

  absl::Status SyncDirectory(const std::string& path) override {
    RETURN_IF_ERROR(Room(directories_open ? "sync" : "open", path, full_for_directories));
    return FileSystemWrapper::SyncDirectory(path);
  }

  std::atomic<bool> fail_syncs{false};
  std::atomic<int> lack{ENOSPC};
  std::atomic<const char*> full{nullptr};                  // the suffix of files that cannot grow,
  std::atomic<const char*> full_for_new{nullptr};          // cannot be made,
  std::atomic<const char*> full_for_old{nullptr};          // be opened,
  std::atomic<const char*> full_for_reads{nullptr};        // or be read,
  std::atomic<const char*> full_for_directories{nullptr};  // and of directories that cannot be
  std::atomic<bool> directories_open{false};               // opened, or then not be synced
  std::atomic<int> refused{0};

 private:
  class FailingFile final : public FileWrapper {
   public:
    FailingFile(std::unique_ptr<File> file, std::string path, FailingFiles& files)
        : FileWrapper(std::move(file)), path_(std::move(path)), files_(files) {}
    absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override {
      RETURN_IF_ERROR(files_.Room("read", path_, files_.full_for_reads));
      return FileWrapper::ReadAt(offset, out);
    }
    absl::Status WriteAt(uint64_t offset, std::span<const std::byte> data) override {
      if (absl::Status room = files_.Room("write", path_, files_.full); !room.ok()) {
        // A full disk takes what still fits.
        RETURN_IF_ERROR(FileWrapper::WriteAt(offset, data.first(data.size() / 2)));
        return room;
      }
      return FileWrapper::WriteAt(offset, data);
    }
    absl::Status SyncData() override {
      return files_.fail_syncs && absl::EndsWith(path_, ".log")
                 ? absl::DataLossError("injected: Input/output error")
                 : FileWrapper::SyncData();
    }

   private:
    const std::string path_;
    FailingFiles& files_;
  };

  absl::Status Room(absl::string_view call, const std::string& path, const char* suffix) {
    if (suffix == nullptr || !absl::EndsWith(path, suffix)) return absl::OkStatus();
    ++refused;
    return absl::ResourceExhaustedError(absl::StrCat(call, " ", path, ": ", std::strerror(lack)));
  }
};

class FailedFlushTest : public StoreTestBase {};

TEST_F(FailedFlushTest, ItIsFinalAndReadsGoOn) {
  FailingFiles files;
  options_.files = &files;
  FormatAndOpen();
  Edit("a", "stored");
  ASSERT_OK(store_->Flush());
  files.fail_syncs = true;
  Edit("a", "newer");
  Edit("b", "new");
  EXPECT_THAT(store_->Flush(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("injected")));
  files.fail_syncs = false;  // a sync that works later proves nothing about the one that failed
  EXPECT_THAT(store_->Ready(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(store_->Flush(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(ToInt(store_->applied()), 1u);
  EXPECT_EQ(FlushCount(), 1u);
  EXPECT_THAT(Get("a"), Optional(std::string("newer")));
  EXPECT_THAT(Get("b"), Optional(std::string("new")));
  store_.reset();
}

// ---- A disk that is full for a while

class FullDiskTest : public StoreTestBase {
 protected:
  // What FailingFiles says, until there is room.
  struct Lack {
    int error = ENOSPC;
    const char* full = nullptr;
    const char* for_new = nullptr;
    const char* for_old = nullptr;
    const char* for_reads = nullptr;
    const char* for_directories = nullptr;
  };

  void HealsWhen(const char* full, const char* full_for_new, int edits) {
    HealsWhen(Lack{.full = full, .for_new = full_for_new}, edits);
  }
  void HealsWhen(const Lack& lack, int edits) {
    FailingFiles files;
    options_.files = &files;
    options_.write_buffer_bytes = 64 << 10;  // LevelDB fills it, takes a new log, writes a table
    FormatAndOpen();
    Edit("stored", "before");
    ASSERT_OK(store_->Flush());
    files.lack = lack.error;
    files.full = lack.full;
    files.full_for_new = lack.for_new;
    files.full_for_old = lack.for_old;
    files.full_for_reads = lack.for_reads;
    files.full_for_directories = lack.for_directories;
    const std::string value(1000, 'v');
    for (int i = 0; i < edits; ++i) Edit(absl::StrCat("key", i), value);
    // The batch that meets the full disk may be the one after the one that filled the memtable.
    absl::Status flushed;
    for (int i = 0; flushed.ok() && i < 1000; ++i) {
      Edit("again", absl::StrCat(i, value));
      flushed = store_->Flush();
    }
    EXPECT_THAT(flushed, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("space")));
    EVENTUALLY(absl::IsResourceExhausted(store_->Ready()));
    EXPECT_THAT(Get("stored"), Optional(std::string("before")));
    EXPECT_THAT(Get("key0"), Optional(value));
    EXPECT_GT(files.refused, 0);
    files.full = nullptr;
    files.full_for_new = nullptr;
    files.full_for_old = nullptr;
    files.full_for_reads = nullptr;
    files.full_for_directories = nullptr;
    EVENTUALLY(store_->Ready().ok());
    Edit("after", "healed");
    ASSERT_OK(store_->Flush());
    EXPECT_EQ(ToInt(store_->applied()), txid_);
    const auto before = ScanAll("", 1000);
    ASSERT_OK(Open());
    EXPECT_EQ(ToInt(store_->applied()), txid_);
    EXPECT_EQ(ScanAll("", 1000), before);
    EXPECT_THAT(Get("after"), Optional(std::string("healed")));
    store_.reset();
  }
};

TEST_F(FullDiskTest, WritesToTheLogWait) { HealsWhen(".log", nullptr, 1); }

TEST_F(FullDiskTest, AFlushThatFindsNoSpaceForAnotherLogIsTriedAgain) {
  HealsWhen(nullptr, ".log", 200);
}

TEST_F(FullDiskTest, WritesToATableWait) { HealsWhen(".ldb", nullptr, 200); }

TEST_F(FullDiskTest, ANewTableWaits) { HealsWhen(nullptr, ".ldb", 200); }

TEST_F(FullDiskTest, EverythingWaits) { HealsWhen("", "", 200); }

// LevelDB renames only where it opens, today; but an error of it would be final.
TEST_F(FullDiskTest, ARenameWaits) {
  FailingFiles files;
  const std::string from = temp_.Path("from"), to = temp_.Path("to");
  ASSERT_OK(files.Open(from, {.create = true, .write = true}));
  ASSERT_OK_AND_ASSIGN(const auto env, LevelDbEnv::Lock(files, temp_.path()));
  files.full_for_new = "";
  EXPECT_FALSE(env->RenameFile(from, to).ok()) << "before WaitForSpace";
  env->WaitForSpace();
  std::thread renames([&] { EXPECT_TRUE(env->RenameFile(from, to).ok()); });
  EVENTUALLY(env->waiting());
  files.full_for_new = nullptr;
  renames.join();
  EXPECT_OK(files.Open(to, {}));
}

TEST_F(FullDiskTest, AStoreThatWaitsCanBeClosedAndLosesNothing) {
  FailingFiles files;
  options_.files = &files;
  FormatAndOpen();
  Edit("stored", "before");
  ASSERT_OK(store_->Flush());
  files.full = "";
  Edit("in the journal", "only");
  EXPECT_THAT(store_->Flush(), StatusIs(absl::StatusCode::kResourceExhausted));
  store_.reset();
  files.full = nullptr;
  ASSERT_OK(Open());
  EXPECT_EQ(ToInt(store_->applied()), 1u);
  EXPECT_THAT(Get("stored"), Optional(std::string("before")));
  EXPECT_EQ(Get("in the journal"), std::nullopt);
  store_.reset();
}

// ---- Descriptors that are short for a while

TEST_F(FullDiskTest, ALogThatFindsNoDescriptorIsTriedAgain) {
  HealsWhen({.error = EMFILE, .for_new = ".log"}, 200);
}

TEST_F(FullDiskTest, ATableThatFindsNoDescriptorWaits) {
  HealsWhen({.error = ENFILE, .for_new = ".ldb"}, 200);
}

// LevelDB opens each table that it has written.
TEST_F(FullDiskTest, ATableThatCannotBeOpenedWaits) {
  HealsWhen({.error = EMFILE, .for_old = ".ldb"}, 200);
}

TEST_F(FullDiskTest, ATableForWhichThereIsNoMemoryWaits) {
  HealsWhen({.error = ENOMEM, .for_old = ".ldb"}, 200);
}

TEST_F(FullDiskTest, ATableThatIsReadWithoutMemoryWaits) {
  HealsWhen({.error = ENOMEM, .for_reads = ".ldb"}, 200);
}

TEST_F(FullDiskTest, ANameWhoseDirectoryFindsNoDescriptorWaits) {
  HealsWhen({.error = EMFILE, .for_directories = ""}, 200);
}

TEST_F(FullDiskTest, NoDescriptorForAnythingWaits) {
  HealsWhen({.error = EMFILE, .for_new = "", .for_old = "", .for_directories = ""}, 200);
}

// What a sync that failed has written is not known, whatever it says.
class DirectorySyncTest : public FullDiskTest, public testing::WithParamInterface<int> {};

TEST_P(DirectorySyncTest, OneThatFailsIsFinal) {
  FailingFiles files;
  options_.files = &files;
  FormatAndOpen();
  files.lack = GetParam();
  files.directories_open = true;
  files.full_for_directories = "";
  Edit("a", "1");
  EXPECT_THAT(store_->Flush(), StatusIs(absl::StatusCode::kResourceExhausted));
  files.full_for_directories = nullptr;
  EXPECT_THAT(store_->Flush(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_FALSE(store_->Ready().ok());
  store_.reset();
}

INSTANTIATE_TEST_SUITE_P(Errors, DirectorySyncTest, testing::Values(ENOSPC, EMFILE, ENOMEM));

TEST_F(FullDiskTest, AReaderIsToldAndMayTryAgain) {
  FailingFiles files;
  options_.files = &files;
  FormatAndOpen();
  for (const char* const key : {"a", "b"}) {
    Edit(key, "stored");
    ASSERT_OK(store_->Flush());
    ASSERT_OK(Open());  // makes a table of the log
  }
  ASSERT_OK(Open());  // opens only the last table, which has the applied txid
  files.lack = EMFILE;
  files.full_for_old = ".ldb";
  EXPECT_THAT(store_->Load("a"), StatusIs(absl::StatusCode::kResourceExhausted));
  files.full_for_old = nullptr;
  EXPECT_THAT(store_->Load("a"), IsOkAndHolds(Optional(std::string("stored"))));
  EXPECT_OK(store_->Ready());
  store_.reset();
}

// The lock of LevelDB is held where a compaction opens its first tables.
class SparesTest : public FullDiskTest {
 protected:
  void SetUp() override {
    FullDiskTest::SetUp();
    ASSERT_OK(PosixFileSystem().WriteDurably(path_, "table"));
    ASSERT_OK_AND_ASSIGN(env_, LevelDbEnv::Lock(PosixFileSystem(), temp_.path()));
  }
  // Opens as many tables as level 0 has at most, once `go_`.
  void Schedule() {
    const auto compact = [](void* raw) {
      auto& self = *static_cast<SparesTest*>(raw);
      self.begun_ = true;
      CHECK(Eventually([&] { return self.go_.load(); }));
      for (int i = 0; i < 12; ++i) {
        leveldb::RandomAccessFile* file = nullptr;
        if (self.env_->NewRandomAccessFile(self.path_, &file).ok()) ++self.opened_;
        self.tables_.emplace_back(file);
      }
      self.done_ = true;
    };
    env_->Schedule(compact, this);
  }
  bool Ends() {
    return Eventually([&] { return done_.load(); });
  }

  const std::string path_ = temp_.Path("table");
  std::unique_ptr<LevelDbEnv> env_;
  std::atomic<bool> begun_{false}, go_{false}, done_{false};
  std::atomic<int> opened_{0};
  std::vector<std::unique_ptr<leveldb::RandomAccessFile>> tables_;
};

TEST_F(SparesTest, ACompactionHasDescriptorsToSpare) {
  Schedule();
  EVENTUALLY(begun_);
  {
    const FewDescriptors none(0);
    go_ = true;
    EXPECT_TRUE(Ends());
  }
  EXPECT_EQ(opened_, 12);
}

TEST_F(SparesTest, SoHasOneThatBeginsWhenThereAreNone) {
  env_->WaitForSpace();
  go_ = true;
  {
    const FewDescriptors none(0);
    Schedule();
    EXPECT_TRUE(Ends());
  }
  EXPECT_TRUE(Ends()) << "with descriptors";
  EXPECT_EQ(opened_, 12);
}

}  // namespace
}  // namespace cairn::namenode
