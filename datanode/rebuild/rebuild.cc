#include "datanode/rebuild/rebuild.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/rebuild/unit_reader.h"
#include "datanode/rebuild/unit_writer.h"
#include "erasure/coder.h"

namespace cairn::datanode {
namespace {

// A source at work.
struct Reading {
  const UnitSource* source = nullptr;
  std::unique_ptr<UnitReader> reader;  // null: none of its bytes were wanted yet
  std::vector<std::byte> bytes;        // of the piece
};

struct Writing {
  const UnitTarget* target = nullptr;
  uint64_t length = 0;
  absl::Status status;                 // of this target alone
  std::unique_ptr<UnitWriter> writer;  // null: it has failed, or ended
  std::vector<std::byte> bytes;        // of the piece
};

// How many bytes of a piece a unit of `length` bytes has.
size_t BytesIn(uint64_t length, uint64_t offset, size_t piece) {
  return length <= offset ? 0 : static_cast<size_t>(std::min<uint64_t>(length - offset, piece));
}

class Rebuild {
 public:
  Rebuild(TransferContext& context, const RebuildOrder& order,
          const std::function<bool()>& stopping)
      : context_(context),
        order_(order),
        stopping_(stopping),
        longest_(order.UnitBytes(0)),
        used_(order.SourcesNeeded()) {
    for (Reading& reading : used_) reading.source = &order_.sources[next_source_++];
    if (next_source_ < order_.sources.size()) {
      check_.emplace().source = &order_.sources[next_source_++];
    }
    for (const UnitTarget& target : order_.targets) {
      Writing& writing = writings_.emplace_back();
      writing.target = &target;
      writing.length = order_.UnitBytes(target.unit);
    }
  }

  awaitable<absl::Status> Run();
  // By target; `status` is Run's.
  std::vector<absl::Status> Outcomes(const absl::Status& status) const;

 private:
  awaitable<absl::Status> Begin();
  awaitable<absl::Status> OpenFirst();
  awaitable<absl::Status> OpenTargets();
  awaitable<absl::Status> ReadPiece(uint64_t offset, size_t bytes);
  // Fills the reading's bytes, from another source if need be.
  awaitable<absl::Status> Fill(Reading& reading, uint64_t offset, size_t bytes);
  awaitable<absl::Status> TryFill(Reading& reading, uint64_t offset, size_t bytes);
  awaitable<absl::Status> Open(Reading& reading, uint64_t offset);
  // Has the reading go on with another source. Else: why there is none.
  absl::Status Replace(Reading& reading, const absl::Status& why);
  absl::Status Compute(size_t bytes);
  absl::Status Compare(uint64_t offset, size_t bytes);
  awaitable<absl::Status> WritePiece(uint64_t offset, size_t bytes);
  awaitable<absl::Status> Finish();
  absl::Status CheckTargets() const;   // one is left
  absl::Status CheckStopping() const;  // kCancelled: it is

  UnitReader::Range RangeOf(const Reading& reading, uint64_t offset) const {
    return {.block = UnitOf(order_.group, reading.source->unit),
            .stamp = order_.stamp,
            .offset = offset,
            .end = order_.UnitBytes(reading.source->unit)};
  }
  std::string GroupName() const { return absl::StrCat("block group ", ToSigned(order_.group)); }
  std::string UsedUnits() const {
    return absl::StrJoin(used_, ", ", [](std::string* out, const Reading& reading) {
      absl::StrAppend(out, reading.source->unit);
    });
  }

