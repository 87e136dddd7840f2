#include "tools/dfs/acl_spec.h"

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

TEST(AclSpecTest, EntriesComeBackAsTheyWereWritten) {
  const std::string spec = "user:bob:rwx,group::r-x,mask::rw-,other::---,default:user:al:--x";
  ASSERT_OK_AND_ASSIGN(const auto entries, ParseAclSpec(spec, /*with_permissions=*/true));
  std::string text;
  for (const client::AclEntry& entry : entries) {
    text += (text.empty() ? "" : ",") + AclEntryText(entry);
  }
  EXPECT_EQ(text, spec);
}

TEST(AclSpecTest, EntriesToRemoveHaveNoPermissions) {
  ASSERT_OK_AND_ASSIGN(const auto entries, ParseAclSpec("user:bob,default:group:g", false));
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "bob");
  EXPECT_TRUE(entries[1].is_default);
  EXPECT_FALSE(ParseAclSpec("user:bob:rwx", false).ok());
}

TEST(AclSpecTest, WhatIsNoEntryIsRefused) {
  for (const char* bad : {"", "bogus", "bogus:x:rwx", "user:bob:rwz", "user:bob:rw", "user:bob",
                          "default", "user:bob:rwx:x"}) {
    EXPECT_THAT(ParseAclSpec(bad, true).status(), StatusIs(absl::StatusCode::kInvalidArgument))
        << bad;
  }
}

}  // namespace
}  // namespace cairn::tools
