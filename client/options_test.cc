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

TEST(ClientOptionsTest, ABadValueNamesItsKey) {
  EXPECT_THAT(Load({"dfs.replication=0"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dfs.replication")));
  EXPECT_THAT(Load({"fs.permissions.umask-mode=9"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("umask")));
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
