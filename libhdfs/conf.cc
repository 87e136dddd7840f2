#include "libhdfs/conf.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/config_keys.h"
#include "client/path.h"
#include "common/config_xml.h"
#include "common/status_macros.h"
#include "libhdfs/errno.h"

namespace cairn::libhdfs {
namespace {

constexpr absl::string_view kDaemonPrefixes[] = {"cairn.namenode.", "cairn.datanode.",
                                                 "cairn.log."};

absl::string_view Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Nothing: there is no such file.
absl::StatusOr<std::optional<std::vector<ConfigProperty>>> ReadIfThere(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return std::nullopt;
  if (std::filesystem::file_size(path, error) > Config::kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": too long for a configuration"));
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.good() && !file.eof()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read"));
  }
  ASSIGN_OR_RETURN(std::vector<ConfigProperty> properties, ParseConfigXml(text, path));
  return properties;
}

bool HasPort(absl::string_view authority) {
  const absl::StatusOr<client::HostPort> parsed = client::ParseHostPort(authority, 0);
  return parsed.ok() && parsed->port != 0;
}

}  // namespace

std::vector<std::string> ConfDirs(absl::string_view conf_dir, absl::string_view class_path) {
  std::vector<std::string> dirs;
  if (!conf_dir.empty()) dirs.emplace_back(conf_dir);
  for (absl::string_view entry : absl::StrSplit(class_path, ':', absl::SkipEmpty())) {
    if (!absl::EndsWith(entry, "*") && !absl::EndsWith(entry, ".jar")) dirs.emplace_back(entry);
  }
  return dirs;
}

absl::StatusOr<Config> LoadConf(const std::vector<std::string>& dirs,
                                const std::vector<std::string>& overrides) {
  std::vector<std::vector<ConfigProperty>> files;
  for (const absl::string_view name : {"core-site.xml", "hdfs-site.xml"}) {
    for (const std::string& dir : dirs) {
      ASSIGN_OR_RETURN(auto file, ReadIfThere(absl::StrCat(dir, "/", name)));
      if (!file.has_value()) continue;
      files.push_back(*std::move(file));
      break;
    }
  }
  KnownKeys keys(client::ClientConfigKeys());
  for (const absl::string_view prefix : kDaemonPrefixes) keys.LeaveToOthers(prefix);
  return Config::FromProperties(files, overrides, std::move(keys));
}

absl::StatusOr<Config> LoadConf(const std::vector<std::string>& overrides) {
  return LoadConf(ConfDirs(Environment("HADOOP_CONF_DIR"), Environment("CLASSPATH")), overrides);
}

absl::StatusOr<std::string> ClusterUri(const char* namenode, uint16_t port,
                                       absl::string_view default_uri) {
  if (namenode == nullptr) return WithErrno(ENOTSUP, "the local file system is not offered");
  absl::string_view text = namenode;
  if (text == "default") {
    if (default_uri.empty()) {
      return absl::InvalidArgumentError("fs.defaultFS is not set: no core-site.xml was found");
    }
    text = default_uri;
    port = 0;  // the file's counts, as in Hadoop
  }
  if (text.empty()) return absl::InvalidArgumentError("the namenode's name is empty");
  client::PathUri uri;
  if (absl::StrContains(text, "://")) {
    ASSIGN_OR_RETURN(uri, client::ParsePathUri(text));
    if (uri.scheme != "hdfs") {
      return WithErrno(ENOTSUP, absl::StrCat(text, ": only hdfs:// is offered"));
    }
  } else {
    uri.authority = std::string(text.substr(0, text.find('/')));
  }
  if (uri.authority.empty()) {
    if (text == default_uri || default_uri.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(text, ": names no host"));
    }
    return ClusterUri("default", 0, default_uri);
  }
  if (port == 0) return absl::StrCat("hdfs://", uri.authority);
  if (HasPort(uri.authority)) {
    return absl::InvalidArgumentError(
        absl::StrCat("port ", port, " was given, but ", text, " has one already"));
  }
  return absl::StrCat("hdfs://", uri.authority, ":", port);
}

}  // namespace cairn::libhdfs
