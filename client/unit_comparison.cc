#include "client/unit_comparison.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <span>
#include <utility>

#include "common/check.h"
#include "common/status_macros.h"
#include "erasure/find_wrong_unit.h"

namespace cairn::client {
namespace {

class Comparer {
 public:
  Comparer(const Striping& striping, uint64_t group_bytes, UnitSource& source, Clock& clock,
           size_t piece_bytes)
      : striping_(striping),
        source_(source),
        clock_(clock),
        piece_bytes_(piece_bytes),
        zeros_(piece_bytes),
        units_(striping.layout().units()) {
    for (uint32_t number = 0; number < units_.size(); ++number) {
      units_[number].length = striping.layout().UnitBytes(group_bytes, number);
    }
    found_.unit_bytes = units_[0].length;  // no other is longer
  }

  absl::StatusOr<UnitComparison> Run() {
    // All at once, so that datanodes send ahead into sockets.
    for (uint32_t number = 0; number < units_.size(); ++number) {
      if (units_[number].length > 0) RETURN_IF_ERROR(Open(number, 0));
    }
    for (uint64_t at = 0; at < found_.unit_bytes;) {
      const size_t bytes = PieceAt(at);
      for (uint32_t number = 0; number < units_.size(); ++number) {
        if (units_[number].length > at) RETURN_IF_ERROR(Fill(number, at, bytes));
      }
      Compare(at, bytes);
      at += bytes;
    }
    if (std::has_single_bit(suspects_)) {
      found_.wrong = static_cast<uint32_t>(std::countr_zero(suspects_));
    }
    return std::move(found_);
  }

 private:
  struct Unit {
    uint64_t length = 0;
    std::unique_ptr<BlockReader> stream;
    std::vector<std::byte> piece;
    bool is_lost = false;
  };

  // Every unit has either all of the piece or nothing.
  size_t PieceAt(uint64_t at) const {
    uint64_t end = at + piece_bytes_;
    for (const Unit& unit : units_) {
      if (unit.length > at) end = std::min(end, unit.length);
    }
    return static_cast<size_t>(end - at);
  }

  // OK, too, once the unit is lost.
  absl::Status Open(uint32_t number, uint64_t offset) {
    Unit& unit = units_[number];
    while (!unit.is_lost) {
      const absl::Duration began = clock_.Monotonic();
      absl::StatusOr<std::unique_ptr<BlockReader>> stream =
          source_.Open(number, offset, unit.length - offset);
      if (stream.ok()) {
        unit.stream = *std::move(stream);
        break;
      }
      if (absl::IsUnauthenticated(stream.status())) return stream.status();
      Failed(number, stream.status(), began);
    }
    return absl::OkStatus();
  }

  absl::Status Fill(uint32_t number, uint64_t at, size_t bytes) {
    Unit& unit = units_[number];
    unit.piece.resize(piece_bytes_);
    for (size_t filled = 0; filled < bytes;) {
      if (unit.stream == nullptr) RETURN_IF_ERROR(Open(number, at + filled));
      if (unit.is_lost) break;
      const absl::Duration began = clock_.Monotonic();
      const absl::StatusOr<size_t> got =
          unit.stream->Read(std::span(unit.piece).first(bytes).subspan(filled));
      if (!got.ok() || *got == 0) {
        Failed(number, got.ok() ? absl::UnavailableError("its stream ended early") : got.status(),
               began);
        continue;
      }
      filled += *got;
      if (unit.stream->remaining() > 0) continue;
      source_.Finished(*unit.stream);
      unit.stream = nullptr;
    }
    return absl::OkStatus();
  }

  void Failed(uint32_t number, const absl::Status& why, absl::Duration began) {
    Unit& unit = units_[number];
    unit.stream = nullptr;
    if (source_.Failed(number, why, clock_.Monotonic() - began)) return;
    unit.is_lost = true;
    unit.piece = {};
    found_.lost.push_back({.unit = number, .why = why});
  }

  void Compare(uint64_t at, size_t bytes) {
    std::vector<erasure::UnitPiece> pieces(units_.size());
    for (uint32_t number = 0; number < units_.size(); ++number) {
      const Unit& unit = units_[number];
      if (unit.length <= at) {
        pieces[number] = {.bytes = zeros_.data(), .held = 0};
      } else if (!unit.is_lost) {
        pieces[number] = {.bytes = unit.piece.data(), .held = bytes};
      }
    }
    const erasure::UnitFinding found = erasure::FindWrongUnit(striping_.coder(), pieces, bytes);
    if (found.agreement == erasure::Agreement::kUnchecked) return;
    found_.compared_bytes += bytes;
    if (found.agreement == erasure::Agreement::kAgree) return;
    if (!found_.differ_at.has_value()) {
      found_.differ_at = at + found.offset;
      suspects_ = found.suspects;
    }
    suspects_ &= found.suspects;
  }

  const Striping& striping_;
  UnitSource& source_;
  Clock& clock_;
  const size_t piece_bytes_;
  const std::vector<std::byte> zeros_;
  std::vector<Unit> units_;
  uint32_t suspects_ = 0;  // of all pieces that contradict themselves, a bit each
  UnitComparison found_;
};

}  // namespace

absl::StatusOr<UnitComparison> CompareUnits(const Striping& striping, uint64_t group_bytes,
                                            UnitSource& source, Clock& clock, size_t piece_bytes) {
  CHECK(group_bytes > 0 && piece_bytes > 0);
  return Comparer(striping, group_bytes, source, clock, piece_bytes).Run();
}

}  // namespace cairn::client
