#include "client/seen_blocks.h"

#include <algorithm>
#include <iterator>

namespace cairn::client {
namespace {

bool IsOpen(const hdfs::LocatedBlocksProto& found) {
  return found.has_lastblock() && !found.islastblockcomplete();
}

// What the namenode knows of an open block may be less than readers have seen.
uint64_t BytesOfLast(const hdfs::LocatedBlocksProto& found) {
  const uint64_t bytes = found.lastblock().b().numbytes();
  return IsOpen(found) ? std::max<uint64_t>(bytes, 1) : bytes;
}

}  // namespace

SeenBlocks::Last SeenBlocks::LastOf(const hdfs::LocatedBlocksProto& found) {
  const hdfs::LocatedBlockProto& last = found.lastblock();
  return {.offset = last.offset(),
          .id = last.b().blockid(),
          .stamp = last.b().generationstamp(),
          .contents = found.contents(),
          .open = IsOpen(found)};
}

bool SeenBlocks::IsLast(const hdfs::LocatedBlocksProto& found) const {
  if (!last_.has_value() || !found.has_lastblock()) return false;
  const Last last = LastOf(found);
  return last.offset == last_->offset && last.id == last_->id && last.stamp == last_->stamp;
}

bool SeenBlocks::IsElsewhere(const hdfs::LocatedBlockProto& block, uint64_t bytes) const {
  if (bytes == 0) return false;
  const uint64_t offset = block.offset();
  const auto after = seen_.upper_bound(offset);
  if (after != seen_.end() && after->first - offset < bytes) return true;
  if (after == seen_.begin()) return false;
  const auto& [seen_offset, seen] = *std::prev(after);
  if (seen_offset == offset) return seen.id != block.b().blockid();
  return offset - seen_offset < seen.bytes;
}

bool SeenBlocks::IsWrittenAnew(const hdfs::LocatedBlockProto& block,
                               const hdfs::LocatedBlocksProto& found) const {
  if (!last_.has_value() || !last_->open || block.offset() != last_->offset) return false;
  return std::any_of(found.blocks().begin(), found.blocks().end(),
                     [&](const hdfs::LocatedBlockProto& other) {
                       const auto seen = seen_.find(other.offset());
                       return other.offset() < block.offset() && seen != seen_.end() &&
                              seen->second.id == other.b().blockid();
                     });
}

bool SeenBlocks::Contradicts(const hdfs::LocatedBlocksProto& found) const {
  const auto contradicts = [&](const hdfs::LocatedBlockProto& block, uint64_t bytes) {
    return IsElsewhere(block, bytes) && !IsWrittenAnew(block, found);
  };
  for (const hdfs::LocatedBlockProto& block : found.blocks()) {
    if (contradicts(block, block.b().numbytes())) return true;
  }
  if (found.has_lastblock() && contradicts(found.lastblock(), BytesOfLast(found))) return true;
  // Blocks before the last one get no other stamps: they have been replaced.
  return IsLast(found) && last_->contents != 0 && found.contents() != 0 &&
         last_->contents != found.contents();
}

bool SeenBlocks::Shows(const hdfs::LocatedBlocksProto& found, uint64_t offset) {
  const auto is_there = [offset](const hdfs::LocatedBlockProto& block) {
    return block.offset() == offset;
  };
  return std::any_of(found.blocks().begin(), found.blocks().end(), is_there) ||
         (found.has_lastblock() && is_there(found.lastblock()));
}

std::optional<uint64_t> SeenBlocks::Witness(const hdfs::LocatedBlocksProto& found) const {
  if (IsLast(found)) return std::nullopt;
  uint64_t end = found.filelength();
  if (found.has_lastblock()) {
    end = std::max(end, found.lastblock().offset() + BytesOfLast(found));
  }
  const auto behind = seen_.lower_bound(end);
  if (behind == seen_.begin()) return std::nullopt;
  // The last of them: what lies before it was there when it came.
  const uint64_t offset = std::prev(behind)->first;
  if (Shows(found, offset)) return std::nullopt;
  return offset;
}

void SeenBlocks::Note(const hdfs::LocatedBlockProto& block) {
  const uint64_t bytes = block.b().numbytes();
  if (bytes == 0) return;
  Seen& seen = seen_[block.offset()];
  const uint64_t known = seen.id == block.b().blockid() ? seen.bytes : 0;
  seen = {.id = block.b().blockid(), .bytes = std::max(known, bytes)};
}

void SeenBlocks::Note(const hdfs::LocatedBlocksProto& found) {
  for (const hdfs::LocatedBlockProto& block : found.blocks()) Note(block);
  last_.reset();
  if (!found.has_lastblock()) return;
  Note(found.lastblock());
  last_ = LastOf(found);
}

void SeenBlocks::Cut(uint64_t length) {
  seen_.erase(seen_.lower_bound(length), seen_.end());
  if (seen_.empty()) return;
  auto& [offset, seen] = *std::prev(seen_.end());
  seen.bytes = std::min(seen.bytes, length - offset);
}

}  // namespace cairn::client
