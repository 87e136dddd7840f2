// namenode/service/rpc/caller.h - who makes a call, as the namenode's operations take it.
#pragma once

#include "namenode/namespace/types.h"
#include "wire/rpc/service.h"

namespace cairn::namenode {

// Views into `call`.
inline Caller CallerOf(const rpc::CallInfo& call) {
  Caller caller{.user = call.principal.user, .remote_ip = call.remote_ip};
  // A negative call id is the connection's own business and is never resent.
  if (call.has_client_id && call.call_id >= 0) {
    caller.client_id = call.client_id.data();
    caller.call_id = call.call_id;
  }
  return caller;
}

}  // namespace cairn::namenode
