// Options, paths and copying, on this machine's files: what a cluster does is tested against one.
#include "tools/dfs/shell.h"

#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "tools/dfs/copy.h"
#include "tools/dfs/dfs.h"

namespace cairn::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ShellTest : public ::testing::Test {
 protected:
  Shell MakeShell(std::vector<std::string> args) {
    return Shell(*FindShellCommand("ls"), std::move(args), volumes_, out_, err_);
  }
  void WriteFile(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_.Path(name)).parent_path());
    std::ofstream(dir_.Path(name)) << text;
  }
  std::string ReadFile(const std::string& name) {
    std::ifstream in(dir_.Path(name));
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  PathItem Local(const std::string& name) {
    PathItem item{.text = name, .volume = volumes_.local(), .path = dir_.Path(name)};
    EXPECT_OK(item.Refresh());
    return item;
  }
  int Run(std::vector<std::string> args) {
    CommandContext ctx{.args = std::move(args), .out = out_, .err = err_};
    return RunDfs(ctx);
  }

  TempDir dir_;
  Volumes volumes_{client::ClientOptions()};
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(ShellTest, OptionsEndAtTheFirstArgumentADashOrTwo) {
  Shell shell = MakeShell({"-f", "-t", "4", "a", "-f"});
  ASSERT_OK(shell.TakeOptions({"f", "p"}, {"t"}, 1, 9));
  EXPECT_TRUE(shell.Has("f"));
  EXPECT_FALSE(shell.Has("p"));
  EXPECT_EQ(shell.Value("t"), "4");
  EXPECT_THAT(shell.args(), ElementsAre("a", "-f"));

  Shell dash = MakeShell({"-", "x"});
  ASSERT_OK(dash.TakeOptions({}, {}, 1, 9));
  EXPECT_THAT(dash.args(), ElementsAre("-", "x"));

  Shell dashes = MakeShell({"--", "-f"});
  ASSERT_OK(dashes.TakeOptions({}, {}, 1, 9));
  EXPECT_THAT(dashes.args(), ElementsAre("-f"));
}

TEST_F(ShellTest, BadUsageSaysWhatIsWrongAsHdfsDoes) {
  Shell unknown = MakeShell({"-x"});
  EXPECT_THAT(unknown.TakeOptions({"f"}, {}, 0, 9).message(), "Illegal option -x");
  Shell few = MakeShell({});
  const absl::Status status = few.TakeOptions({}, {}, 2, 9);
  EXPECT_TRUE(IsUsage(status));
  EXPECT_EQ(status.message(), "Not enough arguments: expected 2 but got 0");
  Shell many = MakeShell({"a", "b"});
  EXPECT_EQ(many.TakeOptions({}, {}, 0, 1).message(), "Too many arguments: expected 1 but got 2");
}

TEST_F(ShellTest, ErrorsShowTheFirstLineAndCount) {
  Shell shell = MakeShell({});
  shell.Error(absl::InternalError("first\nsecond"));
  EXPECT_EQ(err_.str(), "ls: first\n");
  EXPECT_EQ(shell.errors(), 1);
}

TEST_F(ShellTest, AnUnknownCommandExitsWith255AndHelps) {
  EXPECT_EQ(Run({"ls", "/"}), 255);
  EXPECT_THAT(err_.str(), HasSubstr("Did you mean -ls?"));
  EXPECT_EQ(Run({"-nosuch"}), 255);
  EXPECT_THAT(err_.str(), HasSubstr("-nosuch: Unknown command"));
  EXPECT_EQ(Run({}), 255);
}

TEST_F(ShellTest, OldNamesWorkAndSayWhatToUse) {
  WriteFile("d/sub/a", "12345");
  const std::string uri = "file://" + dir_.Path("d");
  EXPECT_EQ(Run({"-lsr", "-C", uri}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("d/sub/a\n"));
  EXPECT_EQ(err_.str(), "lsr: DEPRECATED: Please use 'ls -R' instead.\n");
  err_.str("");
  EXPECT_EQ(Run({"-rmr", uri}), 0);
  EXPECT_EQ(err_.str(), "rmr: DEPRECATED: Please use '-rm -r' instead.\n");
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("d")));
  err_.str("");
  EXPECT_EQ(Run({"-dus", uri}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("dus: DEPRECATED: Please use 'du -s' instead.\ndus: `file:"));
}

TEST_F(ShellTest, OldNamesAreExplainedButNotListed) {
  EXPECT_EQ(Run({"-help", "rmr"}), 0);
  EXPECT_EQ(out_.str(), "-rmr :\n  (DEPRECATED) Same as '-rm -r'\n");
  out_.str("");
  EXPECT_EQ(Run({"-help"}), 0);
  EXPECT_THAT(out_.str(), Not(HasSubstr("rmr")));
}

TEST_F(ShellTest, SnapshotsAreNotSupportedYet) {
  for (const std::string command : {"createSnapshot", "deleteSnapshot", "renameSnapshot"}) {
    err_.str("");
    EXPECT_EQ(Run({"-" + command, "/d", "s"}), 1);
    EXPECT_EQ(err_.str(), command + ": not supported yet\n");
  }
}

TEST_F(ShellTest, AttributesAreNamedInOneWay) {
  const std::pair<std::vector<std::string>, const char*> commands[] = {
      {{"-getfattr", "/a"}, "Must specify '-n name' or '-d' option."},
      {{"-getfattr", "-d"}, "<path> is missing"},
      {{"-getfattr", "-d", "/a", "/b"}, "Too many arguments"},
      {{"-getfattr", "/a", "-R", "-d", "/b"}, "Too many arguments"},
      {{"-getfattr", "-d", "/a", "--", "-R"}, "Too many arguments"},
      {{"-getfattr", "/a", "-R"}, "Must specify '-n name' or '-d' option."},
      {{"-getfattr", "-n", "a", "/a"}, "An XAttr name must be prefixed with"},
      {{"-getfattr", "-d", "-e", "utf8", "/a"}, "none of text, hex and base64"},
      {{"-getfattr", "/a", "-n"}, "option -n requires 1 argument."},
      {{"-setfattr", "-v", "x", "/a"}, "Must specify '-n name' or '-x name' option."},
      {{"-setfattr", "-n", "user.a", "-x", "user.b", "/a"}, "Can not specify both"},
      {{"-setfattr", "-n", "user.a", "-v", "-x1"}, "<path> is missing"},
  };
  for (const auto& [command, why] : commands) {
    err_.str("");
    EXPECT_EQ(Run(command), 255) << why;
    EXPECT_THAT(err_.str(), HasSubstr(why));
  }
  EXPECT_EQ(Run({"-setfattr", "-n", "user.a", "-v", "0x1", "/a"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("setfattr: not hexadecimal: 0x1"));
}

TEST_F(ShellTest, UsageOfACommandIsOneLine) {
  EXPECT_EQ(Run({"-usage", "mkdir"}), 0);
  EXPECT_EQ(out_.str(), "Usage: cairn dfs [generic options] -mkdir [-p] <path> ...\n");
}

TEST_F(ShellTest, WithoutAClusterTheMessageSaysWhatToSet) {
  EXPECT_EQ(Run({"-ls", "/"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("fs.defaultFS"));
}

TEST_F(ShellTest, LocalFilesCanBeListedByTheirUri) {
  WriteFile("a", "12345");
  EXPECT_EQ(Run({"-ls", "file://" + dir_.Path("a")}), 0);
  EXPECT_THAT(out_.str(), HasSubstr(" 5 "));
}

TEST_F(ShellTest, ATreeIsCopiedWholeByOneThreadOrFour) {
  WriteFile("src/a", "one");
  WriteFile("src/sub/b", "two");
  WriteFile("src/sub/empty", "");
  for (int threads : {1, 4}) {
    const std::string target = "dst" + std::to_string(threads);
    Shell shell = MakeShell({});
    Copier copier(shell, {.threads = threads});
    ASSERT_OK(copier.Copy(Local("src"), Local(target)));
    copier.Finish();
    EXPECT_EQ(ReadFile(target + "/a"), "one");
    EXPECT_EQ(ReadFile(target + "/sub/b"), "two");
    EXPECT_TRUE(std::filesystem::exists(dir_.Path(target + "/sub/empty")));
    EXPECT_EQ(shell.errors(), 0);
  }
}

TEST_F(ShellTest, AFileThatExistsIsKeptUnlessForced) {
  WriteFile("a", "new");
  WriteFile("b", "old");
  Shell shell = MakeShell({});
  ASSERT_OK(Copier(shell, {}).Copy(Local("a"), Local("b")));
  EXPECT_EQ(err_.str(), "ls: `b': File exists\n");
  EXPECT_EQ(ReadFile("b"), "old");
  ASSERT_OK(Copier(shell, {.overwrite = true}).Copy(Local("a"), Local("b")));
  EXPECT_EQ(ReadFile("b"), "new");
}

TEST_F(ShellTest, ADirectoryCannotBeCopiedIntoItself) {
  WriteFile("src/a", "one");
  Shell shell = MakeShell({});
  EXPECT_THAT(Copier(shell, {}).Copy(Local("src"), Local("src/new")).message(),
              HasSubstr("is a subdirectory of itself"));
}

TEST_F(ShellTest, AFailedCopyLeavesNothingBehind) {
  class Failing final : public Reader {
    absl::StatusOr<size_t> Read(std::span<std::byte>) override {
      return absl::DataLossError("broken");
    }
    absl::Status Seek(uint64_t) override { return absl::OkStatus(); }
    uint64_t length() const override { return 10; }
  } reader;
  Shell shell = MakeShell({});
  EXPECT_THAT(Copier(shell, {}).CopyStream(reader, Local("x")),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

// This machine's files, where the last step of a copy fails.
class LastStepFails final : public Volume {
 public:
  explicit LastStepFails(Volume& base) : base_(base) {}
  std::string Qualify(const std::string& path) const override { return base_.Qualify(path); }
  absl::StatusOr<client::FileStatus> Stat(const std::string& path) override {
    return base_.Stat(path);
  }
  absl::Status List(const std::string& path, const Visitor& visit) override {
    return base_.List(path, visit);
  }
  absl::StatusOr<std::unique_ptr<Reader>> Open(const std::string& path) override {
    return base_.Open(path);
  }
  absl::StatusOr<std::unique_ptr<Writer>> Create(const std::string& path,
                                                 const WriteOptions& options) override {
    return base_.Create(path, options);
  }
  absl::Status Mkdirs(const std::string& path) override { return base_.Mkdirs(path); }
  absl::Status Rename(const std::string&, const std::string&) override {
    return absl::UnavailableError("no rename");
  }
  absl::Status Replace(const std::string&, const std::string&) override {
    return absl::UnavailableError("no replacement");
  }
  absl::Status Delete(const std::string& path, bool recursive) override {
    return base_.Delete(path, recursive);
  }
  absl::Status SetMode(const std::string& path, uint16_t mode) override {
    return base_.SetMode(path, mode);
  }
  absl::Status SetOwner(const std::string& path, const std::string& owner,
                        const std::string& group) override {
    return base_.SetOwner(path, owner, group);
  }
  absl::Status SetTimes(const std::string& path, absl::Time modified,
                        absl::Time accessed) override {
    return base_.SetTimes(path, modified, accessed);
  }

 private:
  Volume& base_;
};

TEST_F(ShellTest, AFileIsStillThereWhenItsReplacementFails) {
  WriteFile("a", "new");
  WriteFile("to/b", "old");
  LastStepFails volume(*volumes_.local());
  PathItem target = Local("to/b");
  target.volume = &volume;
  Shell shell = MakeShell({});
  ASSERT_OK(Copier(shell, {.overwrite = true}).Copy(Local("a"), target));
  EXPECT_EQ(err_.str(), "ls: no replacement\n");
  EXPECT_EQ(ReadFile("to/b"), "old");
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("to/b._COPYING_")));
  // A new name has no old file.
  err_.str("");
  target = Local("to/c");
  target.volume = &volume;
  ASSERT_OK(Copier(shell, {.overwrite = true}).Copy(Local("a"), target));
  EXPECT_EQ(err_.str(), "ls: rename `to/c._COPYING_' to `to/c': no rename\n");
}

TEST_F(ShellTest, AFileIsNeverMissingWhileItIsReplaced) {
  WriteFile("a", "new");
  WriteFile("b", "old");
  std::atomic<bool> done = false;
  int missed = 0;
  std::thread reader([&] {
    while (!done) missed += !std::filesystem::exists(dir_.Path("b"));
  });
  Shell shell = MakeShell({});
  for (int i = 0; i < 200; ++i) {
    EXPECT_OK(Copier(shell, {.overwrite = true}).Copy(Local("a"), Local("b")));
  }
  done = true;
  reader.join();
  EXPECT_EQ(missed, 0);
  EXPECT_EQ(ReadFile("b"), "new");
}

TEST_F(ShellTest, TimesAndModeAreKeptWhenAsked) {
  WriteFile("a", "x");
  ::chmod(dir_.Path("a").c_str(), 0640);
  ASSERT_OK(volumes_.local()->SetTimes(dir_.Path("a"), absl::FromUnixSeconds(1000),
                                       absl::FromUnixSeconds(2000)));
  Shell shell = MakeShell({});
  ASSERT_OK(Copier(shell, {.keep_times = true, .keep_mode = true}).Copy(Local("a"), Local("b")));
  const PathItem copy = Local("b");
  ASSERT_TRUE(copy.exists());
  EXPECT_EQ(copy.status->modified, absl::FromUnixSeconds(1000));
  EXPECT_EQ(copy.status->mode, 0640);
}

// Files that come later would change the directory's times, and may not be let into it.
TEST_F(ShellTest, ADirectorysAttributesAreKeptOnceItsFilesAreInIt) {
  const std::string data(100'000, 'x');
  for (int i = 0; i < 20; ++i) WriteFile(absl::StrCat("src/sub/f", i), data);
  for (const char* path : {"src/sub", "src"}) {
    ASSERT_OK(volumes_.local()->SetTimes(dir_.Path(path), absl::FromUnixSeconds(1000),
                                         absl::FromUnixSeconds(2000)));
    ::chmod(dir_.Path(path).c_str(), 0555);
  }
  for (const int threads : {1, 4}) {
    const std::string target = absl::StrCat("dst", threads);
    Shell shell = MakeShell({});
    ASSERT_OK(
        Copier(shell,
               {.keep_times = true, .keep_owner = true, .keep_mode = true, .threads = threads})
            .Copy(Local("src"), Local(target)));
    EXPECT_EQ(err_.str(), "");
    EXPECT_EQ(ReadFile(target + "/sub/f19"), data);
    for (const std::string& path : {target, target + "/sub"}) {
      EXPECT_EQ(Local(path).status->modified, absl::FromUnixSeconds(1000)) << path;
      EXPECT_EQ(Local(path).status->mode, 0555) << path;
      ::chmod(dir_.Path(path).c_str(), 0755);  // so that it can be removed
    }
  }
  for (const char* path : {"src/sub", "src"}) ::chmod(dir_.Path(path).c_str(), 0755);
}

// What came into a source while it was moved, or could not be copied, is not ours to delete.
TEST_F(ShellTest, AMoveDeletesOnlyWhatItCopied) {
  WriteFile("src/a", "one");
  WriteFile("src/sub/b", "two");
  std::filesystem::create_symlink("/nonexistent", dir_.Path("src/sub/dangling"));
  Shell shell = MakeShell({});
  const absl::Status status =
      Copier(shell, {.delete_source = true}).Copy(Local("src"), Local("dst"));
  EXPECT_THAT(status.message(), HasSubstr("src: Directory not empty"));
  EXPECT_THAT(err_.str(), HasSubstr("src/sub: Directory not empty"));
  EXPECT_EQ(ReadFile("dst/a"), "one");
  EXPECT_EQ(ReadFile("dst/sub/b"), "two");
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("src/a")));
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("src/sub/b")));
  EXPECT_TRUE(std::filesystem::is_symlink(dir_.Path("src/sub/dangling")));
}

TEST_F(ShellTest, AMovedTreeIsGoneAndJoinsNoOther) {
  WriteFile("src/sub/b", "two");
  WriteFile("into/src/old", "x");
  Shell shell = MakeShell({});
  EXPECT_THAT(Copier(shell, {.delete_source = true}).Copy(Local("src"), Local("into")).message(),
              HasSubstr("File exists"));
  EXPECT_EQ(ReadFile("src/sub/b"), "two");
  EXPECT_OK(Copier(shell, {.delete_source = true}).Copy(Local("src"), Local("dst")));
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("src")));
  EXPECT_EQ(ReadFile("dst/sub/b"), "two");
}

