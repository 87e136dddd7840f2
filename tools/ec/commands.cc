#include "tools/ec/commands.h"

namespace cairn::tools {
namespace {

constexpr EcCommand kCommands[] = {
    {"listPolicies", "[--json]", "Show all policies that the cluster has, of every state.",
     &RunEcListPolicies},
    {"addPolicies", "-policyFile <file>",
     "Give the cluster policies of your own. They are disabled until -enablePolicy.\n"
     "  <file>  XML on this machine, in HDFS's format: layoutversion 1, schemas, policies.",
     &RunEcAddPolicies},
    {"getPolicy", "-path <path> [--json]",
     "Show the policy that a file has, or that new files of a directory get.", &RunEcGetPolicy},
    {"removePolicy", "-policy <policy>",
     "Take away a policy that was added. Directories and files that have it keep it.",
     &RunEcRemovePolicy},
    {"setPolicy", "-path <path> [-policy <policy>] [-replicate]",
     "Choose how files are kept that are made from now on below a directory. Those that are there\n"
     "stay as they are.\n"
     "  -policy     An enabled policy; without it, the cluster's default one.\n"
     "  -replicate  They are replicated, whatever is set above. Not together with -policy.",
     &RunEcSetPolicy, 3},
    {"unsetPolicy", "-path <path>",
     "Take back what -setPolicy has set at a directory: what is set above it holds again.",
     &RunEcUnsetPolicy},
    {"listCodecs", "[--json]",
     "Show the codes that the cluster knows, and of each the coders that compute it: the first "
     "one\n"
     "that can is taken.",
     &RunEcListCodecs},
    {"enablePolicy", "-policy <policy>",
     "Allow a policy to be set. Says so if there are too few datanodes or racks for it.",
     &RunEcEnablePolicy},
    {"disablePolicy", "-policy <policy>",
     "Allow it no more. Directories and files that have it keep it.", &RunEcDisablePolicy},
    {"verifyClusterSetup", "[-policy <policy>...<policy>]",
     "Tell whether there are datanodes and racks enough for all enabled policies, or for those\n"
     "named. Exits with 2 if not.",
     &RunEcVerifyClusterSetup, 1},
    {"convert",
     "(-policy <policy> | -replicate) [-parallel <n>] [-bandwidth <bytes>] [-minSize <bytes>] "
     "[-olderThan <time>] [--json] <path> ...",
     "Keep files that are there, or all below a directory, erasure-coded or replicated from now "
     "on.\n"
     "Each is copied, compared and switched over in one step; who reads it goes on, and one that\n"
     "somebody writes or changes is left. Killed, it can be run again. Exits with 2 if not all\n"
     "could be converted.\n"
     "  -policy     An enabled policy, for replicated files.\n"
     "  -replicate  For erasure-coded ones: as often as new files (dfs.replication).\n"
     "  -parallel   Files at a time; 4.\n"
     "  -bandwidth  Bytes a second to read at the most, of all together: 100m.\n"
     "  -minSize    Leave smaller files: 64m.\n"
     "  -olderThan  Leave files that were changed since: 7d.",
     &RunEcConvert},
    {"help", "<command-name>", "Explain a command, or all of them.", &RunEcHelp},
};

}  // namespace

std::span<const EcCommand> EcCommands() { return kCommands; }

}  // namespace cairn::tools
