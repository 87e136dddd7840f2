// namenode/service/rpc/batched_listing.h - getBatchedListing(): many paths listed by one call.
//
// Path after path as getListing tells them, until there is a page in all; the client goes on with
// the place that the answer names. A path that cannot be listed has its exception in its entries'
// place and keeps none of the others back.
//
// Internal to this folder.
#pragma once

#include "namenode/service/rpc/client_protocol_methods.h"

namespace cairn::namenode::client_protocol {

void GetBatchedListing(const Call& call);

}  // namespace cairn::namenode::client_protocol
