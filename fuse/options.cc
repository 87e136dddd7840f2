#include "fuse/options.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/config_keys.h"
#include "client/path.h"
#include "common/config.h"
#include "common/config_values.h"
#include "common/status_macros.h"

namespace cairn::fuse {

const char kUsage[] =
    "usage: cairn-fuse hdfs://HOST[:PORT][/PATH] MOUNTPOINT [-f] [-d] [-o OPTION,...] "
    "[-D KEY=VALUE]...\n"
    "Mounts a directory of a Cairn or Apache HDFS cluster.\n\n"
    "  -f                  stay in the foreground\n"
    "  -d                  show every request, in the foreground\n"
    "  -D KEY=VALUE        a key of hdfs-site.xml, over what the files say\n"
    "  -o conf=DIR         core-site.xml and hdfs-site.xml; $HADOOP_CONF_DIR if not given\n"
    "  -o attr_timeout=S   seconds that the kernel keeps attributes (1)\n"
    "  -o entry_timeout=S  ... and what a name stands for (1)\n"
    "  -o negative_timeout=S  ... and that a name is not there (0)\n"
    "  -o hdfs_user=NAME   everybody who calls is this user to the cluster\n"
    "  -o threads=N        operations at a time (32)\n"
    "  -o stage_dir=DIR    where bytes written elsewhere than at the end of a file wait for fsync "
    "or\n"
    "                      close (/var/tmp/cairn-fuse-UID)\n"
    "  -o stage_bytes=SIZE ... and how many of them at most, such as 512m (1g)\n"
    "  -o log=FILE         the log; stderr in the foreground, else none\n"
    "  -o log_level=LEVEL  debug, info, warn or error\n"
    "  -o virtual_files    what the mount is doing, in files below MOUNTPOINT/.cairn\n"
    "  -o list_xattrs      listings of extended attributes name those of user.cairn.*\n"
    "  -o no_xattrs        there are none, and the kernel does not ask before writes\n"
    "  -o allow_other      others than who mounts may use it\n"
    "  -o default_permissions  the kernel checks modes, before the cluster does\n"
    "  -o ro, ...          and whatever else mount.fuse3(8) knows\n\n"
    "Unmount: fusermount3 -u MOUNTPOINT, or umount.\n";

namespace {

constexpr absl::string_view kDaemonPrefixes[] = {"cairn.namenode.", "cairn.datanode.",
                                                 "cairn.log."};
// What fstab may say to mount(8) and nobody else.
constexpr absl::string_view kForMount[] = {"auto",  "noauto", "user",    "nouser",  "users",
                                           "owner", "nofail", "_netdev", "defaults"};

absl::Status Bad(absl::string_view what, absl::string_view value) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": not \"", value, "\""));
}

absl::StatusOr<absl::Duration> Seconds(absl::string_view name, absl::string_view value) {
  double seconds = 0;
  if (!absl::SimpleAtod(value, &seconds) || !(seconds >= 0) || seconds > 1e9) {
    return Bad(name, value);
  }
  return absl::Seconds(seconds);
}

// Options without a value. False: it is none of ours.
bool TakeSwitch(absl::string_view option, MountSettings& settings) {
  if (option == "list_xattrs") {
    settings.list_xattrs = true;
  } else if (option == "virtual_files") {
    settings.virtual_files = true;
  } else if (option == "no_xattrs") {
    settings.xattrs = false;
  } else {
    return false;
  }
  return true;
}

absl::Status TakeOption(absl::string_view option, CommandLine& line) {
  if (TakeSwitch(option, line.settings)) return absl::OkStatus();
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(option, absl::MaxSplits('=', 1));
  const auto [name, value] = parts;
  if (name == "attr_timeout") {
    ASSIGN_OR_RETURN(line.settings.attribute_life, Seconds(name, value));
  } else if (name == "entry_timeout") {
    ASSIGN_OR_RETURN(line.settings.entry_life, Seconds(name, value));
  } else if (name == "negative_timeout") {
    ASSIGN_OR_RETURN(line.settings.negative_life, Seconds(name, value));
  } else if (name == "hdfs_user") {
    if (value.empty()) return Bad(name, value);
    line.settings.one_user = std::string(value);
  } else if (name == "threads") {
    if (!absl::SimpleAtoi(value, &line.max_threads) || line.max_threads == 0 ||
        line.max_threads > 4096) {
      return Bad(name, value);
    }
  } else if (name == "stage_dir") {
    std::error_code error;
    line.settings.stage.directory = std::filesystem::absolute(std::string(value), error).string();
    if (value.empty() || error) return Bad(name, value);
  } else if (name == "stage_bytes") {
    const std::optional<uint64_t> bytes = ParseConfigSize(value);
    if (!bytes.has_value()) return Bad(name, value);
    line.settings.stage.bytes = *bytes;
  } else if (name == "conf") {
    line.conf = std::string(value);
  } else if (name == "log") {
    std::error_code error;
    line.log_file = std::filesystem::absolute(std::string(value), error).string();
    if (value.empty() || error) return Bad(name, value);
  } else if (name == "log_level") {
    ASSIGN_OR_RETURN(line.log_level, ParseLogLevel(value));
  } else if (absl::StartsWith(name, "x-") || absl::StartsWith(name, "comment") ||
             std::find(std::begin(kForMount), std::end(kForMount), name) != std::end(kForMount)) {
    // Not ours.
  } else {
    line.kernel_options.emplace_back(option);
  }
  return absl::OkStatus();
}

