// Finds the command in the table, runs it, and turns its outcome into text and an exit code.
#include "tools/ec/ec.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/path.h"
#include "common/config_values.h"
#include "common/status_macros.h"
#include "tools/cluster_options.h"
#include "tools/ec/ec_command.h"
#include "tools/ec/print.h"

namespace cairn::tools {
namespace {

constexpr char kExitPayload[] = "cairn.tools.ec/exit";

// The cluster that a scheme and an authority lead to.
absl::StatusOr<std::string> HdfsUri(absl::string_view scheme, absl::string_view authority) {
  if (scheme == "hdfs") return absl::StrCat("hdfs://", authority);
  if (scheme == "file") return IllegalArgument("FileSystem file:/// is not an HDFS file system");
  return IllegalArgument(absl::StrCat("No FileSystem for scheme \"", scheme, "\""));
}

absl::StatusOr<std::unique_ptr<client::ErasureAdmin>> Connect(
    const std::string& uri, const client::ClientOptions& options) {
  auto admin = client::ErasureAdmin::Connect(uri, options);
  if (absl::IsInvalidArgument(admin.status())) return IllegalArgument(admin.status().message());
  return admin;
}

}  // namespace

// ---- How a command ends ----

absl::Status EndWith(int exit_code, absl::string_view text) {
  absl::Status status = absl::InvalidArgumentError(text);
  status.SetPayload(kExitPayload, absl::Cord(absl::StrCat(exit_code)));
  return status;
}

std::optional<int> ExitCodeOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kExitPayload);
  int exit_code = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &exit_code)) return std::nullopt;
  return exit_code;
}

absl::Status IllegalArgument(absl::string_view why) {
  return EndWith(kExitHadoopFailed, absl::StrCat("IllegalArgumentException: ", why));
}

int FinishEcCall(const EcCall& call, const absl::Status& status) {
  if (status.ok()) return call.exit_code;
  const std::optional<int> exit_code = ExitCodeOf(status);
  call.err << (exit_code ? std::string(status.message()) : FailureText(call.command.name, status))
           << "\n";
  return exit_code.value_or(call.command.exit_failed);
}

// ---- Arguments ----

EcCall::EcCall(const EcCommand& row, std::vector<std::string> arguments,
               const client::ClientOptions& client_options, std::ostream& output,
               std::ostream& errors)
    : command(row), args(std::move(arguments)), options(client_options), out(output), err(errors) {}

absl::Status EcCall::Misused(absl::string_view why) const {
  return EndWith(kExitEcUsage, absl::StrCat(why, "\nUsage: ", EcHelp(command)));
}

absl::Status EcCall::TakeSize(absl::string_view option, uint64_t* out) {
  ASSIGN_OR_RETURN(const std::optional<std::string> text, TakeOption(option));
  if (!text.has_value()) return absl::OkStatus();
  const std::optional<uint64_t> bytes = ParseConfigSize(*text);
  if (!bytes.has_value()) {
    return IllegalArgument(absl::StrCat(option, " ", *text, " is no number of bytes"));
  }
  *out = *bytes;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> EcCall::TakeOption(absl::string_view option) {
  const auto found = std::find(args.begin(), args.end(), option);
  if (found == args.end()) return std::nullopt;
  if (std::next(found) == args.end()) {
    return IllegalArgument(absl::StrCat("option ", option, " requires 1 argument."));
  }
  std::string value = *std::next(found);
  args.erase(found, found + 2);
  return value;
}

absl::StatusOr<std::string> EcCall::RequireOption(absl::string_view option, absl::string_view why) {
  ASSIGN_OR_RETURN(std::optional<std::string> value, TakeOption(option));
  if (value.has_value()) return *std::move(value);
  return Misused(why);
}

bool EcCall::TakeFlag(absl::string_view flag) {
  const auto found = std::find(args.begin(), args.end(), flag);
  if (found == args.end()) return false;
  args.erase(found);
  return true;
}

absl::Status EcCall::CheckNoMore() const {
  if (args.empty()) return absl::OkStatus();
  return EndWith(kExitEcUsage, absl::StrCat("-", command.name, ": Too many arguments"));
}

// ---- The cluster ----

absl::StatusOr<std::string> EcCall::DefaultUri() const {
  if (options.default_uri.empty()) {
    return IllegalArgument("no cluster is configured: set fs.defaultFS, HADOOP_CONF_DIR or -fs");
  }
  const absl::StatusOr<client::PathUri> uri = client::ParsePathUri(options.default_uri);
  if (!uri.ok()) return IllegalArgument(uri.status().message());
  return HdfsUri(uri->scheme, uri->authority);
}

absl::StatusOr<EcPath> EcCall::Resolve(const std::string& text) const {
  const absl::StatusOr<client::PathUri> uri = client::ParsePathUri(text);
  if (!uri.ok()) return IllegalArgument(uri.status().message());
  if (uri->scheme.empty() && !uri->authority.empty()) {
    return IllegalArgument(absl::StrCat("a host without a scheme: ", text));
  }
  EcPath path{.text = text};
  if (uri->authority.empty() && (uri->scheme.empty() || uri->scheme == "hdfs")) {
    ASSIGN_OR_RETURN(path.uri, DefaultUri());
  } else {
    ASSIGN_OR_RETURN(path.uri, HdfsUri(uri->scheme, uri->authority));
  }
  const std::string user = options.user.empty() ? client::LoginUser() : options.user;
  path.path = client::NormalizePath(client::JoinPath(absl::StrCat("/user/", user), uri->path));
  return path;
}

absl::StatusOr<std::unique_ptr<client::ErasureAdmin>> EcCall::Admin() const {
  ASSIGN_OR_RETURN(const std::string uri, DefaultUri());
  return Connect(uri, options);
}

absl::StatusOr<std::unique_ptr<client::ErasureAdmin>> EcCall::Admin(const EcPath& path) const {
  return Connect(path.uri, options);
}

// ---- The command ----

const EcCommand* FindEcCommand(absl::string_view name) {
  for (const EcCommand& command : EcCommands()) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

int RunEc(CommandContext& ctx) {
  std::vector<std::string> args = ctx.args;
  const absl::StatusOr<client::ClientOptions> options = TakeClusterOptions(args);
  if (!options.ok()) {
    ctx.err << "ec: " << options.status().message() << "\n";
    return kExitHadoopFailed;
  }
  if (args.empty()) {
    PrintEcUsage(ctx.err);
    return kExitEcUsage;
  }
  const std::string word = args[0];
  args.erase(args.begin());
  const bool dashed = absl::StartsWith(word, "-");
  const EcCommand* const command = dashed ? FindEcCommand(word.substr(1)) : nullptr;
  if (command == nullptr) {
    ctx.err << "Can't understand command '" << word << "'\n";
    if (!dashed) ctx.err << "Command names must start with dashes.\n";
    PrintEcUsage(ctx.err);
    return kExitEcUsage;
  }
  EcCall call(*command, std::move(args), *options, ctx.out, ctx.err);
  return FinishEcCall(call, command->run(call));
}

}  // namespace cairn::tools
