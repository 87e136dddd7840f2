#include "fuse/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace cairn::fuse {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(StatisticsTest, CountsEachOperationByItsLatency) {
  Statistics statistics;
  statistics.Observe(Operation::kRead, absl::Microseconds(5));
  statistics.Observe(Operation::kRead, absl::Microseconds(20));
  statistics.Observe(Operation::kRead, absl::Minutes(2));
  statistics.Observe(Operation::kReleasedir, absl::Microseconds(5));
  const Histogram& reads = statistics.latency(Operation::kRead);
  EXPECT_EQ(reads.bucket(0), 1u);
  EXPECT_EQ(reads.bucket(1), 1u);
  EXPECT_EQ(reads.bucket(reads.upper_bounds().size()), 1u);
  EXPECT_DOUBLE_EQ(reads.sum(), 120.000025);
  EXPECT_EQ(statistics.latency(Operation::kReleasedir).bucket(0), 1u);
  EXPECT_EQ(statistics.latency(Operation::kWrite).bucket(0), 0u);
}

TEST(StatisticsTest, CountsErrorsByName) {
  Statistics statistics;
  EXPECT_THAT(statistics.errors(), IsEmpty());
  statistics.NoteError(EIO);
  statistics.NoteError(ENOENT);
  statistics.NoteError(EIO);
  EXPECT_THAT(statistics.errors(), ElementsAre(Pair("ENOENT", 1), Pair("EIO", 2)));
  // A number that is none takes no other's place in memory.
  statistics.NoteError(100'000);
  statistics.NoteError(-1);
  EXPECT_THAT(statistics.errors(), ElementsAre(Pair("0", 2), Pair("ENOENT", 1), Pair("EIO", 2)));
}

TEST(StatisticsTest, EveryOperationHasAName) {
  EXPECT_STREQ(NameOf(Operation::kLookup), "lookup");
  EXPECT_STREQ(NameOf(Operation::kFallocate), "fallocate");
  EXPECT_STREQ(NameOf(Operation::kReleasedir), "releasedir");
  EXPECT_STREQ(NameOf(Operation::kGetxattr), "getxattr");
  EXPECT_STREQ(NameOf(Operation::kRemovexattr), "removexattr");
}

}  // namespace
}  // namespace cairn::fuse
