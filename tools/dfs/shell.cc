#include "tools/dfs/shell.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/glob.h"
#include "client/path.h"
#include "common/status_macros.h"

namespace cairn::tools {
namespace {

constexpr char kUsagePayload[] = "cairn/usage";

}  // namespace

// ---- PathItem and its errors ----

PathItem PathItem::Child(absl::string_view name) const {
  PathItem child{.volume = volume};
  child.text = text == "." ? std::string(name) : client::JoinPath(text, name);
  child.path = client::JoinPath(path, name);
  return child;
}

absl::Status PathItem::Refresh() {
  absl::StatusOr<client::FileStatus> found = volume->Stat(path);
  status.reset();
  if (found.ok()) status = *std::move(found);
  return absl::IsNotFound(found.status()) ? absl::OkStatus() : found.status();
}

absl::Status PathError(const PathItem& item, absl::string_view reason) {
  return absl::FailedPreconditionError(absl::StrCat("`", item.text, "': ", reason));
}

absl::Status NotFound(const PathItem& item) {
  return absl::NotFoundError(absl::StrCat("`", item.text, "': No such file or directory"));
}

absl::Status ParentNotFound(const PathItem& item) {
  return absl::NotFoundError(absl::StrCat("`", item.text, "': No such file or directory: `",
                                          item.volume->Qualify(item.path), "'"));
}

absl::Status CheckParent(const PathItem& item) {
  if (item.names_directory) return ParentNotFound(item);
  PathItem parent{.volume = item.volume, .path = client::ParentPath(item.path)};
  if (!absl::StrContains(item.path, '/')) parent.path = std::string(1, '.');
  RETURN_IF_ERROR(parent.Refresh());
  return parent.exists() ? absl::OkStatus() : ParentNotFound(item);
}

absl::Status IsADirectory(const PathItem& item) { return PathError(item, "Is a directory"); }
absl::Status NotADirectory(const PathItem& item) { return PathError(item, "Is not a directory"); }
absl::Status AlreadyExists(const PathItem& item) { return PathError(item, "File exists"); }

absl::StatusOr<client::FileSystem*> Cluster(const PathItem& item) {
  if (client::FileSystem* cluster = item.volume->cluster()) return cluster;
  return PathError(item, "Operation not supported");
}

absl::Status UsageStatus(absl::string_view why) {
  absl::Status status = absl::InvalidArgumentError(why);
  status.SetPayload(kUsagePayload, absl::Cord());
  return status;
}

bool IsUsage(const absl::Status& status) { return status.GetPayload(kUsagePayload).has_value(); }

// ---- Volumes ----

Volumes::Volumes(client::ClientOptions options)
    : options_(std::move(options)), local_(NewLocalVolume()) {}

absl::StatusOr<Volume*> Volumes::Of(absl::string_view scheme, absl::string_view authority) {
  if (scheme == "file") return local_.get();
  if (scheme != "hdfs") {
    return absl::InvalidArgumentError(absl::StrCat("No FileSystem for scheme \"", scheme, "\""));
  }
  if (authority.empty()) return Default();
  std::unique_ptr<Volume>& volume = clusters_[std::string(authority)];
  if (volume == nullptr) {
    ASSIGN_OR_RETURN(auto fs,
                     client::FileSystem::Connect(absl::StrCat("hdfs://", authority), options_));
    volume = NewClusterVolume(std::move(fs));
  }
  return volume.get();
}

absl::StatusOr<Volume*> Volumes::Default() {
  if (options_.default_uri.empty()) {
    return absl::InvalidArgumentError(
        "no cluster is configured: set fs.defaultFS, HADOOP_CONF_DIR or -fs");
  }
  ASSIGN_OR_RETURN(const std::string text, client::DefaultUri(options_.default_uri));
  ASSIGN_OR_RETURN(const client::PathUri uri, client::ParsePathUri(text));
  return Of(uri.scheme, uri.authority);  // hdfs has a host
}

// ---- Shell: arguments ----

Shell::Shell(const ShellCommand& command, std::vector<std::string> args, Volumes& volumes,
             std::ostream& out, std::ostream& err)
    : command_(command), args_(std::move(args)), volumes_(volumes), out_(out), err_(err) {}

absl::Status Shell::TakeOptions(const std::vector<std::string>& flags,
                                const std::vector<std::string>& valued, size_t min, size_t max) {
  size_t at = 0;
  const auto contains = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  while (at < args_.size()) {
    const std::string arg = args_[at];
    if (!absl::StartsWith(arg, "-") || arg == "-") break;
    ++at;
    if (arg == "--") break;
    const std::string name = arg.substr(1);
    if (contains(valued, name)) {
      const bool given = args_.size() - at > min && !absl::StartsWith(args_[at], "-");
      flags_[name] = given ? args_[at++] : "";
    } else if (contains(flags, name)) {
      flags_[name] = "";
    } else {
      return UsageStatus(absl::StrCat("Illegal option ", arg));
    }
  }
  args_.erase(args_.begin(), args_.begin() + static_cast<ptrdiff_t>(at));
  if (args_.size() < min) {
    return UsageStatus(
        absl::StrCat("Not enough arguments: expected ", min, " but got ", args_.size()));
  }
  if (args_.size() > max) {
    return UsageStatus(
        absl::StrCat("Too many arguments: expected ", max, " but got ", args_.size()));
  }
  return absl::OkStatus();
}

std::optional<std::string> Shell::Value(const std::string& flag) const {
  const auto found = flags_.find(flag);
  if (found == flags_.end()) return std::nullopt;
  return found->second;
}

// ---- Shell: paths ----

namespace {

// Where a path's text leads, before anything is looked up.
struct Located {
  Volume* volume = nullptr;
  std::string path;    // absolute and normalized for a cluster
  std::string home;    // what a relative path is relative to; empty for an absolute one
  std::string prefix;  // "hdfs://host:port" if the user wrote it
  bool names_directory = false;
};

bool NamesDirectory(absl::string_view path) {
  const absl::string_view last = client::BaseName(path);
  return last.empty() || last == "." || last == "..";
}

absl::StatusOr<Located> Locate(Volumes& volumes, const std::string& text) {
  absl::StatusOr<client::PathUri> uri = client::ParsePathUri(text);
  if (!uri.ok()) return UsageStatus(uri.status().message());
  Located located;
  if (uri->scheme.empty()) {
    ASSIGN_OR_RETURN(located.volume, volumes.Default());
  } else {
    ASSIGN_OR_RETURN(located.volume, volumes.Of(uri->scheme, uri->authority));
    located.prefix = absl::StrCat(uri->scheme, "://", uri->authority);
  }
  std::string path = uri->path;
  located.names_directory = NamesDirectory(path);
  if (!absl::StartsWith(path, "/")) {
    client::FileSystem* cluster = located.volume->cluster();
    located.home = cluster != nullptr ? cluster->HomeDirectory() : ".";
    path = client::JoinPath(located.home, path);
  }
  located.path = client::NormalizePath(path);
  return located;
}

// `path` as seen from `home`: "sub/file", "../sibling". Both are absolute and normalized.
std::string RelativeTo(const std::string& home, const std::string& path) {
  const std::vector<std::string> from = absl::StrSplit(home, '/', absl::SkipEmpty());
  const std::vector<std::string> to = absl::StrSplit(path, '/', absl::SkipEmpty());
  const auto [up, down] = std::mismatch(from.begin(), from.end(), to.begin(), to.end());
  std::vector<std::string> steps(static_cast<size_t>(from.end() - up), "..");
  steps.insert(steps.end(), down, to.end());
  return steps.empty() ? "." : absl::StrJoin(steps, "/");
}

// A path found on the volume in the form that the user wrote: whole, absolute or relative.
std::string TextLike(const Located& located, const std::string& path) {
  if (located.home.empty()) return absl::StrCat(located.prefix, path);
  return located.home == "." ? path : RelativeTo(located.home, path);
}

// The path itself, escapes taken away.
std::string Unescape(absl::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    plain += text[i];
  }
  return plain;
}

}  // namespace

