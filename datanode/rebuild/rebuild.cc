#include "datanode/rebuild/rebuild.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/rebuild/culprit.h"
#include "datanode/rebuild/reading.h"
#include "datanode/rebuild/unit_writer.h"
#include "erasure/coder.h"

namespace cairn::datanode {
namespace {

// What is computed of a unit.
struct Piece {
  uint32_t unit = 0;
  uint64_t length = 0;  // of the unit, in the group that it is computed as a part of
  std::vector<std::byte> bytes = {};
};

struct Writing {
  const UnitTarget* target = nullptr;
  uint64_t length = 0;
  const Piece* piece = nullptr;
  absl::Status status = {};             // of this target alone
  std::unique_ptr<UnitSink> sink = {};  // null: it has failed, or ended
};

// A unit's number, and the place for its bytes.
using Wanted = std::vector<std::pair<uint32_t, std::byte*>>;

class Rebuild {
 public:
  Rebuild(TransferContext& context, const RebuildOrder& order, const OpenSink& open,
          const std::function<bool()>& stopping)
      : context_(context),
        order_(order),
        open_(open),
        stopping_(stopping),
        longest_(order.UnitBytes(0)) {
    for (const UnitSource& source : order.sources) left_.push_back(&source);
    for (uint32_t i = 0; i < order.SourcesNeeded(); ++i) {
      used_.emplace_back(context, order, TakeLeft());
    }
    if (!left_.empty()) check_.emplace(context, order, TakeLeft());
    if (order.cut_from) {
      for (uint32_t unit = 0; unit < order.schema.data_units; ++unit) {
        if (order.UnitBytes(unit) > 0) told_.push_back({unit, order.SourceBytes(unit)});
      }
    }
    for (const UnitTarget& target : order.targets) {
      writings_.push_back({.target = &target,
                           .length = order.UnitBytes(target.unit),
                           .piece = &PieceFor(target.unit)});
    }
  }

  awaitable<absl::Status> Run();
  // `status` is Run's.
  RebuildOutcome Outcome(const absl::Status& status) const;

 private:
  const Piece& PieceFor(uint32_t target);
  awaitable<absl::Status> Begin();
  awaitable<absl::Status> OpenFirst();
  awaitable<absl::Status> OpenTargets();
  awaitable<absl::Status> ReadPiece(uint64_t offset, size_t bytes);
  // Fills the reading's bytes, from another source if need be.
  awaitable<absl::Status> Fill(Reading& reading, uint64_t offset, size_t bytes);
  // Has the reading go on with another source. Else: why there is none.
  absl::Status Replace(Reading& reading, const absl::Status& why);
  // By number: the piece of those in use, and of data units without bytes.
  std::vector<const std::byte*> PiecesInUse() const;
  // Null: nobody reads it.
  const Reading* FindReading(uint32_t unit) const;
  absl::Status ComputeUnits(const std::vector<const std::byte*>& units, Wanted wanted,
                            size_t bytes) const;
  absl::Status Compute(size_t bytes);
  // Of a group that is cut from another: its units, from what the sources told of that one's.
  absl::Status Cut(uint64_t offset, size_t bytes);
  absl::Status Compare(uint64_t offset, size_t bytes);
  absl::Status CheckEnds(uint64_t offset, size_t bytes) const;
  // Units contradict each other: has those used and compared with be others, without the wrong one.
  // Else: `contradiction`, and why nobody could be named.
  awaitable<absl::Status> LeaveOutCulprit(uint64_t offset, size_t bytes,
                                          absl::Status contradiction);
  awaitable<absl::Status> WritePiece(uint64_t offset, size_t bytes);
  awaitable<absl::Status> Finish();
  absl::Status CheckTargets() const;  // one is left

  const UnitSource& TakeLeft() {
    const UnitSource* const source = left_.front();
    left_.pop_front();
    return *source;
  }
  std::string GroupName() const { return order_.GroupName(); }
  std::string UsedUnits() const {
    return absl::StrJoin(used_, ", ", [](std::string* out, const Reading& reading) {
      absl::StrAppend(out, reading.unit());
    });
  }

