#include "tools/json.h"

#include <sstream>

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

TEST(JsonWriterTest, CommasStandBetweenValuesAndNowhereElse) {
  std::ostringstream out;
  JsonWriter json(out);
  json.BeginObject();
  json.Field("a", uint64_t{1});
  json.Key("b");
  json.BeginArray();
  json.String("x");
  json.BeginObject();
  json.EndObject();
  json.EndArray();
  json.Field("c", true);
  json.EndObject();
  EXPECT_EQ(out.str(), "{\"a\":1,\"b\":[\"x\",{}],\"c\":true}\n");
}

TEST(JsonWriterTest, WhatAFileNameMayHoldIsEscaped) {
  std::ostringstream out;
  JsonWriter json(out);
  json.String(absl::string_view("a\"b\\c\n\xc3\xa4\xff\0z", 11));
  EXPECT_EQ(out.str(), "\"a\\\"b\\\\c\\u000a\xc3\xa4\\ufffd\\u0000z\"");
}

TEST(JsonWriterTest, WhatIsNoNumberIsNull) {
  std::ostringstream out;
  JsonWriter json(out);
  json.BeginArray();
  json.Number(0.0 / 0.0);
  json.Number(0.5);
  json.EndArray();
  EXPECT_EQ(out.str(), "[null,0.5]\n");
}

}  // namespace
}  // namespace cairn::tools
