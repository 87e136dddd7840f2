#include "tools/dfsadmin/commands.h"

namespace cairn::tools {
namespace {

constexpr char kSnapshots[] = "Not supported yet: there are no snapshots. It fails.";
constexpr char kQuotas[] = "Not supported yet: there are no quotas. It fails.";

constexpr AdminCommand kCommands[] = {
    {"report",
     "[-live] [-dead] [-decommissioning] [-enteringmaintenance] [-inmaintenance] [-slownodes] "
     "[--json]",
     "Show capacity, blocks in trouble, and every datanode.\n"
     "A flag shows the datanodes of that state alone; several flags, those of any of them.\n"
     "  -slownodes  Those that others have found slow.",
     &RunAdminReport},
    {"safemode", "<enter | leave | get | wait | forceExit>",
     "Safe mode: nothing may be changed, and no replica is copied or deleted.\n"
     "  enter      Go into it, until someone leaves it.   leave   End it.\n"
     "  get        Tell whether it is on.                 wait    Until it is off.\n"
     "  forceExit  End it, whatever is missing.",
     &RunSafeMode},
    {"saveNamespace", "[-beforeShutdown]",
     "Make a checkpoint of the namespace. The namenode goes on serving; safe mode is not needed.\n"
     "  -beforeShutdown  Only if the last one is older than 2 hours or 1000000 edits behind.",
     &RunSaveNamespace},
    {"rollEdits", "", "Begin a new segment of the edit log.", &RunRollEdits},
    {"refreshNodes", "",
     "Have the namenode read again who may be a datanode (dfs.hosts, dfs.hosts.exclude), who is\n"
     "to leave, and in which racks they stand. A file that does not parse changes nothing; the\n"
     "error names its line.",
     &RunRefreshNodes},
    {"printTopology", "", "Show the racks, the live datanodes of each, and their states.",
     &RunPrintTopology},
    {"finalizeUpgrade", "",
     "Make an upgrade or a restore final: the state before it is removed, and the datanodes "
     "delete\n"
     "what was kept for going back.",
     &RunFinalizeUpgrade},
    {"upgrade", "<query | finalize>",
     "  query     Tell whether an upgrade could still be rolled back.\n"
     "  finalize  The same as -finalizeUpgrade.",
     &RunUpgrade},
    {"metasave", "<filename>",
     "Let the namenode write what it knows of blocks in trouble and of its datanodes to a file in\n"
     "its log directory. An earlier file of that name is overwritten.",
     &RunMetaSave},
    {"setQuota", "<quota> <dirname>...<dirname>", kQuotas, &RunNotSupported},
    {"clrQuota", "<dirname>...<dirname>", kQuotas, &RunNotSupported},
    {"setSpaceQuota", "<quota> [-storageType <storagetype>] <dirname>...<dirname>", kQuotas,
     &RunNotSupported},
    {"clrSpaceQuota", "[-storageType <storagetype>] <dirname>...<dirname>", kQuotas,
     &RunNotSupported},
    {"rollingUpgrade", "[<query|prepare|finalize>]",
     "Not supported yet. It fails.\nStop and start one datanode after the other: -shutdownDatanode "
     "with `upgrade`.",
     &RunNotSupported},
    {"refreshServiceAcl", "", "Accepted: there is no service-level authorization to read again.",
     &RunRefreshServiceAcl},
    {"refreshUserToGroupsMappings", "",
     "Accepted: a user's groups are read again by themselves, after five minutes at the latest.",
     &RunRefreshUserMappings},
    {"refreshSuperUserGroupsConfiguration", "", "Accepted: nobody may act for others.",
     &RunRefreshSuperUserGroups},
    {"reconfig", "<datanode> <host:ipc_port> <start|status|properties>",
     "Let a datanode read its configuration again while running.\n"
     "  start       Begin: volumes that dfs.datanode.data.dir names anew are added, others "
     "removed,\n"
     "              and one that has failed is replaced by what is in its directory now.\n"
     "  status      How it went.\n"
     "  properties  What can be changed so.",
     &RunReconfig},
    {"refreshCallQueue", "", "Accepted: there is no call queue.", &RunRefreshCallQueue},
    {"allowSnapshot", "<snapshotDir>", kSnapshots, &RunNotSupported},
    {"disallowSnapshot", "<snapshotDir>", kSnapshots, &RunNotSupported},
    {"provisionSnapshotTrash", "<snapshotDir> [-all]", kSnapshots, &RunNotSupported},
    {"setBalancerBandwidth", "<bandwidth in bytes per second>",
     "Set what each datanode may spend on balancing, until it is started again.",
     &RunSetBalancerBandwidth},
    {"getBalancerBandwidth", "<datanode_host:ipc_port>",
     "Show the bytes per second that a datanode may spend on balancing.", &RunGetBalancerBandwidth},
    {"shutdownDatanode", "<datanode_host:ipc_port> [upgrade]",
     "Let a datanode end: it finishes what it has promised.\n"
     "  upgrade  Its clients are told to wait for it.",
     &RunShutdownDatanode},
    {"evictWriters", "<datanode_host:ipc_port>",
     "Cut off all who are writing a block on a datanode; they go on with other datanodes.\n"
     "For a datanode whose decommissioning waits for slow writers.",
     &RunEvictWriters},
    {"getDatanodeInfo", "<datanode_host:ipc_port>",
     "Ask a datanode for its version and how long it has run: is it alive?", &RunGetDatanodeInfo},
    {"getVolumeReport", "<datanode_host:ipc_port>", "Show a datanode's volumes and their space.",
     &RunGetVolumeReport},
    {"triggerBlockReport", "[-incremental] <datanode_host:ipc_port> [-namenode <host:port>]",
     "Let a datanode report its replicas now: all of them, or with -incremental what has changed.",
     &RunTriggerBlockReport},
    {"listOpenFiles", "[-blockingDecommission] [-path <path>] [--json]",
     "Show the files that somebody is writing, and who.\n"
     "  -blockingDecommission  Only those that a datanode which is to leave waits for.\n"
     "  -path                  Only those below a path.",
     &RunListOpenFiles},
    {"help", "[cmd]", "Explain a command, or all of them.", &RunAdminHelp},
};

}  // namespace

std::span<const AdminCommand> AdminCommands() { return kCommands; }

}  // namespace cairn::tools
