#include "namenode/cluster/host_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace cairn::namenode {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Goal = HostRule::Goal;

DatanodeAddress Node(int n, uint32_t port = 9866) {
  return {absl::StrCat("10.0.0.", n), absl::StrCat("dn", n), port, 9867, 0};
}

HostRules Lists(absl::string_view include, absl::string_view exclude) {
  const auto rules = HostRules::ParseLists(include, "hosts", exclude, "hosts.exclude");
  EXPECT_OK(rules);
  return rules.value_or(HostRules());
}

HostRules Json(absl::string_view text) {
  const auto rules = HostRules::ParseJson(text, "hosts.json");
  EXPECT_OK(rules);
  return rules.value_or(HostRules());
}

TEST(HostListsTest, WithoutFilesEverybodyIsIncludedAndServes) {
  EXPECT_TRUE(HostRules().For(Node(1)).included);
  EXPECT_EQ(HostRules().For(Node(1)).goal, Goal::kServe);
  EXPECT_TRUE(Lists("# nobody yet\n", "").For(Node(1)).included);
}

TEST(HostListsTest, OnceSomebodyIsIncludedTheOthersAreNot) {
  const HostRules rules = Lists("10.0.0.1 DN2 # and more\n\n10.0.0.3:9866\n", "");
  EXPECT_TRUE(rules.For(Node(1)).included);
  EXPECT_TRUE(rules.For(Node(2)).included) << "names know no case";
  EXPECT_TRUE(rules.For(Node(3)).included);
  EXPECT_FALSE(rules.For(Node(3, 9999)).included) << "another port";
  EXPECT_FALSE(rules.For(Node(4)).included);
  EXPECT_EQ(rules.For(Node(4)).goal, Goal::kDecommission) << "if it is here, it is to leave";
}

TEST(HostListsTest, WhoIsExcludedIsToBeDecommissioned) {
  const HostRules rules = Lists("10.0.0.1\ndn2\ndn3\n", "dn1 10.0.0.2\ndn4");
  EXPECT_EQ(rules.For(Node(1)).goal, Goal::kDecommission);
  EXPECT_TRUE(rules.For(Node(1)).included) << "under its other name";
  EXPECT_EQ(rules.For(Node(2)).goal, Goal::kDecommission);
  EXPECT_TRUE(rules.For(Node(2)).included);
  EXPECT_EQ(rules.For(Node(3)).goal, Goal::kServe);
  EXPECT_FALSE(rules.For(Node(4)).included) << "the second list includes nobody";
  EXPECT_TRUE(Lists("", "dn4").For(Node(4)).included);
}

TEST(HostListsTest, SeveralDatanodesOfOneHostAreToldApartByTheirPorts) {
  const HostRules rules = Lists("", "127.0.0.1:9866\n[::1]:9866 [::2] ::3");
  const auto goal = [&](absl::string_view ip, uint32_t port) {
    return rules.For({std::string(ip), "", port, 0, 0}).goal;
  };
  EXPECT_EQ(goal("127.0.0.1", 9866), Goal::kDecommission);
  EXPECT_EQ(goal("127.0.0.1", 9876), Goal::kServe);
  EXPECT_EQ(goal("::1", 9866), Goal::kDecommission);
  EXPECT_EQ(goal("::1", 9876), Goal::kServe);
  EXPECT_EQ(goal("::2", 1), Goal::kDecommission);
  EXPECT_EQ(goal("::3", 1), Goal::kDecommission);
}

TEST(HostListsTest, ABadEntryIsRefusedWithFileAndLine) {
  for (const absl::string_view bad :
       {"dn1:", "dn1:0", "dn1:65536", "dn1:http", ":9866", "[::1", "[]", "[::1]9866", "dn1:+7"}) {
    EXPECT_THAT(
        HostRules::ParseLists(absl::StrCat("ok\n# no\n", bad, "\n"), "/etc/hosts-in", "", "none"),
        StatusIs(StatusCode::kInvalidArgument,
                 absl::StrCat("/etc/hosts-in:3: ", bad, " is no host or host:port")));
  }
  EXPECT_THAT(HostRules::ParseLists("", "in", "a\nb:x", "out"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("out:2: b:x")));
}

TEST(HostListsTest, AnEntryThatMatchesNobodyCanBeTold) {
  const HostRules rules = Lists("dn1 dn7:9866 10.0.0.2:9866", "dn9");
  EXPECT_THAT(rules.Unmatched({Node(1), Node(2)}), ElementsAre("dn7:9866", "dn9"));
}

constexpr absl::string_view kArray = R"([
  {"hostName": "dn1"},
  {"hostName": "10.0.0.2", "adminState": "DECOMMISSIONED", "upgradeDomain": "d1"},
  {"hostName": "dn3", "port": 9866, "adminState": "IN_MAINTENANCE",
   "maintenanceExpireTimeInMS": 1700000000000},
  {"hostName": "dn4", "adminState": "IN_MAINTENANCE"}
])";

