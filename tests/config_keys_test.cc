// One pair of configuration files serves a whole cluster: what one program takes, none may refuse.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/config_keys.h"
#include "client/options.h"
#include "client/path.h"
#include "common/testing/status_matchers.h"
#include "datanode/config_keys.h"
#include "datanode/pipeline/block_receiver.h"
#include "namenode/core/namenode_impl.h"
#include "namenode/daemon/config_keys.h"
#include "namenode/daemon/server.h"
#include "namenode/store/store.h"
#include "tools/balancer/options.h"

namespace cairn {
namespace {

using ::testing::HasSubstr;

std::string Describe(const ConfigKey& key) {
  return absl::StrCat("type ", static_cast<int>(key.type), ", default ", key.default_value,
                      ", unit ", absl::FormatDuration(key.unit), ", ", key.min, " to ", key.max);
}

TEST(ConfigKeysTest, AKeyOfSeveralProgramsHasOneTypeDefaultAndRange) {
  std::map<std::string, std::string> known;
  for (const auto table : {namenode::NamenodeConfigKeys(), datanode::DatanodeConfigKeys(),
                           client::ClientConfigKeys(), tools::BalancerConfigKeys()}) {
    for (const ConfigKey& key : table) {
      const auto [first, is_new] = known.emplace(key.name, Describe(key));
      EXPECT_EQ(first->second, Describe(key)) << key.name;
    }
  }
}

TEST(ConfigKeysTest, ClientsAndTheNamenodeFindTheSameHostInTheDefaultFileSystem) {
  for (const char* const text :
       {"nn", "nn:8020", "hdfs://nn", "hdfs://nn:8020", "HDFS://nn/", "hdfs://nn:8020/a"}) {
    const std::vector<std::string> site = {absl::StrCat("fs.defaultFS=", text)};
    ASSERT_OK_AND_ASSIGN(const Config of_namenode,
                         Config::FromProperties({}, site, namenode::NamenodeKnownKeys()));
    ASSERT_OK_AND_ASSIGN(const HostPort address, namenode::ClientAddress(of_namenode));
    EXPECT_EQ(address.host, "nn") << text;
    EXPECT_EQ(address.port, 8020) << text;
    ASSERT_OK_AND_ASSIGN(const Config of_client,
                         Config::FromProperties({}, site, KnownKeys(client::ClientConfigKeys())));
    ASSERT_OK_AND_ASSIGN(const client::ClientOptions options, client::LoadClientOptions(of_client));
    ASSERT_OK_AND_ASSIGN(const client::PathUri uri, client::ParsePathUri(options.default_uri));
    EXPECT_EQ(uri.scheme, "hdfs") << text;
    ASSERT_OK_AND_ASSIGN(const client::HostPort called, client::ParseHostPort(uri.authority, 8020));
    EXPECT_EQ(called.host, address.host) << text;
    EXPECT_EQ(called.port, address.port) << text;
  }
}

TEST(ConfigKeysTest, WhatIsNoHdfsIsNoAddressOfTheNamenode) {
  for (const char* const text : {"local", "file:///", "/x", "hdfs:nn", "hdfs://", ":8020"}) {
    ASSERT_OK_AND_ASSIGN(const Config config,
                         Config::FromProperties({}, {absl::StrCat("fs.defaultFS=", text)},
                                                namenode::NamenodeKnownKeys()));
    EXPECT_THAT(namenode::ClientAddress(config).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("fs.defaultFS")))
        << text;
  }
}

// Else a cluster starts with it, and every write fails.
TEST(ConfigKeysTest, DatanodesTakeTheBytesPerChecksumThatClientsMayAskFor) {
  const auto takes = [](uint32_t bytes) {
    const transfer::DataChecksum checksum(transfer::ChecksumType::kCrc32c, bytes);
    return datanode::BlockReceiver::CheckNewChecksums(checksum, checksum).ok();
  };
  for (const auto table : {namenode::NamenodeConfigKeys(), client::ClientConfigKeys()}) {
    const auto key = std::find_if(table.begin(), table.end(), [](const ConfigKey& each) {
      return each.name == "dfs.bytes-per-checksum";
    });
    ASSERT_NE(key, table.end());
    EXPECT_TRUE(takes(static_cast<uint32_t>(key->min)));
    EXPECT_FALSE(takes(static_cast<uint32_t>(key->min) - 1));
    EXPECT_TRUE(takes(static_cast<uint32_t>(key->max)));
    EXPECT_FALSE(takes(static_cast<uint32_t>(key->max) + 1));
  }
}

TEST(ConfigKeysTest, ASiteFileThatHdfsTakesStopsNobody) {
  const std::vector<std::string> site = {"dfs.client-write-packet-size=64k", "fs.trash.interval=1d",
                                         "dfs.datanode.socket.write.timeout=0",
                                         "dfs.client.socket-timeout=0",
                                         "cairn.ec.small.file.bytes=64k"};
  EXPECT_OK(Config::FromProperties({}, site, namenode::NamenodeKnownKeys()));
  EXPECT_OK(Config::FromProperties({}, site, datanode::DatanodeKnownKeys()));
  ASSERT_OK_AND_ASSIGN(const Config config,
                       Config::FromProperties({}, site, KnownKeys(client::ClientConfigKeys())));
  ASSERT_OK_AND_ASSIGN(const client::ClientOptions options, client::LoadClientOptions(config));
  EXPECT_EQ(options.write_timeout, absl::InfiniteDuration());
  EXPECT_EQ(options.read_timeout, absl::InfiniteDuration());
  EXPECT_EQ(options.trash_interval, absl::Hours(24));
}

TEST(ConfigKeysTest, WhatTheTableSaysIsWhatTheCodeHasByItself) {
  ASSERT_OK_AND_ASSIGN(const Config config,
                       Config::FromProperties({}, {}, namenode::NamenodeKnownKeys()));
  const namenode::StoreOptions store;
  EXPECT_THAT(config.GetSize("cairn.namenode.store.cache"), IsOkAndHolds(store.cache_bytes));
  EXPECT_THAT(config.GetSize("cairn.namenode.store.write.buffer"),
              IsOkAndHolds(store.write_buffer_bytes));
  EXPECT_THAT(config.GetSize("cairn.namenode.store.tail"), IsOkAndHolds(store.tail_bytes));
  EXPECT_THAT(config.GetSize("cairn.namenode.store.tail.limit"),
              IsOkAndHolds(store.tail_limit_bytes));
  EXPECT_THAT(config.GetDuration("cairn.namenode.store.tail.age"), IsOkAndHolds(store.tail_age));
  const namenode::NamenodeOptions options;
  const namenode::BalanceOptions& balance = options.healing.balance;
  EXPECT_THAT(config.GetBool("cairn.namenode.balance.enabled"), IsOkAndHolds(balance.enabled));
  EXPECT_THAT(config.GetSize("cairn.namenode.balance.bandwidth"),
              IsOkAndHolds(balance.own_bandwidth));
  EXPECT_THAT(config.GetDuration("cairn.namenode.balance.interval"),
              IsOkAndHolds(balance.interval));
  EXPECT_THAT(config.GetSize("dfs.datanode.balance.bandwidthPerSec"),
              IsOkAndHolds(balance.job_bandwidth));
  const namenode::GroupScanOptions& scan = options.healing.group_scan;
  EXPECT_THAT(config.GetDuration("cairn.namenode.erasure.verify.period"),
              IsOkAndHolds(scan.period));
  EXPECT_THAT(config.GetSize("cairn.namenode.erasure.verify.bandwidth"),
              IsOkAndHolds(scan.bandwidth));
  EXPECT_THAT(config.GetInt("cairn.namenode.erasure.verify.parallel"),
              IsOkAndHolds(static_cast<int64_t>(scan.parallel)));
  EXPECT_THAT(config.GetBool("cairn.namenode.erasure.verify.replace"), IsOkAndHolds(scan.replace));
  EXPECT_THAT(config.GetSize("cairn.namenode.inode.cache"), IsOkAndHolds(options.tree.cache_bytes));
  EXPECT_THAT(config.GetSize("cairn.namenode.block.cache"),
              IsOkAndHolds(options.blocks.cache_bytes));
  EXPECT_THAT(config.GetDuration("dfs.namenode.accesstime.precision"),
              IsOkAndHolds(options.access_time_precision));
  EXPECT_THAT(config.GetDuration("cairn.namenode.erasure.convert.grace"),
              IsOkAndHolds(options.convert_grace));
  EXPECT_THAT(config.GetDuration("dfs.namenode.lease-hard-limit-sec"),
              IsOkAndHolds(options.leases.hard_limit));
}

}  // namespace
}  // namespace cairn
