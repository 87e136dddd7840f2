#include "tools/dfsadmin/commands.h"

namespace cairn::tools {
namespace {

constexpr AdminCommand kCommands[] = {
    {"report", "[-live] [-dead] [-decommissioning] [-enteringmaintenance] [-inmaintenance]",
     "Show capacity, blocks in trouble, and every datanode.\n"
     "A flag shows the datanodes of that state alone; several flags, those of any of them.",
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
    {"help", "[cmd]", "Explain a command, or all of them.", &RunAdminHelp},
};

}  // namespace

std::span<const AdminCommand> AdminCommands() { return kCommands; }

}  // namespace cairn::tools
