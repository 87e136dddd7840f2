// The contract of FileSystem, run against the real one and against the fake.
#include "common/io/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/io/errno_code.h"
#include "common/testing/faulty_file_system.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

struct PosixCase {
  FileSystem& get() { return PosixFileSystem(); }
  std::string root() { return dir.path(); }
  TempDir dir;
};

struct FaultyCase {
  FaultyCase() { EXPECT_OK(fs.MakeDirectory("/root")); }
  FileSystem& get() { return fs; }
  std::string root() { return "/root"; }
  FaultyFileSystem fs;
};

std::span<const std::byte> Bytes(absl::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string ReadText(File& file, uint64_t offset, size_t length) {
  std::string text(length, '?');
  const auto count = file.ReadAt(offset, std::as_writable_bytes(std::span(text.data(), length)));
  EXPECT_OK(count);
  text.resize(count.value_or(0));
  return text;
}

template <typename Case>
class FileSystemTest : public testing::Test {
 protected:
  std::string Path(absl::string_view name) { return absl::StrCat(case_.root(), "/", name); }
  void Put(absl::string_view name, absl::string_view text) {
    ASSERT_OK_AND_ASSIGN(auto file, fs_.Open(Path(name), {.create = true, .write = true}));
    ASSERT_OK(file->Truncate(0));
    ASSERT_OK(file->WriteAt(0, Bytes(text)));
  }
  std::string Get(absl::string_view name) {
    const auto text = fs_.ReadAll(Path(name), 1 << 20);
    return text.ok() ? *text : text.status().ToString();
  }

  Case case_;
  FileSystem& fs_ = case_.get();
};

using Cases = testing::Types<PosixCase, FaultyCase>;
TYPED_TEST_SUITE(FileSystemTest, Cases);

TYPED_TEST(FileSystemTest, WhatIsWrittenIsReadBackAndReadsEndAtTheEnd) {
  ASSERT_OK_AND_ASSIGN(auto file, this->fs_.Open(this->Path("f"), {.create = true, .write = true}));
  ASSERT_OK(file->WriteAt(0, Bytes("hello world")));
  ASSERT_OK(file->WriteAt(6, Bytes("W")));
  EXPECT_EQ(ReadText(*file, 4, 100), "o World");
  EXPECT_EQ(ReadText(*file, 11, 100), "");
  EXPECT_EQ(ReadText(*file, 1000, 100), "");
  EXPECT_THAT(file->Size(), IsOkAndHolds(11u));
  EXPECT_OK(file->SyncData());
}

TYPED_TEST(FileSystemTest, HoleReadsAsZeros) {
  ASSERT_OK_AND_ASSIGN(auto file, this->fs_.Open(this->Path("f"), {.create = true, .write = true}));
  ASSERT_OK(file->WriteAt(10'000, Bytes("x")));
  EXPECT_EQ(ReadText(*file, 0, 20'000), std::string(10'000, '\0') + "x");
}

TYPED_TEST(FileSystemTest, TruncatedBytesDoNotComeBackWhenTheFileGrows) {
  ASSERT_OK_AND_ASSIGN(auto file, this->fs_.Open(this->Path("f"), {.create = true, .write = true}));
  ASSERT_OK(file->WriteAt(0, Bytes(std::string(9000, 'a'))));
  ASSERT_OK(file->Truncate(3));
  ASSERT_OK(file->Truncate(9000));
  EXPECT_EQ(ReadText(*file, 0, 9000), "aaa" + std::string(8997, '\0'));
}

TYPED_TEST(FileSystemTest, AllocateFillsWithZerosAndExtends) {
  ASSERT_OK_AND_ASSIGN(auto file, this->fs_.Open(this->Path("f"), {.create = true, .write = true}));
  ASSERT_OK(file->WriteAt(0, Bytes("abcdef")));
  ASSERT_OK(file->Allocate(2, (size_t{1} << 20) + 5));
  EXPECT_THAT(file->Size(), IsOkAndHolds((size_t{1} << 20) + 7));
  EXPECT_EQ(ReadText(*file, 0, 8), absl::string_view("ab\0\0\0\0\0\0", 8));
}

TYPED_TEST(FileSystemTest, DirectWritesOfAlignedBuffersWork) {
  ASSERT_OK_AND_ASSIGN(
      auto file,
      this->fs_.Open(
          this->Path("f"),
          {.create = true, .exclusive = true, .write = true, .direct = true, .data_sync = true}));
  auto* const memory = static_cast<std::byte*>(std::aligned_alloc(4096, 8192));
  std::memset(memory, 'x', 8192);
  EXPECT_OK(file->Allocate(0, 16'384));
  EXPECT_OK(file->WriteAt(4096, std::span(memory, 8192)));
  std::memset(memory, 0, 8192);
  EXPECT_THAT(file->ReadAt(8192, std::span(memory, 8192)), IsOkAndHolds(8192u));
  EXPECT_EQ(memory[0], std::byte{'x'});
  EXPECT_EQ(memory[4096], std::byte{0});
  std::free(memory);
}

TYPED_TEST(FileSystemTest, OpenTellsMissingFromPresent) {
  EXPECT_THAT(this->fs_.Open(this->Path("f"), {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(this->Path("f"))));
  EXPECT_THAT(this->fs_.Open(this->Path("no/f"), {.create = true, .write = true}),
              StatusIs(absl::StatusCode::kNotFound));
  this->Put("f", "x");
  EXPECT_THAT(this->fs_.Open(this->Path("f"), {.create = true, .exclusive = true, .write = true}),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(this->fs_.Open(this->Path("f/g"), {}), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(this->fs_.Open(this->case_.root(), {}), StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(this->Get("f"), "x");
}

TYPED_TEST(FileSystemTest, FileOpenedForReadingRefusesWrites) {
  this->Put("f", "x");
  ASSERT_OK_AND_ASSIGN(auto file, this->fs_.Open(this->Path("f"), {}));
  EXPECT_FALSE(file->WriteAt(0, Bytes("y")).ok());
  EXPECT_FALSE(file->Truncate(0).ok());
  EXPECT_EQ(this->Get("f"), "x");
}

TYPED_TEST(FileSystemTest, RenameReplacesItsTarget) {
  this->Put("a", "new");
  this->Put("b", "old");
  ASSERT_OK(this->fs_.Rename(this->Path("a"), this->Path("b")));
  EXPECT_EQ(this->Get("b"), "new");
  EXPECT_FALSE(this->fs_.Exists(this->Path("a")));
  EXPECT_THAT(this->fs_.Rename(this->Path("a"), this->Path("c")),
              StatusIs(absl::StatusCode::kNotFound));
}

TYPED_TEST(FileSystemTest, RenameOfADirectoryMovesWhatIsBelow) {
  ASSERT_OK(this->fs_.MakeDirectories(this->Path("d/e")));
  this->Put("d/e/f", "x");
  ASSERT_OK(this->fs_.MakeDirectory(this->Path("empty")));
  ASSERT_OK(this->fs_.Rename(this->Path("d/e"), this->Path("empty")));
  EXPECT_EQ(this->Get("empty/f"), "x");
  this->Put("file", "y");
  EXPECT_THAT(this->fs_.Rename(this->Path("d"), this->Path("empty")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(this->fs_.Rename(this->Path("d"), this->Path("file")),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(this->fs_.Rename(this->Path("file"), this->Path("d")),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(this->fs_.Rename(this->Path("empty"), this->Path("empty/below")),
              StatusIs(absl::StatusCode::kInternal));
}

TYPED_TEST(FileSystemTest, LinkedFileIsOneFileWithTwoNames) {
  this->Put("a", "x");
  ASSERT_OK(this->fs_.Link(this->Path("a"), this->Path("b")));
  this->Put("b", "changed");
  ASSERT_OK(this->fs_.Remove(this->Path("b")));
  EXPECT_EQ(this->Get("a"), "changed");
  this->Put("c", "x");
  EXPECT_THAT(this->fs_.Link(this->Path("a"), this->Path("c")),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(this->fs_.Link(this->Path("no"), this->Path("d")),
              StatusIs(absl::StatusCode::kNotFound));
}

TYPED_TEST(FileSystemTest, RemovedFileLivesOnForThoseWhoHaveItOpen) {
  this->Put("f", "still here");
  ASSERT_OK_AND_ASSIGN(auto file, this->fs_.Open(this->Path("f"), {}));
  ASSERT_OK(this->fs_.Remove(this->Path("f")));
  EXPECT_EQ(ReadText(*file, 0, 100), "still here");
  EXPECT_THAT(this->fs_.Remove(this->Path("f")), StatusIs(absl::StatusCode::kNotFound));
}

TYPED_TEST(FileSystemTest, DirectoriesAreMadeListedAndRemoved) {
  ASSERT_OK(this->fs_.MakeDirectory(this->Path("d")));
  EXPECT_THAT(this->fs_.MakeDirectory(this->Path("d")), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(this->fs_.MakeDirectory(this->Path("no/d")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(this->fs_.List(this->Path("d")), IsOkAndHolds(IsEmpty()));
  this->Put("d/f", "x");
  ASSERT_OK(this->fs_.MakeDirectory(this->Path("d/e")));
  EXPECT_THAT(this->fs_.List(this->Path("d")), IsOkAndHolds(UnorderedElementsAre("e", "f")));
  EXPECT_OK(this->fs_.SyncDirectory(this->Path("d")));
  EXPECT_TRUE(this->fs_.IsDirectory(this->Path("d/e")));
  EXPECT_FALSE(this->fs_.IsDirectory(this->Path("d/f")));
  EXPECT_TRUE(this->fs_.Exists(this->Path("d/f")));

  EXPECT_THAT(this->fs_.RemoveDirectory(this->Path("d")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(this->fs_.Remove(this->Path("d/e")), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(this->fs_.RemoveDirectory(this->Path("d/f")), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(this->fs_.List(this->Path("d/f")), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(this->fs_.List(this->Path("no")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(this->fs_.SyncDirectory(this->Path("no")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(this->fs_.RemoveDirectory(this->Path("d/e")));
  EXPECT_THAT(this->fs_.List(this->Path("d")), IsOkAndHolds(ElementsAre("f")));
}

TYPED_TEST(FileSystemTest, MakeDirectoriesMakesWhatIsMissing) {
  ASSERT_OK(this->fs_.MakeDirectories(this->Path("a/b/c")));
  ASSERT_OK(this->fs_.MakeDirectories(this->Path("a/b/c")));
  EXPECT_TRUE(this->fs_.IsDirectory(this->Path("a/b/c")));
  this->Put("f", "x");
  EXPECT_FALSE(this->fs_.MakeDirectories(this->Path("f")).ok());
  EXPECT_FALSE(this->fs_.MakeDirectories(this->Path("f/g")).ok());
}

TYPED_TEST(FileSystemTest, SecondLockIsRefusedUntilTheFirstEnds) {
  ASSERT_OK_AND_ASSIGN(auto first, this->fs_.Lock(this->Path("lock")));
  EXPECT_THAT(this->fs_.Lock(this->Path("lock")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(this->Path("lock"))));
  first.reset();
  EXPECT_OK(this->fs_.Lock(this->Path("lock")));
}

TYPED_TEST(FileSystemTest, WriteDurablyReplacesTheWholeFile) {
  this->Put("f", "a longer text than the new one");
  this->Put("f.tmp", "left behind by a crash, and longer than the new text");
  ASSERT_OK(this->fs_.WriteDurably(this->Path("f"), "new"));
  EXPECT_EQ(this->Get("f"), "new");
  EXPECT_THAT(this->fs_.List(this->case_.root()), IsOkAndHolds(ElementsAre("f")));
}

TYPED_TEST(FileSystemTest, ReadAllTakesFilesUpToItsLimit) {
  const std::string text(200'000, 'x');
  this->Put("f", text);
  EXPECT_THAT(this->fs_.ReadAll(this->Path("f"), 200'000), IsOkAndHolds(text));
  EXPECT_THAT(this->fs_.ReadAll(this->Path("f"), 199'999),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("199999")));
}

TYPED_TEST(FileSystemTest, SpaceIsNotMoreFreeThanThereIs) {
  ASSERT_OK_AND_ASSIGN(const SpaceInfo space, this->fs_.Space(this->case_.root()));
  EXPECT_GT(space.capacity_bytes, 0u);
  EXPECT_LE(space.free_bytes, space.capacity_bytes);
  EXPECT_THAT(this->fs_.Space(this->Path("no")), StatusIs(absl::StatusCode::kNotFound));
}

TEST(PosixFileSystemTest, LockOfAnotherProcessIsRefusedWithItsPid) {
  const TempDir dir;
  int to_child[2];
  int from_child[2];
  ASSERT_EQ(pipe(to_child), 0);
  ASSERT_EQ(pipe(from_child), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  char byte = 0;
  if (child == 0) {
    close(to_child[1]);
    const auto lock = PosixFileSystem().Lock(dir.Path("lock"));
    byte = lock.ok() ? 'y' : 'n';
    if (write(from_child[1], &byte, 1) == 1) {
      [[maybe_unused]] const auto end = read(to_child[0], &byte, 1);  // until the parent closes
    }
    _exit(0);
  }
  close(to_child[0]);
  ASSERT_EQ(read(from_child[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  EXPECT_THAT(PosixFileSystem().Lock(dir.Path("lock")),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr(absl::StrCat("(pid ", child, ")"))));
  close(to_child[1]);
  waitpid(child, nullptr, 0);
  close(from_child[0]);
  close(from_child[1]);
  EXPECT_OK(PosixFileSystem().Lock(dir.Path("lock")));
}

// Whoever judges disks and replicas does so by these.
TEST(CodeOfErrnoTest, TellsTheDisksFaultsFromTheMachines) {
  using Code = absl::StatusCode;
  for (const auto& [error, code] : {std::pair(EIO, Code::kDataLoss),
                                    {ENOSPC, Code::kResourceExhausted},
                                    {EDQUOT, Code::kResourceExhausted},
                                    {EMFILE, Code::kResourceExhausted},
                                    {ENFILE, Code::kResourceExhausted},
                                    {ENOMEM, Code::kResourceExhausted},
                                    {ENOENT, Code::kNotFound},
                                    {EEXIST, Code::kAlreadyExists},
                                    {ENOTEMPTY, Code::kFailedPrecondition},
                                    {EACCES, Code::kPermissionDenied},
                                    {EPERM, Code::kPermissionDenied},
                                    {EROFS, Code::kInternal},
                                    {EINVAL, Code::kInternal}}) {
    EXPECT_EQ(CodeOfErrno(error), code) << strerror(error);
  }
}

TEST(ParentDirectoryTest, IsWhatComesBeforeTheLastSlash) {
  EXPECT_EQ(ParentDirectory("/a/b"), "/a");
  EXPECT_EQ(ParentDirectory("/a/b/"), "/a");
  EXPECT_EQ(ParentDirectory("/a"), "/");
  EXPECT_EQ(ParentDirectory("/"), "/");
  EXPECT_EQ(ParentDirectory("a"), ".");
  EXPECT_EQ(ParentDirectory("a/b"), "a");
}

}  // namespace
}  // namespace cairn
