#include "tools/json.h"

#include <cmath>

#include "absl/strings/str_format.h"
#include "common/utf8.h"

namespace cairn::tools {
namespace {

// Bytes of the character that begins at `text`; 0: no character of UTF-8 begins there.
size_t CharacterAt(absl::string_view text) {
  for (size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    if (IsUtf8(text.substr(0, length))) return length;
  }
  return 0;
}

}  // namespace

void JsonWriter::Separate() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (used_.empty()) return;
  if (used_.back()) out_ << ',';
  used_.back() = true;
}

void JsonWriter::Open(char bracket) {
  Separate();
  out_ << bracket;
  used_.push_back(false);
}

void JsonWriter::Close(char bracket) {
  out_ << bracket;
  used_.pop_back();
  if (used_.empty()) out_ << '\n';
}

void JsonWriter::Key(absl::string_view name) {
  String(name);
  out_ << ':';
  after_key_ = true;
}

void JsonWriter::String(absl::string_view text) {
  Separate();
  out_ << '"';
  while (!text.empty()) {
    const size_t length = CharacterAt(text);
    if (length == 0) {
      out_ << "\\ufffd";
      text.remove_prefix(1);
      continue;
    }
    const auto byte = static_cast<unsigned char>(text[0]);
    if (byte == '"' || byte == '\\') {
      out_ << '\\' << text[0];
    } else if (byte < 0x20 || byte == 0x7f) {
      out_ << absl::StrFormat("\\u%04x", byte);
    } else {
      out_ << text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  out_ << '"';
}

void JsonWriter::Number(uint64_t value) {
  Separate();
  out_ << value;
}

void JsonWriter::Number(double value) {
  Separate();
  if (!std::isfinite(value)) {
    out_ << "null";
  } else {
    out_ << absl::StrFormat("%.6g", value);
  }
}

void JsonWriter::Bool(bool value) {
  Separate();
  out_ << (value ? "true" : "false");
}

void JsonWriter::Null() {
  Separate();
  out_ << "null";
}

}  // namespace cairn::tools
