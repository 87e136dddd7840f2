#include "tools/ec/policy_file.h"

#include <algorithm>
#include <map>
#include <pugixml.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/io/file_system.h"
#include "common/status_macros.h"
#include "tools/hadoop_text.h"

namespace cairn::tools {
namespace {

constexpr uint64_t kMaxFileBytes = 1 << 20;
constexpr uint32_t kMaxNumber = INT32_MAX;  // Java's largest
constexpr uint32_t kCellUnit = 1024;
constexpr size_t kMaxOptions = 64;    // of one schema
constexpr size_t kMaxPolicies = 255;  // a policy's id is a byte

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

class Parser {
 public:
  Parser(absl::string_view text, absl::string_view source) : text_(text), source_(source) {}

  absl::StatusOr<std::vector<client::ErasurePolicy>> Parse();

 private:
  absl::Status Bad(ptrdiff_t offset, absl::string_view what) const;
  absl::Status Bad(const pugi::xml_node& at, absl::string_view what) const {
    return Bad(at.offset_debug(), what);
  }
  // The one child of that name; it must be there.
  absl::StatusOr<pugi::xml_node> Only(const pugi::xml_node& parent, const char* name) const;
  // Its text, which must not be empty.
  absl::StatusOr<std::string> Word(const pugi::xml_node& parent, const char* name) const;
  absl::StatusOr<uint32_t> Number(const pugi::xml_node& parent, const char* name) const;

  absl::Status CheckLayout(const pugi::xml_node& root) const;
  absl::Status ReadSchemas(const pugi::xml_node& schemas);
  absl::StatusOr<client::ErasurePolicy> ReadSchema(const pugi::xml_node& schema) const;
  absl::StatusOr<client::ErasurePolicy> ReadPolicy(const pugi::xml_node& policy) const;
  absl::StatusOr<std::vector<client::ErasurePolicy>> ReadPolicies(
      const pugi::xml_node& nodes) const;

