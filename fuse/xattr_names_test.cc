#include "fuse/xattr_names.h"

#include <gtest/gtest.h>

#include <string>

namespace cairn::fuse {
namespace {

using Space = client::Xattr::Space;

std::optional<std::string> ListedAs(Space space, const std::string& name) {
  return FromServerName({.space = space, .name = name, .value = "1"});
}

// A question to the cluster for each of these would make every write, and every ls -l, one.
TEST(XattrNamesTest, WhatTheKernelAndLsAskForAllTheTimeIsNobodys) {
  for (const char* const name : {"security.capability", "security.selinux", "security.ima",
                                 "system.posix_acl_access", "system.posix_acl_default", "other"}) {
    EXPECT_EQ(OwnerOf(name), XattrOwner::kNobody) << name;
  }
}

TEST(XattrNamesTest, TheMountsOwnNeverGoToTheServer) {
  EXPECT_EQ(OwnerOf("user.cairn.locations"), XattrOwner::kMount);
  EXPECT_EQ(OwnerOf("user.cairn."), XattrOwner::kMount);
  EXPECT_FALSE(ToServerName("user.cairn.locations").has_value());
  EXPECT_FALSE(ListedAs(Space::kUser, "cairn.health").has_value());
  EXPECT_EQ(OwnerOf("user.cairnx"), XattrOwner::kServer);
}

TEST(XattrNamesTest, TheServersAreSplitIntoSpaceAndName) {
  const auto user = ToServerName("user.mime.type");
  ASSERT_TRUE(user.has_value());
  EXPECT_EQ(user->space, Space::kUser);
  EXPECT_EQ(user->name, "mime.type");
  const auto trusted = ToServerName("trusted.a");
  ASSERT_TRUE(trusted.has_value());
  EXPECT_EQ(trusted->space, Space::kTrusted);
  const auto hdfs = ToServerName("security.hdfs.unreadable.by.superuser");
  ASSERT_TRUE(hdfs.has_value());
  EXPECT_EQ(hdfs->space, Space::kSecurity);
  EXPECT_EQ(hdfs->name, "hdfs.unreadable.by.superuser");
  for (const char* const name :
       {"", "user", "user.", "trusted.", "raw.a", "userx.a", "user.\xff", "security.hdfs"}) {
    EXPECT_FALSE(ToServerName(name).has_value()) << name;
  }
}

TEST(XattrNamesTest, WhatTheServerTellsIsListedIfTheKernelTakesIt) {
  EXPECT_EQ(ListedAs(Space::kUser, "a"), "user.a");
  EXPECT_EQ(ListedAs(Space::kTrusted, "a"), "trusted.a");
  EXPECT_EQ(ListedAs(Space::kUser, std::string(250, 'a')), "user." + std::string(250, 'a'));
  for (const std::string& name :
       {std::string(251, 'a'), std::string(), std::string("a\0b", 3), std::string("\xff")}) {
    EXPECT_FALSE(ListedAs(Space::kUser, name).has_value());
  }
  EXPECT_FALSE(ListedAs(Space::kRaw, "a").has_value());
  EXPECT_FALSE(ListedAs(Space::kSystem, "a").has_value());
  EXPECT_FALSE(ListedAs(Space::kSecurity, "capability").has_value());
}

}  // namespace
}  // namespace cairn::fuse
