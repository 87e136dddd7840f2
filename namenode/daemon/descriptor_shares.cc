#include "namenode/daemon/descriptor_shares.h"

#include "common/descriptors.h"

namespace cairn::namenode {
namespace {

constexpr uint64_t kOwn = 64;

}  // namespace

DescriptorShares ShareDescriptors(uint64_t limit, const DescriptorShares& wanted) {
  if (limit == 0) return wanted;
  DescriptorShares shares;
  shares.tables = Affordable("tables of the store are open", wanted.tables, limit / 4);
  shares.datanodes = Affordable("connections of datanodes", wanted.datanodes, limit / 8);
  const uint64_t taken = kOwn + static_cast<uint64_t>(shares.tables + shares.datanodes);
  shares.clients =
      Affordable("connections of clients", wanted.clients, limit > taken ? limit - taken : 0);
  return shares;
}

}  // namespace cairn::namenode
