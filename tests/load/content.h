// tests/load/content.h - bytes that say where they belong, so that a wrong, stale or foreign byte
// is recognized for what it is.
//
// Byte n of content id c is byte n%8 (little-endian) of a mix of c and n/8. A file begins as one
// content; concat puts others behind it.
// Pure functions and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace cairn::load {

// Fills `out` with the bytes of content `id` from `offset` on.
void FillContent(uint64_t id, uint64_t offset, std::span<std::byte> out);

// The first offset (of the file) at which `data` differs from content `id`.
std::optional<uint64_t> FirstDifference(uint64_t id, uint64_t offset,
                                        std::span<const std::byte> data);

// What a file holds: contents one behind the other, each from its first byte on. The last goes on
// as long as the file does.
class FileContent {
 public:
  FileContent() : FileContent(0) {}
  explicit FileContent(uint64_t id) : pieces_{{.begin = 0, .id = id}} {}

  // The bytes of the file from `offset` on, as FillContent; and where they differ, as
  // FirstDifference.
  void Fill(uint64_t offset, std::span<std::byte> out) const;
  std::optional<uint64_t> FirstDifference(uint64_t offset, std::span<const std::byte> data) const;

  // Forgets what begins behind `length` bytes: what is appended there goes on with what is there.
  void Cut(uint64_t length);
  // Puts `other` behind the first `length` bytes.
  void Join(uint64_t length, const FileContent& other);

  bool operator==(const FileContent&) const = default;

 private:
  struct Piece {
    uint64_t begin = 0;  // in the file
    uint64_t id = 0;
    bool operator==(const Piece&) const = default;
  };

  // Calls `visit(piece, begin, end)` for each part of [begin, end) of the file until it is false.
  template <typename Visit>
  void ForEach(uint64_t begin, uint64_t end, const Visit& visit) const;

  std::vector<Piece> pieces_;  // in order; never empty, the first begins at 0
};

}  // namespace cairn::load
