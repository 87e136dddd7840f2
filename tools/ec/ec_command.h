// tools/ec/ec_command.h - one command of `cairn ec`: a function and a row of the table in
// commands.cc, from which help and usage texts are made.
//
// To add one: write `absl::Status RunEcName(EcCall& call)`, declare it in commands.h, and add its
// row. A status made by EndWith ends the command with a text and exit code of its own; any other
// error is told as Hadoop's tool tells an exception (print.h), with the row's exit code.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/erasure_admin.h"
#include "client/options.h"

namespace cairn::tools {

inline constexpr int kExitEcUsage = 1;
inline constexpr int kExitEcFailed = 2;

// `text` is a line, or some, for standard error.
absl::Status EndWith(int exit_code, absl::string_view text);
// What EndWith was told; nullopt: an error of another making.
std::optional<int> ExitCodeOf(const absl::Status& status);
// With Hadoop's exit code for an argument that can never be right.
absl::Status IllegalArgument(absl::string_view why);

struct EcCommand;

// A path as it was typed, and where it leads.
struct EcPath {
  std::string text;
  std::string uri;   // hdfs://host:port
  std::string path;  // absolute, without "." and ".."
};

// One call of a command: its arguments, the cluster, and where to print.
class EcCall {
 public:
  // All references outlive this.
  EcCall(const EcCommand& row, std::vector<std::string> arguments,
         const client::ClientOptions& client_options, std::ostream& output, std::ostream& errors);

  const EcCommand& command;
  std::vector<std::string> args;  // those not taken yet
  const client::ClientOptions& options;
  std::ostream& out;
  std::ostream& err;
  int exit_code = 0;  // when the status is OK

  // The error that says `why`, and the command's usage.
  absl::Status Misused(absl::string_view why) const;

  // ---- Arguments: each takes what it finds out of `args` ----

  // An option with a value, wherever it stands. An error: the value is missing.
  absl::StatusOr<std::optional<std::string>> TakeOption(absl::string_view option);
  // The same for one that must be there; without it `why` is said, and the usage.
  absl::StatusOr<std::string> RequireOption(absl::string_view option, absl::string_view why);
  // One whose value is a number of bytes ("128m"). Without it `*out` stays.
  absl::Status TakeSize(absl::string_view option, uint64_t* out);
  bool TakeFlag(absl::string_view flag);
  // An error if anything is left.
  absl::Status CheckNoMore() const;

  // ---- The cluster ----

  // An error: no path, or none of an HDFS.
  absl::StatusOr<EcPath> Resolve(const std::string& text) const;
  // Of fs.defaultFS, or where a path leads. Makes no call. An error: that is no host and port.
  absl::StatusOr<std::unique_ptr<client::ErasureAdmin>> Admin() const;
  absl::StatusOr<std::unique_ptr<client::ErasureAdmin>> Admin(const EcPath& path) const;

 private:
  absl::StatusOr<std::string> DefaultUri() const;
};

struct EcCommand {
  const char* name;   // without the dash
  const char* usage;  // arguments
  const char* help;   // what it does, in a few lines
  absl::Status (*run)(EcCall& call);
  int exit_failed = kExitEcFailed;
};

// Says what went wrong, on call.err; the exit code of a command that has ended so.
int FinishEcCall(const EcCall& call, const absl::Status& status);

// In the order of the help text, which is HDFS's.
std::span<const EcCommand> EcCommands();
const EcCommand* FindEcCommand(absl::string_view name);
void PrintEcUsage(std::ostream& out);          // of all commands
std::string EcHelp(const EcCommand& command);  // "[-name arguments]", and what it does

}  // namespace cairn::tools
