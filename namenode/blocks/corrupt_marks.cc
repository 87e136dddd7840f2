#include "namenode/blocks/corrupt_marks.h"

#include <algorithm>

namespace cairn::namenode {

void CorruptMarks::Put(BlockId block, MarkOf put) {
  auto& marks = marks_[block];
  for (MarkOf& mark : marks) {
    if (mark.storage != put.storage) continue;
    mark.certain |= put.certain;
    mark.older = put.older;
    return;
  }
  if (marks.empty()) CountUnit(block, 1);
  marks.push_back(put);
  by_storage_.insert({put.storage, block});
}

void CorruptMarks::CountUnit(BlockId block, int by) {
  if (!IsGrouped(block)) return;
  units_ += static_cast<size_t>(by);
  const auto group = groups_.try_emplace(GroupOf(block), 0).first;
  group->second += static_cast<uint32_t>(by);
  if (group->second == 0) groups_.erase(group);
}

void CorruptMarks::Mark(BlockId block, uint32_t storage, bool certain) {
  Put(block, {storage, certain, /*older=*/false});
}

void CorruptMarks::MarkOlder(BlockId block, uint32_t storage) {
  Put(block, {storage, /*certain=*/false, /*older=*/true});
}

void CorruptMarks::Drop(BlockId block, uint32_t storage) {
  const auto found = marks_.find(block);
  if (found == marks_.end()) return;
  auto& marks = found->second;
  marks.erase(std::remove_if(marks.begin(), marks.end(),
                             [&](const MarkOf& mark) { return mark.storage == storage; }),
              marks.end());
  if (!marks.empty()) return;
  marks_.erase(found);
  CountUnit(block, -1);
}

void CorruptMarks::Unmark(BlockId block, uint32_t storage) {
  Drop(block, storage);
  by_storage_.erase({storage, block});
}

std::vector<uint32_t> CorruptMarks::Forget(BlockId block) {
  const std::vector<uint32_t> storages = Of(block);
  for (const uint32_t storage : storages) by_storage_.erase({storage, block});
  if (marks_.erase(block) > 0) CountUnit(block, -1);
  return storages;
}

bool CorruptMarks::ForgetSome(uint32_t storage, size_t most) {
  auto at = by_storage_.lower_bound({storage, BlockId{0}});
  for (; most > 0 && at != by_storage_.end() && at->first == storage; --most) {
    Drop(at->second, storage);
    at = by_storage_.erase(at);
  }
  return at != by_storage_.end() && at->first == storage;
}

std::vector<uint32_t> CorruptMarks::Of(BlockId block) const {
  const auto found = marks_.find(block);
  if (found == marks_.end()) return {};
  std::vector<uint32_t> storages;
  for (const MarkOf& mark : found->second) storages.push_back(mark.storage);
  return storages;
}

const CorruptMarks::MarkOf* CorruptMarks::Find(BlockId block, uint32_t storage) const {
  const auto found = marks_.find(block);
  if (found == marks_.end()) return nullptr;
  const auto mark = std::find_if(found->second.begin(), found->second.end(),
                                 [&](const MarkOf& of) { return of.storage == storage; });
  return mark == found->second.end() ? nullptr : &*mark;
}

bool CorruptMarks::IsCertain(BlockId block, uint32_t storage) const {
  const MarkOf* const mark = Find(block, storage);
  return mark != nullptr && mark->certain;
}

bool CorruptMarks::IsOlder(BlockId block, uint32_t storage) const {
  const MarkOf* const mark = Find(block, storage);
  return mark != nullptr && mark->older;
}

}  // namespace cairn::namenode
