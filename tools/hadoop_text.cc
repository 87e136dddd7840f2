#include "tools/hadoop_text.h"

#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace cairn::tools {

std::string JavaFloat(float value) {
  if (std::isnan(value)) return "NaN";
  char text[64];
  const float size = std::fabs(value);
  const bool plain = value == 0 || (size >= 1e-3f && size < 1e7f);
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  const auto end = std::to_chars(text, text + sizeof text, value, format);
  std::string out(text, end.ptr);
  if (plain) return out.find('.') == std::string::npos ? out + ".0" : out;
  // "1e+10" there is "1.0E10" here.
  const size_t e = out.find('e');
  std::string digits = out.substr(0, e);
  if (digits.find('.') == std::string::npos) digits += ".0";
  return absl::StrCat(digits, "E", std::stoi(out.substr(e + 1)));
}

std::string CountWithShare(uint64_t part, uint64_t whole) {
  if (whole == 0) return absl::StrCat(part);
  const float share = static_cast<float>(part * 100) / static_cast<float>(whole);
  return absl::StrCat(part, " (", JavaFloat(share), " %)");
}

std::string JavaDate(absl::Time time) {
  return absl::FormatTime("%a %b %d %H:%M:%S %Z %E4Y", time, absl::LocalTimeZone());
}

const char* StorageTypeName(client::StorageType type) {
  switch (type) {
    case client::StorageType::kDisk:
      return "DISK";
    case client::StorageType::kSsd:
      return "SSD";
    case client::StorageType::kArchive:
      return "ARCHIVE";
    case client::StorageType::kRamDisk:
      return "RAM_DISK";
    case client::StorageType::kProvided:
      return "PROVIDED";
    case client::StorageType::kNvdimm:
      return "NVDIMM";
  }
  return "DISK";
}

}  // namespace cairn::tools
