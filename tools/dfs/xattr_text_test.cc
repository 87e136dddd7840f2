#include "tools/dfs/xattr_text.h"

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

using ::testing::HasSubstr;

TEST(XattrTextTest, ANameHasOneOfFiveSpaces) {
  for (const char* name : {"user.a", "trusted.a.b", "security.a", "system.a", "raw.a"}) {
    ASSERT_OK_AND_ASSIGN(const client::Xattr xattr, ParseXattrName(name));
    EXPECT_EQ(XattrName(xattr), name);
  }
  ASSERT_OK_AND_ASSIGN(const client::Xattr xattr, ParseXattrName("USER.Name"));
  EXPECT_EQ(XattrName(xattr), "user.Name");
  for (const char* name : {"", "a", ".a", "users.a", "use.a"}) {
    EXPECT_THAT(ParseXattrName(name), StatusIs(absl::StatusCode::kInvalidArgument,
                                               HasSubstr("must be prefixed with user/trusted")))
        << name;
  }
  EXPECT_THAT(ParseXattrName("user."),
              StatusIs(absl::StatusCode::kInvalidArgument, "XAttr name cannot be empty."));
}

TEST(XattrTextTest, AValueIsTextHexOrBase64) {
  const std::pair<const char*, std::string> values[] = {
      {"", ""},      {"plain", "plain"}, {"\"quoted\"", "quoted"},
      {"\"", "\""},  {"\"\"", ""},       {"0x00fF", {"\0\xff", 2}},
      {"0X61", "a"}, {"0saGk=", "hi"},   {"0SaGk=", "hi"},
      {"0", "0"},    {"0x", ""},
  };
  for (const auto& [text, bytes] : values) {
    ASSERT_OK_AND_ASSIGN(const std::string parsed, ParseXattrValue(text));
    EXPECT_EQ(parsed, bytes) << text;
  }
  for (const char* text : {"0x1", "0xzz", "0s!"}) {
    EXPECT_THAT(ParseXattrValue(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(XattrTextTest, ALineIsAsGetfattrPrintsIt) {
  EXPECT_EQ(XattrLine("user.a", "hi", XattrEncoding::kText), "user.a=\"hi\"");
  EXPECT_EQ(XattrLine("user.a", "hi", XattrEncoding::kHex), "user.a=0x6869");
  EXPECT_EQ(XattrLine("user.a", "hi", XattrEncoding::kBase64), "user.a=0saGk=");
  EXPECT_EQ(XattrLine("user.a", "", XattrEncoding::kHex), "user.a");
}

TEST(XattrTextTest, AnEncodingIsNamedInAnyCase) {
  EXPECT_THAT(ParseXattrEncoding("TEXT"), IsOkAndHolds(XattrEncoding::kText));
  EXPECT_THAT(ParseXattrEncoding("hex"), IsOkAndHolds(XattrEncoding::kHex));
  EXPECT_THAT(ParseXattrEncoding("Base64"), IsOkAndHolds(XattrEncoding::kBase64));
  EXPECT_THAT(ParseXattrEncoding("utf8"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace cairn::tools