TEST_F(ShellTest, AFileIsNotCopiedOverItselfInAWayThatLosesIt) {
  WriteFile("a", "one");
  const std::string a = dir_.Path("a"), uri = "file://" + a;
  const std::string around = "file://" + dir_.path() + "/none/../a";
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"-cp", "-f", "-d", uri, uri},
        {"-cp", "-f", "-d", uri, "file://" + dir_.path()},
        {"-put", "-f", "-d", a, around},
        {"-moveFromLocal", "-f", a, uri}}) {
    err_.str("");
    EXPECT_EQ(Run(command), 1) << command[0];
    EXPECT_THAT(err_.str(), HasSubstr("are identical")) << command[0];
    ASSERT_EQ(ReadFile("a"), "one") << command[0];
  }
  EXPECT_EQ(Run({"-cp", "-d", uri, uri}), 1);
  EXPECT_EQ(Run({"-cp", "-f", uri, uri}), 0) << "as HDFS: under a temporary name it does no harm";
  EXPECT_EQ(ReadFile("a"), "one");
}

TEST_F(ShellTest, WhatIsNoPathIsBadUsageAndNothingIsDone) {
  WriteFile("local", "kept");
  const std::string uri = "file://" + dir_.Path("new");
  const std::string local = dir_.Path("local");
  const std::vector<std::string> commands[] = {
      {"-mkdir", uri, ":x"},
      {"-touchz", uri, ":x"},
      {"-touch", uri, ":x"},
      {"-get", ":x", local},
      {"-get", "", local},
      {"-get", uri, ""},
      {"-cp", ":x", uri},
      {"-mv", ":x", uri},
      {"-getmerge", ":x", local},
      {"-rm", ":x", uri},
      {"-rm", "-f", ""},
      {"-put", ":x", uri},
      {"-put", "", uri},
      {"-put", local, ":x"},
      {"-getmerge", uri, ""},
      {"-get", ":x", "-"},
      {"-ls", ":x"},
      {"-concat", uri, ":x", ":x"},
      {"-setrep", "1", ":x"},
      {"-appendToFile", local, ":x"},
  };
  for (const std::vector<std::string>& command : commands) {
    EXPECT_EQ(Run(command), 255) << command[0] << " " << err_.str();
  }
  EXPECT_EQ(ReadFile("local"), "kept");
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("new")));
}

