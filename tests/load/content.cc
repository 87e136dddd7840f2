#include "tests/load/content.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace cairn::load {
namespace {

// The finalizer of SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

void FillContent(uint64_t id, uint64_t offset, std::span<std::byte> out) {
  const uint64_t seed = Mix(id);
  size_t done = 0;
  while (done < out.size()) {
    const uint64_t at = offset + done;
    const uint64_t word = Mix(seed ^ (at / 8));
    const size_t skip = at % 8;
    const size_t count = std::min<size_t>(8 - skip, out.size() - done);
    std::memcpy(out.data() + done, reinterpret_cast<const char*>(&word) + skip, count);
    done += count;
  }
}

std::optional<uint64_t> FirstDifference(uint64_t id, uint64_t offset,
                                        std::span<const std::byte> data) {
  std::vector<std::byte> expected(data.size());
  FillContent(id, offset, expected);
  const auto [seen, wanted] = std::mismatch(data.begin(), data.end(), expected.begin());
  if (seen == data.end()) return std::nullopt;
  return offset + static_cast<uint64_t>(seen - data.begin());
}

template <typename Visit>
void FileContent::ForEach(uint64_t begin, uint64_t end, const Visit& visit) const {
  for (size_t i = 0; i < pieces_.size() && begin < end; ++i) {
    const uint64_t piece_end = i + 1 < pieces_.size() ? pieces_[i + 1].begin : end;
    if (piece_end <= begin) continue;
    const uint64_t until = std::min(piece_end, end);
    if (!visit(pieces_[i], begin, until)) return;
    begin = until;
  }
}

void FileContent::Fill(uint64_t offset, std::span<std::byte> out) const {
  ForEach(offset, offset + out.size(), [&](const Piece& piece, uint64_t begin, uint64_t end) {
    FillContent(piece.id, begin - piece.begin, out.subspan(begin - offset, end - begin));
    return true;
  });
}

std::optional<uint64_t> FileContent::FirstDifference(uint64_t offset,
                                                     std::span<const std::byte> data) const {
  std::optional<uint64_t> found;
  ForEach(offset, offset + data.size(), [&](const Piece& piece, uint64_t begin, uint64_t end) {
    const auto wrong = load::FirstDifference(piece.id, begin - piece.begin,
                                             data.subspan(begin - offset, end - begin));
    if (wrong) found = piece.begin + *wrong;
    return !wrong;
  });
  return found;
}

void FileContent::Cut(uint64_t length) {
  while (pieces_.size() > 1 && pieces_.back().begin >= length) pieces_.pop_back();
}

void FileContent::Join(uint64_t length, const FileContent& other) {
  Cut(length);
  if (length == 0) pieces_.clear();
  for (const Piece& piece : other.pieces_) {
    pieces_.push_back({.begin = length + piece.begin, .id = piece.id});
  }
}

}  // namespace cairn::load
