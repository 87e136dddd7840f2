// tools/dfsadmin/admin_command.h - one command of `cairn dfsadmin`: a function and a row of the
// table in commands.cc, from which help and usage texts are made.
//
// To add one: write `absl::Status RunName(AdminCall& call)` in a file of its own, declare it in
// commands.h, and add its row. What an argument check refuses is a status made by
// UsageStatus: it prints the command's usage. Any other error is printed as "name: message". Both
// exit with 255, as Hadoop's tool does (-1).
#pragma once

#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cluster_admin.h"
#include "client/file_system.h"
#include "client/options.h"

namespace cairn::tools {

struct AdminCommand;

// One call of a command: its arguments, the cluster, and where to print.
class AdminCall {
 public:
  // All references outlive this.
  AdminCall(const AdminCommand& row, std::vector<std::string> arguments,
            const client::ClientOptions& client_options, std::ostream& output,
            std::ostream& errors);

  const AdminCommand& command;
  std::vector<std::string> args;  // after the command's name
  const client::ClientOptions& options;
  std::ostream& out;
  std::ostream& err;
  int exit_code = 0;  // when the status is OK

  // Connected when first asked for, so that bad usage needs no cluster. This owns it.
  absl::StatusOr<client::FileSystem*> Cluster();
  absl::StatusOr<client::ClusterAdmin*> Admin();  // likewise

  // Usage status unless there are `min` to `max` arguments.
  absl::Status CheckArguments(size_t min, size_t max) const;
  // Takes a flag out of `args`, wherever it stands; true if it was there.
  bool TakeFlag(absl::string_view flag);
  // The same for an option with a value: "" if it is not there. Usage status: the value is missing.
  absl::StatusOr<std::string> TakeOption(absl::string_view option);

 private:
  std::string Uri() const;
  std::unique_ptr<client::FileSystem> cluster_;
  std::unique_ptr<client::ClusterAdmin> admin_;
};

struct AdminCommand {
  const char* name;   // without the dash
  const char* usage;  // arguments
  const char* help;   // what it does, in a few lines
  absl::Status (*run)(AdminCall& call);
};

// In the order of the help text, which is HDFS's.
std::span<const AdminCommand> AdminCommands();
const AdminCommand* FindAdminCommand(absl::string_view name);
void PrintAdminUsage(std::ostream& out);  // of all commands
void PrintAdminUsage(std::ostream& out, const AdminCommand& command);

}  // namespace cairn::tools
