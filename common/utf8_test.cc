#include "common/utf8.h"

#include "gtest/gtest.h"

namespace cairn {
namespace {

using absl::string_view;

TEST(Utf8Test, AcceptsEveryLengthOfSequence) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("plain text, longer than a word"));
  EXPECT_TRUE(IsUtf8("\u00e4\u20ac\U0001f600"));
  EXPECT_TRUE(IsUtf8("1234567\u00e4"));  // across a word
}

TEST(Utf8Test, RefusesWhatRfc3629DoesNotAllow) {
  for (const string_view bad : {"\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                "\x80", "12345678\xe2\x82"}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
}

TEST(Utf8Test, ReplacesOnlyTheBytesThatBelongToNoSequence) {
  EXPECT_EQ(ToUtf8("a\xff\u00e4\xc3"), "a?\u00e4?");
}

}  // namespace
}  // namespace cairn