  TransferContext& context_;
  const RebuildOrder& order_;
  const OpenSink& open_;
  const std::function<bool()>& stopping_;
  const uint64_t longest_;  // unit: the first, and all parity
  std::unique_ptr<erasure::Coder> coder_;
  size_t piece_bytes_ = 0;
  std::deque<const UnitSource*> left_;  // may take the place of others
  std::vector<Reading> used_;           // as many as are needed
  std::optional<Reading> check_;        // one more, if there is one
  std::vector<std::byte> expected_;     // what the others say of its bytes
  std::vector<std::byte> zeros_;        // of data units without bytes
  std::deque<Piece> told_;              // of the sources' group, by them
  std::deque<Piece> coded_;             // parity of a group that is cut from theirs
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
    CO_RETURN_IF_ERROR(CheckStopping(stopping_));
    const size_t bytes = BytesIn(longest_, offset, piece_bytes_);
    CO_RETURN_IF_ERROR(co_await ReadPiece(offset, bytes));
    CO_RETURN_IF_ERROR(Compute(bytes));
    if (absl::Status agreed = Compare(offset, bytes); !agreed.ok()) {
      CO_RETURN_IF_ERROR(co_await LeaveOutCulprit(offset, bytes, std::move(agreed)));
      CO_RETURN_IF_ERROR(Compute(bytes));
      CO_RETURN_IF_ERROR(Compare(offset, bytes));
    }
    CO_RETURN_IF_ERROR(CheckEnds(offset, bytes));
    CO_RETURN_IF_ERROR(Cut(offset, bytes));
    CO_RETURN_IF_ERROR(co_await WritePiece(offset, bytes));
  }
  others_agree_ = !order_.cut_from;
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

// `target`: a unit that one gets.
const Piece& Rebuild::PieceFor(uint32_t target) {
  if (!order_.cut_from) return told_.emplace_back(Piece{target, order_.UnitBytes(target)});
  for (const Piece& piece : told_) {
    if (piece.unit == target) return piece;
  }
  return coded_.emplace_back(Piece{target, order_.UnitBytes(target)});
}

awaitable<absl::Status> Rebuild::Begin() {
  CO_RETURN_IF_ERROR(co_await OpenFirst());
  const size_t chunk = used_.front().checksum().bytes_per_checksum();
  piece_bytes_ = std::max(kRebuildPieceBytes / chunk, size_t{1}) * chunk;
  for (Piece& piece : told_) piece.bytes.resize(piece_bytes_);
  for (Piece& piece : coded_) piece.bytes.resize(piece_bytes_);
  if (check_.has_value()) expected_.resize(piece_bytes_);
  if (used_.size() < order_.schema.data_units || order_.cut_from) zeros_.resize(piece_bytes_);
  co_return co_await OpenTargets();
}

awaitable<absl::Status> Rebuild::OpenFirst() {
  while (true) {
    const absl::Status status = co_await used_.front().Open(0);
    if (status.ok()) co_return status;
    CO_RETURN_IF_ERROR(Replace(used_.front(), status));
  }
}

awaitable<absl::Status> Rebuild::OpenTargets() {
  for (Writing& writing : writings_) {
    CO_RETURN_IF_ERROR(CheckStopping(stopping_));
    OpenedSink sink = co_await open_(*writing.target, used_.front().checksum());
    writing.status = sink.status();
    if (sink.ok()) writing.sink = *std::move(sink);
  }
  co_return CheckTargets();
}

absl::Status Rebuild::CheckTargets() const {
  const bool left = std::any_of(writings_.begin(), writings_.end(),
                                [](const Writing& writing) { return writing.status.ok(); });
  return left ? absl::OkStatus() : absl::UnavailableError("no target is left");
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
    CO_RETURN_IF_ERROR(CheckStopping(stopping_));
    const absl::Status status = co_await reading.Fill(offset, bytes);
    if (status.ok()) co_return status;
    if (absl::IsDataLoss(status)) co_await reading.Complain(offset);
    CO_RETURN_IF_ERROR(Replace(reading, status));
  }
}

absl::Status Rebuild::Replace(Reading& reading, const absl::Status& why) {
  RETURN_IF_ERROR(CheckStopping(stopping_));  // which may be why
  const std::string what =
      absl::StrCat(GroupName(), ": unit ", reading.unit(), ": ", why.message());
  LogAbout(order_, LogLevel::kWarn, absl::StrCat("rebuilding units: ", what));
  if (!left_.empty()) {
    reading.SwitchTo(TakeLeft());
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
    if (order_.SourceBytes(unit) == 0) units[unit] = zeros_.data();
  }
  for (const Reading& reading : used_) units[reading.unit()] = reading.piece();
  return units;
}

const Reading* Rebuild::FindReading(uint32_t unit) const {
  for (const Reading& reading : used_) {
    if (reading.unit() == unit) return &reading;
  }
  return check_.has_value() && check_->unit() == unit ? &*check_ : nullptr;
}

absl::Status Rebuild::Compute(size_t bytes) {
  Wanted wanted;
  for (Piece& piece : told_) {
    if (const Reading* const reading = FindReading(piece.unit)) {
      std::copy_n(reading->piece(), bytes, piece.bytes.begin());
    } else {
      wanted.emplace_back(piece.unit, piece.bytes.data());
    }
  }
  if (check_.has_value()) wanted.emplace_back(check_->unit(), expected_.data());
  return ComputeUnits(PiecesInUse(), std::move(wanted), bytes);
}

absl::Status Rebuild::Cut(uint64_t offset, size_t bytes) {
  if (!order_.cut_from) return absl::OkStatus();
  std::vector<const std::byte*> units(order_.schema.units());
  std::fill_n(units.begin(), order_.schema.data_units, zeros_.data());
  for (Piece& piece : told_) {
    const size_t there = BytesIn(order_.UnitBytes(piece.unit), offset, bytes);
    std::fill_n(piece.bytes.begin() + static_cast<std::ptrdiff_t>(there), bytes - there,
                std::byte{0});
    units[piece.unit] = piece.bytes.data();
  }
  Wanted wanted;
  for (Piece& piece : coded_) wanted.emplace_back(piece.unit, piece.bytes.data());
  return ComputeUnits(units, std::move(wanted), bytes);
}

absl::Status Rebuild::ComputeUnits(const std::vector<const std::byte*>& units, Wanted wanted,
                                   size_t bytes) const {
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
  if (!check_.has_value()) return absl::OkStatus();
  const auto said = expected_.begin();
  const auto end = said + static_cast<std::ptrdiff_t>(bytes);
  const auto differs = std::mismatch(said, end, check_->piece()).first;
  if (differs != end) {
    return absl::DataLossError(
        absl::StrCat(GroupName(), ": unit ", check_->unit(), " is not what units ", UsedUnits(),
                     " say it is, at offset ", offset + static_cast<uint64_t>(differs - said),
                     " of the unit: one of them has wrong bytes with right checksums"));
  }
  compared_ += bytes;
  return absl::OkStatus();
}

absl::Status Rebuild::CheckEnds(uint64_t offset, size_t bytes) const {
  for (const Piece& piece : told_) {
    const auto begin = piece.bytes.begin();
    const auto unit_end = begin + static_cast<std::ptrdiff_t>(BytesIn(piece.length, offset, bytes));
    const auto end = begin + static_cast<std::ptrdiff_t>(bytes);
    const auto bad =
        std::find_if(unit_end, end, [](std::byte byte) { return byte != std::byte{0}; });
    if (bad != end) {
      return absl::DataLossError(
          absl::StrCat(GroupName(), ": unit ", piece.unit, " of ", piece.length,
                       " bytes would have some at offset ",
                       offset + static_cast<uint64_t>(bad - begin), " by what units ", UsedUnits(),
                       " say: one of them has wrong bytes with right checksums"));
    }
  }
  return absl::OkStatus();
}

awaitable<absl::Status> Rebuild::LeaveOutCulprit(uint64_t offset, size_t bytes,
                                                 absl::Status contradiction) {
  LogAbout(order_, LogLevel::kWarn, absl::StrCat("rebuilding units: ", contradiction.message()));
  if (named_.has_value()) {
    co_return absl::DataLossError(
        absl::StrCat(contradiction.message(), "; unit ", named_->unit,
                     " was found wrong before: of two wrong ones neither is sure"));
  }
  Contradiction found{.what = std::move(contradiction),
                      .offset = offset,
                      .bytes = bytes,
                      .read = std::move(used_),
                      .unread = std::move(left_),
                      .zeros = zeros_};
  found.read.push_back(*std::move(check_));
  auto culprit = co_await FindCulprit(context_, order_, *coder_, stopping_, std::move(found));
  if (!culprit.ok()) co_return culprit.status();
  LogAbout(order_, LogLevel::kError,
           absl::StrCat("rebuilding units: ", culprit->why, "; it is on ", culprit->address.ip, ":",
                        culprit->address.port, ", and matches its checksums"));
  named_ = {.unit = culprit->unit, .why = culprit->why};
  const size_t needed = order_.SourcesNeeded();
  used_.clear();
  left_.clear();
  std::vector<Reading>& others = culprit->others;
  for (size_t i = 0; i < needed; ++i) used_.push_back(std::move(others[i]));
  check_ = std::move(others[needed]);
  for (size_t i = needed + 1; i < others.size(); ++i) left_.push_back(&others[i].source());
  co_return absl::OkStatus();
}

// ---- Writing ----

awaitable<absl::Status> Rebuild::WritePiece(uint64_t offset, size_t bytes) {
  for (Writing& writing : writings_) {
    const size_t there = BytesIn(writing.length, offset, bytes);
    if (writing.sink == nullptr || there == 0) continue;
    writing.status = co_await writing.sink->Write(std::span(writing.piece->bytes).first(there));
    if (!writing.status.ok()) writing.sink = nullptr;
  }
  co_return CheckTargets();
}

awaitable<absl::Status> Rebuild::Finish() {
  for (Writing& writing : writings_) {
    const std::unique_ptr<UnitSink> sink = std::move(writing.sink);
    if (sink == nullptr) continue;
    // Those that have their unit already keep it.
    writing.status = CheckStopping(stopping_);
    if (writing.status.ok()) writing.status = co_await sink->Finish();
    if (!writing.status.ok()) continue;
    LogAbout(order_, LogLevel::kInfo,
             absl::StrCat(GroupName(), ": unit ", writing.target->unit, " was ", sink->What(),
                          " from units ", UsedUnits(), "; ", compared_, " of ", longest_,
                          " bytes of the units compared"));
  }
  co_return CheckTargets();
}

awaitable<OpenedSink> OpenWriter(const TransferContext& context, const RebuildOrder& order,
                                 const UnitTarget& target,
                                 const transfer::DataChecksum& of_sources) {
  // As the other units have it, so that checksums over a file's blocks can be put together.
  const transfer::DataChecksum checksum(transfer::ChecksumType::kCrc32c,
                                        of_sources.bytes_per_checksum());
  auto writer = co_await UnitWriter::Open(context, order, target, checksum);
  if (!writer.ok()) co_return writer.status();
  co_return *std::move(writer);
}

}  // namespace

awaitable<RebuildOutcome> ComputeUnits(TransferContext& context, const RebuildOrder& order,
                                       const OpenSink& open,
                                       const std::function<bool()>& stopping) {
  Rebuild rebuild(context, order, open, stopping);
  const absl::Status status = co_await rebuild.Run();
  co_return rebuild.Outcome(status);
}

awaitable<RebuildOutcome> RebuildUnits(TransferContext& context, RebuildOrder order,
                                       std::function<bool()> stopping) {
  const OpenSink open = [&context, &order](
                            const UnitTarget& target,
                            const transfer::DataChecksum& of_sources) -> awaitable<OpenedSink> {
    return OpenWriter(context, order, target, of_sources);
  };
  const RebuildOutcome outcome = co_await ComputeUnits(context, order, open, stopping);
  co_return outcome;
}

}  // namespace cairn::datanode
