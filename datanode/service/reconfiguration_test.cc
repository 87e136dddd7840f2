#include "datanode/service/reconfiguration.h"

#include <gtest/gtest.h>

#include "common/testing/eventually.h"
#include "common/testing/no_more_threads.h"
#include "common/testing/status_matchers.h"

namespace cairn::datanode {
namespace {

TEST(ReconfigurationTest, WithoutAThreadNoneBeginsAndItMayBeTriedAgain) {
  Reconfiguration reconfiguration({}, [] { return std::vector<PropertyChange>(1); });
  {
    const NoMoreThreads none;
    EXPECT_FALSE(reconfiguration.Start().ok());
    EXPECT_FALSE(reconfiguration.task().has_value());
  }
  ASSERT_OK(reconfiguration.Start());
  EVENTUALLY(reconfiguration.task()->ended.has_value());
  EXPECT_EQ(reconfiguration.task()->changes.size(), 1u);
}

}  // namespace
}  // namespace cairn::datanode
