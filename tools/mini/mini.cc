// cairn mini: a whole cluster of real processes under one directory.
//
//   cairn mini --dir D [--datanodes N] [--port P] [-D key=value]... [--racks a,b,...] [--detach]
//   cairn mini --dir D start|stop|kill|pause|resume [namenode|datanode-N]...
//   cairn mini --dir D status
//
// A directory of a cluster is started again as it was made: --datanodes, --port and --racks may be
// left out then, and may not differ.
//
// Exit status: 0; 1 if a process did not start or none is there; 2 for bad usage.
#include "tools/mini/mini.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iostream>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "tools/dfsadmin/dfsadmin.h"
#include "tools/mini/mini_cluster.h"

namespace cairn::tools {
namespace {

absl::Status RunInForeground(MiniCluster& cluster) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  RETURN_IF_ERROR(cluster.Start({}));
  std::cout << "ready " << cluster.uri() << std::endl;
  int signal = 0;
  sigwait(&ends, &signal);
  std::cerr << "stopping" << std::endl;
  return cluster.Stop({});
}

absl::Status PrintStatus(const MiniCluster& cluster) {
  std::cout << "uri " << cluster.uri() << "\n";
  for (const std::string& name : cluster.names()) {
    const int pid = cluster.PidOf(name);
    std::cout << name << (pid == 0 ? " stopped" : absl::StrCat(" running pid ", pid)) << "\n";
  }
  return absl::OkStatus();
}

absl::Status Dispatch(const std::string& action, const MiniOptions& options, bool detach,
                      const std::vector<std::string>& names) {
  if (action.empty()) {
    ASSIGN_OR_RETURN(MiniCluster cluster, MiniCluster::OpenOrMake(options));
    if (!detach) return RunInForeground(cluster);
    RETURN_IF_ERROR(cluster.Start({}));
    std::cout << "ready " << cluster.uri() << std::endl;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(MiniCluster cluster, MiniCluster::Open(options.directory));
  if (action == "start") return cluster.Start(names);
  if (action == "stop") return cluster.Stop(names);
  if (action == "kill") return cluster.Signal(names, SIGKILL);
  if (action == "pause") return cluster.Signal(names, SIGSTOP);
  if (action == "resume") return cluster.Signal(names, SIGCONT);
  if (action == "status") return PrintStatus(cluster);
  return absl::InvalidArgumentError(
      absl::StrCat("\"", action, "\" is none of start, stop, kill, pause, resume, status"));
}

}  // namespace

int RunMini(CommandContext& ctx) {
  MiniOptions options;
  std::string racks;
  std::vector<std::string> words;
  bool detach = false;
  CLI::App app("A whole cluster of real processes under one directory.", "cairn mini");
  app.add_option("--dir", options.directory, "where everything is kept")->required();
  app.add_option("--datanodes", options.datanodes, "how many (3)")->check(CLI::Range(0, 200));
  app.add_option("--port", options.port, "the namenode's; 0: a free one")
      ->check(CLI::Range(0, 65535));
  app.add_option("-D", options.overrides, "key=value for hdfs-site.xml")->take_all();
  app.add_option("--racks", racks, "racks of datanode 1, 2, ..., with commas");
  app.add_flag("--detach", detach, "go on in the background");
  app.add_option("action", words, "start, stop, kill, pause, resume, status, and names");
  std::vector<std::string> reversed(ctx.args.rbegin(), ctx.args.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!racks.empty()) options.racks = absl::StrSplit(racks, ',');
  const std::string action = words.empty() ? "" : words[0];
  const std::vector<std::string> names(words.empty() ? words.begin() : words.begin() + 1,
                                       words.end());
  const absl::Status status = Dispatch(action, options, detach, names);
  if (status.ok()) return 0;
  std::cerr << "cairn mini: " << status.message() << "\n";
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

namespace {

int Exec(const std::string& program, CommandContext& ctx) {
  const std::string path = ProgramBeside(program);
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (std::string& argument : ctx.args) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ctx.out.flush();
  execvp(path.c_str(), argv.data());
  ctx.err << "cairn: cannot run " << path << ": " << std::strerror(errno) << "\n";
  return kExitFailed;
}

}  // namespace

int RunNamenode(CommandContext& ctx) {
  // This one is for the namenode that runs, and goes to it as a call.
  const auto checkpoint = std::find(ctx.args.begin(), ctx.args.end(), "-checkpoint");
  if (checkpoint == ctx.args.end()) return Exec("cairn-namenode", ctx);
  *checkpoint = "-saveNamespace";
  std::stable_partition(ctx.args.begin(), ctx.args.end(),
                        [](const std::string& argument) { return argument != "-saveNamespace"; });
  return RunDfsAdmin(ctx) == 0 ? kExitOk : kExitFailed;
}

int RunEdits(CommandContext& ctx) {
  ctx.args.insert(ctx.args.begin(), "edits");
  return Exec("cairn-namenode", ctx);
}
int RunImage(CommandContext& ctx) {
  ctx.args.insert(ctx.args.begin(), "image");
  return Exec("cairn-namenode", ctx);
}
int RunDatanode(CommandContext& ctx) { return Exec("cairn-datanode", ctx); }

}  // namespace cairn::tools
