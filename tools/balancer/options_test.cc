#include "tools/balancer/options.h"

#include <fstream>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

absl::StatusOr<BalancerOptions> Parse(const std::vector<std::string>& args,
                                      const std::vector<std::string>& keys = {}) {
  const auto config = Config::FromProperties({}, keys, KnownKeys(BalancerConfigKeys()));
  return ParseBalancerOptions(args, *config);
}

TEST(BalancerOptionsTest, WithoutFlagsHdfssDefaultsHold) {
  ASSERT_OK_AND_ASSIGN(const BalancerOptions options, Parse({}));
  EXPECT_DOUBLE_EQ(options.job.threshold_percent, 10);
  EXPECT_EQ(options.idle_iterations, 5);
  EXPECT_EQ(options.job.most_bytes, uint64_t{10} << 30);
  EXPECT_EQ(options.job.min_block_bytes, uint64_t{10} << 20);
  EXPECT_EQ(options.job.moves, 1000u);
  EXPECT_EQ(options.job.moves_per_node, 100u);
  EXPECT_EQ(options.job.longest_iteration, absl::Minutes(20));
  EXPECT_FALSE(options.json);
}

TEST(BalancerOptionsTest, FlagsAndKeysAreTakenAsHdfsTakesThem) {
  ASSERT_OK_AND_ASSIGN(
      const BalancerOptions options,
      Parse({"-threshold", "2.5", "-policy", "BlockPool", "-exclude", "a, b:9866", "-source", "c",
             "-idleiterations", "-1", "-runDuringUpgrade", "-sortTopNodes", "--json"},
            {"dfs.balancer.max-size-to-move=1g", "dfs.balancer.getBlocks.min-block-size=1k",
             "dfs.balancer.moverThreads=3", "dfs.balancer.max-iteration-time=5000"}));
  EXPECT_DOUBLE_EQ(options.job.threshold_percent, 2.5);
  EXPECT_THAT(options.job.exclude, ElementsAre("a", "b:9866"));
  EXPECT_THAT(options.job.sources, ElementsAre("c"));
  EXPECT_THAT(options.job.include, IsEmpty());
  EXPECT_EQ(options.idle_iterations, -1);
  EXPECT_TRUE(options.json);
  EXPECT_THAT(options.remarks, SizeIs(1));
  EXPECT_EQ(options.job.most_bytes, uint64_t{1} << 30);
  EXPECT_EQ(options.job.min_block_bytes, 1024u);
  EXPECT_EQ(options.job.moves, 3u);
  EXPECT_EQ(options.job.longest_iteration, absl::Seconds(5));
}

TEST(BalancerOptionsTest, HostsMayStandInAFile) {
  TempDir dir;
  const std::string file = dir.Path("hosts");
  std::ofstream(file) << "# who\nalpha beta:1\n\n  gamma # comment\n";
  ASSERT_OK_AND_ASSIGN(const BalancerOptions options, Parse({"-include", "-f", file}));
  EXPECT_THAT(options.job.include, ElementsAre("alpha", "beta:1", "gamma"));
  EXPECT_THAT(Parse({"-include", "-f", dir.Path("none")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cannot be read")));
  std::ofstream(dir.Path("empty")) << "# nobody\n";
  EXPECT_THAT(Parse({"-include", "-f", dir.Path("empty")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")))
      << "all of them would be the opposite of what is meant";
}

TEST(BalancerOptionsTest, WhatMakesNoSenseIsRefusedByName) {
  const auto why = [](const std::vector<std::string>& args) {
    return std::string(Parse(args).status().message());
  };
  for (const char* bad : {"0.9", "100.5", "nan", "-3", "much"}) {
    EXPECT_THAT(why({"-threshold", bad}), HasSubstr("[1.0, 100.0]")) << bad;
  }
  EXPECT_THAT(why({"-threshold"}), HasSubstr("missing"));
  EXPECT_THAT(why({"-policy", "fair"}), HasSubstr("Illegal policy name: fair"));
  EXPECT_THAT(why({"-include", "a", "-exclude", "b"}), HasSubstr("cannot be specified together"));
  EXPECT_THAT(why({"-exclude", ","}), HasSubstr("empty"));
  EXPECT_THAT(why({"-idleiterations", "-2"}), HasSubstr("iterations"));
  EXPECT_OK(Parse({"-idleiterations", "0"}));
  EXPECT_THAT(why({"-asService"}), HasSubstr("cairn.namenode.balance.enabled"));
  EXPECT_THAT(why({"-hotBlockTimeInterval", "3"}), HasSubstr("not supported"));
  EXPECT_THAT(why({"-blockpools", "BP-1"}), HasSubstr("not supported"));
  EXPECT_THAT(why({"/a"}), HasSubstr("\"/a\""));
}

}  // namespace
}  // namespace cairn::tools
