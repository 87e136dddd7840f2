#include "namenode/blocks/order_bell.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace cairn::namenode {
namespace {

absl::Status Stopping() { return absl::UnavailableError("the namenode stops"); }

}  // namespace

OrderBell::Node* OrderBell::Find(absl::string_view datanode_uuid) const {
  const auto found = nodes_.find(datanode_uuid);
  return found == nodes_.end() ? nullptr : found->second.get();
}

// Where a waiting node stands among those to be answered, from what was rung for it.
void OrderBell::Place(Node& node) {
  due_.erase({node.due, &node});
  if (node.wait == nullptr) return;
  node.due = node.until;
  for (size_t kind = 0; kind < kKinds; ++kind) {
    if (node.rung[kind]) node.due = std::min(node.due, node.not_before[kind]);
  }
  due_.insert({node.due, &node});
  if (due_.begin()->second == &node) wake_.NotifyAll();
}

void OrderBell::End(Node& node, absl::Status why) {
  if (node.wait == nullptr) return;
  ended_.emplace_back(std::exchange(node.wait, nullptr), std::move(why));
  Place(node);
  wake_.NotifyAll();
}

void OrderBell::Open(absl::string_view datanode_uuid, uint64_t session) {
  MutexLock lock(mu_);
  std::unique_ptr<Node>& node = nodes_[datanode_uuid];
  if (node == nullptr) node = std::make_unique<Node>();
  if (session <= node->session) return;
  End(*node, absl::AbortedError("a newer session has begun"));
  node->session = session;
  node->rung = {};  // what it was told before is out of date
}

void OrderBell::Close(absl::string_view datanode_uuid, uint64_t session) {
  MutexLock lock(mu_);
  Node* const node = Find(datanode_uuid);
  if (node == nullptr || node->session > session) return;
  End(*node, absl::AbortedError("silent for too long, declared dead; register again"));
  nodes_.erase(datanode_uuid);
}

void OrderBell::Wait(absl::string_view datanode_uuid, uint64_t session, absl::Duration now,
                     std::shared_ptr<OrderWait> wait) {
  absl::Status refused;
  {
    MutexLock lock(mu_);
    Node* const node = Find(datanode_uuid);
    if (stopping_) {
      refused = Stopping();
    } else if (node == nullptr || node->session != session) {
      refused = absl::AbortedError(absl::StrCat("datanode ", datanode_uuid, ": session ", session,
                                                " is not the current one; register again"));
    } else {
      End(*node, absl::AbortedError("a newer wait has come"));
      node->wait = std::move(wait);
      node->until = now + options_.longest_wait;
      Place(*node);
      return;
    }
  }
  wait->Answer(refused);
}

void OrderBell::Ring(absl::string_view datanode_uuid, For what) {
  MutexLock lock(mu_);
  Node* const node = Find(datanode_uuid);
  if (node == nullptr || std::exchange(node->rung[static_cast<size_t>(what)], true)) return;
  Place(*node);
}

void OrderBell::Taken(absl::string_view datanode_uuid) {
  MutexLock lock(mu_);
  Node* const node = Find(datanode_uuid);
  if (node == nullptr) return;
  node->rung = {};
  Place(*node);
}

bool OrderBell::IsWaiting(absl::string_view datanode_uuid) const {
  MutexLock lock(mu_);
  const Node* const node = Find(datanode_uuid);
  return node != nullptr && node->wait != nullptr && !node->wait->abandoned();
}

OrderBell::Due OrderBell::TakeDue(absl::Duration now) {
  Due due;
  MutexLock lock(mu_);
  due.answers = std::exchange(ended_, {});
  while (!due_.empty() && due_.begin()->first <= now) {
    Node& node = *due_.begin()->second;
    bool orders = false;
    for (size_t kind = 0; kind < kKinds; ++kind) {
      if (!node.rung[kind]) continue;
      orders = true;
      const bool deletion = kind == static_cast<size_t>(For::kDeletion);
      node.not_before[kind] = now + (deletion ? options_.deletion_pause : options_.order_pause);
    }
    due.answers.emplace_back(std::exchange(node.wait, nullptr), orders);
    Place(node);
  }
  if (!due_.empty()) due.next = due_.begin()->first;
  return due;
}

void OrderBell::Run(Clock& clock) {
  while (true) {
    const absl::Duration now = clock.Monotonic();
    Due due = TakeDue(now);
    for (auto& [wait, orders] : due.answers) wait->Answer(std::move(orders));
    MutexLock lock(mu_);
    if (stopping_ && ended_.empty()) return;
    if (!ended_.empty() || (!due_.empty() && due_.begin()->first <= now)) continue;
    // The earliest may have changed since TakeDue; whoever changed it found nobody to wake.
    const absl::Duration next = due_.empty() ? now + options_.longest_wait : due_.begin()->first;
    wake_.WaitFor(mu_, absl::ToChronoNanoseconds(std::min(next - now, options_.longest_wait)));
  }
}

void OrderBell::Stop() {
  MutexLock lock(mu_);
  stopping_ = true;
  for (const auto& [uuid, node] : nodes_) End(*node, Stopping());
  wake_.NotifyAll();
}

}  // namespace cairn::namenode
