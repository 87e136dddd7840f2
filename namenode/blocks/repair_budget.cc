#include "namenode/blocks/repair_budget.h"

namespace cairn::namenode {
namespace {

// Nodes whose bucket is full again are forgotten when there are more than this.
constexpr size_t kManyNodes = 1000;
constexpr uint32_t kTargetShare = 2;  // a node takes so many times what it sends

}  // namespace

bool RepairBudget::HasRoom(uint32_t copies, uint64_t running, uint64_t bytes, uint32_t streams,
                           uint32_t share) const {
  if (copies < streams * share) return true;
  return copies < options_.most_small * share &&
         running + bytes <= options_.stream_bytes * options_.max_streams * share;
}

bool RepairBudget::HasTokens(absl::string_view node, absl::Duration now) const {
  if (options_.node_bandwidth == 0) return true;
  const auto found = nodes_.find(node);
  return found == nodes_.end() || found->second.HasAny(now);
}

bool RepairBudget::CanSend(absl::string_view node, uint64_t bytes, Need need,
                           absl::Duration now) const {
  const uint32_t streams = need == Need::kHighest ? options_.hard_streams : options_.max_streams;
  const PendingCopies::Load& load = copies_.LoadOf(node);
  return HasRoom(load.copies_out, load.bytes_out, bytes, streams, 1) && HasTokens(node, now);
}

bool RepairBudget::CanTake(absl::string_view node, uint64_t bytes, Need need,
                           absl::Duration now) const {
  const uint32_t streams = need == Need::kHighest ? options_.hard_streams : options_.max_streams;
  const PendingCopies::Load& load = copies_.LoadOf(node);
  return HasRoom(load.copies_in, load.bytes_in, bytes, streams, kTargetShare) &&
         HasTokens(node, now);
}

void RepairBudget::SpendOf(const std::string& node, uint64_t bytes, absl::Duration now) {
  if (options_.node_bandwidth == 0) return;
  if (nodes_.size() > kManyNodes) {
    absl::erase_if(nodes_, [now](const auto& item) { return item.second.IsFull(now); });
  }
  nodes_.try_emplace(node, static_cast<double>(options_.node_bandwidth), now)
      .first->second.Take(static_cast<double>(bytes), now);
}

void RepairBudget::Spend(absl::string_view source, std::span<const std::string> targets,
                         uint64_t bytes, absl::Duration now) {
  // In a chain every node but the last sends what it takes.
  SpendOf(std::string(source), bytes, now);
  for (const std::string& target : targets) SpendOf(target, bytes, now);
  cluster_.Take(static_cast<double>(bytes * targets.size()), now);
}

}  // namespace cairn::namenode
