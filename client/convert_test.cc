#include "client/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace cairn::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

hdfs::LocatedBlockProto Located(int locations) {
  hdfs::LocatedBlockProto block;
  for (int i = 0; i < locations; ++i) {
    auto* const node = block.add_locs();
    node->set_location("/r");
    node->mutable_id()->set_ipaddr("10.0.0.1");
    node->mutable_id()->set_xferport(9866 + static_cast<uint32_t>(i));
  }
  return block;
}

TEST(ToBlockLocationTest, AGroupsLocationsSayWhichUnitTheyHave) {
  hdfs::LocatedBlockProto group = Located(3);
  group.set_blockindices(std::string("\x04\x00\x04", 3));
  const BlockLocation location = ToBlockLocation(group);
  EXPECT_THAT(location.names, ElementsAre("10.0.0.1:9866", "10.0.0.1:9867", "10.0.0.1:9868"));
  EXPECT_THAT(location.units, ElementsAre(4, 0, 4));
}

TEST(ToBlockLocationTest, UnitsThatDoNotFitTheLocationsAreNotTold) {
  EXPECT_THAT(ToBlockLocation(Located(2)).units, IsEmpty());
  for (const char* const indices : {"\x01", "\x01\x02\x03"}) {
    hdfs::LocatedBlockProto group = Located(2);
    group.set_blockindices(indices);
    EXPECT_THAT(ToBlockLocation(group).units, IsEmpty());
  }
}

}  // namespace
}  // namespace cairn::client
