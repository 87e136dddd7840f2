// fuse/stage/staged_file.h - a file that is being changed in place: changed pieces on the client's
// disk over the file as it was.
//
//   base     [------------------------------------]              the cluster's bytes
//   pieces        [##]        [##][##]                 [##]      64 KiB each, on the client's disk
//   file     [--- [##] ------ [##][##] -----------] 000[##]0     pieces over base, zeros behind it
//
// A piece is whole: where a write covers a part of one, the rest is read from the base first. It
// goes to a place of the disk that no piece has, so that a write which fails leaves the one
// before as it was: the file on disk has room for one piece more than is reserved. Each has a
// CRC32C in memory, which is checked whenever it is read: what the disk has spoilt never reaches a
// reader or the cluster.
//
// Not thread-safe, but for reading: what is const may be called by several threads at once, as long
// as nothing else is, if `base` may be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fuse/stage/block_plan.h"
#include "fuse/stage/stage_area.h"

namespace cairn::fuse {

class StagedFile {
 public:
  static constexpr size_t kPieceBytes = 64 << 10;
  // Fills `out` with the base's bytes from `offset`; all of them lie within its length.
  using ReadBase = std::function<absl::Status(uint64_t offset, std::span<std::byte> out)>;

  // `area` outlives this; `fd` is one of its files, and closed at the end.
  StagedFile(StageArea& area, int fd, ReadBase base, uint64_t base_length);
  ~StagedFile();
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;

  // kResourceExhausted: the stage or its disk is full. After an error the bytes of some pieces may
  // have been taken, in the order of the file, and the rest is as it was.
  absl::Status Write(uint64_t offset, std::span<const std::byte> data);
  // Longer: with zeros, which take no room. After an error nothing has changed.
  absl::Status Truncate(uint64_t length);
  // Less than out.size() only at the end. kDataLoss: a piece is not what was written.
  absl::StatusOr<size_t> Read(uint64_t offset, std::span<std::byte> out) const;

  uint64_t length() const { return length_; }
  // Whether any byte differs from the base's, or was written.
  bool IsChanged() const;
  ChangedBytes changed() const;

 private:
  struct Piece {
    uint32_t slot = 0;  // place in the staged file
    uint32_t crc = 0;
  };
  using Pieces = std::map<uint64_t, Piece>;  // by offset in the file / kPieceBytes

  absl::Status WritePiece(uint64_t index, size_t begin, std::span<const std::byte> data);
  // The whole piece as it is, with zeros behind the end of the file.
  absl::Status Load(uint64_t index, std::span<std::byte> out) const;
  absl::Status LoadStaged(const Piece& piece, std::span<std::byte> out) const;
  // Its room is reserved.
  absl::Status Store(uint64_t index, std::span<const std::byte> data);
  void Drop(Pieces::iterator piece);

  StageArea& area_;
  const int fd_;
  const ReadBase base_;
  const uint64_t base_length_;
  uint64_t intact_;  // of the base's bytes: what lies behind was cut off, if only for a moment
  uint64_t length_;
  Pieces pieces_;
  std::vector<uint32_t> free_slots_;  // only the last may have room on the disk
  uint32_t slots_ = 0;                // that the file on disk has
};

}  // namespace cairn::fuse
