#include "libhdfs/conf.h"

#include <cerrno>
#include <fstream>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "hdfs/hdfs.h"
#include "libhdfs/errno.h"

namespace cairn::libhdfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void WriteConf(const std::string& path, const std::string& key, const std::string& value) {
  std::ofstream(path) << "<configuration><property><name>" << key << "</name><value>" << value
                      << "</value></property></configuration>";
}

TEST(LibhdfsConfTest, DirectoriesOfTheClassPathComeAfterTheOneForIt) {
  EXPECT_THAT(ConfDirs("/etc/cairn", "/a/conf:/a/lib/*::/b.jar:/b"),
              ElementsAre("/etc/cairn", "/a/conf", "/b"));
  EXPECT_THAT(ConfDirs("", ""), IsEmpty());
}

TEST(LibhdfsConfTest, OfEachFileTheFirstCounts) {
  TempDir first;
  TempDir second;
  WriteConf(first.path() + "/core-site.xml", "fs.defaultFS", "hdfs://first");
  WriteConf(second.path() + "/core-site.xml", "fs.defaultFS", "hdfs://second");
  WriteConf(second.path() + "/hdfs-site.xml", "dfs.replication", "2");
  ASSERT_OK_AND_ASSIGN(const Config config,
                       LoadConf({"/does/not/exist", first.path(), second.path()}, {}));
  EXPECT_THAT(config.GetString("fs.defaultFS"), IsOkAndHolds("hdfs://first"));
  EXPECT_THAT(config.GetInt("dfs.replication"), IsOkAndHolds(2));
}

