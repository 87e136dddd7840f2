#include "tools/policy/retry_later.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::tools {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);

TEST(RetryLaterTest, TheFileThatFailsAgainIsLeftForLonger) {
  RetryLater later(10);
  EXPECT_FALSE(later.IsWaiting("/f", kStart));
  later.NoteFailure("/f", kStart);
  EXPECT_TRUE(later.IsWaiting("/f", kStart + RetryLater::kFirst - absl::Milliseconds(1)));
  EXPECT_FALSE(later.IsWaiting("/f", kStart + RetryLater::kFirst));
  EXPECT_FALSE(later.IsWaiting("/g", kStart));
  const absl::Time again = kStart + RetryLater::kFirst;
  later.NoteFailure("/f", again);
  EXPECT_TRUE(later.IsWaiting("/f", again + 2 * RetryLater::kFirst - absl::Milliseconds(1)));
  EXPECT_FALSE(later.IsWaiting("/f", again + 2 * RetryLater::kFirst));
  for (int i = 0; i < 100; ++i) later.NoteFailure("/f", kStart);
  EXPECT_FALSE(later.IsWaiting("/f", kStart + RetryLater::kLongest));
  EXPECT_EQ(later.size(), 1u);
}

TEST(RetryLaterTest, TheOldestAreForgottenWhenThereAreTooMany) {
  RetryLater later(2);
  for (const char* const path : {"/a", "/b", "/c"}) later.NoteFailure(path, kStart);
  EXPECT_EQ(later.size(), 2u);
  EXPECT_FALSE(later.IsWaiting("/a", kStart));
  EXPECT_TRUE(later.IsWaiting("/b", kStart));
  EXPECT_TRUE(later.IsWaiting("/c", kStart));
}

}  // namespace
}  // namespace cairn::tools
