// namenode/cluster/json_objects.h - flat JSON objects with the lines that they stand in.
//
//   [ {"a": "text", "b": 7}, {"a": null} ]      an array of objects,
//   {"a": "text"} {"b": true}                   or objects one after the other
//
// For configuration files, whose errors must say where: a general parser does not keep lines. What
// such files never hold is refused: nested objects and arrays, fractions, a field named twice.
// Pure; O(size), no recursion.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::namenode {

struct JsonObjects {
  enum class Kind { kText, kInteger, kBool, kNull };
  struct Field {
    std::string name;
    Kind kind = Kind::kNull;
    std::string text;
    int64_t integer = 0;
    bool truth = false;
    int line = 0;
  };
  struct Object {
    std::vector<Field> fields;  // in the order of the file
    int line = 0;               // of its brace
  };

  // `source` is the file's name, for messages. kInvalidArgument: not such objects; names file and
  // line. Text of nothing but white space is no object.
  static absl::StatusOr<JsonObjects> Parse(absl::string_view text, absl::string_view source);

  std::vector<Object> objects;
};

}  // namespace cairn::namenode
