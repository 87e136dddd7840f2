#include "datanode/rebuild/reading.h"

#include <span>
#include <utility>

namespace cairn::datanode {

UnitReader::Range Reading::RangeAt(uint64_t offset) const {
  return {.block = UnitOf(order_->source_group(), unit()),
          .stamp = order_->source_stamp(),
          .offset = offset,
          .end = order_->SourceBytes(unit())};
}

awaitable<absl::Status> Reading::Open(uint64_t offset) {
  const UnitReader::Range range = RangeAt(offset);
  auto reader = co_await UnitReader::Open(*context_, source_->address, range);
  if (reader.ok()) reader_ = *std::move(reader);
  co_return reader.status();
}

awaitable<absl::Status> Reading::Fill(uint64_t offset, size_t bytes) {
  if (piece_.size() < bytes) piece_.resize(bytes);
  const size_t own = OwnBytes(offset, bytes);
  const auto piece = std::span(piece_).first(bytes);
  if (own > 0) {
    if (reader_ == nullptr) CO_RETURN_IF_ERROR(co_await Open(offset));
    CO_RETURN_IF_ERROR(co_await reader_->Read(piece.first(own)));
  }
  std::fill(piece.begin() + static_cast<std::ptrdiff_t>(own), piece.end(), std::byte{0});
  co_return absl::OkStatus();
}

awaitable<void> Reading::Complain(uint64_t offset) const {
  if (reader_ == nullptr) co_return;
  co_await UnitReader::Complain(*context_, source_->address, RangeAt(offset),
                                reader_->bad_offset());
}

}  // namespace cairn::datanode
