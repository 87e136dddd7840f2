#include "tools/policy/policy_commands.h"

namespace cairn::tools {
namespace {

constexpr EcCommand kPolicyCommands[] = {
    {"set",
     "<path> (-erasure <policy> | -replicated) [-olderThan <time>] [-unreadFor <time>] "
     "[-largerThan <bytes>]",
     "Set a rule at a directory: files below it that are old and large enough are converted where\n"
     "they are. It takes the place of the one that the directory has. Of several above a file the\n"
     "nearest one holds. For superusers, as the others here.\n"
     "  -erasure     To this erasure coding policy, which is enabled. Files of another one are "
     "left.\n"
     "  -replicated  Back to replication.\n"
     "  -olderThan   Since they were changed: 30d; without it, 1d. A minute at the least.\n"
     "  -unreadFor   Since they were read, as far as access times tell.\n"
     "  -largerThan  Than so many bytes: 128m. Empty files are left.",
     &RunPolicySet},
    {"list", "[<path>] [--json]",
     "Show all rules, or those at and below a directory, and who carries them out.",
     &RunPolicyList},
    {"show", "<path> [--json]",
     "Show which rule holds for a file or directory, and how much of what is there is due. Looks "
     "at\n"
     "all that is below.",
     &RunPolicyShow},
    {"remove", "<path>", "Take back the rule of a directory. What was converted stays so.",
     &RunPolicyRemove},
    {"run",
     "[-once] [-interval <time>] [-parallel <n>] [-bandwidth <bytes>] [-pause <time>] [--json]",
     "Carry the rules out, until it is ended. One does so at a time in a cluster. It can be "
     "killed\n"
     "at any moment, and be run again. With -once it exits with 2 if not all that was due could "
     "be\n"
     "converted.\n"
     "  -once       All rules once.\n"
     "  -interval   From the end of a round to the next one: 6h; without it, 1h.\n"
     "  -parallel   Files at a time; 4.\n"
     "  -bandwidth  Bytes a second to read at the most, of all together: 100m.\n"
     "  -pause      Before each page of a listing; 50ms.",
     &RunPolicyRun},
    {"help", "<command-name>", "Explain a command, or all of them.", &RunPolicyHelp},
};

}  // namespace

std::span<const EcCommand> PolicyCommands() { return kPolicyCommands; }

}  // namespace cairn::tools
