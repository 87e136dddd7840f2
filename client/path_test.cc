#include "client/path.h"

#include "common/testing/status_matchers.h"

namespace cairn::client {
namespace {

using ::testing::HasSubstr;

TEST(NormalizePathTest, DropsEmptyAndDotComponents) {
  EXPECT_EQ(NormalizePath("/a//b/./c/"), "/a/b/c");
  EXPECT_EQ(NormalizePath("/"), "/");
  EXPECT_EQ(NormalizePath("a/./b"), "a/b");
}

TEST(NormalizePathTest, DotDotStopsAtTheRoot) {
  EXPECT_EQ(NormalizePath("/a/b/../c"), "/a/c");
  EXPECT_EQ(NormalizePath("/../.."), "/");
  EXPECT_EQ(NormalizePath("../a"), "../a");
}

TEST(JoinPathTest, DoublesNoSlash) {
  EXPECT_EQ(JoinPath("/", "a"), "/a");
  EXPECT_EQ(JoinPath("/a", "b"), "/a/b");
  EXPECT_EQ(JoinPath("/a", "/b"), "/b");
}

TEST(ParentPathTest, EndsAtTheRoot) {
  EXPECT_EQ(ParentPath("/a/b"), "/a");
  EXPECT_EQ(ParentPath("/a"), "/");
  EXPECT_EQ(ParentPath("/"), "/");
  EXPECT_EQ(BaseName("/a/b"), "b");
  EXPECT_EQ(BaseName("/"), "");
}

TEST(ParsePathUriTest, TakesSchemeAndAuthorityApart) {
  ASSERT_OK_AND_ASSIGN(const PathUri uri, ParsePathUri("hdfs://nn:8020/a/b"));
  EXPECT_EQ(uri.scheme, "hdfs");
  EXPECT_EQ(uri.authority, "nn:8020");
  EXPECT_EQ(uri.path, "/a/b");
}

TEST(ParsePathUriTest, AColonInANameIsNoScheme) {
  ASSERT_OK_AND_ASSIGN(const PathUri uri, ParsePathUri("/a/12:30"));
  EXPECT_EQ(uri.scheme, "");
  EXPECT_EQ(uri.path, "/a/12:30");
}

TEST(ParsePathUriTest, AUriWithoutAPathMeansTheRoot) {
  ASSERT_OK_AND_ASSIGN(const PathUri uri, ParsePathUri("hdfs://nn"));
  EXPECT_EQ(uri.path, "/");
  EXPECT_FALSE(ParsePathUri("").ok());
  EXPECT_FALSE(ParsePathUri(":x").ok());
}

TEST(DefaultUriTest, ANameAloneIsOfHdfs) {
  EXPECT_THAT(DefaultUri(""), IsOkAndHolds(""));
  EXPECT_THAT(DefaultUri("nn"), IsOkAndHolds("hdfs://nn"));
  EXPECT_THAT(DefaultUri("nn:9000"), IsOkAndHolds("hdfs://nn:9000"));
  EXPECT_THAT(DefaultUri("[::1]:9000"), IsOkAndHolds("hdfs://[::1]:9000"));
  EXPECT_THAT(DefaultUri("hdfs://nn/a"), IsOkAndHolds("hdfs://nn/a"));
  EXPECT_THAT(DefaultUri("local"), IsOkAndHolds("file:///"));
  EXPECT_THAT(DefaultUri("file:///"), IsOkAndHolds("file:///"));
}

TEST(DefaultUriTest, WhatNamesNoClusterIsRefused) {
  for (const char* bad : {"/x", "hdfs:", "hdfs:/", "hdfs://", "hdfs:///", "hdfs:///a", "&a;",
                          "://nn", ":8020", "nn:port", "hdfs://nn:99999", "a b", "//nn"}) {
    EXPECT_THAT(DefaultUri(bad).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad)))
        << bad;
  }
}

TEST(ParseHostPortTest, TakesNamesAddressesAndPorts) {
  ASSERT_OK_AND_ASSIGN(const HostPort plain, ParseHostPort("nn", 8020));
  EXPECT_EQ(plain.port, 8020);
  ASSERT_OK_AND_ASSIGN(const HostPort six, ParseHostPort("[::1]:9000", 8020));
  EXPECT_EQ(six.host, "::1");
  EXPECT_EQ(six.port, 9000);
  for (const char* bad : {"nn:0", "nn:70000", "nn:x", ":8020", "[::1", ""}) {
    EXPECT_FALSE(ParseHostPort(bad, 8020).ok()) << bad;
  }
}

}  // namespace
}  // namespace cairn::client
