#include "client/striped_block_reader.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status_macros.h"

namespace cairn::client {

using erasure::Layout;

namespace {

// Of what befell one unit, in a message that names them all: datanodes send any text.
constexpr size_t kMaxReasonBytes = 300;

}  // namespace

StripedBlockReader::StripedBlockReader(std::shared_ptr<const Striping> striping, const Group& group,
                                       uint64_t offset, uint64_t length,
                                       std::unique_ptr<UnitSource> source, Clock& clock)
    : striping_(std::move(striping)),
      group_(group),
      source_(std::move(source)),
      clock_(clock),
      end_(offset + length),
      position_(offset),
      units_(layout().units()) {
  CHECK(length > 0 && length <= group.bytes && offset <= group.bytes - length);
}

absl::StatusOr<std::unique_ptr<StripedBlockReader>> StripedBlockReader::Open(
    std::shared_ptr<const Striping> striping, const Group& group, uint64_t offset, uint64_t length,
    std::unique_ptr<UnitSource> source, Clock& clock) {
  const std::vector<Layout::Extent> extents = striping->layout().UnitExtents(offset, length);
  std::unique_ptr<StripedBlockReader> reader(
      new StripedBlockReader(std::move(striping), group, offset, length, std::move(source), clock));
  for (uint32_t unit = 0; unit < extents.size(); ++unit) {
    const auto& [begin, end] = extents[unit];
    if (begin < end) RETURN_IF_ERROR(reader->OpenStream(unit, begin, end));
  }
  return reader;
}

absl::StatusOr<size_t> StripedBlockReader::Read(std::span<std::byte> out) {
  if (out.empty() || position_ == end_) return 0;
  while (true) {
    if (position_ < window_.end) return TakeFromWindow(out);
    const uint64_t step_end = StepEnd();
    if (lost_ == 0 || LostBefore(step_end).empty()) {
      ASSIGN_OR_RETURN(const size_t bytes, ReadDirectly(out));
      if (bytes > 0) return bytes;
    } else {
      RETURN_IF_ERROR(FillWindow(step_end));
    }
  }
}

// Pieces that are shorter than a cell together share no column: as one window they would have all
// columns between them read. And what cannot be computed is of no use to its neighbours.
uint64_t StripedBlockReader::StepEnd() const {
  const uint64_t stripe_end = (position_ / layout().stripe_bytes() + 1) * layout().stripe_bytes();
  const uint64_t end = std::min(stripe_end, end_);
  const uint64_t cell_end = (position_ / layout().cell_bytes() + 1) * layout().cell_bytes();
  if (end - position_ <= layout().cell_bytes() || !CanCompute()) return std::min(cell_end, end);
  return end;
}

bool StripedBlockReader::CanCompute() const {
  const uint64_t stripe = position_ / layout().stripe_bytes();
  return !group_.being_written || (stripe + 1) * layout().stripe_bytes() <= group_.bytes;
}

std::vector<uint32_t> StripedBlockReader::LostBefore(uint64_t end) const {
  std::vector<uint32_t> lost;
  layout().ForEachPiece(position_, end - position_, [&](const Layout::Piece& piece) {
    if (!units_[piece.place.unit].lost.ok()) lost.push_back(piece.place.unit);
  });
  return lost;
}

// ---- Streams ----

absl::Status StripedBlockReader::OpenStream(uint32_t number, uint64_t begin, uint64_t end) {
  Unit& unit = units_[number];
  unit.stream = nullptr;
  while (unit.lost.ok()) {
    const absl::Duration began = clock_.Monotonic();
    absl::StatusOr<std::unique_ptr<BlockReader>> stream = source_->Open(number, begin, end - begin);
    if (stream.ok()) {
      unit.stream = *std::move(stream);
      unit.position = begin;
      break;
    }
    if (absl::IsUnauthenticated(stream.status())) return stream.status();
    Lose(number, stream.status(), began);
  }
  return absl::OkStatus();
}

absl::Status StripedBlockReader::KeepStream(uint32_t number, uint64_t begin, uint64_t needed,
                                            uint64_t end) {
  const Unit& unit = units_[number];
  const bool goes_on = unit.stream != nullptr && unit.position == begin &&
                       unit.stream->remaining() >= needed - begin;
  return goes_on ? absl::OkStatus() : OpenStream(number, begin, end);
}

size_t StripedBlockReader::ReadStream(uint32_t number, std::span<std::byte> out) {
  Unit& unit = units_[number];
  const absl::Duration began = clock_.Monotonic();
  const absl::StatusOr<size_t> bytes = unit.stream->Read(out);
  if (!bytes.ok() || *bytes == 0) {
    Lose(number, bytes.ok() ? absl::UnavailableError("its stream ended early") : bytes.status(),
         began);
    return 0;
  }
  unit.position += *bytes;
  if (unit.stream->remaining() == 0) {
    source_->Finished(*unit.stream);
    unit.stream = nullptr;
  }
  return *bytes;
}

void StripedBlockReader::Lose(uint32_t number, const absl::Status& why, absl::Duration began) {
  units_[number].stream = nullptr;
  if (source_->Failed(number, why, clock_.Monotonic() - began)) return;
  units_[number].lost = why;
  ++lost_;
}

bool StripedBlockReader::Recall(uint32_t number) {
  Unit& unit = units_[number];
  if (unit.lost.ok() || !source_->Recall(number)) return false;
  unit.lost = absl::OkStatus();
  --lost_;
  return true;
}

absl::StatusOr<size_t> StripedBlockReader::ReadDirectly(std::span<std::byte> out) {
  const auto [number, offset] = layout().PlaceOf(position_);
  const uint64_t left = layout().cell_bytes() - offset % layout().cell_bytes();
  const uint64_t bytes = std::min({uint64_t{out.size()}, left, end_ - position_});
  RETURN_IF_ERROR(KeepStream(number, offset, offset + bytes, layout().UnitBytes(end_, number)));
  if (units_[number].stream == nullptr) return 0;
  is_local_ = units_[number].stream->is_local();
  const size_t got = ReadStream(number, out.first(bytes));
  position_ += got;
  return got;
}

// ---- Windows ----

size_t StripedBlockReader::TakeFromWindow(std::span<std::byte> out) {
  const auto [number, offset] = layout().PlaceOf(position_);
  const uint64_t left = layout().cell_bytes() - offset % layout().cell_bytes();
  const size_t bytes = std::min({uint64_t{out.size()}, left, window_.end - position_});
  std::memcpy(out.data(), units_[number].cell.data() + (offset - window_.begin), bytes);
  is_local_ = units_[number].is_local;
  position_ += bytes;
  return bytes;
}

absl::Status StripedBlockReader::FillWindow(uint64_t step_end) {
  if (!CanCompute()) return RecallNeeded(step_end);
  uint64_t begin = UINT64_MAX, end = 0;
  layout().ForEachPiece(position_, step_end - position_, [&](const Layout::Piece& piece) {
    begin = std::min(begin, piece.place.offset);
    end = std::max(end, piece.place.offset + piece.bytes);
  });
  window_ = {.begin = begin, .columns = end - begin, .end = 0};
  for (Unit& unit : units_) unit.is_filled = false;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<uint32_t> sources, ChooseSources());
    RETURN_IF_ERROR(FillCells(sources, step_end < end_));
    const bool all = std::all_of(sources.begin(), sources.end(),
                                 [&](uint32_t source) { return units_[source].is_filled; });
    if (all) return ComputeLost(sources, step_end);
  }
}

