#include "namenode/store/tail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Keys(const Tail& tail, absl::string_view from = "") {
  std::vector<std::string> keys;
  for (Tail::Cursor at(tail, from); at.Get() != nullptr; at.Next()) {
    keys.emplace_back(at.Get()->key());
  }
  return keys;
}

class TailTest : public ::testing::Test {
 protected:
  ChunkPool pool_{1 << 20};
  Tail tail_{pool_};
};

TEST_F(TailTest, TheLatestWriteWins) {
  tail_.Put("k", "first");
  tail_.Put("k", "a longer second value, which does not fit the place of the first");
  EXPECT_EQ(tail_.Find("k")->value(),
            "a longer second value, which does not fit the place of the first");
  tail_.Put("k", "3");
  EXPECT_EQ(tail_.Find("k")->value(), "3");
  EXPECT_EQ(tail_.records(), 1u);
}

TEST_F(TailTest, ADeletedKeyIsKnownToBeDeleted) {
  tail_.Put("k", "v");
  tail_.Delete("k");
  tail_.Delete("never there");
  EXPECT_TRUE(tail_.Find("k")->deleted);
  EXPECT_TRUE(tail_.Find("never there")->deleted);
  EXPECT_EQ(tail_.Find("other"), nullptr);
  tail_.Put("k", "w");
  EXPECT_FALSE(tail_.Find("k")->deleted);
  EXPECT_EQ(tail_.Find("k")->value(), "w");
}

TEST_F(TailTest, KeysThatDifferOnlyInTrailingZerosOrBeyond16BytesAreTold) {
  const std::string sixteen(16, 'x');
  for (const std::string& key :
       {std::string("ab\0", 3), std::string("ab"), std::string("ab\0\0", 4), sixteen + "b", sixteen,
        sixteen + "a", sixteen + std::string(1, '\0'), std::string("ab\x01")}) {
    tail_.Put(key, key);
  }
  EXPECT_THAT(Keys(tail_),
              ElementsAre("ab", std::string("ab\0", 3), std::string("ab\0\0", 4), "ab\x01", sixteen,
                          sixteen + std::string(1, '\0'), sixteen + "a", sixteen + "b"));
  EXPECT_EQ(tail_.Find("ab")->value(), "ab");
  EXPECT_EQ(tail_.Find(sixteen + "a")->value(), sixteen + "a");
}

TEST_F(TailTest, ACursorStartsAtTheFirstKeyNotBelow) {
  for (const char* key : {"b", "d", "f"}) tail_.Put(key, "");
  EXPECT_THAT(Keys(tail_, "d"), ElementsAre("d", "f"));
  EXPECT_THAT(Keys(tail_, "c"), ElementsAre("d", "f"));
  EXPECT_THAT(Keys(tail_, "g"), ElementsAre());
}

TEST_F(TailTest, OrderAndContentsAgreeWithAMap) {
  std::mt19937_64 random(7);
  std::map<std::string, std::optional<std::string>> model;
  for (int i = 0; i < 20000; ++i) {
    std::string key(random() % 24, 'k');
    for (char& c : key) c = static_cast<char>("ab\0\xff"[random() % 4]);
    if (random() % 4 == 0) {
      model[key] = std::nullopt;
      tail_.Delete(key);
    } else {
      const std::string value(random() % 300, static_cast<char>('a' + random() % 26));
      model[key] = value;
      tail_.Put(key, value);
    }
  }
  ASSERT_EQ(tail_.records(), model.size());
  Tail::Cursor at(tail_, "");
  for (const auto& [key, value] : model) {
    ASSERT_NE(at.Get(), nullptr);
    ASSERT_EQ(at.Get()->key(), key);
    ASSERT_EQ(at.Get()->deleted, !value.has_value());
    if (value) {
      ASSERT_EQ(at.Get()->value(), *value);
    }
    ASSERT_EQ(tail_.Find(key), at.Get());
    at.Next();
  }
  EXPECT_EQ(at.Get(), nullptr);
}

TEST_F(TailTest, AValueThatGrowsAgainAndAgainLeavesLittleBehind) {
  std::string value;
  for (int i = 0; i < 10000; ++i) {  // a file of 10,000 blocks
    value += "twenty bytes a block";
    tail_.Put("k", value);
  }
  EXPECT_EQ(tail_.Find("k")->value(), value);
  EXPECT_LT(tail_.bytes(), 8 * value.size());
}

TEST_F(TailTest, BytesCountKeysAndLargeValues) {
  tail_.Put(std::string(1000, 'k'), std::string(1 << 20, 'v'));
  EXPECT_GE(tail_.bytes(), (1u << 20) + 1000);
  EXPECT_EQ(tail_.Find(std::string(1000, 'k'))->value().size(), 1u << 20);
}

}  // namespace
}  // namespace cairn::namenode
