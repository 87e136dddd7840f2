#include "datanode/rebuild/rebuild.h"

#include <algorithm>
#include <deque>
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
#include "erasure/find_wrong_unit.h"

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
    for (const UnitSource& source : order.sources) left_.push_back(&source);
    for (Reading& reading : used_) reading.source = TakeLeft();
    if (!left_.empty()) check_.emplace().source = TakeLeft();
    for (const UnitTarget& target : order_.targets) {
      Writing& writing = writings_.emplace_back();
      writing.target = &target;
      writing.length = order_.UnitBytes(target.unit);
    }
  }

  awaitable<absl::Status> Run();
  // `status` is Run's.
  RebuildOutcome Outcome(const absl::Status& status) const;

 private:
  awaitable<absl::Status> Begin();
  awaitable<absl::Status> OpenFirst();
  awaitable<absl::Status> OpenTargets();
  awaitable<absl::Status> ReadPiece(uint64_t offset, size_t bytes);
  // Fills the reading's bytes, from another source if need be.
  awaitable<absl::Status> Fill(Reading& reading, uint64_t offset, size_t bytes);
  awaitable<absl::Status> TryFill(Reading& reading, uint64_t offset, size_t bytes);
  awaitable<absl::Status> Open(Reading& reading, uint64_t offset);
  awaitable<void> Complain(const Reading& reading, uint64_t offset);
  // Has the reading go on with another source. Else: why there is none.
  absl::Status Replace(Reading& reading, const absl::Status& why);
  // By number: the piece of those in use, and of data units without bytes.
  std::vector<const std::byte*> PiecesInUse() const;
  absl::Status Compute(size_t bytes);
  absl::Status Compare(uint64_t offset, size_t bytes);
  absl::Status CheckEnds(uint64_t offset, size_t bytes) const;
  // Units contradict each other: has those used and compared with be others, without the wrong one.
  // Else: `contradiction`, and why nobody could be named.
  awaitable<absl::Status> FindCulprit(uint64_t offset, size_t bytes, absl::Status contradiction);
  awaitable<void> ReadAllOthers(uint64_t offset, size_t bytes, std::vector<Reading>* all);
  // OK: it has the same bytes again, so that it was not this machine that changed them.
  awaitable<absl::Status> ReadAgain(const Reading& reading, uint64_t offset, size_t bytes);
  absl::Status Name(const Reading& culprit, uint64_t offset, size_t at, size_t bytes);
  awaitable<absl::Status> WritePiece(uint64_t offset, size_t bytes);
  awaitable<absl::Status> Finish();
  absl::Status CheckTargets() const;   // one is left
  absl::Status CheckStopping() const;  // kCancelled: it is

  const UnitSource* TakeLeft() {
    const UnitSource* const source = left_.front();
    left_.pop_front();
    return source;
  }
  size_t BytesOf(const Reading& reading, uint64_t offset, size_t piece) const {
    return BytesIn(order_.UnitBytes(reading.source->unit), offset, piece);
  }
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
  std::deque<const UnitSource*> left_;  // may take the place of others
  std::vector<Reading> used_;           // as many as are needed
  std::optional<Reading> check_;        // one more, if there is one
  std::vector<std::byte> expected_;     // what the others say of its bytes
  std::vector<std::byte> zeros_;        // of data units without bytes
  std::vector<Writing> writings_;
  uint64_t compared_ = 0;  // bytes of each unit, with those of one more
  std::optional<RebuildOutcome::WrongUnit> named_;
  bool others_agree_ = false;  // to their end
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
    if (absl::Status agreed = Compare(offset, bytes); !agreed.ok()) {
      CO_RETURN_IF_ERROR(co_await FindCulprit(offset, bytes, std::move(agreed)));
      CO_RETURN_IF_ERROR(Compute(bytes));
      CO_RETURN_IF_ERROR(Compare(offset, bytes));
    }
    CO_RETURN_IF_ERROR(CheckEnds(offset, bytes));
    CO_RETURN_IF_ERROR(co_await WritePiece(offset, bytes));
  }
  others_agree_ = true;
  co_return co_await Finish();
}