absl::StatusOr<PathItem> Shell::Resolve(const std::string& text) {
  ASSIGN_OR_RETURN(const Located located, Locate(volumes_, text));
  PathItem item{.text = text, .volume = located.volume, .path = located.path};
  item.names_directory = located.names_directory;
  RETURN_IF_ERROR(item.Refresh());
  return item;
}

absl::StatusOr<PathItem> Shell::ResolveLocal(const std::string& text) {
  const absl::StatusOr<client::PathUri> uri = client::ParsePathUri(text);
  if (!uri.ok()) return UsageStatus(uri.status().message());
  PathItem item{.text = text, .volume = volumes_.local(), .path = text};
  // Any other colon is part of a name.
  if (uri->scheme == "file") item.path = uri->path;
  item.names_directory = NamesDirectory(item.path);
  while (item.path.size() > 1 && item.path.back() == '/') item.path.pop_back();
  RETURN_IF_ERROR(item.Refresh());
  return item;
}

absl::StatusOr<std::vector<PathItem>> Shell::Expand(const std::string& text) {
  ASSIGN_OR_RETURN(const Located located, Locate(volumes_, text));
  std::vector<PathItem> items;
  if (!client::HasGlob(located.path) || located.volume->cluster() == nullptr) {
    PathItem item{.text = text, .volume = located.volume, .path = Unescape(located.path)};
    item.names_directory = located.names_directory;
    RETURN_IF_ERROR(item.Refresh());
    item.text = item.exists() ? TextLike(located, item.path) : Unescape(text);
    items.push_back(std::move(item));
    return items;
  }
  absl::StatusOr<std::vector<client::FileStatus>> found =
      client::Glob(*located.volume->cluster(), located.path);
  RETURN_IF_ERROR(found.status());
  if (found->empty()) return NotFound({.text = text});
  for (client::FileStatus& status : *found) {
    items.push_back({.text = TextLike(located, status.path),
                     .volume = located.volume,
                     .path = status.path,
                     .status = status});
  }
  return items;
}

