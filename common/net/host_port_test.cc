#include "common/net/host_port.h"

#include "common/testing/status_matchers.h"

namespace cairn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr ConfigKey kKeys[] = {{"cairn.address", ConfigType::kString, "", "an address"}};

Config WithAddress(const std::string& text) {
  auto config = Config::FromProperties({{{"cairn.address", text, false, "site.xml:4"}}}, {},
                                       KnownKeys(kKeys));
  EXPECT_OK(config);
  return *std::move(config);
}

absl::StatusOr<HostPort> Parse(const std::string& text, std::optional<uint16_t> port = {}) {
  return ParseHostPort(WithAddress(text), "cairn.address", text, port);
}

TEST(HostPortTest, AHostMayLeaveOutAPortThatHasADefault) {
  EXPECT_EQ(Parse("nn.example.com:9000", 8020)->port, 9000);
  EXPECT_EQ(Parse("nn.example.com", 8020)->port, 8020);
  EXPECT_EQ(Parse("nn.example.com", 8020)->host, "nn.example.com");
  EXPECT_EQ(Parse("[::1]:80")->host, "::1");
  EXPECT_EQ(Parse("[::1]", 8020)->port, 8020);
}

TEST(HostPortTest, WhatIsNoAddressIsRefusedWithKeyAndFile) {
  for (const char* bad :
       {"", ":1", "host", "host:", "host:x", "host:65536", "[::1:80", "host:-1"}) {
    EXPECT_THAT(Parse(bad).status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("site.xml:4: cairn.address"), HasSubstr(bad))))
        << bad;
  }
}

TEST(WithDefaultSchemeTest, AHostAloneIsOfHdfs) {
  EXPECT_EQ(WithDefaultScheme("nn"), "hdfs://nn");
  EXPECT_EQ(WithDefaultScheme("nn:8020"), "hdfs://nn:8020");
  EXPECT_EQ(WithDefaultScheme("[::1]:0"), "hdfs://[::1]:0");
  EXPECT_EQ(WithDefaultScheme("local"), "file:///");
  for (const char* const as_it_is : {"", "hdfs://nn", "file:///", "/x", "//nn"}) {
    EXPECT_EQ(WithDefaultScheme(as_it_is), as_it_is);
  }
}

TEST(HostPortTest, NamesAreResolvedAndNumbersStay) {
  EXPECT_EQ(ResolveHost("127.0.0.2"), "127.0.0.2");
  EXPECT_EQ(ResolveHost("::1"), "::1");
  EXPECT_EQ(ResolveHost("localhost"), "127.0.0.1");
}

TEST(HostPortTest, ANameThatNobodyKnowsIsNamedWithKeyAndFile) {
  EXPECT_THAT(
      ResolveHost(WithAddress("no-such-host.invalid:80"), "cairn.address", "no-such-host.invalid")
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("site.xml:4: cairn.address"),
                     HasSubstr("no-such-host.invalid cannot be resolved"))));
}

}  // namespace
}  // namespace cairn
