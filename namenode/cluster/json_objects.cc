#include "namenode/cluster/json_objects.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/utf8.h"

namespace cairn::namenode {
namespace {

class Parser {
 public:
  Parser(absl::string_view text, absl::string_view source) : rest_(text), source_(source) {}

  absl::StatusOr<JsonObjects> Run() {
    JsonObjects out;
    SkipSpace();
    if (!rest_.empty() && rest_[0] == '[') {
      RETURN_IF_ERROR(Array(&out));
      SkipSpace();
      if (!rest_.empty()) return Error("something follows the array");
      return out;
    }
    for (; !rest_.empty(); SkipSpace()) RETURN_IF_ERROR(AddObject(&out));
    return out;
  }

 private:
  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(source_, ":", line_, ": ", what));
  }

  void SkipSpace() {
    while (!rest_.empty() && absl::StrContains(" \t\r\n", rest_[0])) {
      if (rest_[0] == '\n') ++line_;
      rest_.remove_prefix(1);
    }
  }

  // The next character that is no white space, taken; 0 at the end.
  char Next() {
    SkipSpace();
    if (rest_.empty()) return 0;
    const char next = rest_[0];
    rest_.remove_prefix(1);
    return next;
  }

  bool TakeIf(char wanted) {
    SkipSpace();
    if (rest_.empty() || rest_[0] != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  absl::Status Array(JsonObjects* out) {
    Next();
    if (TakeIf(']')) return absl::OkStatus();
    for (;;) {
      RETURN_IF_ERROR(AddObject(out));
      if (TakeIf(']')) return absl::OkStatus();
      if (!TakeIf(',')) return Error("expected , or ] after an object");
    }
  }

  absl::Status AddObject(JsonObjects* out) {
    if (!TakeIf('{')) return Error("expected an object, which begins with {");
    JsonObjects::Object object;
    object.line = line_;
    if (!TakeIf('}')) {
      for (;;) {
        RETURN_IF_ERROR(AddField(&object));
        if (TakeIf('}')) break;
        if (!TakeIf(',')) return Error("expected , or } after a field");
      }
    }
    out->objects.push_back(std::move(object));
    return absl::OkStatus();
  }

  absl::Status AddField(JsonObjects::Object* object) {
    JsonObjects::Field field;
    if (!TakeIf('"')) return Error("expected a field's name in double quotes");
    field.line = line_;
    ASSIGN_OR_RETURN(field.name, Text());
    const auto same = [&](const JsonObjects::Field& other) { return other.name == field.name; };
    if (std::any_of(object->fields.begin(), object->fields.end(), same)) {
      return Error(absl::StrCat("field ", field.name, " stands twice in this object"));
    }
    if (object->fields.size() >= kMaxFields) return Error("too many fields in this object");
    if (!TakeIf(':')) return Error(absl::StrCat("expected : after ", field.name));
    RETURN_IF_ERROR(Value(&field));
    object->fields.push_back(std::move(field));
    return absl::OkStatus();
  }

  absl::Status Value(JsonObjects::Field* field) {
    using Kind = JsonObjects::Kind;
    if (TakeIf('"')) {
      field->kind = Kind::kText;
      ASSIGN_OR_RETURN(field->text, Text());
      return absl::OkStatus();
    }
    SkipSpace();
    size_t length = 0;
    while (length < rest_.size() &&
           (absl::ascii_isalnum(static_cast<unsigned char>(rest_[length])) ||
            absl::StrContains("+-.", rest_[length]))) {
      ++length;
    }
    const absl::string_view word = rest_.substr(0, length);
    rest_.remove_prefix(length);
    if (word == "null") return absl::OkStatus();
    if (word == "true" || word == "false") {
      field->kind = Kind::kBool;
      field->truth = word == "true";
      return absl::OkStatus();
    }
    // JSON has no leading zero or plus; SimpleAtoi would take both.
    const absl::string_view digits = word.substr(absl::StartsWith(word, "-") ? 1 : 0);
    const bool plain = !digits.empty() &&
                       absl::ascii_isdigit(static_cast<unsigned char>(digits[0])) &&
                       (digits.size() == 1 || digits[0] != '0');
    if (!plain || !absl::SimpleAtoi(word, &field->integer)) {
      return Error(absl::StrCat("the value of ", field->name,
                                " is no text, whole number, true, false or null"));
    }
    field->kind = Kind::kInteger;
    return absl::OkStatus();
  }

  // After its opening quote.
  absl::StatusOr<std::string> Text() {
    std::string text;
    while (!rest_.empty()) {
      const char next = rest_[0];
      rest_.remove_prefix(1);
      if (next == '"') {
        if (!IsUtf8(text)) return Error("a text is not UTF-8");
        return text;
      }
      if (static_cast<unsigned char>(next) < 0x20) return Error("a text does not end in its line");
      if (next != '\\') {
        text.push_back(next);
        continue;
      }
      RETURN_IF_ERROR(Escape(&text));
    }
    return Error("a text does not end");
  }

  absl::Status Escape(std::string* text) {
    constexpr absl::string_view kLetters = "\"\\/bfnrt";
    constexpr absl::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const char letter = rest_.empty() ? 0 : rest_[0];
    if (const size_t at = kLetters.find(letter); letter != 0 && at != absl::string_view::npos) {
      text->push_back(kMeanings[at]);
      rest_.remove_prefix(1);
      return absl::OkStatus();
    }
    uint32_t code = 0;
    // No half of a surrogate pair: nothing in these files is written so.
    if (letter != 'u' || rest_.size() < 5 || !ParseHex(rest_.substr(1, 4), &code) ||
        (code >= 0xd800 && code < 0xe000)) {
      return Error("an escape in a text is not one of JSON's");
    }
    rest_.remove_prefix(5);
    if (code < 0x80) {
      text->push_back(static_cast<char>(code));
    } else if (code < 0x800) {
      text->push_back(static_cast<char>(0xc0 | code >> 6));
      text->push_back(static_cast<char>(0x80 | (code & 0x3f)));
    } else {
      text->push_back(static_cast<char>(0xe0 | code >> 12));
      text->push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
      text->push_back(static_cast<char>(0x80 | (code & 0x3f)));
    }
    return absl::OkStatus();
  }

  static bool ParseHex(absl::string_view digits, uint32_t* code) {
    const bool hex = std::all_of(digits.begin(), digits.end(), [](char digit) {
      return absl::ascii_isxdigit(static_cast<unsigned char>(digit));
    });
    return hex && absl::SimpleHexAtoi(digits, code);
  }

  static constexpr size_t kMaxFields = 64;  // the search for doubles is O(fields)

  absl::string_view rest_;
  const absl::string_view source_;
  int line_ = 1;
};

}  // namespace

absl::StatusOr<JsonObjects> JsonObjects::Parse(absl::string_view text, absl::string_view source) {
  return Parser(text, source).Run();
}

}  // namespace cairn::namenode