TEST_F(ShellTest, APathWithASlashAtItsEndIsNoFile) {
  WriteFile("a", "one");
  const std::string a = "file://" + dir_.Path("a");
  for (const char* end : {"", "/."}) {
    const std::string target = dir_.Path("missing/") + end;
    for (const std::vector<std::string>& command : {std::vector<std::string>{"-get", a, target},
                                                    {"-put", dir_.Path("a"), "file://" + target},
                                                    {"-cp", a, "file://" + target},
                                                    {"-mv", a, "file://" + target},
                                                    {"-touchz", "file://" + target}}) {
      err_.str("");
      EXPECT_EQ(Run(command), 1) << command[0];
      EXPECT_THAT(err_.str(), HasSubstr("No such file or directory")) << command[0];
    }
  }
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("missing")));
  std::filesystem::create_directory(dir_.Path("there"));
  EXPECT_EQ(Run({"-get", a, dir_.Path("there/")}), 0);
  EXPECT_EQ(ReadFile("there/a"), "one");
}

TEST_F(ShellTest, StatTakesItsOptionsBeforeItsFormat) {
  WriteFile("d/a", "12345");
  WriteFile("d/b", "1");
  const std::string uri = "file://" + dir_.Path("d");
  EXPECT_EQ(Run({"-stat", "%n %b", uri + "/a", uri + "/b"}), 0);
  EXPECT_EQ(out_.str(), "a 5\nb 1\n");
  out_.str("");
  EXPECT_EQ(Run({"-stat", "-R", "%n", uri}), 0);
  EXPECT_EQ(out_.str(), "d\na\nb\n");
  out_.str("");
  EXPECT_EQ(Run({"-stat", "-R", "%n", "-R", uri}), 0);
  EXPECT_EQ(out_.str(), "d\na\nb\n");
  // Behind the format it is no path, and no option that counts.
  out_.str("");
  EXPECT_EQ(Run({"-stat", "%n", "-R", uri}), 0);
  EXPECT_EQ(out_.str(), "d\n");
  EXPECT_EQ(Run({"-stat", "-x", "%n", uri}), 255);
  EXPECT_EQ(Run({"-stat", "%n"}), 255);
  EXPECT_THAT(err_.str(), HasSubstr("-stat: Not enough arguments: expected 1 but got 0"));
}

