#include "common/config.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/check.h"
#include "common/config_values.h"
#include "common/io/file_system.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "common/user_groups.h"

namespace cairn {
namespace {

constexpr absl::string_view kOurPrefix = "cairn.";
constexpr size_t kMaxShownBytes = 200;  // of a bad value in a message

std::string Bounds(const ConfigKey& key, absl::string_view unit) {
  std::string text;
  if (key.min != std::numeric_limits<int64_t>::min()) {
    absl::StrAppend(&text, " of at least ", key.min, unit);
  }
  if (key.max != std::numeric_limits<int64_t>::max()) {
    absl::StrAppend(&text, text.empty() ? " of" : " and", " at most ", key.max, unit);
  }
  return text;
}

std::string Expected(const ConfigKey& key) {
  switch (key.type) {
    case ConfigType::kInt:
      return absl::StrCat("expected a whole number", Bounds(key, ""));
    case ConfigType::kBool:
      return "expected true or false";
    case ConfigType::kSize:
      return absl::StrCat("expected a size such as 4096, 64k, 128m or 1g", Bounds(key, " bytes"));
    case ConfigType::kDuration:
      return absl::StrCat("expected a time such as 500ms, 30s, 5m or 2h",
                          Bounds(key, absl::StrCat(" x ", absl::FormatDuration(key.unit))));
    case ConfigType::kString:
    case ConfigType::kList:
      break;
  }
  return "expected text";
}

// Whether `value` is one that the key's row allows.
bool IsAllowed(const ConfigKey& key, absl::string_view value) {
  switch (key.type) {
    case ConfigType::kInt: {
      const std::optional<int64_t> parsed = ParseConfigInt(value);
      return parsed && *parsed >= key.min && *parsed <= key.max;
    }
    case ConfigType::kBool:
      return ParseConfigBool(value).has_value();
    case ConfigType::kSize: {
      const std::optional<uint64_t> parsed = ParseConfigSize(value);
      return parsed && static_cast<int64_t>(*parsed) >= key.min &&
             static_cast<int64_t>(*parsed) <= key.max;
    }
    case ConfigType::kDuration: {
      const std::optional<absl::Duration> parsed = ParseConfigDuration(value, key.unit);
      return parsed && *parsed >= key.min * key.unit && *parsed <= key.max * key.unit;
    }
    case ConfigType::kString:
    case ConfigType::kList:
      break;
  }
  return true;
}

// Levenshtein's distance.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

struct Variable {
  size_t begin = 0;  // of "${"
  size_t end = 0;    // after "}"
  absl::string_view name;
};

// The first ${name} whose name is not empty and holds no '}', '$' or space.
std::optional<Variable> FindVariable(absl::string_view text) {
  size_t begin = 0;
  while ((begin = text.find("${", begin)) != absl::string_view::npos) {
    const size_t name = begin + 2;
    const size_t stop = text.find_first_of("}$ ", name);
    if (stop == absl::string_view::npos) return std::nullopt;
    if (text[stop] == '}' && stop > name) {
      return Variable{begin, stop + 1, text.substr(name, stop - name)};
    }
    begin = name;
  }
  return std::nullopt;
}

std::optional<std::string> Environment(absl::string_view name) {
  const char* const value = std::getenv(std::string(name).c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

// `text` is what follows "env.": X, X-default (if unset) or X:-default (if unset or empty).
std::optional<std::string> ResolveEnvironment(absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-') {
      const auto value = Environment(text.substr(0, i));
      return value ? value : std::string(text.substr(i + 1));
    }
    if (absl::StartsWith(text.substr(i), ":-")) {
      const auto value = Environment(text.substr(0, i));
      return value && !value->empty() ? value : std::string(text.substr(i + 2));
    }
  }
  return Environment(text);
}

bool IsSecret(absl::string_view key) {
  const std::string lower = absl::AsciiStrToLower(key);
  return absl::StrContains(lower, "password") || absl::StrContains(lower, "secret");
}

absl::StatusOr<std::vector<ConfigProperty>> ReadFile(const std::string& path) {
  const absl::StatusOr<std::string> text = PosixFileSystem().ReadAll(path, Config::kMaxFileBytes);
  if (absl::IsNotFound(text.status())) return std::vector<ConfigProperty>();
  RETURN_IF_ERROR(text.status());
  return ParseConfigXml(*text, path);
}

}  // namespace

std::string ResolveConfDir(absl::string_view conf_flag) {
  if (!conf_flag.empty()) return std::string(conf_flag);
  return Environment("HADOOP_CONF_DIR").value_or("");
}

void KnownKeys::Add(std::span<const ConfigKey> table) {
  for (const ConfigKey& key : table) {
    CHECK(keys_.emplace(std::string(key.name), key).second) << key.name << " is declared twice";
    CHECK(IsAllowed(key, key.default_value)) << key.name << ": bad default " << key.default_value;
  }
}

const ConfigKey* KnownKeys::Find(absl::string_view name) const {
  const auto key = keys_.find(name);
  return key == keys_.end() ? nullptr : &key->second;
}

bool KnownKeys::IsForeign(absl::string_view name) const {
  return std::any_of(foreign_prefixes_.begin(), foreign_prefixes_.end(),
                     [name](const std::string& prefix) { return absl::StartsWith(name, prefix); });
}

std::string KnownKeys::Nearest(absl::string_view name) const {
  constexpr size_t kMaxNameBytes = 256;  // longer ones are no typing errors, and cost squares
  if (name.size() > kMaxNameBytes) return "";
  std::string nearest;
  size_t least = name.size() / 3 + 1;
  for (const auto& [known, key] : keys_) {
    const size_t distance = EditDistance(name, known);
    if (distance < least) {
      least = distance;
      nearest = known;
    }
  }
  return nearest;
}

absl::StatusOr<Config> Config::Load(const std::string& conf_dir,
                                    const std::vector<std::string>& overrides, KnownKeys keys) {
  std::vector<std::vector<ConfigProperty>> files;
  if (!conf_dir.empty()) {
    if (!PosixFileSystem().IsDirectory(conf_dir)) {
      return absl::InvalidArgumentError(
          absl::StrCat("configuration directory ", conf_dir, ": no such directory"));
    }
    for (const absl::string_view name : {"core-site.xml", "hdfs-site.xml"}) {
      ASSIGN_OR_RETURN(std::vector<ConfigProperty> file,
                       ReadFile(absl::StrCat(conf_dir, "/", name)));
      files.push_back(std::move(file));
    }
  }
  return FromProperties(files, overrides, std::move(keys));
}

absl::StatusOr<Config> Config::FromProperties(const std::vector<std::vector<ConfigProperty>>& files,
                                              const std::vector<std::string>& overrides,
                                              KnownKeys keys) {
  Config config;
  config.keys_ = std::move(keys);
  for (const std::vector<ConfigProperty>& file : files) {
    for (const ConfigProperty& property : file) {
      Value& value = config.values_[property.name];
      if (value.is_final) continue;
      value = {property.value, property.source, property.is_final};
    }
  }
  for (const std::string& text : overrides) {
    const size_t equals = text.find('=');
    const absl::string_view name =
        absl::StripAsciiWhitespace(absl::string_view(text).substr(0, equals));
    if (equals == std::string::npos || name.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("-D ", EscapeForLog(text, kMaxShownBytes), ": expected key=value"));
    }
    config.values_[std::string(name)] = {
        std::string(absl::StripAsciiWhitespace(absl::string_view(text).substr(equals + 1))), "-D",
        false};
  }
  RETURN_IF_ERROR(config.Check());
  return config;
}

