#include "client/glob.h"

#include "common/testing/status_matchers.h"

namespace cairn::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

bool Matches(absl::string_view pattern, absl::string_view name) {
  absl::StatusOr<GlobPattern> compiled = GlobPattern::Compile(pattern);
  EXPECT_OK(compiled);
  return compiled.ok() && compiled->Matches(name);
}

TEST(GlobPatternTest, StarAndQuestionMarkMatchCharacters) {
  EXPECT_TRUE(Matches("*", ""));
  EXPECT_TRUE(Matches("a*c", "abbbc"));
  EXPECT_FALSE(Matches("a*c", "abbb"));
  EXPECT_TRUE(Matches("a?c",
                      "a\xC3\xA9"  // one character of two bytes
                      "c"));
  EXPECT_FALSE(Matches("a?c", "ac"));
}

TEST(GlobPatternTest, SetsKnowRangesAndNegation) {
  EXPECT_TRUE(Matches("[a-c]x", "bx"));
  EXPECT_FALSE(Matches("[a-c]x", "dx"));
  EXPECT_TRUE(Matches("[^a-c]x", "dx"));
  EXPECT_TRUE(Matches("[!a]x", "bx"));
  EXPECT_TRUE(Matches("[-a]", "-"));
}

TEST(GlobPatternTest, BracesAreWordsAndNest) {
  EXPECT_TRUE(Matches("{ab,c{d,e}}f", "cef"));
  EXPECT_TRUE(Matches("{ab,c{d,e}}f", "abf"));
  EXPECT_FALSE(Matches("{ab,c{d,e}}f", "cf"));
  EXPECT_TRUE(Matches("{a*,b}z", "axyz"));
}

TEST(GlobPatternTest, ManyStarsCostNoMoreThanTheirNumberTimesTheName) {
  std::string pattern, words;
  for (int i = 0; i < 100; ++i) pattern += "*a";
  for (int i = 0; i < 40; ++i) words += "{a,aa,aaa}";
  const std::string name(250, 'a');
  EXPECT_TRUE(Matches(pattern, name));
  EXPECT_FALSE(Matches(pattern + "b", name));
  EXPECT_FALSE(Matches(words, name));
  EXPECT_TRUE(Matches(words, name.substr(0, 90)));
}

TEST(GlobPatternTest, ABackslashTakesTheMeaningAway) {
  EXPECT_TRUE(Matches("a\\*", "a*"));
  EXPECT_FALSE(Matches("a\\*", "ab"));
  ASSERT_OK_AND_ASSIGN(const GlobPattern literal, GlobPattern::Compile("a\\{b"));
  EXPECT_FALSE(literal.has_wildcard());
  EXPECT_EQ(literal.literal(), "a{b");
}

TEST(GlobPatternTest, MalformedPatternsAreRefused) {
  for (const char* bad : {"[a", "{a,b", "a\\", "[b-a]"}) {
    EXPECT_THAT(GlobPattern::Compile(bad).status(), StatusIs(absl::StatusCode::kInvalidArgument))
        << bad;
  }
  EXPECT_FALSE(GlobPattern::Compile(std::string(100, '{')).ok());
}

TEST(ExpandBracesTest, OnlyBracesWithASlashAreExpanded) {
  EXPECT_THAT(ExpandBraces("/a/{b/c,d}/e"), IsOkAndHolds(ElementsAre("/a/b/c/e", "/a/d/e")));
  EXPECT_THAT(ExpandBraces("/a/{b,c}"), IsOkAndHolds(ElementsAre("/a/{b,c}")));
  EXPECT_FALSE(ExpandBraces("/a/{b/c").ok());
}

TEST(ExpandBracesTest, PatternsThatMultiplyBeyondTheLimitAreRefused) {
  std::string bits, words;
  for (int i = 0; i < 13; ++i) bits += "{a/b,c/d}";
  EXPECT_THAT(ExpandBraces(bits), IsOkAndHolds(SizeIs(1 << 13)));
  for (int i = 13; i < 40; ++i) bits += "{a/b,c/d}";
  EXPECT_THAT(ExpandBraces(bits),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("more than 10000 patterns"), HasSubstr(bits))));

  for (size_t i = 0; i < kMaxExpandedPatterns; ++i) words += i == 0 ? "a/b" : ",a/b";
  EXPECT_THAT(ExpandBraces("{" + words + "}"), IsOkAndHolds(SizeIs(kMaxExpandedPatterns)));
  EXPECT_FALSE(ExpandBraces("{" + words + ",a/b}").ok());
}

TEST(HasGlobTest, EscapedCharactersDoNotCount) {
  EXPECT_TRUE(HasGlob("/a/*"));
  EXPECT_FALSE(HasGlob("/a/\\*"));
  EXPECT_FALSE(HasGlob("/a/b"));
}

}  // namespace
}  // namespace cairn::client
