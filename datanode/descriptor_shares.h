// datanode/descriptor_shares.h - who may have how many of the datanode's file descriptors.
#pragma once

#include <cstdint>

#include "datanode/datanode.h"

namespace cairn::datanode {

// Lowers what `options` say of transfers and of connections to the IPC port to what a limit of so
// many descriptors leaves for them, beside the volumes, the scanners and what the datanode copies
// for the namenode. A transfer may need four: its connection, a replica's two files, and the
// connection to the next node. 0: not known, nothing changes. The log says what is lowered.
void FitToDescriptors(uint64_t limit, DatanodeOptions* options);

}  // namespace cairn::datanode
