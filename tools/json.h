// tools/json.h - JSON for other programs: what every report prints with --json.
//
//   JsonWriter json(out);
//   json.BeginObject();
//   json.Field("status", "HEALTHY");
//   json.Key("blocks"); json.BeginArray(); ... json.EndArray();
//   json.EndObject();
//
// Written as it comes, so that a report of any length needs no memory. Names and nesting are the
// caller's to keep right. Bytes of a name that are no UTF-8 appear as U+FFFD: JSON has no other
// way.
#pragma once

#include <cstdint>
#include <ostream>
#include <vector>

#include "absl/strings/string_view.h"

namespace cairn::tools {

class JsonWriter {
 public:
  explicit JsonWriter(std::ostream& out) : out_(out) {}

  void BeginObject() { Open('{'); }
  void EndObject() { Close('}'); }
  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }
  void Key(absl::string_view name);  // its value comes next

  void String(absl::string_view text);
  void Number(uint64_t value);
  void Number(double value);
  void Bool(bool value);
  void Null();

  void Field(absl::string_view name, absl::string_view text) { Key(name), String(text); }
  void Field(absl::string_view name, const char* text) { Key(name), String(text); }
  void Field(absl::string_view name, uint64_t value) { Key(name), Number(value); }
  void Field(absl::string_view name, uint32_t value) { Key(name), Number(uint64_t{value}); }
  void Field(absl::string_view name, double value) { Key(name), Number(value); }
  void Field(absl::string_view name, bool value) { Key(name), Bool(value); }

 private:
  void Open(char bracket);
  void Close(char bracket);
  void Separate();  // before a value or a key

  std::ostream& out_;
  std::vector<bool> used_;  // of each open bracket: something is in it
  bool after_key_ = false;
};

}  // namespace cairn::tools
