// common/testing/status_matchers.h - asserting on absl::Status and absl::StatusOr.
//
//   ASSERT_OK(status); EXPECT_OK(status_or);
//   ASSERT_OK_AND_ASSIGN(auto x, StatusOrExpression());
//   EXPECT_THAT(x, IsOkAndHolds(Eq(3)));
//   EXPECT_THAT(s, StatusIs(absl::StatusCode::kNotFound));
//   EXPECT_THAT(s, StatusIs(absl::StatusCode::kNotFound, HasSubstr("/a/b")));
//   EXPECT_THAT(s, IsFsError(FsError::kSafeMode));
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/fs_error.h"
#include "common/status_macros.h"

namespace cairn {
namespace matchers_internal {

inline const absl::Status& GetStatus(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

template <typename StatusOrType>
class IsOkAndHoldsImpl : public ::testing::MatcherInterface<StatusOrType> {
 public:
  using Value = typename std::remove_reference_t<StatusOrType>::value_type;

  template <typename Inner>
  explicit IsOkAndHoldsImpl(Inner&& inner)
      : inner_(::testing::SafeMatcherCast<const Value&>(std::forward<Inner>(inner))) {}

  void DescribeTo(std::ostream* os) const override {
    *os << "is OK and holds a value that ";
    inner_.DescribeTo(os);
  }
  void DescribeNegationTo(std::ostream* os) const override {
    *os << "is not OK or holds a value that ";
    inner_.DescribeNegationTo(os);
  }
  bool MatchAndExplain(StatusOrType actual,
                       ::testing::MatchResultListener* listener) const override {
    if (!actual.ok()) {
      *listener << "which has status " << actual.status();
      return false;
    }
    if (!listener->IsInterested()) return inner_.Matches(*actual);
    // What is printed of a StatusOr itself is its bytes.
    ::testing::StringMatchResultListener why;
    const bool matches = inner_.MatchAndExplain(*actual, &why);
    const std::string value = ::testing::PrintToString(*actual);
    *listener << "which holds " << value.substr(0, kShown);  // whole files are compared, too
    if (value.size() > kShown) *listener << "... (" << value.size() << " characters)";
    if (!why.str().empty()) *listener << ", " << why.str();
    return matches;
  }

 private:
  static constexpr size_t kShown = 2000;
  const ::testing::Matcher<const Value&> inner_;
};

template <typename Inner>
class IsOkAndHoldsMatcher {
 public:
  explicit IsOkAndHoldsMatcher(Inner inner) : inner_(std::move(inner)) {}
  template <typename StatusOrType>
  operator ::testing::Matcher<StatusOrType>() const {  // NOLINT: gmock wants it implicit
    return ::testing::Matcher<StatusOrType>(new IsOkAndHoldsImpl<const StatusOrType&>(inner_));
  }

 private:
  const Inner inner_;
};

}  // namespace matchers_internal

MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  const absl::Status& status = matchers_internal::GetStatus(arg);
  if (!status.ok()) *result_listener << "which has status " << status;
  return status.ok();
}

MATCHER_P(StatusIs, code, "has status code " + absl::StatusCodeToString(code)) {
  const absl::Status& status = matchers_internal::GetStatus(arg);
  *result_listener << "which has status " << status;
  return status.code() == code;
}

MATCHER_P2(StatusIs, code, message,
           "has status code " + absl::StatusCodeToString(code) + " and a message that " +
               ::testing::DescribeMatcher<std::string>(message)) {
  const absl::Status& status = matchers_internal::GetStatus(arg);
  *result_listener << "which has status " << status;
  return status.code() == code &&
         ::testing::Value(std::string(status.message()),
                          ::testing::SafeMatcherCast<const std::string&>(message));
}

MATCHER_P(IsFsError, error, "carries FsError " + std::to_string(static_cast<int>(error))) {
  const absl::Status& status = matchers_internal::GetStatus(arg);
  *result_listener << "which has status " << status << " and FsError "
                   << static_cast<int>(GetFsError(status));
  return GetFsError(status) == error;
}

// The value matches `inner`, a matcher or a value.
template <typename Inner>
matchers_internal::IsOkAndHoldsMatcher<std::decay_t<Inner>> IsOkAndHolds(Inner&& inner) {
  return matchers_internal::IsOkAndHoldsMatcher<std::decay_t<Inner>>(std::forward<Inner>(inner));
}

}  // namespace cairn

#define EXPECT_OK(expr) EXPECT_THAT(expr, ::cairn::IsOk())
#define ASSERT_OK(expr) ASSERT_THAT(expr, ::cairn::IsOk())
#define ASSERT_OK_AND_ASSIGN(lhs, expr) \
  CAIRN_ASSERT_OK_AND_ASSIGN_(CAIRN_CONCAT_(statusor_macro_, __LINE__), lhs, expr)
#define CAIRN_ASSERT_OK_AND_ASSIGN_(tmp, lhs, expr) \
  auto tmp = (expr);                                \
  ASSERT_OK(tmp);                                   \
  lhs = *std::move(tmp)