// As the kernel knows it, where only the last component need not be there or answer: a dead mount
// does not.
absl::StatusOr<std::string> MountpointOf(const std::string& text) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path path = fs::absolute(text, error);
  if (error || text.empty()) return Bad("mount point", text);
  while (path.has_relative_path() && (!path.has_filename() || path.filename() == ".")) {
    path = path.parent_path();
  }
  if (path.filename() == "..") {
    path = fs::canonical(path, error);
  } else if (path.has_relative_path()) {
    path = fs::canonical(path.parent_path(), error) / path.filename();
  }
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("mount point ", text, ": ", error.message()));
  }
  return path.string();
}

absl::Status TakeOptions(absl::string_view list, CommandLine& line) {
  for (const absl::string_view option : absl::StrSplit(list, ',', absl::SkipEmpty())) {
    RETURN_IF_ERROR(TakeOption(option, line));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(absl::string_view program,
                                             const std::vector<std::string>& arguments) {
  const bool helper = absl::StartsWith(client::BaseName(program), "mount.");
  CommandLine line;
  std::vector<std::string> places;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    // The value of -X: the rest of the word, or the next one.
    const auto take = [&](absl::string_view flag, absl::string_view& value) {
      if (!absl::StartsWith(argument, flag)) return false;
      value = argument.substr(flag.size());
      if (value.empty() && i + 1 < arguments.size()) value = arguments[++i];
      return true;
    };
    absl::string_view value;
    if (argument.size() < 2 || argument[0] != '-') {
      places.emplace_back(argument);
    } else if (argument == "-h" || argument == "--help") {
      line.help = true;
    } else if (argument == "-V" || argument == "--version") {
      line.version = true;
    } else if (take("-o", value)) {
      RETURN_IF_ERROR(TakeOptions(value, line));
    } else if (helper && (take("-t", value) || take("-N", value))) {
      // The type is known; a mount namespace has been entered by mount(8).
    } else if (helper && argument.find_first_not_of("-sfnv") == absl::string_view::npos) {
      line.fake = line.fake || absl::StrContains(argument, 'f');
    } else if (!helper && argument == "-f") {
      line.foreground = true;
    } else if (!helper && argument == "-d") {
      line.debug = line.foreground = true;
    } else if (take("-D", value)) {
      line.overrides.emplace_back(value);
    } else {
      return absl::InvalidArgumentError(absl::StrCat(argument, ": no such option"));
    }
  }
  if (line.help || line.version) return line;
  if (places.size() != 2) {
    return absl::InvalidArgumentError("what to mount and where to, these two, are needed");
  }
  line.source = places[0];
  ASSIGN_OR_RETURN(line.mountpoint, MountpointOf(places[1]));
  if (absl::StartsWith(absl::StrCat(line.settings.stage.directory, "/"),
                       absl::StrCat(line.mountpoint, "/"))) {
    return absl::InvalidArgumentError("stage_dir lies in the mount");
  }
  return line;
}

absl::StatusOr<MountSettings> ToSettings(const CommandLine& line) {
  MountSettings settings = line.settings;
  ASSIGN_OR_RETURN(const client::PathUri uri, client::ParsePathUri(line.source));
  if (uri.scheme != "hdfs" || uri.authority.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(line.source, ": not hdfs://HOST[:PORT][/PATH]"));
  }
  settings.uri = absl::StrCat("hdfs://", uri.authority);
  settings.path = client::NormalizePath(uri.path.empty() ? "/" : uri.path);

  KnownKeys keys(client::ClientConfigKeys());
  for (const absl::string_view prefix : kDaemonPrefixes) keys.LeaveToOthers(prefix);
  ASSIGN_OR_RETURN(const Config config,
                   Config::Load(ResolveConfDir(line.conf), line.overrides, std::move(keys)));
  ASSIGN_OR_RETURN(settings.client, client::LoadClientOptions(config));
  settings.client.umask = 0;  // the kernel has applied the caller's
  // fsync(2) is about the whole file, however many blocks ended before it.
  settings.client.sync_blocks = true;
  settings.mounting_user =
      settings.client.user.empty() ? client::LoginUser() : settings.client.user;
  settings.mounter = ::getuid();
  return settings;
}

}  // namespace cairn::fuse
