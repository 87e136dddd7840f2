#include "common/testing/status_matchers.h"

#include <string>
#include <vector>

namespace cairn {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// What a failed EXPECT_THAT prints behind "Actual:".
template <typename T, typename Matcher>
std::string Explanation(const T& actual, const Matcher& matcher) {
  ::testing::StringMatchResultListener listener;
  EXPECT_FALSE(::testing::ExplainMatchResult(matcher, actual, &listener));
  return listener.str();
}

TEST(IsOkAndHoldsTest, AFailureShowsTheValueAndWhatIsWrongWithIt) {
  const absl::StatusOr<std::string> text = "held";
  EXPECT_THAT(text, IsOkAndHolds("held"));
  EXPECT_EQ(Explanation(text, IsOkAndHolds("wanted")), "which holds \"held\"");
  const absl::StatusOr<std::vector<int>> numbers = std::vector<int>{1, 2};
  EXPECT_THAT(Explanation(numbers, IsOkAndHolds(ElementsAre(1, 3))),
              AllOf(StartsWith("which holds { 1, 2 }, "), HasSubstr("element #1 doesn't match")));
}

TEST(IsOkAndHoldsTest, OfALargeValueTheBeginningIsShown) {
  const absl::StatusOr<std::string> text = std::string(1 << 20, 'x');
  const std::string explanation = Explanation(text, IsOkAndHolds(""));
  EXPECT_THAT(explanation, StartsWith("which holds \"xxx"));
  EXPECT_LT(explanation.size(), 3000u);
}

TEST(IsOkAndHoldsTest, AFailureShowsTheStatusOfWhatIsNotOk) {
  const absl::StatusOr<int> missing = absl::NotFoundError("no /a");
  EXPECT_THAT(Explanation(missing, IsOkAndHolds(3)), HasSubstr("NOT_FOUND: no /a"));
}

}  // namespace
}  // namespace cairn
