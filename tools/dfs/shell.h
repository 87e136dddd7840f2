// tools/dfs/shell.h - what one `cairn dfs` command works with: its arguments, the paths they name,
// and the way it tells what went wrong.
//
// A path that fails does not stop the command: Error() says so and counts, and the exit code is 1
// at the end. Bad usage is a status made by UsageStatus: it stops the command with its usage text
// and 255.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/options.h"
#include "common/mutex.h"
#include "tools/dfs/volume.h"

namespace cairn::tools {

// A path as the user wrote it, or as found below such a one, and what is there.
struct PathItem {
  std::string text;  // for messages and output
  Volume* volume = nullptr;
  std::string path;                          // for the volume
  std::optional<client::FileStatus> status;  // absent: it does not exist
  bool names_directory = false;  // written with "/", "." or ".." at its end: can be no file

  bool exists() const { return status.has_value(); }
  bool is_directory() const { return exists() && status->is_directory(); }
  bool is_file() const { return exists() && status->is_file(); }
  // The entry `name` of this directory, its status not looked up.
  PathItem Child(absl::string_view name) const;
  absl::Status Refresh();  // looks again what is there
};

// "`TEXT': REASON": how HDFS words a path's trouble.
absl::Status PathError(const PathItem& item, absl::string_view reason);
absl::Status NotFound(const PathItem& item);
// The same for a path whose parent is missing: names the whole path as well.
absl::Status ParentNotFound(const PathItem& item);
// ParentNotFound unless the directory exists that a file `item`, itself missing, would be made in.
// There is none for a path that names a directory.
absl::Status CheckParent(const PathItem& item);
absl::Status IsADirectory(const PathItem& item);
absl::Status NotADirectory(const PathItem& item);
absl::Status AlreadyExists(const PathItem& item);

// The cluster behind `item`, for what local files have not.
absl::StatusOr<client::FileSystem*> Cluster(const PathItem& item);

absl::Status UsageStatus(absl::string_view why);
bool IsUsage(const absl::Status& status);

// The volumes that paths lead to; made when first named.
class Volumes {
 public:
  explicit Volumes(client::ClientOptions options);
  // kInvalidArgument: a scheme other than hdfs and file, or no cluster is configured.
  absl::StatusOr<Volume*> Of(absl::string_view scheme, absl::string_view authority);
  absl::StatusOr<Volume*> Default();
  Volume* local() { return local_.get(); }
  const client::ClientOptions& options() const { return options_; }

 private:
  const client::ClientOptions options_;
  const std::unique_ptr<Volume> local_;
  std::map<std::string, std::unique_ptr<Volume>> clusters_;  // by host:port
};

struct ShellCommand;

class Shell {
 public:
  Shell(const ShellCommand& command, std::vector<std::string> args, Volumes& volumes,
        std::ostream& out, std::ostream& err);

  const ShellCommand& command() const { return command_; }
  std::ostream& out() { return out_; }
  std::ostream& err() { return err_; }
  Volumes& volumes() { return volumes_; }
  std::vector<std::string>& args() { return args_; }

  // ---- Arguments ----

  // Takes the options off the front of args(): `flags` are letters or words without a dash,
  // `valued` those that take a value; it is empty when an option follows, or fewer than `min`
  // arguments would be left. The rest must be `min` to `max` arguments. Usage status otherwise.
  absl::Status TakeOptions(const std::vector<std::string>& flags,
                           const std::vector<std::string>& valued, size_t min, size_t max);
  bool Has(const std::string& flag) const { return flags_.contains(flag); }
  std::optional<std::string> Value(const std::string& flag) const;

  // ---- Paths ----

  // What is no path at all is a usage status from each of these, before anything is done.

  // One path, without patterns; its status is looked up.
  absl::StatusOr<PathItem> Resolve(const std::string& text);
  // A path of this machine, by its plain name or as a file: URI.
  absl::StatusOr<PathItem> ResolveLocal(const std::string& text);
  // What the pattern matches; a path without pattern characters is itself, existing or not.
  // kNotFound: a pattern that matches nothing.
  absl::StatusOr<std::vector<PathItem>> Expand(const std::string& text);
  // All arguments expanded; failures are reported and left out.
  absl::StatusOr<std::vector<PathItem>> ExpandAll(absl::Span<const std::string> texts);
  // Calls `visit` for each argument's paths; a missing one is reported. Errors are reported, usage
  // errors returned.
  absl::Status ForEach(absl::Span<const std::string> texts,
                       const std::function<absl::Status(PathItem&)>& visit);
  // The entries of a directory with their statuses.
  absl::Status ForEachChild(const PathItem& directory,
                            const std::function<absl::Status(PathItem)>& visit);

  // ---- Outcome ----

  // Prints "NAME: first line of the message" on err and makes the exit code 1. Any thread.
  void Error(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);
  void Warn(absl::string_view text) ABSL_LOCKS_EXCLUDED(mu_);  // printed in the same form
  int errors() const ABSL_LOCKS_EXCLUDED(mu_);
  int exit_code = 0;  // when nothing failed

 private:
  const ShellCommand& command_;
  std::vector<std::string> args_;
  Volumes& volumes_;
  std::ostream& out_;
  std::ostream& err_;
  std::map<std::string, std::string> flags_;
  mutable Mutex mu_;
  int errors_ ABSL_GUARDED_BY(mu_) = 0;
};

// A row of the shell's table.
struct ShellCommand {
  const char* name;   // without the dash
  const char* usage;  // arguments
  const char* help;   // what it does, in a few lines
  absl::Status (*run)(Shell& shell);
};

std::span<const ShellCommand> ShellCommands();
// Also one of the old names -lsr, -rmr and -dus, which are in no list.
const ShellCommand* FindShellCommand(absl::string_view name);
void PrintShellUsage(std::ostream& out);  // of all commands
void PrintShellUsage(std::ostream& out, const ShellCommand& command);

}  // namespace cairn::tools
