// cairn-namenode: keeps the namespace and the block map.
//
//   cairn-namenode [--conf DIR] [-D key=value]... [--pid-file F] [--port-file F]
//   cairn-namenode -format [-force] [-clusterid ID] [--conf DIR] [-D key=value]...
//
// Exit status: 0 after SIGTERM or a format; 1 on any error, which is printed.
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/daemon.h"
#include "common/status_macros.h"
#include "common/user_groups.h"
#include "namenode/daemon/config_keys.h"
#include "namenode/daemon/server.h"
#include "namenode/daemon/storage.h"

namespace cairn::namenode {
namespace {

struct Flags {
  std::string conf, cluster_id, pid_file, port_file;
  std::vector<std::string> overrides;
  bool format = false, force = false;
};

absl::StatusOr<Config> LoadConfig(const Flags& flags) {
  ASSIGN_OR_RETURN(Config config,
                   Config::Load(ResolveConfDir(flags.conf), flags.overrides, NamenodeKnownKeys()));
  RETURN_IF_ERROR(InitDaemonLogging(config, "namenode"));
  return config;
}

absl::Status Format(const Flags& flags) {
  ASSIGN_OR_RETURN(const Config config, LoadConfig(flags));
  FormatOptions options;
  ASSIGN_OR_RETURN(options.directory, StorageDirectory(config));
  ASSIGN_OR_RETURN(options.supergroup, config.GetString("dfs.permissions.superusergroup"));
  ASSIGN_OR_RETURN(options.journal_segment_bytes, JournalSegmentBytes(config));
  options.superuser = ProcessUserName();
  options.cluster_id = flags.cluster_id;
  options.force = flags.force;
  ASSIGN_OR_RETURN(const StorageVersion version,
                   FormatStorage(PosixFileSystem(), SystemClock(), options));
  std::cout << "formatted " << options.directory << " clusterID=" << version.cluster_id << "\n";
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Cairn namenode: keeps the namespace and the block map.");
  app.add_option("--conf", flags.conf, "directory of core-site.xml and hdfs-site.xml");
  app.add_option("-D", flags.overrides, "key=value, over what the files say")->take_all();
  app.add_option("--pid-file", flags.pid_file, "written at the start, removed at the end");
  app.add_option("--port-file", flags.port_file, "ports; written once it serves");
  // HDFS spells these with one dash.
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {
    const std::string argument = argv[i];
    const bool long_flag =
        argument == "-format" || argument == "-force" || argument == "-clusterid";
    arguments.push_back(long_flag ? "-" + argument : argument);
  }
  app.add_flag("--format", flags.format, "make an empty namespace (also -format)");
  app.add_flag("--force", flags.force, "with -format: delete what is there (also -force)");
  app.add_option("--clusterid", flags.cluster_id, "with -format: not a new one (also -clusterid)");
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
  if (flags.format) {
    const absl::Status status = Format(flags);
    if (status.ok()) return 0;
    std::cerr << "cairn-namenode: " << status.message() << "\n";
    return 1;
  }
  std::unique_ptr<NamenodeServer> server;
  const int code = RunDaemon(
      {.name = "namenode", .pid_file = flags.pid_file, .port_file = flags.port_file},
      [&]() -> absl::StatusOr<DaemonFacts> {
        ASSIGN_OR_RETURN(const Config config, LoadConfig(flags));
        ASSIGN_OR_RETURN(server, NamenodeServer::Start(config));
        return server->facts();
      },
      [&] { return server->Drain(); });
  return code;
}

}  // namespace
}  // namespace cairn::namenode

int main(int argc, char** argv) { return cairn::namenode::Main(argc, argv); }