TEST(LibhdfsConfTest, OverridesGoOverFilesAndBadValuesAreNamed) {
  TempDir dir;
  WriteConf(dir.path() + "/hdfs-site.xml", "dfs.replication", "2");
  ASSERT_OK_AND_ASSIGN(const Config config, LoadConf({dir.path()}, {"dfs.replication=1"}));
  EXPECT_THAT(config.GetInt("dfs.replication"), IsOkAndHolds(1));
  EXPECT_THAT(LoadConf({dir.path()}, {"dfs.replication=many"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dfs.replication")));
}

TEST(LibhdfsConfTest, KeysOfTheDaemonsMayStandInTheFiles) {
  EXPECT_OK(LoadConf({}, {"cairn.namenode.internal.address=nn1:8021"}));
}

TEST(LibhdfsConfTest, TheEnvironmentNamesTheDirectory) {
  TempDir dir;
  WriteConf(dir.path() + "/core-site.xml", "my.number", "17");
  ::setenv("CLASSPATH", ("/nowhere:" + dir.path()).c_str(), 1);
  ::unsetenv("HADOOP_CONF_DIR");
  int32_t number = 1;
  EXPECT_EQ(hdfsConfGetInt("my.number", &number), 0);
  EXPECT_EQ(number, 17);
  char* text = nullptr;
  EXPECT_EQ(hdfsConfGetStr("my.number", &text), 0);
  EXPECT_STREQ(text, "17");
  hdfsConfStrFree(text);
  ::unsetenv("CLASSPATH");
}

TEST(LibhdfsConfTest, ANumberIsDecimalOrSaysThatItIsNot) {
  TempDir dir;
  ::setenv("HADOOP_CONF_DIR", dir.path().c_str(), 1);
  const auto number_of = [&dir](const std::string& text) -> std::optional<int32_t> {
    WriteConf(dir.path() + "/core-site.xml", "my.number", text);
    int32_t number = 0;
    if (hdfsConfGetInt("my.number", &number) != 0) return std::nullopt;
    return number;
  };
  EXPECT_EQ(number_of("-12"), -12);
  EXPECT_EQ(number_of("0x1F"), 31);
  EXPECT_EQ(number_of("beef"), std::nullopt);
  EXPECT_EQ(number_of("128m"), std::nullopt);
  EXPECT_EQ(number_of("2147483648"), std::nullopt);
  EXPECT_EQ(number_of(""), std::nullopt);
  ::unsetenv("HADOOP_CONF_DIR");
}

TEST(LibhdfsConfTest, AKeyThatNothingSetsIsNoError) {
  int32_t number = 5;
  EXPECT_EQ(hdfsConfGetInt("no.such.key", &number), 0);
  EXPECT_EQ(number, 5);
  char* text = const_cast<char*>("before");
  EXPECT_EQ(hdfsConfGetStr("no.such.key", &text), 0);
  EXPECT_EQ(text, nullptr);
  EXPECT_EQ(hdfsConfGetInt("dfs.client.block.write.replace-datanode-on-failure.policy", &number),
            EINVAL);
  EXPECT_EQ(hdfsConfGetStr(nullptr, &text), EINVAL);
  EXPECT_EQ(hdfsConfGetStr("x", nullptr), EINVAL);
}

TEST(LibhdfsConfTest, TheWaysToNameACluster) {
  EXPECT_THAT(ClusterUri("nn1", 9000, ""), IsOkAndHolds("hdfs://nn1:9000"));
  EXPECT_THAT(ClusterUri("nn1", 0, ""), IsOkAndHolds("hdfs://nn1"));
  EXPECT_THAT(ClusterUri("nn1:9000", 0, ""), IsOkAndHolds("hdfs://nn1:9000"));
  EXPECT_THAT(ClusterUri("hdfs://nn1", 9000, ""), IsOkAndHolds("hdfs://nn1:9000"));
  EXPECT_THAT(ClusterUri("hdfs://nn1:9000/a", 0, ""), IsOkAndHolds("hdfs://nn1:9000"));
  EXPECT_THAT(ClusterUri("default", 0, "hdfs://nn2:9001/"), IsOkAndHolds("hdfs://nn2:9001"));
  EXPECT_THAT(ClusterUri("default", 1, "hdfs://nn2:9001"), IsOkAndHolds("hdfs://nn2:9001"));
  EXPECT_THAT(ClusterUri("hdfs:///", 0, "hdfs://nn2"), IsOkAndHolds("hdfs://nn2"));
}

TEST(LibhdfsConfTest, WhatNamesNoCluster) {
  const auto errno_of = [](const char* name, uint16_t port, absl::string_view fallback = "") {
    return ErrnoOf(ClusterUri(name, port, fallback).status());
  };
  EXPECT_EQ(errno_of("nn1:9000", 9000), EINVAL);
  EXPECT_EQ(errno_of("hdfs://nn1:9000", 9001), EINVAL);
  EXPECT_EQ(errno_of("default", 0), EINVAL);
  EXPECT_EQ(errno_of("", 0), EINVAL);
  EXPECT_EQ(errno_of("hdfs:///", 0), EINVAL);
  EXPECT_EQ(errno_of("default", 0, "hdfs:///"), EINVAL);
  EXPECT_EQ(errno_of("file:///", 0), ENOTSUP);
  EXPECT_EQ(errno_of("default", 0, "file:///"), ENOTSUP);
  EXPECT_EQ(errno_of(nullptr, 0), ENOTSUP);
}

TEST(LibhdfsConfTest, ConnectingToNothingSaysWhy) {
  errno = 0;
  EXPECT_EQ(hdfsConnect(nullptr, 0), nullptr);
  EXPECT_EQ(errno, ENOTSUP);
  EXPECT_EQ(hdfsConnect("127.0.0.1:1", 1), nullptr);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(hdfsBuilderConnect(nullptr), nullptr);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(hdfsBuilderConfSetStr(nullptr, "a", "b"), EINVAL);
  hdfsBuilder* const builder = hdfsNewBuilder();
  EXPECT_EQ(hdfsBuilderConfSetStr(builder, nullptr, "b"), EINVAL);
  EXPECT_EQ(hdfsBuilderConfSetStr(builder, "dfs.replication", "many"), 0);
  hdfsBuilderSetNameNode(builder, "127.0.0.1");
  EXPECT_EQ(hdfsBuilderConnect(builder), nullptr);
  EXPECT_THAT(hdfsGetLastExceptionRootCause(), HasSubstr("dfs.replication"));
}

}  // namespace
}  // namespace cairn::libhdfs
