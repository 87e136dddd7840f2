#include "namenode/cluster/rack_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace cairn::namenode {
namespace {

using ::testing::HasSubstr;

TEST(RackTableTest, FindsAHostByAddressFirstAndThenByName) {
  ASSERT_OK_AND_ASSIGN(const RackTable table,
                       RackTable::Parse("10.0.0.1 /a\nworker-2\t/hall/b\n", "topology"));
  EXPECT_EQ(table.RackOf("10.0.0.1", "worker-2"), "/a");
  EXPECT_EQ(table.RackOf("10.0.0.2", "worker-2"), "/hall/b");
  EXPECT_EQ(table.RackOf("10.0.0.9", "unknown"), "/default-rack");
  EXPECT_EQ(RackTable().RackOf("10.0.0.1", ""), "/default-rack");
}

TEST(RackTableTest, SkipsCommentsAndEmptyLinesAndCarriageReturns) {
  ASSERT_OK_AND_ASSIGN(const RackTable table,
                       RackTable::Parse("# hosts\r\n\r\n  h1   /a  \r\n# h1 /b", "topology"));
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.RackOf("", "h1"), "/a");
}

TEST(RackTableTest, NamesFileAndLineOfWhatItDoesNotUnderstand) {
  const auto refused = [](absl::string_view text, absl::string_view what) {
    const auto table = RackTable::Parse(text, "/etc/topology");
    EXPECT_THAT(table, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(std::string(what))));
  };
  refused("h1 /a\nh2\n", "/etc/topology:2: expected a host and its rack");
  refused("h1 /a extra", "/etc/topology:1: expected a host and its rack");
  refused("h1 rack-1", "/etc/topology:1: rack rack-1 does not begin with /");
  refused("h1 /a\n\nh1 /b", "/etc/topology:3: h1 is in /a and in /b");
}

}  // namespace
}  // namespace cairn::namenode
