#include "client/excluded_nodes.h"

namespace cairn::client {

ExcludedNodes::ExcludedNodes(absl::Duration expiry, Failing again, Clock& clock)
    : expiry_(expiry), again_(again), clock_(clock) {}

ExcludedNodes::Entry* ExcludedNodes::Find(const hdfs::DatanodeInfoProto& node) {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) {
    return e.node.id().datanodeuuid() == node.id().datanodeuuid();
  });
  return found == entries_.end() ? nullptr : &*found;
}

void ExcludedNodes::Forget() {
  const absl::Duration now = clock_.Monotonic();
  std::erase_if(entries_, [&](const Entry& e) { return now >= e.forget_at; });
}

void ExcludedNodes::Add(const hdfs::DatanodeInfoProto& node, absl::Duration expiry) {
  Forget();
  const absl::Duration now = clock_.Monotonic();
  Entry* entry = Find(node);
  const absl::Duration pause = entry == nullptr ? absl::ZeroDuration() : Longer(entry->pause);
  if (entry == nullptr) entry = &entries_.emplace_back();
  *entry = {.node = node,
            .pause = pause,
            .until = now + (again_ == Failing::kLonger ? std::max(expiry, pause) : expiry),
            .try_at = now + pause,
            .forget_at = {}};
  entry->forget_at = entry->until + expiry_;
}

std::vector<hdfs::DatanodeInfoProto> ExcludedNodes::List() {
  Forget();
  const absl::Duration now = clock_.Monotonic();
  std::vector<hdfs::DatanodeInfoProto> nodes;
  for (const Entry& e : entries_) {
    if (now < e.until) nodes.push_back(e.node);
  }
  return nodes;
}

std::vector<hdfs::DatanodeInfoProto> ExcludedNodes::TakeDue() {
  const absl::Duration now = clock_.Monotonic();
  std::vector<hdfs::DatanodeInfoProto> nodes;
  for (Entry& e : entries_) {
    if (now >= e.until || now < e.try_at) continue;
    nodes.push_back(e.node);
    e.pause = Longer(e.pause);
    e.try_at = now + e.pause;
  }
  return nodes;
}

void ExcludedNodes::Readmit(const hdfs::DatanodeInfoProto& node) {
  if (Entry* const entry = Find(node)) entry->until = clock_.Monotonic();
}

}  // namespace cairn::client
