// namenode/service/rpc/complete_call.h - complete(), which closes a file once its last block has
// its minimum of replicas.
//
// Datanodes report a replica about when the client learns that its last packet is safe, so the
// client's complete() often comes first. Answering false at once would cost it 400 ms (Java) or the
// whole copy (Go): the call waits for the report instead, up to
// ClientProtocolOptions::complete_wait.
//
// Internal to this folder.
#pragma once

#include "namenode/service/rpc/client_protocol_methods.h"

namespace cairn::namenode::client_protocol {

void Complete(const Call& call);

}  // namespace cairn::namenode::client_protocol