absl::StatusOr<std::vector<PathItem>> Shell::ExpandAll(absl::Span<const std::string> texts) {
  std::vector<PathItem> all;
  for (const std::string& text : texts) {
    absl::StatusOr<std::vector<PathItem>> items = Expand(text);
    if (IsUsage(items.status())) return items.status();
    if (!items.ok()) {
      Error(items.status());
      continue;
    }
    std::move(items->begin(), items->end(), std::back_inserter(all));
  }
  return all;
}

absl::Status Shell::ForEach(absl::Span<const std::string> texts,
                            const std::function<absl::Status(PathItem&)>& visit) {
  ASSIGN_OR_RETURN(std::vector<PathItem> items, ExpandAll(texts));
  for (PathItem& item : items) {
    const absl::Status status = item.exists() ? visit(item) : NotFound(item);
    if (IsUsage(status)) return status;
    if (!status.ok()) Error(status);
  }
  return absl::OkStatus();
}

absl::Status Shell::ForEachChild(const PathItem& directory,
                                 const std::function<absl::Status(PathItem)>& visit) {
  return directory.volume->List(directory.path, [&](const client::FileStatus& status) {
    PathItem child = directory.Child(client::BaseName(status.path));
    child.status = status;
    return visit(std::move(child));
  });
}

// ---- Shell: outcome ----

void Shell::Warn(absl::string_view text) {
  MutexLock lock(mu_);
  out_.flush();
  err_ << command_.name << ": " << text << "\n";
}

void Shell::Error(const absl::Status& status) {
  const std::string message(status.message());
  Warn(message.substr(0, message.find('\n')));
  MutexLock lock(mu_);
  ++errors_;
}

int Shell::errors() const {
  MutexLock lock(mu_);
  return errors_;
}

}  // namespace cairn::tools
