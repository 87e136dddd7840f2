// namenode/service/rpc/truncate_call.h - truncate(), answered when the bytes are gone.
//
// A cut inside a block is done by the datanodes that hold it, at their next heartbeats. HDFS
// answers false at once and lets the client poll isFileClosed; most clients do not, and write on
// into a file that is still open. Here the call looks for them, up to
// ClientProtocolOptions::truncate_wait, and answers true when the file is closed at its new length.
//
// Internal to this folder.
#pragma once

#include "namenode/service/rpc/client_protocol_methods.h"

namespace cairn::namenode::client_protocol {

void Truncate(const Call& call);

}  // namespace cairn::namenode::client_protocol
