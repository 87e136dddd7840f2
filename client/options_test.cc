#include "client/options.h"

#include "client/config_keys.h"
#include "client/file_system.h"
#include "common/config.h"
#include "common/testing/status_matchers.h"

namespace cairn::client {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<ClientOptions> Load(const std::vector<std::string>& overrides) {
  ASSIGN_OR_RETURN(const Config config,
                   Config::FromProperties({}, overrides, KnownKeys(ClientConfigKeys())));
  return LoadClientOptions(config);
}

TEST(ClientOptionsTest, WithoutAFileTheDefaultsAreThoseOfHdfs) {
  ASSERT_OK_AND_ASSIGN(const ClientOptions options, Load({}));
  EXPECT_EQ(options.replication, 3);
  EXPECT_EQ(options.block_bytes, 128u << 20);
  EXPECT_EQ(options.umask, 022);
  EXPECT_EQ(options.read_timeout, absl::Seconds(60));
}

TEST(ClientOptionsTest, KeysOfHadoopAreRead) {
  ASSERT_OK_AND_ASSIGN(const ClientOptions options,
                       Load({"dfs.blocksize=64m", "dfs.replication=2",
                             "fs.permissions.umask-mode=077", "dfs.client.socket-timeout=5000",
                             "fs.trash.interval=60", "dfs.checksum.combine.mode=COMPOSITE_CRC"}));
  EXPECT_EQ(options.block_bytes, 64u << 20);
  EXPECT_EQ(options.replication, 2);
  EXPECT_EQ(options.umask, 077);
  EXPECT_EQ(options.read_timeout, absl::Seconds(5));
  EXPECT_EQ(options.trash_interval, absl::Minutes(60));
  EXPECT_EQ(options.checksum_combine, ChecksumCombine::kComposite);
}

TEST(ClientOptionsTest, ReadsAreHedgedAsHdfsKeysSay) {
  ASSERT_OK_AND_ASSIGN(ClientOptions options, Load({}));
  EXPECT_EQ(options.hedged_read_threads, 0u);
  EXPECT_EQ(options.hedged_read_threshold, absl::Milliseconds(500));
  ASSERT_OK_AND_ASSIGN(options, Load({"dfs.client.hedged.read.threadpool.size=8",
                                      "dfs.client.hedged.read.threshold.millis=20"}));
  EXPECT_EQ(options.hedged_read_threads, 8u);
  EXPECT_EQ(options.hedged_read_threshold, absl::Milliseconds(20));
  EXPECT_THAT(Load({"dfs.client.hedged.read.threshold.millis=0"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("threshold")));
}

TEST(ClientOptionsTest, AFileIsSmallUpToACellUnlessTheKeySays) {
  ASSERT_OK_AND_ASSIGN(ClientOptions options, Load({}));
  EXPECT_EQ(options.small_file_bytes, std::nullopt);
  EXPECT_EQ(SmallFileBytes(options, 64 << 10), 64u << 10);
  ASSERT_OK_AND_ASSIGN(options, Load({"cairn.ec.small.file.bytes=0"}));
  EXPECT_EQ(SmallFileBytes(options, 64 << 10), 0u);
  ASSERT_OK_AND_ASSIGN(options, Load({"cairn.ec.small.file.bytes=3m"}));
  EXPECT_EQ(SmallFileBytes(options, 64 << 10), 3u << 20);
  EXPECT_THAT(Load({"cairn.ec.small.file.bytes=65m"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("small.file.bytes")));
  options.small_file_bytes = kMaxSmallFileBytes + 1;
  EXPECT_THAT(FileSystem::Connect("hdfs://h", options).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ClientOptionsTest, ABadValueNamesItsKey) {
  EXPECT_THAT(Load({"dfs.replication=0"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dfs.replication")));
  EXPECT_THAT(Load({"fs.defaultFS=/x"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("-D: fs.defaultFS")));
  EXPECT_THAT(Load({"fs.permissions.umask-mode=9"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("-D: fs.permissions.umask-mode = \"9\"")));
}

TEST(ClientOptionsTest, ZeroIsNoLimitForADatanodesBytes) {
  ASSERT_OK_AND_ASSIGN(const ClientOptions options, Load({"dfs.datanode.socket.write.timeout=0",
                                                          "dfs.client.socket-timeout=0"}));
  EXPECT_EQ(options.write_timeout, absl::InfiniteDuration());
  EXPECT_EQ(options.read_timeout, absl::InfiniteDuration());
}

TEST(ClientOptionsTest, AnotherNodeForALostOneIsAsHdfsKeysSay) {
  const std::string prefix = "dfs.client.block.write.replace-datanode-on-failure.";
  ASSERT_OK_AND_ASSIGN(ClientOptions options, Load({}));
  EXPECT_EQ(options.replace_node, ReplaceNode::kDefault);
  EXPECT_TRUE(options.replace_node_best_effort);
  EXPECT_EQ(options.excluded_node_expiry, absl::Minutes(10));
  ASSERT_OK_AND_ASSIGN(options,
                       Load({prefix + "policy=ALWAYS", prefix + "best-effort=false",
                             "dfs.client.write.exclude.nodes.cache.expiry.interval.millis=5000"}));
  EXPECT_EQ(options.replace_node, ReplaceNode::kAlways);
  EXPECT_FALSE(options.replace_node_best_effort);
  EXPECT_EQ(options.excluded_node_expiry, absl::Seconds(5));
  ASSERT_OK_AND_ASSIGN(options, Load({prefix + "policy=ALWAYS", prefix + "enable=false"}));
  EXPECT_EQ(options.replace_node, ReplaceNode::kNever);
  EXPECT_THAT(Load({prefix + "policy=SOMETIMES"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("policy")));
}

TEST(FileSystemTest, ConnectRefusesWhatIsNoCluster) {
  for (const char* bad : {"", "file:///tmp", "hdfs://", "hdfs://host:99999"}) {
    EXPECT_THAT(FileSystem::Connect(bad).status(), StatusIs(absl::StatusCode::kInvalidArgument))
        << bad;
  }
}

TEST(FileSystemTest, ConnectRefusesABlockThatIsNoMultipleOfItsChunks) {
  ClientOptions options;
  options.block_bytes = 1000;
  EXPECT_THAT(FileSystem::Connect("hdfs://h", options).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dfs.blocksize")));
}

}  // namespace
}  // namespace cairn::client
