// `cairn ec -convert` before it needs a cluster: its arguments, and the pace.
#include <sstream>
#include <string>
#include <utility>

#include "common/testing/status_matchers.h"
#include "tools/ec/convert_options.h"
#include "tools/ec/pacer.h"

namespace cairn::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

// ---- Arguments ----

class ConvertArgumentsTest : public ::testing::Test {
 protected:
  absl::StatusOr<ConvertArguments> Take(std::vector<std::string> args) {
    EcCall call(*FindEcCommand("convert"), std::move(args), options_, out_, err_);
    return TakeConvertArguments(call);
  }
  void ExpectRefused(std::vector<std::string> args, int exit_code, const std::string& why) {
    const absl::Status status = Take(std::move(args)).status();
    EXPECT_THAT(ExitCodeOf(status), Optional(exit_code)) << why;
    EXPECT_THAT(status.message(), HasSubstr(why));
  }

  client::ClientOptions options_;
  std::ostringstream out_, err_;
};

TEST_F(ConvertArgumentsTest, WhatIsNotSaidIsModest) {
  ASSERT_OK_AND_ASSIGN(const ConvertArguments taken, Take({"-policy", "RS-6-3-1024k", "/a", "b"}));
  EXPECT_EQ(taken.options.policy, "RS-6-3-1024k");
  EXPECT_EQ(taken.options.threads, 4);
  EXPECT_EQ(taken.options.bytes_per_second, 0u);
  EXPECT_EQ(taken.options.min_bytes, 0u);
  EXPECT_EQ(taken.options.min_age, absl::ZeroDuration());
  EXPECT_FALSE(taken.as_json);
  EXPECT_THAT(taken.paths, ElementsAre("/a", "b"));
}

TEST_F(ConvertArgumentsTest, OptionsStandWhereverTheyLike) {
  ASSERT_OK_AND_ASSIGN(const ConvertArguments taken,
                       Take({"/a", "-bandwidth", "100m", "-replicate", "-minSize", "64k", "--json",
                             "-olderThan", "7d", "-parallel", "12"}));
  EXPECT_EQ(taken.options.policy, "");
  EXPECT_EQ(taken.options.threads, 12);
  EXPECT_EQ(taken.options.bytes_per_second, uint64_t{100} << 20);
  EXPECT_EQ(taken.options.min_bytes, uint64_t{64} << 10);
  EXPECT_EQ(taken.options.min_age, absl::Hours(7 * 24));
  EXPECT_TRUE(taken.as_json);
  EXPECT_THAT(taken.paths, ElementsAre("/a"));
}

TEST_F(ConvertArgumentsTest, WhatMakesNoSenseIsRefusedBeforeAnythingIsDone) {
  ExpectRefused({"/a"}, 1, "either -policy or -replicate");
  ExpectRefused({"-policy", "", "/a"}, 1, "either -policy or -replicate");
  ExpectRefused({"-policy", "P", "-replicate", "/a"}, 1, "either -policy or -replicate");
  ExpectRefused({"-replicate"}, 1, "specify a path");
  ExpectRefused({"-replicate", "/a", "-R"}, 1, "Unknown option -R");
  ExpectRefused({"-replicate", "/a", "-parallel", "0"}, 255, "-parallel 0 is no number");
  ExpectRefused({"-replicate", "/a", "-parallel", "257"}, 255, "-parallel 257 is no number");
  ExpectRefused({"-replicate", "/a", "-bandwidth", "-1"}, 255, "-bandwidth -1 is no number");
  ExpectRefused({"-replicate", "/a", "-minSize", "big"}, 255, "-minSize big is no number");
  ExpectRefused({"-replicate", "/a", "-olderThan", "-1d"}, 255, "-olderThan -1d is no time");
}

// ---- Pace ----

TEST(PacerTest, WhoMovesBytesWaitsForThoseBefore) {
  Pacer pacer(1000);
  absl::Duration now = absl::Seconds(50);
  EXPECT_EQ(pacer.Wait(500, now), absl::ZeroDuration());
  EXPECT_EQ(pacer.Wait(1000, now), absl::Milliseconds(500));
  now += absl::Milliseconds(100);
  EXPECT_EQ(pacer.Wait(1, now), absl::Milliseconds(1400));
  // A pause saves up nothing.
  now += absl::Hours(1);
  EXPECT_EQ(pacer.Wait(1000, now), absl::ZeroDuration());
  EXPECT_EQ(pacer.Wait(1000, now), absl::Seconds(1));
}

TEST(PacerTest, WithoutABoundNobodyWaits) {
  Pacer pacer(0);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(pacer.Wait(1 << 30, absl::Seconds(1)), absl::ZeroDuration());
}

}  // namespace
}  // namespace cairn::tools