RebuildOutcome Rebuild::Outcome(const absl::Status& status) const {
  RebuildOutcome outcome;
  for (const Writing& writing : writings_) {
    outcome.targets.push_back(writing.status.ok() ? status : writing.status);
  }
  if (others_agree_) outcome.wrong = named_;
  return outcome;
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
  if (!check_.has_value()) co_return absl::OkStatus();
  const absl::Status status = co_await Fill(*check_, offset, bytes);
  if (status.ok() || named_.has_value()) co_return status;
  check_.reset();
  co_return absl::OkStatus();
}

awaitable<absl::Status> Rebuild::Fill(Reading& reading, uint64_t offset, size_t bytes) {
  while (true) {
    CO_RETURN_IF_ERROR(CheckStopping());
    const absl::Status status = co_await TryFill(reading, offset, bytes);
    if (status.ok()) co_return status;
    if (absl::IsDataLoss(status)) co_await Complain(reading, offset);
    CO_RETURN_IF_ERROR(Replace(reading, status));
  }
}

awaitable<void> Rebuild::Complain(const Reading& reading, uint64_t offset) {
  if (reading.reader == nullptr) co_return;
  co_await UnitReader::Complain(context_, reading.source->address, RangeOf(reading, offset),
                                reading.reader->bad_offset());
}

awaitable<absl::Status> Rebuild::TryFill(Reading& reading, uint64_t offset, size_t bytes) {
  const size_t there = BytesOf(reading, offset, bytes);
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
  if (!left_.empty()) {
    reading.source = TakeLeft();
    return absl::OkStatus();
  }
  const bool is_check = check_.has_value() && &reading == &*check_;
  if (check_.has_value() && !is_check && !named_.has_value()) {
    // It has been read as far as this one.
    reading = *std::move(check_);
    check_.reset();
    return absl::OkStatus();
  }
  return absl::Status(
      why.code(),
      absl::StrCat(what, "; no other unit is left to read, and ", used_.size(), " are needed",
                   named_.has_value() ? absl::StrCat(", and one to compare with, since unit ",
                                                     named_->unit, " is wrong")
                                      : ""));
}

// ---- Computing ----

std::vector<const std::byte*> Rebuild::PiecesInUse() const {
  std::vector<const std::byte*> units(order_.schema.units());
  for (uint32_t unit = 0; unit < order_.schema.data_units; ++unit) {
    if (order_.UnitBytes(unit) == 0) units[unit] = zeros_.data();
  }
  for (const Reading& reading : used_) units[reading.source->unit] = reading.bytes.data();
  return units;
}

absl::Status Rebuild::Compute(size_t bytes) {
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
  return coder_->Rebuild(PiecesInUse(), numbers, places, bytes);
}

absl::Status Rebuild::Compare(uint64_t offset, size_t bytes) {
  if (!check_.has_value()) return absl::OkStatus();
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
  return absl::OkStatus();
}

