// common/testing/eventually.h - waiting for what a fake clock cannot step: other threads,
// processes.
//
// EVENTUALLY(condition) evaluates the condition again and again until it is true; after 30 seconds
// the test fails and its function returns. The pause between tries starts short, so that a passing
// test loses no time, and the limit is far beyond any plausible delay, so that timing decides
// nothing.
#pragma once

#include <gtest/gtest.h>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"

namespace cairn {

inline constexpr absl::Duration kEventuallyLimit = absl::Seconds(30);

// False: the limit passed. For helpers that return no void.
bool Eventually(absl::FunctionRef<bool()> condition, absl::Duration limit = kEventuallyLimit);

}  // namespace cairn

// Variadic, since a condition may hold commas.
#define EVENTUALLY(...)                                                            \
  ASSERT_TRUE(::cairn::Eventually([&] { return static_cast<bool>(__VA_ARGS__); })) \
      << "never became true: " #__VA_ARGS__
