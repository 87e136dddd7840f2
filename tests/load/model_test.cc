#include "tests/load/model.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cairn::load {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ModelTest, AMovedThingIsGoneFromItsOldPlace) {
  Model model;
  model.Put("/a", {.content = FileContent(5)});
  model.Move("/a", "/b");
  EXPECT_EQ(model.Find("/a"), nullptr);
  ASSERT_NE(model.Find("/b"), nullptr);
  EXPECT_EQ(model.Find("/b")->content, FileContent(5));
  EXPECT_THAT(model.gone(), ElementsAre("/a"));
}

TEST(ModelTest, WhatIsInDoubtIsNeitherThereNorGone) {
  Model model;
  model.Put("/a", {.content = FileContent(5)});
  model.AddDoubt(
      {.before = {{"/a", Thing{.content = FileContent(5)}}}, .after = {{"/a", std::nullopt}}});
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

// ---- Operations on two files, and on half a file ----

Thing File(uint64_t content, uint64_t bytes) {
  return {.content = FileContent(content), .least_bytes = bytes, .most_bytes = bytes};
}

TEST(ModelTest, ARenameOverAFileLeavesOneOfBoth) {
  Model model;
  model.Put("/a", File(5, 10));
  model.Put("/b", File(6, 20));
  const Doubt doubt = model.Overwriting("/a", "/b");
  EXPECT_EQ(doubt.before.at("/b")->content, FileContent(6));
  EXPECT_EQ(doubt.before.at("/a")->content, FileContent(5));
  EXPECT_EQ(doubt.after.at("/a"), std::nullopt);
  EXPECT_EQ(doubt.after.at("/b")->content, FileContent(5));
  EXPECT_EQ(doubt.after.at("/b")->least_bytes, 10u);
  EXPECT_TRUE(doubt.after.at("/b")->rewritten);
  model.Apply(doubt.after);
  EXPECT_EQ(model.Find("/a"), nullptr);
  EXPECT_EQ(model.Find("/b")->content, FileContent(5));
  EXPECT_THAT(model.gone(), ElementsAre("/a"));
}

TEST(ModelTest, AConcatTakesItsSourcesInTheirOrder) {
  Model model;
  model.Put("/t", File(5, 10));
  model.Put("/s1", File(6, 20));
  model.Put("/s2", File(7, 30));
  const Doubt doubt = model.Joining("/t", {"/s2", "/s1"});
  FileContent joined(5);
  joined.Join(10, FileContent(7));
  joined.Join(40, FileContent(6));
  EXPECT_EQ(doubt.before.size(), 3u);
  EXPECT_EQ(doubt.before.at("/t")->least_bytes, 10u);
  EXPECT_EQ(doubt.after.at("/t")->content, joined);
  EXPECT_EQ(doubt.after.at("/t")->least_bytes, 60u);
  EXPECT_EQ(doubt.after.at("/t")->most_bytes, 60u);
  EXPECT_EQ(doubt.after.at("/s1"), std::nullopt);
  EXPECT_EQ(doubt.after.at("/s2"), std::nullopt);
  model.Apply(doubt.after);
  EXPECT_THAT(model.gone(), ElementsAre("/s1", "/s2"));
}

TEST(ModelTest, ACutInsideABlockIsOverWhenTheFileIsClosed) {
  Model model;
  model.Put("/t", File(5, 10));
  model.Put("/s", File(6, 20));
  model.Apply(model.Joining("/t", {"/s"}).after);
  const Doubt doubt = model.Truncating("/t", 8);
  EXPECT_EQ(doubt.before.at("/t")->least_bytes, 30u);
  EXPECT_TRUE(doubt.before.at("/t")->closed);
  const Thing& cut = *doubt.after.at("/t");
  EXPECT_TRUE(cut.truncating);
  EXPECT_FALSE(cut.closed);
  EXPECT_EQ(cut.least_bytes, 8u);
  EXPECT_EQ(cut.most_bytes, 30u);
  const Thing over = Truncated(cut);
  EXPECT_FALSE(over.truncating);
  EXPECT_TRUE(over.closed);
  EXPECT_EQ(over.most_bytes, 8u);
  EXPECT_EQ(over.content, FileContent(5)) << "what is appended goes on with the first content";
}

}  // namespace
}  // namespace cairn::load
