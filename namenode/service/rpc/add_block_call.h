// namenode/service/rpc/add_block_call.h - addBlock(), which gives the next block once the one
// before the last has its minimum of replicas, and waits for that (replica_wait.h).
//
// Internal to this folder.
#pragma once

#include "namenode/service/rpc/client_protocol_methods.h"

namespace cairn::namenode::client_protocol {

// Answers. FsError::kNotReplicatedYet at once if the call may not wait: there is no place, or
// `request` names more than a waiting call may keep.
void AddBlockOrWait(const Call& call, const AddBlockRequest& request);

}  // namespace cairn::namenode::client_protocol
