#include "client/block_group_writer.h"

#include <poll.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/pipeline_set_up.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "erasure/layout.h"

namespace cairn::client {
namespace {

constexpr absl::Duration kWaitSlice = absl::Seconds(2);  // as for packets
constexpr absl::Duration kUnitRestartPoll = absl::Milliseconds(500);
constexpr absl::Duration kProbeLimit = absl::Milliseconds(500);  // to connect to who may be back

// `group`'s place for `unit`; without nodes if it has none.
absl::StatusOr<PipelineTarget> PlaceOf(const hdfs::LocatedBlockProto& group,
                                       const erasure::Layout& layout, uint32_t unit) {
  const hdfs::LocatedBlockProto located = LocateUnit(group, layout, unit);
  if (located.locs().empty()) return PipelineTarget{.block = located.b()};
  ASSIGN_OR_RETURN(PipelineTarget target, ToTarget(located));
  while (target.nodes.size() > 1) target.RemoveNode(target.nodes.size() - 1);
  return target;
}

}  // namespace

BlockGroupWriter::BlockGroupWriter(const WrittenFile& file, const Striping& striping,
                                   const Settings& settings, OutPacketPool& pool,
                                   ExcludedNodes& excluded, const std::atomic<bool>& aborted)
    : file_(file),
      striping_(striping),
      settings_(settings),
      pool_(pool),
      excluded_(excluded),
      aborted_(aborted) {}

// ---- Beginning ----

absl::Status BlockGroupWriter::Create(const hdfs::ExtendedBlockProto* previous,
                                      const Stripe& first) {
  for (int attempt = 0;; ++attempt) {
    ASSIGN_OR_RETURN(const hdfs::LocatedBlockProto located, AddGroup(previous));
    RETURN_IF_ERROR(TakeGroup(located));
    RETURN_IF_ERROR(CheckUnits());
    std::vector<Unit*> units;
    for (Unit& unit : units_) {
      if (unit.lost.ok() && first.HasCell(unit.number)) units.push_back(&unit);
    }
    const size_t without_place = CountLost();
    Connect(units, hdfs::OpWriteBlockProto::PIPELINE_SETUP_CREATE, group_.generationstamp());
    const absl::Status status = CheckUnits();
    const bool may_try_again = attempt < file_.context->options.block_write_retries &&
                               !aborted_.load(std::memory_order_relaxed);
    if (CountLost() == without_place || (status.ok() && !may_try_again)) {
      began_ = true;
      return status;
    }
    if (absl::IsAborted(status)) return status;
    for (Unit& unit : units_) unit.stream.Disconnect();
    RETURN_IF_ERROR(AbandonBlock(file_, group_));
    if (!may_try_again) return status;
  }
}

absl::StatusOr<hdfs::LocatedBlockProto> BlockGroupWriter::AddGroup(
    const hdfs::ExtendedBlockProto* previous) {
  const std::vector<hdfs::DatanodeInfoProto> excluded = excluded_.List();
  absl::StatusOr<hdfs::LocatedBlockProto> added = AddLocatedBlock(file_, previous, excluded);
  if (excluded.empty()) return added;
  if (!added.ok()) {
    // Where the others are too few for the data, those that failed are better than none.
    return GetFsError(added.status()) == FsError::kIo ? AddLocatedBlock(file_, previous, {})
                                                      : added;
  }
  if (static_cast<size_t>(added->locs_size()) >= striping_.layout().units() || !Readmit()) {
    return added;
  }
  RETURN_IF_ERROR(AbandonBlock(file_, added->b()));
  return AddLocatedBlock(file_, previous, excluded_.List());
}

bool BlockGroupWriter::Readmit() {
  bool any = false;
  for (const hdfs::DatanodeInfoProto& node : excluded_.TakeDue()) {
    if (!file_.context->ConnectTransfer(node.id(), kProbeLimit).ok()) continue;
    excluded_.Readmit(node);
    any = true;
  }
  return any;
}

absl::Status BlockGroupWriter::TakeGroup(const hdfs::LocatedBlockProto& located) {
  const erasure::Layout& layout = striping_.layout();
  RETURN_IF_ERROR(CheckGroup(located, layout.units(), file_.path));
  group_ = located.b();
  group_.set_numbytes(0);
  units_.clear();
  lost_under_stamp_ = false;
  for (uint32_t number = 0; number < layout.units(); ++number) {
    Unit& unit = units_.emplace_back(number, *file_.context, pool_, settings_.checksum);
    ASSIGN_OR_RETURN(unit.target, PlaceOf(located, layout, number));
    if (unit.target.nodes.empty()) {
      unit.lost = absl::UnavailableError("the namenode had no datanode for it");
      unit.left_behind = true;
    }
  }
  return absl::OkStatus();
}

void BlockGroupWriter::Connect(const std::vector<Unit*>& units, Stage stage, uint64_t stamp) {
  std::vector<std::pair<Unit*, std::unique_ptr<PipelineSetUp>>> under_way;
  for (Unit* const unit : units) {
    unit->restarting = false;
    unit->stream.Disconnect();
    unit->stream.ReleaseAcked();
    const SetUpRequest request = {.stage = stage,
                                  .generation_stamp = stamp,
                                  .min_bytes = unit->stream.acked_bytes(),
                                  .max_bytes = unit->stream.sent_bytes(),
                                  .block_bytes = settings_.unit_bytes};
    under_way.emplace_back(unit, std::make_unique<PipelineSetUp>(*file_.context, unit->target,
                                                                 request, settings_.checksum));
  }
  while (!under_way.empty() && !aborted_.load(std::memory_order_relaxed)) {
    std::erase_if(under_way, [&](const auto& one) {
      const auto& [unit, set_up] = one;
      if (!set_up->Move()) return false;
      PipelineFailure failure;
      if (std::optional<OpenPipeline> pipeline = set_up->Take(failure)) {
        if (stage == hdfs::OpWriteBlockProto::PIPELINE_CLOSE_RECOVERY) {
          // Its datanode has finished it by that; the closing packet is not sent again.
          unit->stream.SetAllAcked();
        } else {
          unit->stream.Use(*std::move(pipeline), unit->target.nodes);
        }
      } else {
        GiveUp(*unit, failure);
      }
      return true;
    });
    if (under_way.empty()) return;
    // As GiveUpOverdue, one at a time.
    const bool spare = OneSpeaks() && CanLoseOne();
    const auto overdue = std::find_if(under_way.begin(), under_way.end(), [&](const auto& one) {
      return one.second->IsOverdue(spare);
    });
    if (overdue != under_way.end()) {
      overdue->second->GiveUp();
      continue;
    }
    // The datanodes that are set up already wait, too.
    std::vector<pollfd> polled;
    for (const auto& [unit, set_up] : under_way) polled.push_back(set_up->WhatToPoll());
    WaitForAny(std::move(polled));
    QueueHeartbeats();
    MoveAll();
  }
}

// ---- Writing ----

absl::Status BlockGroupWriter::Put(Stripe& stripe) {
  for (Unit& unit : units_) PutCell(unit, stripe.TakeCell(unit.number));
  group_.set_numbytes(group_.numbytes() + stripe.bytes());
  MoveAll();
  RETURN_IF_ERROR(CheckUnits());
  while (!lost_under_stamp_ && KeptBytes() > settings_.window_bytes) RETURN_IF_ERROR(Pump());
  return LeaveLostBehind();
}

absl::Status BlockGroupWriter::Finish(bool sync) {
  while (!closing_) {
    RETURN_IF_ERROR(PumpUntilAcked());
    if (StartClosing(sync)) break;
    RETURN_IF_ERROR(LeaveLostBehind());
  }
  RETURN_IF_ERROR(PumpUntilAcked());
  return CloseAgain();
}

bool BlockGroupWriter::StartClosing(bool sync) {
  if (closing_) return true;
  if (!AllAcked() || AnyRestarting() || LostLackBytes()) return false;
  for (Unit& unit : units_) {
    if (unit.stream.is_connected()) unit.stream.PutClosing(sync);
  }
  closing_ = true;
  MoveAll();
  return true;
}

// ---- Units ----

void BlockGroupWriter::PutCell(Unit& unit, std::vector<std::unique_ptr<OutPacket>> cell) {
  for (std::unique_ptr<OutPacket>& packet : cell) {
    if (unit.lost.ok()) {
      unit.stream.Put(std::move(packet), /*sync=*/false);
    } else {
      pool_.Give(std::move(packet));
    }
  }
}

void BlockGroupWriter::GiveUp(Unit& unit, const PipelineFailure& failure) {
  const ClientOptions& options = file_.context->options;
  lost_under_stamp_ = true;
  has_lost_ |= began_;
  if (failure.restarting && began_ && !CanLoseOne()) {
    unit.restarting = true;
    unit.stream.Disconnect();
    return;
  }
  unit.lost = failure.status;
  unit.restarting = false;
  unit.stream.Abandon();
  // Whoever says that it will be back is soon welcome again.
  excluded_.Add(unit.target.nodes[0], failure.restarting ? options.datanode_restart_timeout
                                                         : options.excluded_node_expiry);
}

size_t BlockGroupWriter::CountLost() const {
  return static_cast<size_t>(std::count_if(units_.begin(), units_.end(),
                                           [](const Unit& unit) { return !unit.lost.ok(); }));
}

bool BlockGroupWriter::HasGaps() const {
  return std::any_of(units_.begin(), units_.end(), [this](const Unit& unit) {
    return !unit.lost.ok() && striping_.layout().UnitBytes(group_.numbytes(), unit.number) != 0;
  });
}

bool BlockGroupWriter::AnyRestarting() const {
  return std::any_of(units_.begin(), units_.end(),
                     [](const Unit& unit) { return unit.restarting; });
}

bool BlockGroupWriter::LostLackBytes() const {
  return std::any_of(units_.begin(), units_.end(), [&](const Unit& unit) {
    return !unit.lost.ok() && !unit.left_behind &&
           unit.stream.acked_bytes() < striping_.layout().UnitBytes(group_.numbytes(), unit.number);
  });
}

bool BlockGroupWriter::CanLoseOne() const {
  return CountLost() < striping_.coder().schema().parity_units;
}

absl::Status BlockGroupWriter::CheckUnits() const {
  if (aborted_.load(std::memory_order_relaxed)) {
    return absl::AbortedError(absl::StrCat(file_.path, ": the lease is lost"));
  }
  const uint32_t parity = striping_.coder().schema().parity_units;
  if (CountLost() <= parity) return absl::OkStatus();
  std::string text = absl::StrCat(file_.path, ": block group ",
                                  static_cast<int64_t>(group_.blockid()), " has lost ", CountLost(),
                                  " of its ", units_.size(), " units, and can do without ", parity);
  for (const Unit& unit : units_) {
    if (!unit.lost.ok()) absl::StrAppend(&text, "; unit ", unit.number, ": ", unit.lost.message());
  }
  return absl::UnavailableError(text);
}

// ---- Moving bytes ----

uint64_t BlockGroupWriter::KeptBytes() const {
  uint64_t bytes = 0;
  for (const Unit& unit : units_) bytes += unit.stream.kept_bytes();
  return bytes;
}

bool BlockGroupWriter::AllAcked() const {
  return std::all_of(units_.begin(), units_.end(),
                     [](const Unit& unit) { return unit.restarting || unit.stream.AllAcked(); });
}

bool BlockGroupWriter::HasUnsent() const {
  return std::any_of(units_.begin(), units_.end(), [](const Unit& unit) {
    return unit.stream.is_connected() && unit.stream.HasUnsent();
  });
}

bool BlockGroupWriter::MoveAll() {
  bool moved = false;
  for (Unit& unit : units_) {
    if (!unit.stream.is_connected()) continue;
    const uint64_t acked = unit.stream.acked_packets();
    if (const std::optional<PipelineFailure> failure = unit.stream.Move()) {
      GiveUp(unit, *failure);
      moved = true;
      continue;
    }
    moved |= unit.stream.acked_packets() != acked;
    unit.stream.ReleaseAcked();
    // Its datanode closes the connection too.
    if (closing_ && unit.stream.AllAcked()) unit.stream.Disconnect();
  }
  return moved;
}

// One at a time, and soon only if another one speaks: where all are silent it is this machine, or
// its way to them, that stands still.
bool BlockGroupWriter::GiveUpOverdue() {
  const bool one_speaks = OneSpeaks();
  for (Unit& unit : units_) {
    if (!unit.stream.is_connected()) continue;
    if (const auto failure = unit.stream.CheckOverdue(/*spare=*/one_speaks && CanLoseOne())) {
      GiveUp(unit, *failure);
      return true;
    }
  }
  return false;
}

bool BlockGroupWriter::OneSpeaks() const {
  return std::any_of(units_.begin(), units_.end(), [](const Unit& unit) {
    return unit.stream.is_connected() && !unit.stream.IsSilent();
  });
}

void BlockGroupWriter::WaitForAny(std::vector<pollfd> polled) const {
  absl::Duration slice =
      std::min(kWaitSlice, SilenceLimit(file_.context->options, 1, /*spare=*/true) / 2);
  for (const Unit& unit : units_) {
    if (!unit.stream.is_connected()) continue;
    slice = std::min(slice, unit.stream.WaitSlice(/*spare=*/CanLoseOne()));
    polled.push_back(unit.stream.WhatToPoll());
  }
  // Rounded up, not to spin at the end. Whatever it returns, the streams are looked at next.
  ::poll(polled.data(), polled.size(), static_cast<int>(absl::ToInt64Milliseconds(slice)) + 1);
}

absl::Status BlockGroupWriter::Pump() {
  while (!MoveAll() && !GiveUpOverdue()) {
    RETURN_IF_ERROR(CheckUnits());
    WaitForAny();
    QueueHeartbeats();
  }
  return CheckUnits();
}

void BlockGroupWriter::QueueHeartbeats() {
  for (Unit& unit : units_) {
    if (unit.stream.is_connected()) unit.stream.QueueHeartbeat();
  }
}

absl::Status BlockGroupWriter::PumpUntilAcked() {
  while (!AllAcked()) RETURN_IF_ERROR(Pump());
  return CheckUnits();
}

bool BlockGroupWriter::Serve(bool idle) {
  QueueHeartbeats();
  const bool heartbeats = std::any_of(units_.begin(), units_.end(), [](const Unit& unit) {
    return unit.stream.is_connected() && unit.stream.HasHeartbeat();
  });
  // A writer who fills a stripe for minutes does not look for what datanodes may have to say.
  if (idle || heartbeats || AllAcked()) MoveAll();
  return HasUnsent();
}

// ---- When units are lost ----

absl::Status BlockGroupWriter::LeaveLostBehind() {
  while (lost_under_stamp_) {
    RETURN_IF_ERROR(PumpUntilAcked());
    RETURN_IF_ERROR(AwaitRestarts());
    lost_under_stamp_ = false;
    ASSIGN_OR_RETURN(const hdfs::LocatedBlockProto renewed, RenewBlock(file_, group_));
    TakeTokens(renewed);
    std::vector<Unit*> left;
    for (Unit& unit : units_) {
      if (unit.stream.is_connected() || unit.restarting) left.push_back(&unit);
    }
    Connect(left, hdfs::OpWriteBlockProto::PIPELINE_SETUP_STREAMING_RECOVERY,
            renewed.b().generationstamp());
    RETURN_IF_ERROR(CheckUnits());
    // One that had restarted gets the rest. What the namenode is told of, the units have.
    RETURN_IF_ERROR(PumpUntilAcked());
    // If one more was lost, the datanodes of the others take a yet newer stamp in place of this.
    if (!lost_under_stamp_) RETURN_IF_ERROR(TellNamenode(renewed.b().generationstamp()));
  }
  return absl::OkStatus();
}

absl::Status BlockGroupWriter::CloseAgain() {
  while (AnyRestarting()) {
    RETURN_IF_ERROR(AwaitRestarts());
    ASSIGN_OR_RETURN(const hdfs::LocatedBlockProto renewed, RenewBlock(file_, group_));
    TakeTokens(renewed);
    // The finished ones too: all have to be of one stamp.
    std::vector<Unit*> left;
    for (Unit& unit : units_) {
      if (unit.lost.ok() && unit.stream.put_bytes() > 0) left.push_back(&unit);
    }
    const uint64_t stamp = renewed.b().generationstamp();
    Connect(left, hdfs::OpWriteBlockProto::PIPELINE_CLOSE_RECOVERY, stamp);
    RETURN_IF_ERROR(CheckUnits());
    if (!AnyRestarting()) RETURN_IF_ERROR(TellNamenode(stamp));
  }
  return absl::OkStatus();
}

absl::Status BlockGroupWriter::AwaitRestarts() {
  ClientContext& context = *file_.context;
  const absl::Duration give_up =
      context.clock.Monotonic() + context.options.datanode_restart_timeout;
  std::vector<const Unit*> back;
  while (true) {
    const auto waited = std::find_if(units_.begin(), units_.end(), [&](const Unit& unit) {
      return unit.restarting && std::find(back.begin(), back.end(), &unit) == back.end();
    });
    if (waited == units_.end()) return CheckUnits();
    const hdfs::DatanodeInfoProto& node = waited->target.nodes[0];
    if (context.clock.Monotonic() >= give_up) {
      GiveUp(*waited, {.status = absl::UnavailableError(absl::StrCat(
                           NodeName(node), ": said that it restarts, and is not back"))});
      continue;
    }
    // At once it may be the process that is about to end that takes a connection.
    absl::SleepFor(kUnitRestartPoll);
    QueueHeartbeats();
    MoveAll();
    RETURN_IF_ERROR(CheckUnits());
    if (context.ConnectTransfer(node.id(), kProbeLimit).ok()) back.push_back(&*waited);
  }
}

void BlockGroupWriter::TakeTokens(const hdfs::LocatedBlockProto& renewed) {
  const std::string& numbers = renewed.blockindices();
  const size_t tokens = static_cast<size_t>(renewed.blocktokens_size());
  for (size_t i = 0; i < std::min(numbers.size(), tokens); ++i) {
    const uint8_t number = static_cast<uint8_t>(numbers[i]);
    if (number < units_.size()) {
      units_[number].target.token = renewed.blocktokens(static_cast<int>(i));
    }
  }
}

absl::Status BlockGroupWriter::TellNamenode(uint64_t stamp) {
  PipelineTarget places{.block = group_};
  for (const Unit& unit : units_) {
    places.nodes.push_back(unit.lost.ok() ? unit.target.nodes[0] : NoUnit());
    places.storage_ids.push_back(unit.lost.ok() ? unit.target.storage_ids[0] : "");
  }
  hdfs::ExtendedBlockProto renewed = group_;
  renewed.set_generationstamp(stamp);
  RETURN_IF_ERROR(UpdatePipeline(file_, places, renewed));
  group_ = renewed;
  for (Unit& unit : units_) {
    unit.target.block.set_generationstamp(stamp);
    unit.left_behind = !unit.lost.ok();
  }
  return absl::OkStatus();
}

}  // namespace cairn::client
