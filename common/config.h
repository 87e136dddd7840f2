// common/config.h - configuration in Hadoop's form: core-site.xml, hdfs-site.xml, and -D key=value.
//
// A later source overrides an earlier one: core-site.xml, hdfs-site.xml, -D. A property marked
// <final>true</final> is not overridden by later files; -D overrides even that, as in Hadoop.
// Variables in a value:
//   ${name}                                          another key's value
//   ${env.X}, ${env.X-text}, ${env.X:-text}          the environment, and what if it is unset (or
//   empty)
//   ${user.name}, ${user.home}, ${java.io.tmpdir}    what Java would say
// What cannot be resolved stays as it is. Values are trimmed.
//
// Every program declares the keys it reads in tables of ConfigKey. Loading checks all of them, so
// that a bad value, or a key of ours that nobody knows (a typing error), stops the start with a
// message that names the file and the key. Keys of others that are not declared are free.
//
// Immutable once loaded, hence thread-safe. Source: org.apache.hadoop.conf.Configuration.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/config_xml.h"

namespace cairn {

enum class ConfigType : uint8_t {
  kString,
  kInt,       // 64 bits, decimal or 0x
  kBool,      // true, false
  kSize,      // bytes: 4096, 64k, 128m, 1g, 2t (powers of 1024; a final b is allowed)
  kDuration,  // 500ns, 10us, 10ms, 30s, 5m, 2h, 1d; a plain number counts in the key's `unit`
  kList,      // separated by commas, trimmed, empty ones dropped
};

// One row of a program's table. The texts are literals: they are not copied.
struct ConfigKey {
  absl::string_view name;
  ConfigType type = ConfigType::kString;
  absl::string_view default_value;  // as one would write it in the file; for a number, never empty
  absl::string_view description;    // one line, for the manual
  absl::Duration unit = absl::Seconds(1);  // kDuration only
  // kInt, kSize, and kDuration in `unit`.
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
};

// The keys that a program knows, out of one table or several.
class KnownKeys {
 public:
  KnownKeys() = default;
  explicit KnownKeys(std::span<const ConfigKey> table) { Add(table); }

  // A name twice is a bug, and so is a default that does not parse: both stop the program.
  void Add(std::span<const ConfigKey> table);
  // Keys of ours that begin so belong to another program that reads the same files, and are checked
  // by that one.
  void LeaveToOthers(absl::string_view prefix) { foreign_prefixes_.emplace_back(prefix); }

  const ConfigKey* Find(absl::string_view name) const;  // null: not declared
  bool IsForeign(absl::string_view name) const;
  // The declared name most like `name`; empty if none is near.
  std::string Nearest(absl::string_view name) const;
  const std::map<std::string, ConfigKey, std::less<>>& keys() const { return keys_; }

 private:
  std::map<std::string, ConfigKey, std::less<>> keys_;
  std::vector<std::string> foreign_prefixes_;
};

// The directory that a program reads: the flag's, else $HADOOP_CONF_DIR, else "" for none.
std::string ResolveConfDir(absl::string_view conf_flag);

class Config {
 public:
  static constexpr uint64_t kMaxFileBytes = uint64_t{16} << 20;
  static constexpr size_t kMaxValueBytes = size_t{1} << 20;  // after substitution
  static constexpr int kMaxSubstitutions = 20;               // in one value, as in Hadoop

  // Nothing set, nothing declared.
  Config() = default;

  // Reads the two files in `conf_dir` ("" for none; a missing file is no error, a missing directory
  // is) and applies `overrides`, each "key=value". kInvalidArgument for whatever the user has to
  // mend; the file's error if it cannot be read.
  static absl::StatusOr<Config> Load(const std::string& conf_dir,
                                     const std::vector<std::string>& overrides, KnownKeys keys);

  // The same from parsed files, in the order of loading.
  static absl::StatusOr<Config> FromProperties(
      const std::vector<std::vector<ConfigProperty>>& files,
      const std::vector<std::string>& overrides, KnownKeys keys);

  bool IsSet(absl::string_view key) const { return values_.find(key) != values_.end(); }

  // The value, substituted; if not set, the declared default. kNotFound: neither. kInvalidArgument:
  // it does not parse, or is out of bounds; a declared key never gives either. Reading a declared
  // key as another type is a bug and stops the program, except as a string.
  absl::StatusOr<std::string> GetString(absl::string_view key) const;
  absl::StatusOr<int64_t> GetInt(absl::string_view key) const;
  absl::StatusOr<bool> GetBool(absl::string_view key) const;
  absl::StatusOr<uint64_t> GetSize(absl::string_view key) const;
  // `unit` of a plain number counts for undeclared keys only.
  absl::StatusOr<absl::Duration> GetDuration(absl::string_view key,
                                             absl::Duration unit = absl::Seconds(1)) const;
  absl::StatusOr<std::vector<std::string>> GetList(absl::string_view key) const;

  // For a value that its row allows and its reader cannot use: kInvalidArgument "FILE:LINE: key =
  // "value": why", as a value that does not parse is told of.
  absl::Status Reject(absl::string_view key, absl::string_view why) const;

  // Where the value comes from: "FILE:LINE", "-D" or "default"; "" if there is none.
  std::string SourceOf(absl::string_view key) const;
  // Every set or declared key, sorted: "key=value  (source)" lines. Secrets are left out.
  std::string Dump() const;
  // Every set key with its substituted value, for those who read prefixes.
  std::map<std::string, std::string> All() const;

 private:
  struct Value {
    std::string raw;
    std::string source;
    bool is_final = false;
  };

  absl::Status Check() const;
  // As written, or the default; nothing when neither exists.
  std::optional<absl::string_view> FindRaw(absl::string_view key) const;
  // What ${name} stands for.
  std::optional<std::string> Resolve(absl::string_view name) const;
  absl::StatusOr<std::string> Substitute(absl::string_view key, const std::string& raw) const;
  absl::Status BadValue(absl::string_view key, absl::string_view value,
                        absl::string_view why) const;
  template <typename T, typename Parse>
  absl::StatusOr<T> GetParsed(absl::string_view key, ConfigType type, Parse parse) const;

  KnownKeys keys_;
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace cairn
