#include "fuse/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"

namespace cairn::fuse {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Options, SourceAndMountpointAreAllThatIsNeeded) {
  const auto line = ParseCommandLine("cairn-fuse", {"hdfs://nn1:8020/data", "/mnt/data"});
  ASSERT_OK(line);
  EXPECT_EQ(line->source, "hdfs://nn1:8020/data");
  EXPECT_EQ(line->mountpoint, "/mnt/data");
  EXPECT_FALSE(line->foreground);
  EXPECT_EQ(line->settings.attribute_life, absl::Seconds(1));
  EXPECT_EQ(line->settings.negative_life, absl::ZeroDuration());
  EXPECT_THAT(line->kernel_options, ElementsAre());
}

TEST(Options, OursAreTakenAndTheOthersGoToLibfuse) {
  const auto line =
      ParseCommandLine("cairn-fuse", {"-f", "hdfs://nn1", "/mnt", "-o",
                                      "attr_timeout=2.5,allow_other,entry_timeout=0,hdfs_user=etl",
                                      "-odefault_permissions,ro,stage_dir=/var/x,stage_bytes=2m",
                                      "-D", "dfs.replication=2"});
  ASSERT_OK(line);
  EXPECT_TRUE(line->foreground);
  EXPECT_EQ(line->settings.attribute_life, absl::Milliseconds(2500));
  EXPECT_EQ(line->settings.entry_life, absl::ZeroDuration());
  EXPECT_EQ(line->settings.one_user, "etl");
  EXPECT_THAT(line->kernel_options, ElementsAre("allow_other", "default_permissions", "ro"));
  EXPECT_THAT(line->overrides, ElementsAre("dfs.replication=2"));
  EXPECT_EQ(line->settings.stage.directory, "/var/x");
  EXPECT_EQ(line->settings.stage.bytes, 2u << 20);
}

TEST(Options, SwitchesAreOffUnlessTheyAreGiven) {
  const auto plain = ParseCommandLine("cairn-fuse", {"hdfs://nn1", "/mnt"});
  ASSERT_OK(plain);
  EXPECT_TRUE(plain->settings.xattrs);
  EXPECT_FALSE(plain->settings.list_xattrs);
  EXPECT_FALSE(plain->settings.virtual_files);
  const auto line = ParseCommandLine(
      "cairn-fuse", {"hdfs://nn1", "/mnt", "-o", "list_xattrs,no_xattrs,virtual_files"});
  ASSERT_OK(line);
  EXPECT_FALSE(line->settings.xattrs);
  EXPECT_TRUE(line->settings.list_xattrs);
  EXPECT_TRUE(line->settings.virtual_files);
  EXPECT_THAT(line->kernel_options, ElementsAre());
}

TEST(Options, WhatFstabSaysToMountIsPassedOver) {
  const auto line = ParseCommandLine(
      "cairn-fuse",
      {"hdfs://nn1/", "/mnt", "-o", "rw,noauto,_netdev,nofail,x-systemd.automount,user"});
  ASSERT_OK(line);
  EXPECT_THAT(line->kernel_options, ElementsAre("rw"));
}

// Its -f is not ours.
TEST(Options, AsAHelperItTakesWhatMountSays) {
  const auto line = ParseCommandLine("/sbin/mount.fuse.cairn", {"hdfs://nn1/d", "/mnt", "-sv", "-t",
                                                                "fuse.cairn", "-o", "rw,_netdev"});
  ASSERT_OK(line);
  EXPECT_EQ(line->source, "hdfs://nn1/d");
  EXPECT_FALSE(line->fake);
  EXPECT_FALSE(line->foreground);
  const auto fake = ParseCommandLine("mount.fuse.cairn", {"hdfs://nn1/d", "/mnt", "-fn"});
  ASSERT_OK(fake);
  EXPECT_TRUE(fake->fake);
  EXPECT_FALSE(fake->foreground);
  EXPECT_FALSE(ParseCommandLine("mount.fuse.cairn", {"hdfs://nn1/d", "/mnt", "-d"}).ok());
}

TEST(Options, WhatCannotBeUsedIsNamed) {
  EXPECT_THAT(ParseCommandLine("cairn-fuse", {"hdfs://nn1"}).status().message(),
              HasSubstr("are needed"));
  EXPECT_THAT(ParseCommandLine("cairn-fuse", {"hdfs://nn1", "/mnt", "-x"}).status().message(),
              HasSubstr("-x"));
  EXPECT_THAT(ParseCommandLine("cairn-fuse", {"hdfs://nn1", "/mnt", "-o", "attr_timeout=-1"})
                  .status()
                  .message(),
              HasSubstr("attr_timeout"));
  EXPECT_THAT(
      ParseCommandLine("cairn-fuse", {"hdfs://nn1", "/mnt", "-o", "log="}).status().message(),
      HasSubstr("log"));
  EXPECT_THAT(
      ParseCommandLine("cairn-fuse", {"hdfs://nn1", "/mnt", "-o", "threads=0"}).status().message(),
      HasSubstr("threads"));
}

// Who waits for the mount in order to serve the mount waits for ever.
TEST(Options, TheStageLiesOutsideTheMount) {
  for (const char* const options : {"stage_dir=/tmp", "stage_dir=/tmp/x", "stage_bytes=many"}) {
    EXPECT_FALSE(ParseCommandLine("cairn-fuse", {"hdfs://nn1", "/tmp", "-o", options}).ok());
  }
  EXPECT_OK(ParseCommandLine("cairn-fuse", {"hdfs://nn1", "/tmp", "-o", "stage_dir=/tmpx"}));
}

// /proc/mounts is searched for it, and a dead mount cannot be asked where it is.
TEST(Options, TheMountpointIsCalledWhatTheKernelCallsIt) {
  const std::filesystem::path root =
      std::filesystem::canonical(::testing::TempDir()) / absl::StrCat("cairn-", ::getpid());
  std::filesystem::create_directories(root / "real");
  std::filesystem::create_directory_symlink(root / "real", root / "link");
  for (const absl::string_view text :
       {"/real/point", "/real/point/", "/real/./point/.", "/link/point//", "/real/../link/point"}) {
    const auto line =
        ParseCommandLine("cairn-fuse", {"hdfs://nn1", absl::StrCat(root.string(), text)});
    ASSERT_OK(line);
    EXPECT_EQ(line->mountpoint, (root / "real/point").string()) << text;
  }
  EXPECT_EQ(ParseCommandLine("cairn-fuse", {"hdfs://nn1", "/"})->mountpoint, "/");
  std::filesystem::remove_all(root);
}

TEST(Options, TheRootIsThePathOfTheSource) {
  const auto settings = [](const char* source) {
    return ToSettings(*ParseCommandLine("cairn-fuse", {source, "/mnt", "-D", "dfs.replication=2"}));
  };
  ASSERT_OK(settings("hdfs://nn1"));
  EXPECT_EQ(settings("hdfs://nn1")->path, "/");
  EXPECT_EQ(settings("hdfs://nn1:8020/a//b/")->path, "/a/b");
  EXPECT_EQ(settings("hdfs://nn1:8020/a")->uri, "hdfs://nn1:8020");
  EXPECT_EQ(settings("hdfs://nn1")->client.replication, 2u);
  EXPECT_EQ(settings("hdfs://nn1")->client.umask, 0);
  EXPECT_TRUE(settings("hdfs://nn1")->client.sync_blocks);
  EXPECT_FALSE(settings("/a").ok());
  EXPECT_FALSE(settings("hdfs:///a").ok());
}

}  // namespace
}  // namespace cairn::fuse
