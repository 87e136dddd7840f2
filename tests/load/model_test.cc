#include "tests/load/model.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cairn::load {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ModelTest, AMovedThingIsGoneFromItsOldPlace) {
  Model model;
  model.Put("/a", {.content = 5});
  model.Move("/a", "/b");
  EXPECT_EQ(model.Find("/a"), nullptr);
  ASSERT_NE(model.Find("/b"), nullptr);
  EXPECT_EQ(model.Find("/b")->content, 5);
  EXPECT_THAT(model.gone(), ElementsAre("/a"));
}

TEST(ModelTest, WhatIsInDoubtIsNeitherThereNorGone) {
  Model model;
  model.Put("/a", {.content = 5});
  model.AddDoubt({.before = {{"/a", Thing{.content = 5}}}, .after = {{"/a", std::nullopt}}});
  EXPECT_EQ(model.Find("/a"), nullptr);
  EXPECT_THAT(model.gone(), IsEmpty());
  EXPECT_TRUE(model.InDoubt("/a"));
}

TEST(ModelTest, ADirectoryIsInDoubtWithWhatIsInIt) {
  Model model;
  for (const char* path : {"/a", "/ab", "/b"}) model.Put(path, {.directory = true});
  model.Put("/a/x/y", {});
  model.AddDoubt({.before = {{"/a/x/y", Thing{}}}, .after = {{"/a/x/y", std::nullopt}}});
  model.AddDoubt({.before = {{"/b", Thing{}}}, .after = {{"/b", std::nullopt}}});
  EXPECT_TRUE(model.InDoubtBelow("/a"));
  EXPECT_TRUE(model.InDoubtBelow("/a/x"));
  EXPECT_TRUE(model.InDoubtBelow("/b"));
  EXPECT_FALSE(model.InDoubtBelow("/ab"));
}

TEST(ModelTest, RecentPathsAreGivenOnce) {
  Model model;
  model.Put("/a", {});
  EXPECT_THAT(model.TakeRecent(), ElementsAre("/a"));
  EXPECT_THAT(model.TakeRecent(), IsEmpty());
}

}  // namespace
}  // namespace cairn::load