  const absl::string_view text_;
  const absl::string_view source_;
  std::map<std::string, client::ErasurePolicy> schemas_;  // by id; they lack a cell and a name
};

absl::Status Parser::Bad(ptrdiff_t offset, absl::string_view what) const {
  const absl::string_view before =
      text_.substr(0, std::min(text_.size(), static_cast<size_t>(std::max<ptrdiff_t>(offset, 0))));
  const int64_t line = 1 + std::count(before.begin(), before.end(), '\n');
  return absl::InvalidArgumentError(absl::StrCat(source_, ":", line, ": ", Escaped(what)));
}

absl::StatusOr<pugi::xml_node> Parser::Only(const pugi::xml_node& parent, const char* name) const {
  const pugi::xml_node child = parent.child(name);
  if (!child) return Bad(parent, absl::StrCat("<", parent.name(), "> without <", name, ">"));
  if (const pugi::xml_node second = child.next_sibling(name)) {
    return Bad(second, absl::StrCat("a second <", name, "> in <", parent.name(), ">"));
  }
  return child;
}

absl::StatusOr<std::string> Parser::Word(const pugi::xml_node& parent, const char* name) const {
  ASSIGN_OR_RETURN(const pugi::xml_node child, Only(parent, name));
  std::string text = TextOf(child);
  if (text.empty()) return Bad(child, absl::StrCat("<", name, "> is empty"));
  return text;
}

absl::StatusOr<uint32_t> Parser::Number(const pugi::xml_node& parent, const char* name) const {
  ASSIGN_OR_RETURN(const std::string text, Word(parent, name));
  uint32_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || number == 0 || number > kMaxNumber) {
    return Bad(parent.child(name), absl::StrCat("<", name, "> is \"", text,
                                                "\", expected a number of 1 to ", kMaxNumber));
  }
  return number;
}

absl::Status Parser::CheckLayout(const pugi::xml_node& root) const {
  ASSIGN_OR_RETURN(const std::string layout, Word(root, "layoutversion"));
  if (layout == "1") return absl::OkStatus();
  return Bad(root.child("layoutversion"),
             absl::StrCat("<layoutversion> is \"", layout, "\", expected 1"));
}

absl::StatusOr<client::ErasurePolicy> Parser::ReadSchema(const pugi::xml_node& schema) const {
  client::ErasurePolicy read;
  ASSIGN_OR_RETURN(read.codec, Word(schema, "codec"));
  ASSIGN_OR_RETURN(read.data_units, Number(schema, "k"));
  ASSIGN_OR_RETURN(read.parity_units, Number(schema, "m"));
  for (const pugi::xml_node child : schema.children()) {
    const absl::string_view name = child.name();
    if (child.type() != pugi::node_element || name == "codec" || name == "k" || name == "m") {
      continue;
    }
    if (read.options.size() == kMaxOptions) {
      return Bad(child, absl::StrCat("<schema> has more than ", kMaxOptions, " options"));
    }
    RETURN_IF_ERROR(Only(schema, child.name()).status());
    read.options.emplace_back(name, TextOf(child));
  }
  return read;
}

absl::Status Parser::ReadSchemas(const pugi::xml_node& schemas) {
  for (const pugi::xml_node node : schemas.children()) {
    if (node.type() != pugi::node_element) continue;
    if (absl::string_view(node.name()) != "schema") {
      return Bad(node, absl::StrCat("<", node.name(), "> in <schemas>, expected <schema>"));
    }
    const std::string id = node.attribute("id").value();
    if (id.empty()) return Bad(node, "<schema> without an id");
    ASSIGN_OR_RETURN(client::ErasurePolicy schema, ReadSchema(node));
    if (!schemas_.emplace(id, std::move(schema)).second) {
      return Bad(node, absl::StrCat("a second <schema> with the id \"", id, "\""));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<client::ErasurePolicy> Parser::ReadPolicy(const pugi::xml_node& policy) const {
  for (const pugi::xml_node child : policy.children()) {
    const absl::string_view name = child.name();
    if (child.type() == pugi::node_element && name != "schema" && name != "cellsize") {
      return Bad(child, absl::StrCat("<", name, "> in <policy>, expected <schema> and <cellsize>"));
    }
  }
  ASSIGN_OR_RETURN(const std::string id, Word(policy, "schema"));
  const auto schema = schemas_.find(id);
  if (schema == schemas_.end()) {
    return Bad(policy.child("schema"), absl::StrCat("there is no schema \"", id, "\""));
  }
  client::ErasurePolicy read = schema->second;
  ASSIGN_OR_RETURN(read.cell_bytes, Number(policy, "cellsize"));
  if (read.cell_bytes % kCellUnit != 0) {
    return Bad(policy.child("cellsize"), absl::StrCat("<cellsize> is ", read.cell_bytes,
                                                      ", expected a multiple of ", kCellUnit));
  }
  read.name = absl::StrCat(absl::AsciiStrToUpper(read.codec), "-", read.data_units, "-",
                           read.parity_units, "-", read.cell_bytes / kCellUnit, "k");
  return read;
}

absl::StatusOr<std::vector<client::ErasurePolicy>> Parser::ReadPolicies(
    const pugi::xml_node& nodes) const {
  std::vector<client::ErasurePolicy> policies;
  size_t count = 0;
  for (const pugi::xml_node node : nodes.children()) {
    if (node.type() != pugi::node_element) continue;
    if (absl::string_view(node.name()) != "policy") {
      return Bad(node, absl::StrCat("<", node.name(), "> in <policies>, expected <policy>"));
    }
    if (++count > kMaxPolicies) {
      return Bad(node, absl::StrCat("there are more than ", kMaxPolicies, " policies"));
    }
    ASSIGN_OR_RETURN(client::ErasurePolicy policy, ReadPolicy(node));
    const bool is_new = std::find(policies.begin(), policies.end(), policy) == policies.end();
    if (is_new) policies.push_back(std::move(policy));
  }
  return policies;
}

absl::StatusOr<std::vector<client::ErasurePolicy>> Parser::Parse() {
  // parse_default resolves XML's five entities and character references only; a DOCTYPE is skipped.
  pugi::xml_document document;
  const pugi::xml_parse_result parsed =
      document.load_buffer(text_.data(), text_.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!parsed) return Bad(parsed.offset, absl::StrCat("bad XML: ", parsed.description()));
  const pugi::xml_node root = document.document_element();
  if (absl::string_view(root.name()) != "configuration") {
    return Bad(root,
               absl::StrCat("the root element is <", root.name(), ">, expected <configuration>"));
  }
  RETURN_IF_ERROR(CheckLayout(root));
  ASSIGN_OR_RETURN(const pugi::xml_node schemas, Only(root, "schemas"));
  ASSIGN_OR_RETURN(const pugi::xml_node nodes, Only(root, "policies"));
  RETURN_IF_ERROR(ReadSchemas(schemas));
  return ReadPolicies(nodes);
}

}  // namespace

absl::StatusOr<std::vector<client::ErasurePolicy>> ParsePolicyFile(absl::string_view text,
                                                                   absl::string_view source) {
  return Parser(text, source).Parse();
}

absl::StatusOr<std::vector<client::ErasurePolicy>> ReadPolicyFile(const std::string& file) {
  absl::string_view path = file;
  absl::ConsumePrefix(&path, "file:");
  ASSIGN_OR_RETURN(const std::string text,
                   PosixFileSystem().ReadAll(std::string(path), kMaxFileBytes));
  return ParsePolicyFile(text, file);
}

}  // namespace cairn::tools
