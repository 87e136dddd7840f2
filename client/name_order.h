// client/name_order.h - whether the names of a listing come in order, and so none comes twice.
//
// Cairn lists names by their bytes as unsigned numbers, Apache HDFS as signed ones: there a name
// that begins outside ASCII comes before all others. Either order is right, as long as it is one.
#pragma once

#include <algorithm>
#include <string>

#include "absl/strings/string_view.h"

namespace cairn::client {

class NameOrder {
 public:
  // False: `name` follows the last one in neither order. The empty name comes before all others.
  bool Next(absl::string_view name) {
    unsigned_order_ = unsigned_order_ && last_ < name;
    signed_order_ = signed_order_ &&
                    std::lexicographical_compare(
                        last_.begin(), last_.end(), name.begin(), name.end(), [](char a, char b) {
                          return static_cast<signed char>(a) < static_cast<signed char>(b);
                        });
    last_.assign(name.data(), name.size());
    return unsigned_order_ || signed_order_;
  }
  const std::string& last() const { return last_; }

 private:
  std::string last_;
  bool unsigned_order_ = true;
  bool signed_order_ = true;
};

}  // namespace cairn::client