TEST(HostJsonTest, EachObjectSaysWhatIsWantedOfOneHost) {
  const HostRules rules = Json(kArray);
  EXPECT_EQ(rules.For(Node(1)).goal, Goal::kServe);
  EXPECT_EQ(rules.For(Node(2)).goal, Goal::kDecommission);
  EXPECT_EQ(rules.For(Node(3)).goal, Goal::kMaintenance);
  EXPECT_EQ(rules.For(Node(3)).maintenance_until, absl::FromUnixMillis(1700000000000));
  EXPECT_EQ(rules.For(Node(4)).maintenance_until, absl::InfiniteFuture());
  EXPECT_TRUE(rules.For(Node(4)).included);
  EXPECT_FALSE(rules.For(Node(3, 1)).included) << "another port";
  EXPECT_FALSE(rules.For(Node(5)).included);
}

TEST(HostJsonTest, AnOlderFileHasTheObjectsOneAfterTheOther) {
  const HostRules rules = Json(
      "{\"hostName\": \"dn1\"}\n{\"hostName\":\"dn2\",\"adminState\":"
      "\"DECOMMISSIONED\"}\n");
  EXPECT_TRUE(rules.For(Node(1)).included);
  EXPECT_EQ(rules.For(Node(2)).goal, Goal::kDecommission);
  EXPECT_FALSE(rules.For(Node(3)).included);
}

TEST(HostJsonTest, AFileThatNamesOnlyThoseWhoLeaveIncludesEverybody) {
  EXPECT_TRUE(Json("").For(Node(1)).included);
  EXPECT_TRUE(Json("[]").For(Node(1)).included);
  const HostRules rules = Json(R"([{"hostName": "dn1", "adminState": "DECOMMISSIONED"}])");
  EXPECT_TRUE(rules.For(Node(2)).included);
  EXPECT_EQ(rules.For(Node(2)).goal, Goal::kServe);
  EXPECT_EQ(rules.For(Node(1)).goal, Goal::kDecommission);
}

TEST(HostJsonTest, ABadFileIsRefusedWithFileAndLine) {
  const auto error = [](absl::string_view text) {
    const auto rules = HostRules::ParseJson(text, "h");
    return rules.ok() ? "none" : std::string(rules.status().message());
  };
  EXPECT_EQ(error("[\n{}\n]"), "h:2: this object has no hostName");
  EXPECT_EQ(error("[{\"hostName\": 7}]"), "h:1: hostName is to be a name");
  EXPECT_EQ(error("{\"hostName\": \"a\",\n\"adminstate\": \"NORMAL\"}"),
            "h:2: unknown field adminstate");
  EXPECT_EQ(error("{\"hostName\": \"a\", \"adminState\": \"DECOMMISSION_INPROGRESS\"}"),
            "h:1: adminState is to be \"NORMAL\", \"DECOMMISSIONED\" or \"IN_MAINTENANCE\"");
  EXPECT_EQ(error("{\"hostName\": \"a\", \"port\": 65536}"),
            "h:1: port is to be a number from 0 to 65535");
  EXPECT_EQ(error("{\"hostName\": \"a\", \"maintenanceExpireTimeInMS\": \"soon\"}"),
            "h:1: maintenanceExpireTimeInMS is to be a number from 0 to 9223372036854775807");
  EXPECT_EQ(error("{\"hostName\": \"a\"}\n\n{\"hostName\": \"A\", \"adminState\": "
                  "\"DECOMMISSIONED\"}"),
            "h:3: a is said to be something else in line 1");
  EXPECT_EQ(error("[{\"hostName\": \"a\"},\n]"), "h:2: expected an object, which begins with {");
  EXPECT_EQ(error("[{\"hostName\": \"a\"}] x"), "h:1: something follows the array");
  EXPECT_EQ(error("{\"hostName\": \"a\", \"hostName\": \"b\"}"),
            "h:1: field hostName stands twice in this object");
  EXPECT_EQ(error("{\"hostName\": [\"a\"]}"),
            "h:1: the value of hostName is no text, whole number, true, false or null");
  EXPECT_EQ(error("{\"hostName\": \"a\", \"port\": 007}"),
            "h:1: the value of port is no text, whole number, true, false or null");
  EXPECT_EQ(error("{\"hostName\": \"a"), "h:1: a text does not end");
  EXPECT_EQ(error("{\"hostName\": \"a\nb\"}"), "h:1: a text does not end in its line");
  EXPECT_EQ(error("{\"hostName\": \"a\\x\"}"), "h:1: an escape in a text is not one of JSON's");
  EXPECT_EQ(error("{\"hostName\" \"a\"}"), "h:1: expected : after hostName");
}

TEST(HostJsonTest, EscapesMeanWhatJsonSays) {
  EXPECT_TRUE(Json("{\"hostName\": \"d\\u006e1\"}").For(Node(1)).included);
}

}  // namespace
}  // namespace cairn::namenode
