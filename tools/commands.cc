#include "tools/command.h"

#include "tools/balancer/balancer.h"
#include "tools/debug/debug.h"
#include "tools/dfs/dfs.h"
#include "tools/dfsadmin/dfsadmin.h"
#include "tools/doctor/doctor.h"
#include "tools/ec/ec.h"
#include "tools/fsck/fsck.h"
#include "tools/mini/mini.h"
#include "tools/mount/mount.h"
#include "tools/policy/policy.h"
#include "tools/top/top.h"
#include "tools/why/why.h"

namespace cairn::tools {
namespace {

constexpr Command kCommands[] = {
    {.name = "balancer",
     .summary = "move blocks from full datanodes to emptier ones, as `hdfs balancer` does",
     .usage = "[-conf DIR] [-fs URI] [-D KEY=VALUE]... [-threshold PERCENT] "
              "[-include|-exclude|-source [-f FILE | HOST,...]]... [-idleiterations N] [--json]",
     .run = &RunBalancer,
     .exit_unwritten = 252},  // HDFS's IO_EXCEPTION
    {.name = "debug",
     .summary = "look into single replicas and files, as `hdfs debug` does",
     .usage = "verifyMeta|computeMeta|recoverLease [ARGUMENT]...",
     .run = &RunDebug},
    {.name = "dfs",
     .summary = "work with files, with the options and output of `hdfs dfs`",
     .usage = "[-conf DIR] [-fs URI] [-D KEY=VALUE]... -COMMAND [ARGUMENT]...",
     .run = &RunDfs,
     .exit_unwritten = kExitOk},
    {.name = "dfsadmin",
     .summary = "look at the cluster and steer it, as `hdfs dfsadmin` does",
     .usage = "[-conf DIR] [-fs URI] [-D KEY=VALUE]... -COMMAND [ARGUMENT]...",
     .run = &RunDfsAdmin,
     .exit_unwritten = kExitHadoopFailed},
    {.name = "doctor",
     .summary = "look for trouble in the cluster and say what to do",
     .usage = "[-conf DIR] [-fs URI] [-D KEY=VALUE]... [--json]",
     .run = &RunDoctor},
    {.name = "ec",
     .summary = "look at erasure coding policies and set them, as `hdfs ec` does",
     .usage = "[-conf DIR] [-fs URI] [-D KEY=VALUE]... -COMMAND [ARGUMENT]...",
     .run = &RunEc,
     .exit_unwritten = 2},  // as when it failed
    {.name = "fsck",
     .summary = "check that every file is whole, as `hdfs fsck` does",
     .usage = "[-conf DIR] [-fs URI] [-D KEY=VALUE]... PATH [-files [-blocks [-locations]]]...",
     .run = &RunFsck,
     .exit_unwritten = kExitHadoopFailed},
    {.name = "mini",
     .summary = "a whole cluster of real processes under one directory",
     .usage = "--dir D [--datanodes N] [--port P] [-D key=value]... [--racks a,b,...] [--detach] | "
              "--dir D start|stop|kill|pause|resume|status [NAME]...",
     .run = &RunMini},
    {.name = "mount",
     .summary = "show what a mount of cairn-fuse is doing, and how long its operations take",
     .usage = "status DIRECTORY [--json | --prometheus]",
     .run = &RunMount},
    {.name = "policy",
     .summary = "set rules that convert files as they age, and carry them out",
     .usage = "[-conf DIR] [-fs URI] [-D KEY=VALUE]... -COMMAND [ARGUMENT]...",
     .run = &RunPolicy,
     .exit_unwritten = 2},  // as when it failed
    {.name = "top",
     .summary = "show what the cluster is doing now",
     .usage = "[-conf DIR] [-fs URI] [-D KEY=VALUE]... [--once] [--interval SECONDS] [--json]",
     .run = &RunTop},
    {.name = "why",
     .summary = "explain what is wrong with a file, a block or a datanode",
     .usage = "[-conf DIR] [-fs URI] [-D KEY=VALUE]... PATH|BLOCK|NODE [--json]",
     .run = &RunWhy,
     .exit_unwritten = kExitUsage},  // as when it could not be found out
    {.name = "namenode",
     .summary = "run a namenode; format, checkpoint, restore and recover one",
     .usage = "[-format [-force] [-clusterid ID] | -checkpoint | -restore [--to TXID|TIME] "
              "[--from DIR] [--dry-run] [--yes] | -recover [--dry-run] [--yes] | "
              "-upgrade | -finalize | -rollback [--dry-run] [--yes]] [--conf DIR] "
              "[-D key=value]...",
     .run = &RunNamenode},
    {.name = "edits",
     .summary = "show the edits of a namenode's journal as JSON lines",
     .usage = "dump [--from TXID] [--to TXID] DIRECTORY|FILE...",
     .run = &RunEdits},
    {.name = "image",
     .summary = "export the namespace in a checkpoint or store, a line per inode",
     .usage = "export [--format jsonl|csv] DIRECTORY",
     .run = &RunImage},
    {.name = "datanode",
     .summary = "run a datanode",
     .usage = "[--conf DIR] [-D key=value]...",
     .run = &RunDatanode},
};

}  // namespace

std::span<const Command> Commands() { return kCommands; }

int UsageError(const CommandContext& ctx, const Command& command, const std::string& why) {
  ctx.err << "cairn " << command.name << ": " << why << "\n"
          << "usage: cairn " << command.name << " " << command.usage << "\n";
  return kExitUsage;
}

}  // namespace cairn::tools
