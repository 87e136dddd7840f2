#include "fuse/changes.h"

#include <gtest/gtest.h>

#include <optional>

namespace cairn::fuse {
namespace {

TEST(ChangesTest, AnAnswerIsGoodUntilAChangeBegins) {
  Changes changes;
  const Changes::Moment before = changes.Now();
  EXPECT_TRUE(changes.NoneSince(before));
  std::optional<Changes::UnderWay> change(changes);
  EXPECT_FALSE(changes.NoneSince(before));
  change.reset();
  EXPECT_FALSE(changes.NoneSince(before));
  EXPECT_TRUE(changes.NoneSince(changes.Now()));
}

TEST(ChangesTest, AnAnswerGotDuringAChangeIsNeverGood) {
  Changes changes;
  std::optional<Changes::UnderWay> change(changes);
  const Changes::Moment during = changes.Now();
  EXPECT_FALSE(changes.NoneSince(during));
  change.reset();
  EXPECT_FALSE(changes.NoneSince(during));
}

}  // namespace
}  // namespace cairn::fuse