  TransferContext& context_;
  const RebuildOrder& order_;
  const std::function<bool()>& stopping_;
  const uint64_t longest_;  // unit: the first, and all parity
  std::unique_ptr<erasure::Coder> coder_;
  transfer::DataChecksum checksum_;  // of the new replicas
  size_t piece_bytes_ = 0;
  size_t next_source_ = 0;           // of the order's, that nobody has tried
  std::vector<Reading> used_;        // as many as are needed
  std::optional<Reading> check_;     // one more, if there is one
  std::vector<std::byte> expected_;  // what the others say of its bytes
  std::vector<std::byte> zeros_;     // of data units without bytes
  std::vector<Writing> writings_;
  uint64_t compared_ = 0;  // bytes of each unit, with those of one more
};

awaitable<absl::Status> Rebuild::Run() {
  auto coder = erasure::Coder::Create(order_.schema);
  if (!coder.ok()) co_return coder.status();
  coder_ = *std::move(coder);
  CO_RETURN_IF_ERROR(co_await Begin());
  for (uint64_t offset = 0; offset < longest_; offset += piece_bytes_) {
    CO_RETURN_IF_ERROR(CheckStopping());
    const size_t bytes = BytesIn(longest_, offset, piece_bytes_);
    CO_RETURN_IF_ERROR(co_await ReadPiece(offset, bytes));
    CO_RETURN_IF_ERROR(Compute(bytes));
    CO_RETURN_IF_ERROR(Compare(offset, bytes));
    CO_RETURN_IF_ERROR(co_await WritePiece(offset, bytes));
  }
  co_return co_await Finish();
}

std::vector<absl::Status> Rebuild::Outcomes(const absl::Status& status) const {
  std::vector<absl::Status> outcomes;
  for (const Writing& writing : writings_) {
    outcomes.push_back(writing.status.ok() ? status : writing.status);
  }
  return outcomes;
}

awaitable<absl::Status> Rebuild::Begin() {
  CO_RETURN_IF_ERROR(co_await OpenFirst());
  // As the other units have it, so that checksums over a file's blocks can be put together.
  checksum_ = transfer::DataChecksum(transfer::ChecksumType::kCrc32c,
                                     used_.front().reader->checksum().bytes_per_checksum());
  const size_t chunk = checksum_.bytes_per_checksum();
  piece_bytes_ = std::max(kRebuildPieceBytes / chunk, size_t{1}) * chunk;
  for (Reading& reading : used_) reading.bytes.resize(piece_bytes_);
  for (Writing& writing : writings_) writing.bytes.resize(piece_bytes_);
  if (check_.has_value()) {
    check_->bytes.resize(piece_bytes_);
    expected_.resize(piece_bytes_);
  }
  if (used_.size() < order_.schema.data_units) zeros_.resize(piece_bytes_);
  co_return co_await OpenTargets();
}

awaitable<absl::Status> Rebuild::OpenFirst() {
  while (true) {
    const absl::Status status = co_await Open(used_.front(), 0);
    if (status.ok()) co_return status;
    CO_RETURN_IF_ERROR(Replace(used_.front(), status));
  }
}

awaitable<absl::Status> Rebuild::OpenTargets() {
  for (Writing& writing : writings_) {
    CO_RETURN_IF_ERROR(CheckStopping());
    auto writer = co_await UnitWriter::Open(context_, order_, *writing.target, checksum_);
    writing.status = writer.status();
    if (writer.ok()) writing.writer = *std::move(writer);
  }
  co_return CheckTargets();
}

absl::Status Rebuild::CheckTargets() const {
  const bool left = std::any_of(writings_.begin(), writings_.end(),
                                [](const Writing& writing) { return writing.status.ok(); });
  return left ? absl::OkStatus() : absl::UnavailableError("no target is left");
}

absl::Status Rebuild::CheckStopping() const {
  return stopping_() ? absl::CancelledError("this datanode stops") : absl::OkStatus();
}

// ---- Reading ----

awaitable<absl::Status> Rebuild::ReadPiece(uint64_t offset, size_t bytes) {
  for (Reading& reading : used_) CO_RETURN_IF_ERROR(co_await Fill(reading, offset, bytes));
  if (check_.has_value() && !(co_await Fill(*check_, offset, bytes)).ok()) check_.reset();
  co_return absl::OkStatus();
}

awaitable<absl::Status> Rebuild::Fill(Reading& reading, uint64_t offset, size_t bytes) {
  while (true) {
    CO_RETURN_IF_ERROR(CheckStopping());
    const absl::Status status = co_await TryFill(reading, offset, bytes);
    if (status.ok()) co_return status;
    if (absl::IsDataLoss(status)) {
      co_await UnitReader::Complain(context_, reading.source->address, RangeOf(reading, offset),
                                    reading.reader->bad_offset());
    }
    CO_RETURN_IF_ERROR(Replace(reading, status));
  }
}

awaitable<absl::Status> Rebuild::TryFill(Reading& reading, uint64_t offset, size_t bytes) {
  const size_t there = BytesIn(order_.UnitBytes(reading.source->unit), offset, bytes);
  const auto piece = std::span(reading.bytes).first(bytes);
  if (there > 0) {
    if (reading.reader == nullptr) CO_RETURN_IF_ERROR(co_await Open(reading, offset));
    CO_RETURN_IF_ERROR(co_await reading.reader->Read(piece.first(there)));
  }
  std::fill(piece.begin() + static_cast<std::ptrdiff_t>(there), piece.end(), std::byte{0});
  co_return absl::OkStatus();
}

awaitable<absl::Status> Rebuild::Open(Reading& reading, uint64_t offset) {
  const UnitReader::Range range = RangeOf(reading, offset);
  auto reader = co_await UnitReader::Open(context_, reading.source->address, range);
  if (reader.ok()) reading.reader = *std::move(reader);
  co_return reader.status();
}

absl::Status Rebuild::Replace(Reading& reading, const absl::Status& why) {
  RETURN_IF_ERROR(CheckStopping());  // which may be why
  const std::string what =
      absl::StrCat(GroupName(), ": unit ", reading.source->unit, ": ", why.message());
  LOG_WARN("rebuilding units: {}", what);
  reading.reader = nullptr;
  if (next_source_ < order_.sources.size()) {
    reading.source = &order_.sources[next_source_++];
    return absl::OkStatus();
  }
  const bool is_check = check_.has_value() && &reading == &*check_;
  if (check_.has_value() && !is_check) {
    // It has been read as far as this one.
    reading = *std::move(check_);
    check_.reset();
    return absl::OkStatus();
  }
  return absl::Status(why.code(), absl::StrCat(what, "; no other unit is left to read, and ",
                                               used_.size(), " are needed"));
}

// ---- Computing ----

absl::Status Rebuild::Compute(size_t bytes) {
  std::vector<const std::byte*> units(order_.schema.units());
  for (uint32_t unit = 0; unit < order_.schema.data_units; ++unit) {
    if (order_.UnitBytes(unit) == 0) units[unit] = zeros_.data();
  }
  for (const Reading& reading : used_) units[reading.source->unit] = reading.bytes.data();
  std::vector<std::pair<uint32_t, std::byte*>> wanted;
  for (Writing& writing : writings_)
    wanted.emplace_back(writing.target->unit, writing.bytes.data());
  if (check_.has_value()) wanted.emplace_back(check_->source->unit, expected_.data());
  std::sort(wanted.begin(), wanted.end());  // the coder remembers its plan for them then
  std::vector<uint32_t> numbers;
  std::vector<std::byte*> places;
  for (const auto& [unit, place] : wanted) {
    numbers.push_back(unit);
    places.push_back(place);
  }
  return coder_->Rebuild(units, numbers, places, bytes);
}

absl::Status Rebuild::Compare(uint64_t offset, size_t bytes) {
  if (check_.has_value()) {
    const auto said = expected_.begin();
    const auto end = said + static_cast<std::ptrdiff_t>(bytes);
    const auto differs = std::mismatch(said, end, check_->bytes.begin()).first;
    if (differs != end) {
      return absl::DataLossError(absl::StrCat(
          GroupName(), ": unit ", check_->source->unit, " is not what units ", UsedUnits(),
          " say it is, at offset ", offset + static_cast<uint64_t>(differs - said),
          " of the unit: one of them has wrong bytes with right checksums"));
    }
    compared_ += bytes;
  }
  for (const Writing& writing : writings_) {
    const auto begin = writing.bytes.begin();
    const auto unit_end =
        begin + static_cast<std::ptrdiff_t>(BytesIn(writing.length, offset, bytes));
    const auto end = begin + static_cast<std::ptrdiff_t>(bytes);
    const auto bad =
        std::find_if(unit_end, end, [](std::byte byte) { return byte != std::byte{0}; });
    if (bad != end) {
      return absl::DataLossError(
          absl::StrCat(GroupName(), ": unit ", writing.target->unit, " of ", writing.length,
                       " bytes would have some at offset ",
                       offset + static_cast<uint64_t>(bad - begin), " by what units ", UsedUnits(),
                       " say: one of them has wrong bytes with right checksums"));
    }
  }
  return absl::OkStatus();
}

// ---- Writing ----

awaitable<absl::Status> Rebuild::WritePiece(uint64_t offset, size_t bytes) {
  for (Writing& writing : writings_) {
    const size_t there = BytesIn(writing.length, offset, bytes);
    if (writing.writer == nullptr || there == 0) continue;
    writing.status = co_await writing.writer->Write(std::span(writing.bytes).first(there));
    if (!writing.status.ok()) writing.writer = nullptr;
  }
  co_return CheckTargets();
}

awaitable<absl::Status> Rebuild::Finish() {
  for (Writing& writing : writings_) {
    if (writing.writer == nullptr) continue;
    // Those that have their unit already keep it.
    writing.status = CheckStopping();
    if (writing.status.ok()) writing.status = co_await writing.writer->Finish();
    writing.writer = nullptr;
    if (!writing.status.ok()) continue;
    LOG_INFO("{}: unit {} was rebuilt on {}:{} from units {}; {} of {} bytes of the units compared",
             GroupName(), writing.target->unit, writing.target->address.ip,
             writing.target->address.port, UsedUnits(), compared_, longest_);
  }
  co_return CheckTargets();
}

}  // namespace

awaitable<std::vector<absl::Status>> RebuildUnits(TransferContext& context, RebuildOrder order,
                                                  std::function<bool()> stopping) {
  Rebuild rebuild(context, order, stopping);
  const absl::Status status = co_await rebuild.Run();
  co_return rebuild.Outcomes(status);
}

}  // namespace cairn::datanode
