// cairn-namenode: keeps the namespace and the block map.
//
//   cairn-namenode [--conf DIR] [-D key=value]... [--pid-file F] [--port-file F]
//   cairn-namenode -format [-force] [-clusterid ID] [--conf DIR] [-D key=value]...
//   cairn-namenode -upgrade ...   starts, and keeps the state as it is to go back to
//   cairn-namenode -rollback [--dry-run] [--yes] [--conf DIR] [-D key=value]...
//   cairn-namenode -finalize [--conf DIR] [-D key=value]...
//   cairn-namenode -restore [--to TXID|TIME] [--from DIR] [--dry-run] [--yes] [--conf DIR] ...
//   cairn-namenode -recover [--dry-run] [--yes] [--conf DIR] [-D key=value]...
//   cairn-namenode edits dump|image export ...   daemon/inspect_commands.h
//   cairn-namenode --check-config [--conf DIR] [-D key=value]...
//
// Exit status: 0 after SIGTERM, or when what was asked for is done; 1 on any error, which is
// printed, and when the question of a restore was answered with no.
#include <algorithm>
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
#include "namenode/daemon/finalize_command.h"
#include "namenode/daemon/inspect_commands.h"
#include "namenode/daemon/restore_command.h"
#include "namenode/daemon/server.h"
#include "namenode/daemon/storage.h"

namespace cairn::namenode {
namespace {

// HDFS spells these with one dash.
constexpr absl::string_view kHadoopFlags[] = {"-format",   "-force",    "-clusterid", "-upgrade",
                                              "-finalize", "-rollback", "-recover",   "-restore"};

struct Flags {
  std::string conf, cluster_id, pid_file, port_file;
  std::vector<std::string> overrides;
  bool format = false, force = false, restore = false, upgrade = false, finalize = false,
       check_config = false;
  RestoreFlags restoring;
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
  ASSIGN_OR_RETURN(options.journals, JournalDirectories(config));
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

absl::Status RestoreOrRecover(const Flags& flags) {
  ASSIGN_OR_RETURN(const Config config, LoadConfig(flags));
  return RunRestore(config, flags.restoring, std::cin, std::cout);
}

absl::Status Finalize(const Flags& flags) {
  ASSIGN_OR_RETURN(const Config config, LoadConfig(flags));
  return RunFinalize(config, std::cout);
}

int Main(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "edits") return RunEdits({argv + 2, argv + argc}, std::cout, std::cerr);
  if (first == "image") return RunImage({argv + 2, argv + argc}, std::cout, std::cerr);
  Flags flags;
  CLI::App app("Cairn namenode: keeps the namespace and the block map.");
  app.add_option("--conf", flags.conf, "directory of core-site.xml and hdfs-site.xml");
  app.add_option("-D", flags.overrides, "key=value, over what the files say")->take_all();
  app.add_option("--pid-file", flags.pid_file, "written at the start, removed at the end");
  app.add_option("--port-file", flags.port_file, "ports; written once it serves");
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {
    const std::string argument = argv[i];
    const bool long_flag = std::find(std::begin(kHadoopFlags), std::end(kHadoopFlags), argument) !=
                           std::end(kHadoopFlags);
    arguments.push_back(long_flag ? "-" + argument : argument);
  }
  app.add_flag("--format", flags.format, "make an empty namespace (also -format)");
  app.add_flag("--force", flags.force, "with -format: delete what is there (also -force)");
  app.add_option("--clusterid", flags.cluster_id, "with -format: not a new one (also -clusterid)");
  app.add_flag("--restore", flags.restore,
               "rebuild the store from a checkpoint and the journal (also -restore)");
  app.add_flag("--upgrade", flags.upgrade,
               "start, after keeping the state as it is in previous/ (also -upgrade)");
  app.add_flag("--rollback", flags.restoring.rollback,
               "go back to the state before the last upgrade (also -rollback)");
  app.add_flag("--finalize", flags.finalize,
               "tell the running namenode that nobody will go back (also -finalize)");
  app.add_flag("--recover", flags.restoring.recover,
               "go on without the damaged part of the journal (also -recover)");
  app.add_option("--to", flags.restoring.to, "with -restore: the last txid, or a time");
  app.add_option("--from", flags.restoring.from, "with -restore: another namenode's directory");
  app.add_flag("--dry-run", flags.restoring.dry_run, "with these: only show what would be done");
  app.add_flag("--yes", flags.restoring.yes, "with these: do not ask");
  app.add_flag("--check-config", flags.check_config, "read the configuration and stop");
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
  if (flags.check_config) {
    const absl::Status status =
        Config::Load(ResolveConfDir(flags.conf), flags.overrides, NamenodeKnownKeys()).status();
    if (status.ok()) return 0;
    std::cerr << status.message() << "\n";
    return 1;
  }
  const bool restores = flags.restore || flags.restoring.recover || flags.restoring.rollback;
  if (flags.format || flags.finalize || restores) {
    const absl::Status status = flags.format     ? Format(flags)
                                : flags.finalize ? Finalize(flags)
                                                 : RestoreOrRecover(flags);
    if (status.ok()) return 0;
    std::cerr << "cairn-namenode: " << status.message() << "\n";
    return 1;
  }
  std::unique_ptr<NamenodeServer> server;
  const int code = RunDaemon(
      {.name = "namenode", .pid_file = flags.pid_file, .port_file = flags.port_file},
      [&]() -> absl::StatusOr<DaemonFacts> {
        ASSIGN_OR_RETURN(const Config config, LoadConfig(flags));
        ASSIGN_OR_RETURN(server, NamenodeServer::Start(config, flags.upgrade));
        return server->facts();
      },
      [&] { return server->Drain(); });
  return code;
}

}  // namespace
}  // namespace cairn::namenode

int main(int argc, char** argv) { return cairn::namenode::Main(argc, argv); }
