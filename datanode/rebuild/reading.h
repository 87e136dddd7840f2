// datanode/rebuild/reading.h - a source at work: the pieces of its unit, one after the other.
//
// Memory: a piece, and what a UnitReader takes. All coroutines on one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "datanode/pipeline/async.h"
#include "datanode/pipeline/context.h"
#include "datanode/rebuild/rebuild_order.h"
#include "datanode/rebuild/unit_reader.h"

namespace cairn::datanode {

// How many bytes of a piece a unit of `length` bytes has.
inline size_t BytesIn(uint64_t length, uint64_t offset, size_t piece) {
  return length <= offset ? 0 : static_cast<size_t>(std::min<uint64_t>(length - offset, piece));
}

// kCancelled: `stopping` says so.
inline absl::Status CheckStopping(const std::function<bool()>& stopping) {
  return stopping() ? absl::CancelledError("this datanode stops") : absl::OkStatus();
}

class Reading {
 public:
  // All outlive this.
  Reading(const TransferContext& context, const RebuildOrder& order, const UnitSource& source)
      : context_(&context), order_(&order), source_(&source) {}

  const UnitSource& source() const { return *source_; }
  uint32_t unit() const { return source_->unit; }
  // Goes on with another one.
  void SwitchTo(const UnitSource& source) {
    source_ = &source;
    reader_ = nullptr;
  }

  // Errors as of UnitReader; then it is to be switched, or is of no more use.
  awaitable<absl::Status> Open(uint64_t offset);
  // Reads the piece of `bytes` bytes at `offset`, which is zeros beyond the unit's end; opens what
  // is not open. From piece to piece.
  awaitable<absl::Status> Fill(uint64_t offset, size_t bytes);
  // After kDataLoss: has the datanode look at its replica.
  awaitable<void> Complain(uint64_t offset) const;

  const std::byte* piece() const { return piece_.data(); }
  size_t OwnBytes(uint64_t offset, size_t piece) const {
    return BytesIn(order_->SourceBytes(unit()), offset, piece);
  }
  // Once it is open.
  const transfer::DataChecksum& checksum() const { return reader_->checksum(); }

 private:
  UnitReader::Range RangeAt(uint64_t offset) const;

  const TransferContext* context_;
  const RebuildOrder* order_;
  const UnitSource* source_;
  std::unique_ptr<UnitReader> reader_;  // null: none of its bytes were wanted yet
  std::vector<std::byte> piece_;
};

}  // namespace cairn::datanode
