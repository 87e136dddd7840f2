#include "namenode/core/balancer.h"

namespace cairn::namenode {

BalanceProgress NamenodeImpl::Balance(const BalanceJob& job, uint64_t after, bool stop) {
  return healer_->balancer().Ask(job, after, stop);
}

void NamenodeImpl::SetBalancerBandwidth(uint64_t bytes_per_second) {
  healer_->balancer().SetBandwidth(bytes_per_second);
  // One that registers later is told then; one that is lost, when it is back.
  const BalanceBandwidthCommand order{bytes_per_second};
  for (const ClusterView::Node& node : cluster_.View()->nodes()) {
    if (node.info->liveness != Liveness::kDead) orders_.Add(node.info->uuid, order);
  }
}

}  // namespace cairn::namenode