absl::Status StripedBlockReader::RecallNeeded(uint64_t step_end) {
  for (const uint32_t number : LostBefore(step_end)) {
    if (Recall(number)) return absl::OkStatus();
  }
  return TooManyLost("the stripe is still being written, and lacks");
}

uint64_t StripedBlockReader::BytesInWindow(uint32_t number) const {
  const uint64_t end = std::max(UnitBytes(number), window_.begin);
  return std::min(end - window_.begin, window_.columns);
}

absl::StatusOr<std::vector<uint32_t>> StripedBlockReader::ChooseSources() {
  std::vector<uint32_t> sources;
  for (uint32_t number = 0; number < units_.size(); ++number) {
    if (sources.size() == layout().data_units()) break;
    if (units_[number].lost.ok() || BytesInWindow(number) == 0) sources.push_back(number);
  }
  for (uint32_t number = 0; number < units_.size(); ++number) {
    if (sources.size() == layout().data_units()) break;
    if (BytesInWindow(number) > 0 && Recall(number)) sources.push_back(number);
  }
  if (sources.size() < layout().data_units()) return TooManyLost("too many units are lost:");
  return sources;
}

absl::Status StripedBlockReader::FillCells(std::span<const uint32_t> sources, bool to_range_end) {
  // First all streams, for the datanodes to send at the same time.
  for (const uint32_t number : sources) {
    const uint64_t bytes = BytesInWindow(number);
    if (units_[number].is_filled || bytes == 0) continue;
    const uint64_t needed = window_.begin + bytes;
    // In the stripes to come the unit is needed as parity is.
    const uint64_t later =
        std::min(UnitBytes(number), layout().UnitBytes(end_, layout().units() - 1));
    RETURN_IF_ERROR(
        KeepStream(number, window_.begin, needed, to_range_end ? std::max(needed, later) : needed));
  }
  for (const uint32_t number : sources) {
    if (!units_[number].is_filled) FillCell(number);
  }
  return absl::OkStatus();
}

