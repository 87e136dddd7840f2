// namenode/service/rpc/complete_call.h - complete(), which closes a file once its last block has
// its minimum of replicas, and waits for that (replica_wait.h).
//
// Internal to this folder.
#pragma once

#include "namenode/service/rpc/client_protocol_methods.h"

namespace cairn::namenode::client_protocol {

void Complete(const Call& call);

}  // namespace cairn::namenode::client_protocol
