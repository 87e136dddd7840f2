#include "client/mode.h"

#include "common/testing/status_matchers.h"

namespace cairn::client {
namespace {

uint16_t Change(absl::string_view text, uint16_t mode, bool directory = false) {
  absl::StatusOr<ModeChange> change = ModeChange::Parse(text);
  EXPECT_OK(change);
  return change.ok() ? change->Apply(mode, directory) : 0;
}

TEST(ModeChangeTest, OctalReplacesAllWithTheStickyBit) {
  EXPECT_EQ(Change("755", 01600), 0755);
  EXPECT_EQ(Change("1777", 0), 01777);
}

TEST(ModeChangeTest, ClausesChangeWhomTheyName) {
  EXPECT_EQ(Change("u+x,g=rw,o-r", 0644), 0760);
  EXPECT_EQ(Change("a-w", 0777), 0555);
  EXPECT_EQ(Change("+x", 0600), 0711);
  EXPECT_EQ(Change("go=", 0777), 0700);
}

TEST(ModeChangeTest, CapitalXIsForDirectoriesAndExecutables) {
  EXPECT_EQ(Change("a+X", 0600), 0600);
  EXPECT_EQ(Change("a+X", 0600, /*directory=*/true), 0711);
  EXPECT_EQ(Change("a+X", 0760), 0771);
}

TEST(ModeChangeTest, TIsTheStickyBit) {
  EXPECT_EQ(Change("+t", 0755), 01755);
  EXPECT_EQ(Change("-t", 01755), 0755);
}

TEST(ModeChangeTest, WhatIsNoModeIsRefused) {
  for (const char* bad : {"", "zz", "9999", "77", "77777", "2777", "u", "u+q", "u+x,,g+x"}) {
    EXPECT_THAT(ModeChange::Parse(bad).status(), StatusIs(absl::StatusCode::kInvalidArgument))
        << bad;
  }
}

TEST(ParseUmaskTest, TakesOctalAndWhatIsAllowed) {
  EXPECT_THAT(ParseUmask("022"), IsOkAndHolds(022));
  EXPECT_THAT(ParseUmask("u=rwx,g=rx,o="), IsOkAndHolds(027));
  EXPECT_FALSE(ParseUmask("abc").ok());
}

TEST(ModeTextTest, ShowsTheStickyBitInTheLastPlace) {
  EXPECT_EQ(ModeText(0754), "rwxr-xr--");
  EXPECT_EQ(ModeText(01755), "rwxr-xr-t");
  EXPECT_EQ(ModeText(01754), "rwxr-xr-T");
}

}  // namespace
}  // namespace cairn::client