void StripedBlockReader::FillCell(uint32_t number) {
  Unit& unit = units_[number];
  const uint64_t bytes = BytesInWindow(number);
  unit.cell.resize(window_.columns);
  unit.is_local = unit.stream != nullptr && unit.stream->is_local();
  for (uint64_t at = 0; at < bytes;) {
    if (unit.stream == nullptr) return;
    at += ReadStream(number, std::span(unit.cell).subspan(at, bytes - at));
  }
  std::fill(unit.cell.begin() + static_cast<ptrdiff_t>(bytes), unit.cell.end(), std::byte{0});
  unit.is_filled = true;
}

absl::Status StripedBlockReader::ComputeLost(std::span<const uint32_t> sources, uint64_t step_end) {
  std::vector<const std::byte*> there(units_.size(), nullptr);
  for (const uint32_t number : sources) there[number] = units_[number].cell.data();
  const std::vector<uint32_t> lost = LostBefore(step_end);
  std::vector<std::byte*> computed;
  for (const uint32_t number : lost) {
    units_[number].cell.resize(window_.columns);
    units_[number].is_local = false;
    computed.push_back(units_[number].cell.data());
  }
  RETURN_IF_ERROR(striping_->coder().Rebuild(there, lost, computed, window_.columns));
  window_.end = step_end;
  return absl::OkStatus();
}

absl::Status StripedBlockReader::TooManyLost(absl::string_view trouble) const {
  bool only_checksums = true;
  std::string text = absl::StrCat("block group ", static_cast<int64_t>(group_.id), ": ", trouble);
  const char* separator = " ";
  for (size_t number = 0; number < units_.size(); ++number) {
    const absl::Status& why = units_[number].lost;
    if (why.ok()) continue;
    only_checksums = only_checksums && absl::IsDataLoss(why);
    absl::StrAppend(&text, std::exchange(separator, ", "), "unit ", number, " (",
                    why.message().substr(0, kMaxReasonBytes), ")");
  }
  return only_checksums ? absl::DataLossError(text) : absl::UnavailableError(text);
}

}  // namespace cairn::client