absl::Status Rebuild::CheckEnds(uint64_t offset, size_t bytes) const {
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

// ---- Finding the one that is wrong ----

awaitable<absl::Status> Rebuild::FindCulprit(uint64_t offset, size_t bytes,
                                             absl::Status contradiction) {
  LOG_WARN("rebuilding units: {}", contradiction.message());
  const auto cannot = [&contradiction](const auto&... why) {
    return absl::DataLossError(absl::StrCat(contradiction.message(), "; ", why...));
  };
  if (named_.has_value()) {
    co_return cannot("unit ", named_->unit,
                     " was found wrong before: of two wrong ones neither is sure");
  }
  std::vector<Reading> all = std::move(used_);
  all.push_back(*std::move(check_));
  co_await ReadAllOthers(offset, bytes, &all);
  CO_RETURN_IF_ERROR(CheckStopping());  // which may be why one is not there

  std::vector<erasure::UnitPiece> pieces(order_.schema.units());
  for (uint32_t unit = 0; unit < order_.schema.data_units; ++unit) {
    if (order_.UnitBytes(unit) == 0) pieces[unit] = {.bytes = zeros_.data(), .held = 0};
  }
  for (const Reading& reading : all) {
    pieces[reading.source->unit] = {.bytes = reading.bytes.data(),
                                    .held = BytesOf(reading, offset, bytes)};
  }
  const erasure::UnitFinding found = erasure::FindWrongUnit(*coder_, pieces, bytes);
  if (found.agreement == erasure::Agreement::kAgree) {
    co_return absl::InternalError(
        absl::StrCat(contradiction.message(),
                     "; looked at again they agree: this datanode's memory or processor is bad"));
  }
  if (found.agreement != erasure::Agreement::kOneIsWrong) {
    co_return cannot("which one cannot be told from ", all.size(), " units");
  }
  const auto culprit = std::find_if(all.begin(), all.end(), [&found](const Reading& reading) {
    return reading.source->unit == found.unit;
  });
  const absl::Status again = co_await ReadAgain(*culprit, offset, bytes);
  CO_RETURN_IF_ERROR(CheckStopping());
  if (!again.ok()) {
    co_return cannot("it would be unit ", found.unit, ", which is not sure: ", again.message());
  }
  const Reading wrong = std::move(*culprit);
  all.erase(culprit);
  // There is at least one more than is needed.
  const auto needed = static_cast<std::ptrdiff_t>(order_.SourcesNeeded());
  used_.assign(std::make_move_iterator(all.begin()), std::make_move_iterator(all.begin() + needed));
  check_ = std::move(all[static_cast<size_t>(needed)]);
  for (const Reading& reading : std::span(all).subspan(static_cast<size_t>(needed) + 1)) {
    left_.push_back(reading.source);
  }
  co_return Name(wrong, offset, found.offset, bytes);
}

awaitable<void> Rebuild::ReadAllOthers(uint64_t offset, size_t bytes, std::vector<Reading>* all) {
  while (!left_.empty()) {
    Reading other{.source = TakeLeft(), .reader = nullptr, .bytes = {}};
    other.bytes.resize(piece_bytes_);
    if (stopping_()) co_return;
    const absl::Status status = co_await TryFill(other, offset, bytes);
    if (status.ok()) {
      all->push_back(std::move(other));
      continue;
    }
    LOG_WARN("rebuilding units: {}: unit {}: {}", GroupName(), other.source->unit,
             status.message());
    if (absl::IsDataLoss(status)) co_await Complain(other, offset);
  }
}

awaitable<absl::Status> Rebuild::ReadAgain(const Reading& reading, uint64_t offset, size_t bytes) {
  Reading again{.source = reading.source, .reader = nullptr, .bytes = {}};
  again.bytes.resize(piece_bytes_);
  CO_RETURN_IF_ERROR(co_await TryFill(again, offset, bytes));
  const auto end = again.bytes.begin() + static_cast<std::ptrdiff_t>(bytes);
  if (std::equal(again.bytes.begin(), end, reading.bytes.begin())) co_return absl::OkStatus();
  co_return absl::DataLossError("it has other bytes when it is read again");
}

absl::Status Rebuild::Name(const Reading& culprit, uint64_t offset, size_t at, size_t bytes) {
  const uint32_t unit = culprit.source->unit;
  std::byte* const place = expected_.data();
  RETURN_IF_ERROR(coder_->Rebuild(PiecesInUse(), {&unit, 1}, {&place, 1}, bytes));
  named_ = {.unit = unit,
            .why = absl::StrCat("unit ", unit, " of ", GroupName(), " has byte ",
                                static_cast<int>(culprit.bytes[at]), " at offset ", offset + at,
                                " where all others say ", static_cast<int>(expected_[at]))};
  LOG_ERROR("rebuilding units: {}; it is on {}:{}, and matches its checksums", named_->why,
            culprit.source->address.ip, culprit.source->address.port);
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

awaitable<RebuildOutcome> RebuildUnits(TransferContext& context, RebuildOrder order,
                                       std::function<bool()> stopping) {
  Rebuild rebuild(context, order, stopping);
  const absl::Status status = co_await rebuild.Run();
  co_return rebuild.Outcome(status);
}

}  // namespace cairn::datanode
