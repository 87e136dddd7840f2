// namenode/daemon/descriptor_shares.h - who may have how many of the namenode's file descriptors.
//
//   limit = own + tables + datanodes + clients
//
// Connections of clients get what the others leave, so that however many there are, the store finds
// descriptors for its tables and the journal for its files. `own` is all else: journal, checkpoint,
// logs, event loops.
#pragma once

#include <cstdint>

namespace cairn::namenode {

struct DescriptorShares {
  int tables;     // of the store, open at once
  int datanodes;  // connections
  int clients;    // connections
};

// `limit` 0: not known, all get what they want. Of a small one, a quarter at most is for tables and
// an eighth for datanodes. The log says who gets less than he wants.
DescriptorShares ShareDescriptors(uint64_t limit, const DescriptorShares& wanted);

}  // namespace cairn::namenode
