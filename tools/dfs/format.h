// tools/dfs/format.h - how the shell writes sizes, times and tables.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace cairn::tools {

// "1023", "1.5 K", "2 M": powers of 1024 with `decimals` places, none when it divides evenly.
// With a unit, a space comes before it: "28.05 KB", "12 B".
std::string HumanSize(uint64_t bytes, absl::string_view unit = "", int decimals = 1);

// `bytes` as it is, or for people.
std::string SizeText(uint64_t bytes, bool human);

// "2026-01-31 23:59" in the local time zone.
std::string MinuteText(absl::Time time);
// "2026-01-31 22:59:59" in UTC.
std::string SecondTextUtc(absl::Time time);

// `text` with '?' for what is not printable.
std::string Printable(absl::string_view text);

// `text` padded with spaces to `width` characters on its right, or left.
std::string PadRight(absl::string_view text, size_t width);
std::string PadLeft(absl::string_view text, size_t width);

// Columns two spaces apart, each as wide as its widest cell.
class TextTable {
 public:
  // `right_aligned[i]`: column i. The last column is not padded on the right.
  explicit TextTable(std::vector<bool> right_aligned) : right_aligned_(std::move(right_aligned)) {}
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  size_t row_count() const { return rows_.size(); }
  void Print(std::ostream& out) const;

 private:
  const std::vector<bool> right_aligned_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace cairn::tools
