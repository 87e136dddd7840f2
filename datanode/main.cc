// cairn-datanode: keeps replicas of blocks on this machine's disks.
//
//   cairn-datanode [--conf DIR] [-D key=value]... [--pid-file F] [--port-file F]
//   cairn-datanode --check-config [--conf DIR] [-D key=value]...
//
// Exit status: 0 after SIGTERM; 1 on any error, which is printed.
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/daemon.h"
#include "common/descriptors.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/config_keys.h"
#include "datanode/datanode.h"
#include "datanode/descriptor_shares.h"

namespace cairn::datanode {
namespace {

constexpr absl::Duration kNamenodeCallLimit = absl::Seconds(10);

struct Flags {
  std::string conf, pid_file, port_file;
  std::vector<std::string> overrides;
  bool check_config = false;
};

absl::StatusOr<Config> LoadConfig(const Flags& flags) {
  ASSIGN_OR_RETURN(Config config,
                   Config::Load(ResolveConfDir(flags.conf), flags.overrides, DatanodeKnownKeys()));
  RETURN_IF_ERROR(InitDaemonLogging(config, "datanode"));
  return config;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Cairn datanode: keeps replicas of blocks on this machine's disks.");
  app.add_option("--conf", flags.conf, "directory of core-site.xml and hdfs-site.xml");
  app.add_option("-D", flags.overrides, "key=value, over what the files say")->take_all();
  app.add_option("--pid-file", flags.pid_file, "written at the start, removed at the end");
  app.add_option("--port-file", flags.port_file, "ports; written once it serves");
  app.add_flag("--check-config", flags.check_config, "read the configuration and stop");
  CLI11_PARSE(app, argc, argv);
  if (flags.check_config) {
    const absl::Status status =
        Config::Load(ResolveConfDir(flags.conf), flags.overrides, DatanodeKnownKeys()).status();
    if (status.ok()) return 0;
    std::cerr << status.message() << "\n";
    return 1;
  }

  std::unique_ptr<NamenodeLink> link;
  std::unique_ptr<Datanode> datanode;
  absl::Duration drain_limit;
  bool hangs = false;
  bool started = false;
  std::atomic<bool> restarts = false;  // the writers need not get time to finish first
  const int exit_status = RunDaemon(
      {.name = "datanode", .pid_file = flags.pid_file, .port_file = flags.port_file},
      [&]() -> absl::StatusOr<DaemonFacts> {
        ASSIGN_OR_RETURN(const Config config, LoadConfig(flags));
        ASSIGN_OR_RETURN(drain_limit, config.GetDuration("cairn.datanode.drain.limit"));
        ASSIGN_OR_RETURN(DatanodeOptions options, OptionsFrom(config));
        FitToDescriptors(DescriptorLimit(), &options);
        options.reload = [flags]() -> absl::StatusOr<DatanodeOptions> {
          ASSIGN_OR_RETURN(const Config again, Config::Load(ResolveConfDir(flags.conf),
                                                            flags.overrides, DatanodeKnownKeys()));
          return OptionsFrom(again);
        };
        ASSIGN_OR_RETURN(const std::string namenode, NamenodeAddress(config));
        link = NewGrpcNamenodeLink(namenode, kNamenodeCallLimit);
        ASSIGN_OR_RETURN(datanode, Datanode::Start(PosixFileSystem(), std::move(options), *link,
                                                   [&restarts](bool will_restart) {
                                                     restarts = will_restart;
                                                     ::kill(::getpid(), SIGTERM);
                                                   }));
        started = true;
        return DaemonFacts{{"transfer", std::to_string(datanode->transfer_port())},
                           {"ipc", std::to_string(datanode->ipc_port())}};
      },
      [&] {
        const absl::Status status = datanode->Drain(restarts ? absl::ZeroDuration() : drain_limit);
        if (datanode->WaitsForADisk()) {
          LOG_WARN("a disk hangs: its calls are not waited for");
          (void)datanode.release();  // NOLINT: the end of the process is the end of it
          hangs = true;
        }
        datanode.reset();
        return status;
      });
  // No destructors: threads that wait for the disk still use what there is.
  if (hangs || !started) std::_Exit(exit_status);
  return exit_status;
}

}  // namespace
}  // namespace cairn::datanode

int main(int argc, char** argv) { return cairn::datanode::Main(argc, argv); }