absl::Status Config::Check() const {
  for (const auto& [name, value] : values_) {
    const ConfigKey* const key = keys_.Find(name);
    if (key == nullptr) {
      if (!absl::StartsWith(name, kOurPrefix) || keys_.IsForeign(name)) continue;
      const std::string nearest = keys_.Nearest(name);
      return absl::InvalidArgumentError(
          absl::StrCat(value.source, ": unknown key ", EscapeForLog(name, kMaxShownBytes),
                       nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
    }
    ASSIGN_OR_RETURN(const std::string text, Substitute(name, value.raw));
    if (!IsAllowed(*key, text)) return BadValue(name, text, Expected(*key));
  }
  return absl::OkStatus();
}

std::optional<absl::string_view> Config::FindRaw(absl::string_view key) const {
  if (const auto value = values_.find(key); value != values_.end()) return value->second.raw;
  if (const ConfigKey* const known = keys_.Find(key)) return known->default_value;
  return std::nullopt;
}

std::optional<std::string> Config::Resolve(absl::string_view name) const {
  if (absl::ConsumePrefix(&name, "env.")) return ResolveEnvironment(name);
  if (const auto raw = FindRaw(name)) return std::string(*raw);
  if (name == "user.name") return ProcessUserName();
  if (name == "user.home") return Environment("HOME");
  if (name == "java.io.tmpdir") return "/tmp";
  return std::nullopt;
}

// Hadoop's substituteVars, step by step: the first variable is replaced, the result searched again.
absl::StatusOr<std::string> Config::Substitute(absl::string_view key,
                                               const std::string& raw) const {
  std::string text = raw;
  for (int i = 0; i <= kMaxSubstitutions; ++i) {
    const std::optional<Variable> variable = FindVariable(text);
    if (!variable) return text;
    if (i == kMaxSubstitutions) break;
    const std::optional<std::string> value = Resolve(variable->name);
    if (!value) return text;  // stays literal, and what follows it too
    const std::string reference = text.substr(variable->begin, variable->end - variable->begin);
    if (absl::StrContains(*value, reference)) return raw;  // it stands for itself: a loop
    text.replace(variable->begin, reference.size(), *value);
    if (text.size() > kMaxValueBytes) {
      return BadValue(key, raw,
                      absl::StrCat("expected at most ", kMaxValueBytes, " bytes after ${...}"));
    }
  }
  return BadValue(key, raw,
                  absl::StrCat("expected at most ", kMaxSubstitutions, " substitutions of ${...}"));
}

absl::Status Config::BadValue(absl::string_view key, absl::string_view value,
                              absl::string_view why) const {
  const std::string shown = IsSecret(key) ? "<hidden>" : EscapeForLog(value, kMaxShownBytes);
  return absl::InvalidArgumentError(absl::StrCat(
      SourceOf(key), ": ", EscapeForLog(key, kMaxShownBytes), " = \"", shown, "\": ", why));
}

absl::Status Config::Reject(absl::string_view key, absl::string_view why) const {
  const absl::StatusOr<std::string> value = GetString(key);
  return BadValue(key, value.ok() ? *value : "", why);
}

absl::StatusOr<std::string> Config::GetString(absl::string_view key) const {
  const std::optional<absl::string_view> raw = FindRaw(key);
  if (!raw) return absl::NotFoundError(absl::StrCat("configuration key ", key, " is not set"));
  return Substitute(key, std::string(*raw));
}

template <typename T, typename Parse>
absl::StatusOr<T> Config::GetParsed(absl::string_view key, ConfigType type, Parse parse) const {
  const ConfigKey* const known = keys_.Find(key);
  CHECK(known == nullptr || known->type == type) << key << " is declared as another type";
  ASSIGN_OR_RETURN(const std::string text, GetString(key));
  const std::optional<T> value = parse(text);
  const ConfigKey undeclared{.name = key, .type = type};
  if (!value) return BadValue(key, text, Expected(known != nullptr ? *known : undeclared));
  return *value;
}

absl::StatusOr<int64_t> Config::GetInt(absl::string_view key) const {
  return GetParsed<int64_t>(key, ConfigType::kInt, ParseConfigInt);
}

absl::StatusOr<bool> Config::GetBool(absl::string_view key) const {
  return GetParsed<bool>(key, ConfigType::kBool, ParseConfigBool);
}

absl::StatusOr<uint64_t> Config::GetSize(absl::string_view key) const {
  return GetParsed<uint64_t>(key, ConfigType::kSize, ParseConfigSize);
}

absl::StatusOr<absl::Duration> Config::GetDuration(absl::string_view key,
                                                   absl::Duration unit) const {
  const ConfigKey* const known = keys_.Find(key);
  if (known != nullptr) unit = known->unit;
  return GetParsed<absl::Duration>(key, ConfigType::kDuration, [unit](absl::string_view text) {
    return ParseConfigDuration(text, unit);
  });
}

absl::StatusOr<std::vector<std::string>> Config::GetList(absl::string_view key) const {
  return GetParsed<std::vector<std::string>>(key, ConfigType::kList, [](absl::string_view text) {
    return std::optional(ParseConfigList(text));
  });
}

std::string Config::SourceOf(absl::string_view key) const {
  if (const auto value = values_.find(key); value != values_.end()) return value->second.source;
  return keys_.Find(key) != nullptr ? "default" : "";
}

std::string Config::Dump() const {
  std::map<std::string, std::string> lines;
  const auto add = [&](const std::string& name) {
    const absl::StatusOr<std::string> value = GetString(name);
    const std::string shown = IsSecret(name)
                                  ? "<hidden>"
                                  : EscapeForLog(value.ok() ? *value : std::string(*FindRaw(name)));
    lines[name] = absl::StrCat(EscapeForLog(name), "=", shown, "  (", SourceOf(name), ")\n");
  };
  for (const auto& [name, key] : keys_.keys()) add(name);
  for (const auto& [name, value] : values_) add(name);
  std::string out;
  for (const auto& [name, line] : lines) out += line;
  return out;
}

std::map<std::string, std::string> Config::All() const {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : values_) {
    absl::StatusOr<std::string> text = Substitute(name, value.raw);
    out.emplace(name, text.ok() ? *std::move(text) : value.raw);
  }
  return out;
}

}  // namespace cairn