TEST_F(ShellTest, ConcatSaysWhatItMisses) {
  WriteFile("a", "1");
  const std::string a = "file://" + dir_.Path("a");
  const std::string none = "file://" + dir_.Path("none");
  const std::pair<std::vector<std::string>, std::string> commands[] = {
      {{"-concat"}, "Target path not specified. <target path> <src path> <src path> ..."},
      {{"-concat", a, a}, "The number of source paths is less than 2. <target path>"},
      {{"-concat", none, a, a}, "Target path " + none + " does not exist or is not file."},
      {{"-concat", a, a, none}, "concat: " + none + " does not exist or is not file."},
  };
  for (const auto& [command, text] : commands) {
    err_.str("");
    EXPECT_EQ(Run(command), 1) << text;
    EXPECT_THAT(err_.str(), HasSubstr(text));
  }
}

TEST_F(ShellTest, AnOptionsValueIsLeftOutBeforeAnOptionOrTheLastArgument) {
  Shell last = MakeShell({"-t", "a"});
  ASSERT_OK(last.TakeOptions({}, {"t"}, 1, 9));
  EXPECT_EQ(last.Value("t"), "");
  EXPECT_THAT(last.args(), ElementsAre("a"));

  Shell before_option = MakeShell({"-t", "-v", "a", "b"});
  ASSERT_OK(before_option.TakeOptions({"v"}, {"t"}, 1, 9));
  EXPECT_EQ(before_option.Value("t"), "");
  EXPECT_TRUE(before_option.Has("v"));
}

TEST_F(ShellTest, AclsOfAFileWithoutAnyAreItsMode) {
  WriteFile("a", "x");
  ::chmod(dir_.Path("a").c_str(), 0640);
  EXPECT_EQ(Run({"-getfacl", "file://" + dir_.Path("a")}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\nuser::rw-\ngroup::r--\nother::---\n"));
}

}  // namespace
}  // namespace cairn::tools
