#include "common/config_xml.h"

#include <algorithm>
#include <pugixml.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/logging.h"

namespace cairn {
namespace {

constexpr size_t kMaxShownNameBytes = 200;  // of a bad name in a message

// Counts lines up to ever larger offsets, each byte once.
class LineCounter {
 public:
  explicit LineCounter(absl::string_view text) : text_(text) {}
  int64_t LineAt(ptrdiff_t offset) {
    const size_t end = std::min(text_.size(), static_cast<size_t>(std::max<ptrdiff_t>(offset, 0)));
    if (end < position_) return line_;
    const absl::string_view step = text_.substr(position_, end - position_);
    line_ += std::count(step.begin(), step.end(), '\n');
    position_ = end;
    return line_;
  }

 private:
  const absl::string_view text_;
  size_t position_ = 0;
  int64_t line_ = 1;
};

// All text directly inside `node`: comments and CDATA sections split it.
std::string TextOf(const pugi::xml_node& node) {
  std::string text;
  for (const pugi::xml_node child : node.children()) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) {
      text += child.value();
    }
  }
  return std::string(absl::StripAsciiWhitespace(text));
}

// Hadoop takes <name>x</name> and name="x" alike. Whether there was either.
bool ReadPart(const pugi::xml_node& property, const char* part, std::string& out) {
  if (const pugi::xml_attribute attribute = property.attribute(part)) {
    out = std::string(absl::StripAsciiWhitespace(attribute.value()));
    return true;
  }
  const pugi::xml_node child = property.child(part);
  if (!child) return false;
  out = TextOf(child);
  return true;
}

}  // namespace

absl::StatusOr<std::vector<ConfigProperty>> ParseConfigXml(absl::string_view text,
                                                           absl::string_view source) {
  // parse_default resolves XML's five entities and character references only; a DOCTYPE is skipped.
  pugi::xml_document document;
  const pugi::xml_parse_result parsed =
      document.load_buffer(text.data(), text.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!parsed) {
    return absl::InvalidArgumentError(absl::StrCat(
        source, ":", LineCounter(text).LineAt(parsed.offset), ": bad XML: ", parsed.description()));
  }
  const pugi::xml_node root = document.document_element();
  if (absl::string_view(root.name()) != "configuration") {
    return absl::InvalidArgumentError(absl::StrCat(source, ": the root element is <",
                                                   EscapeForLog(root.name(), kMaxShownNameBytes),
                                                   ">, expected <configuration>"));
  }
  std::vector<ConfigProperty> properties;
  LineCounter lines(text);
  for (const pugi::xml_node node : root.children()) {
    const absl::string_view element = node.name();
    const std::string place = absl::StrCat(source, ":", lines.LineAt(node.offset_debug()));
    if (element == "include" || absl::EndsWith(element, ":include")) {
      // Passing over it would lose settings without a word.
      return absl::InvalidArgumentError(absl::StrCat(place, ": includes are not supported"));
    }
    if (element != "property") continue;
    ConfigProperty property{.source = place};
    if (!ReadPart(node, "name", property.name) || property.name.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": a <property> without a <name>"));
    }
    std::string is_final;
    ReadPart(node, "final", is_final);
    property.is_final = is_final == "true";
    // Without a value it says nothing, as in Hadoop.
    if (ReadPart(node, "value", property.value)) properties.push_back(std::move(property));
  }
  return properties;
}

}  // namespace cairn
