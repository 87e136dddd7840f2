#include "namenode/blocks/pending_copies.h"

#include <algorithm>
#include <utility>

namespace cairn::namenode {

void PendingCopies::Count(const Copy& copy, int sign) {
  const auto change = [sign](auto& value, uint64_t by) {
    value =
        static_cast<std::remove_reference_t<decltype(value)>>(sign > 0 ? value + by : value - by);
  };
  Load& source = loads_[copy.source_node];
  change(source.copies_out, 1);
  change(source.bytes_out, copy.bytes);
  Load& target = loads_[copy.target_node];
  change(target.copies_in, 1);
  change(target.bytes_in, copy.bytes);
  size_ = static_cast<size_t>(static_cast<int64_t>(size_) + sign);
  if (sign > 0) return;
  for (const std::string* const node : {&copy.source_node, &copy.target_node}) {
    const auto found = loads_.find(*node);
    if (found != loads_.end() && found->second.copies_out == 0 && found->second.copies_in == 0) {
      loads_.erase(found);
    }
  }
}

void PendingCopies::Add(BlockId block, Copy copy) {
  Count(copy, +1);
  copies_[block].push_back(std::move(copy));
}

bool PendingCopies::Settle(BlockId block, std::span<const uint32_t> storages, uint32_t* target) {
  const auto found = copies_.find(block);
  if (found == copies_.end()) return false;
  Copies& copies = found->second;
  const auto at = std::find_if(copies.begin(), copies.end(), [&](const Copy& copy) {
    return std::find(storages.begin(), storages.end(), copy.target) != storages.end();
  });
  if (at == copies.end()) return false;
  *target = at->target;
  Count(*at, -1);
  copies.erase(at);
  if (copies.empty()) copies_.erase(found);
  return true;
}

template <typename Out>
void PendingCopies::TakeFrom(Copies* copies, const std::function<bool(const Copy&)>& which,
                             const Out& out) {
  for (auto at = copies->begin(); at != copies->end();) {
    if (!which(*at)) {
      ++at;
      continue;
    }
    Count(*at, -1);
    out(std::move(*at));
    at = copies->erase(at);
  }
}

bool PendingCopies::TakeSome(size_t most, const std::function<bool(const Copy&)>& which,
                             BlockId* position, std::vector<Taken>* out) {
  size_t looked = 0;
  auto it = copies_.upper_bound(*position);
  while (it != copies_.end() && looked < most) {
    const BlockId block = *position = it->first;
    looked += it->second.size();
    TakeFrom(&it->second, which, [&](Copy copy) { out->push_back({block, std::move(copy)}); });
    if (it->second.empty()) {
      it = copies_.erase(it);
    } else {
      ++it;
    }
  }
  return it != copies_.end();
}

std::vector<PendingCopies::Copy> PendingCopies::TakeOf(
    BlockId block, const std::function<bool(const Copy&)>& which) {
  std::vector<Copy> taken;
  const auto found = copies_.find(block);
  if (found == copies_.end()) return taken;
  TakeFrom(&found->second, which, [&](Copy copy) { taken.push_back(std::move(copy)); });
  if (found->second.empty()) copies_.erase(found);
  return taken;
}

void PendingCopies::Forget(BlockId block) {
  const auto found = copies_.find(block);
  if (found == copies_.end()) return;
  for (const Copy& copy : found->second) Count(copy, -1);
  copies_.erase(found);
}

const PendingCopies::Copies* PendingCopies::Find(BlockId block) const {
  const auto found = copies_.find(block);
  return found == copies_.end() ? nullptr : &found->second;
}

const PendingCopies::Load& PendingCopies::LoadOf(absl::string_view node) const {
  static const Load& none = *new Load;
  const auto found = loads_.find(node);
  return found == loads_.end() ? none : found->second;
}

}  // namespace cairn::namenode
