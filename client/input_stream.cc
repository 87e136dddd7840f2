#include "client/input_stream.h"

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/group_units.h"
#include "client/input_stream_impl.h"
#include "client/open_replica.h"
#include "client/remote_replicas.h"
#include "client/striped_block_reader.h"
#include "common/status_macros.h"

namespace cairn::client {
namespace {

// Reading this much to no use is cheaper than a new request.
constexpr uint64_t kSkipBytes = 256 << 10;
// Of a hedged read at a time: so much memory for each replica, and a whole one in the threshold.
constexpr uint64_t kHedgedBytes = 1 << 20;

}  // namespace

InputStream::Impl::Impl(std::shared_ptr<ClientContext> context, std::string path, Files files)
    : context_(std::move(context)), path_(std::move(path)), files_(files), file_(context_, path_) {}

absl::StatusOr<std::unique_ptr<InputStream::Impl>> InputStream::Impl::Open(
    std::shared_ptr<ClientContext> context, std::string path, Files files) {
  std::unique_ptr<Impl> impl(new Impl(std::move(context), std::move(path), files));
  RETURN_IF_ERROR(impl->file_.Refresh());
  return impl;
}

absl::Status InputStream::Impl::NextRound(Rounds& rounds, uint64_t offset) {
  if (rounds.failed >= context_->options.read_rounds) {
    const absl::StatusCode code = absl::IsDataLoss(rounds.last) ? absl::StatusCode::kDataLoss
                                                                : absl::StatusCode::kUnavailable;
    return absl::Status(code, absl::StrCat("Could not obtain block at offset ", offset, " of ",
                                           path_, ": ", rounds.last.message()));
  }
  // The pause grows, and differs between the readers that saw the same failure.
  absl::BitGen random;
  const absl::Duration window = context_->options.read_retry_window;
  absl::SleepFor(window * rounds.failed +
                 window * (rounds.failed + 1) * absl::Uniform(random, 0.0, 1.0));
  ++rounds.failed;
  rounds.fresh = true;
  file_.ForgetDead();
  return absl::OkStatus();
}

absl::StatusOr<InputStream::Impl::Attached> InputStream::Impl::Attach(uint64_t offset,
                                                                      uint64_t length,
                                                                      Rounds& rounds) {
  while (true) {
    ASSIGN_OR_RETURN(const KnownBlock known,
                     file_.BlockAt(offset, std::exchange(rounds.fresh, false)));
    const BlockPtr& block = known.block;
    if (known.striping != nullptr) {
      absl::StatusOr<Attached> group = AttachGroup(known, offset, length, rounds);
      if (group.ok()) return group;
      rounds.last = group.status();
      RETURN_IF_ERROR(AfterGroupFailure(rounds, offset));
      continue;
    }
    const hdfs::DatanodeInfoProto* node = block->corrupt() ? nullptr : file_.ChooseNode(*block);
    if (node == nullptr) {
      if (rounds.last.ok()) {
        rounds.last = absl::UnavailableError(block->corrupt() ? "all replicas are corrupt"
                                                              : "no live replica is known");
      }
      RETURN_IF_ERROR(NextRound(rounds, offset));
      continue;
    }
    const uint64_t in_block = offset - block->offset();
    const ClientOptions& options = context_->options;
    const absl::Duration began = context_->clock.Monotonic();
    // In later rounds it is known that the others were no better. One that was costly a moment ago
    // gets the full patience in the last round only.
    const bool costly =
        context_->costly_nodes.Until(node->id().datanodeuuid()) > absl::ZeroDuration();
    const bool others = block->locs_size() > 1 &&
                        (rounds.failed == 0 || (costly && rounds.failed < options.read_rounds));
    absl::StatusOr<std::unique_ptr<BlockReader>> reader =
        OpenReplica(*context_, node->id(),
                    {.block = block->b(),
                     .token = block->blocktoken(),
                     .offset = in_block,
                     .length = std::min(length, block->b().numbytes() - in_block),
                     .client_name = context_->client_name,
                     .verify = options.verify_checksums,
                     .silence_limit = ReadSilenceLimit(options, others)},
                    MayBeLocal(known, rounds),
                    others ? options.read_connect_timeout : absl::InfiniteDuration());
    if (reader.ok()) {
      return Attached{.block = block, .node = *node, .reader = *std::move(reader)};
    }
    rounds.last = reader.status();
    if (absl::IsUnauthenticated(rounds.last) && !rounds.token_renewed) {
      rounds.token_renewed = rounds.fresh = true;
      continue;
    }
    Blame({.block = *block, .node = *node, .took = context_->clock.Monotonic() - began}, rounds);
  }
}

absl::StatusOr<InputStream::Impl::Attached> InputStream::Impl::AttachGroup(const KnownBlock& known,
                                                                           uint64_t offset,
                                                                           uint64_t length,
                                                                           const Rounds& rounds) {
  const BlockPtr& group = known.block;
  const uint64_t in_group = offset - group->offset();
  auto units =
      std::make_unique<GroupUnits>(*context_, file_, path_, *group, known.striping->layout(),
                                   GroupUnits::Attempt{.is_first = rounds.failed == 0,
                                                       .token_renewed = rounds.token_renewed,
                                                       .locally = MayBeLocal(known, rounds)});
  ASSIGN_OR_RETURN(
      std::unique_ptr<BlockReader> reader,
      StripedBlockReader::Open(known.striping,
                               {.id = group->b().blockid(),
                                .bytes = group->b().numbytes(),
                                .being_written = known.being_written},
                               in_group, std::min(length, group->b().numbytes() - in_group),
                               std::move(units), context_->clock));
  return Attached{.block = group, .node = {}, .reader = std::move(reader), .is_group = true};
}

absl::Status InputStream::Impl::AfterGroupFailure(Rounds& rounds, uint64_t offset) {
  if (!absl::IsUnauthenticated(rounds.last) || rounds.token_renewed) {
    return NextRound(rounds, offset);
  }
  rounds.token_renewed = rounds.fresh = true;
  return absl::OkStatus();
}

absl::Status InputStream::Impl::AfterFailure(const Attached& failed, absl::Duration began,
                                             uint64_t offset, Rounds& rounds) {
  if (failed.is_group) return AfterGroupFailure(rounds, offset);
  Blame({.block = *failed.block,
         .node = failed.node,
         .was_local = failed.reader->is_local(),
         .took = context_->clock.Monotonic() - began},
        rounds);
  return absl::OkStatus();
}

void InputStream::Impl::Blame(const Failed& failed, Rounds& rounds) {
  if (failed.was_local) {
    // It may have been changed under us, which the datanode knows.
    context_->local_replicas.Reject(failed.node.id(), failed.block.b());
    rounds.not_locally.insert(failed.block.b().blockid());
    return;
  }
  file_.NoteDead(failed.node.id());
  context_->costly_nodes.Failed(failed.node.id().datanodeuuid(), failed.took);
  if (absl::IsDataLoss(rounds.last)) {
    ReportBadReplica(*context_, path_, failed.block, failed.node);
  }
}

void InputStream::Impl::Count(bool is_local, size_t bytes) {
  if (is_local) local_bytes_.fetch_add(bytes, std::memory_order_relaxed);
}

bool InputStream::Impl::MayBeLocal(const KnownBlock& known, const Rounds& rounds) const {
  return files_ == Files::kMayBeRead && !known.being_written &&
         !rounds.not_locally.contains(known.block->b().blockid());
}

absl::StatusOr<size_t> InputStream::Impl::Read(std::span<std::byte> out) {
  DropIfCut();
  const uint64_t length = file_.length();
  if (out.empty() || position_ >= length) return 0;
  // current_ may be of a time when the file was longer.
  out = out.first(std::min<uint64_t>(out.size(), length - position_));
  Rounds rounds;
  while (true) {
    if (current_.reader == nullptr) {
      ASSIGN_OR_RETURN(current_, Attach(position_, length - position_, rounds));
    }
    const absl::Duration began = context_->clock.Monotonic();
    absl::StatusOr<size_t> bytes = current_.reader->Read(out);
    if (bytes.ok()) {
      Count(current_.reader->is_local(), *bytes);
      position_ += *bytes;
      if (current_.reader->remaining() == 0) {
        KeepConnection(*context_, *current_.reader);
        current_.reader = nullptr;
      }
      return bytes;
    }
    rounds.last = bytes.status();
    const Attached failed = std::exchange(current_, {});
    RETURN_IF_ERROR(AfterFailure(failed, began, position_, rounds));
  }
}

absl::StatusOr<size_t> InputStream::Impl::ReadAt(uint64_t offset, std::span<std::byte> out) {
  const uint64_t length = file_.length();
  if (offset >= length) return 0;
  out = out.first(std::min<uint64_t>(out.size(), length - offset));
  size_t done = 0;
  Rounds rounds;
  while (done < out.size()) {
    ASSIGN_OR_RETURN(const std::optional<size_t> hedged,
                     ReadHedged(offset + done, out.subspan(done), rounds));
    if (hedged.has_value()) {
      done += *hedged;
      continue;
    }
    ASSIGN_OR_RETURN(Attached attached, Attach(offset + done, out.size() - done, rounds));
    while (attached.reader->remaining() > 0) {
      const absl::Duration began = context_->clock.Monotonic();
      absl::StatusOr<size_t> bytes = attached.reader->Read(out.subspan(done));
      if (!bytes.ok()) {
        rounds.last = bytes.status();
        RETURN_IF_ERROR(AfterFailure(attached, began, offset + done, rounds));
        break;
      }
      Count(attached.reader->is_local(), *bytes);
      done += *bytes;
    }
    KeepConnection(*context_, *attached.reader);
  }
  return done;
}

absl::StatusOr<std::optional<size_t>> InputStream::Impl::ReadHedged(uint64_t offset,
                                                                    std::span<std::byte> out,
                                                                    Rounds& rounds) {
  // In later rounds it is about getting the bytes at all: one replica after the other, and with all
  // patience.
  if (context_->hedge_threads.size() == 0 || rounds.failed > 0) return std::nullopt;
  ASSIGN_OR_RETURN(const KnownBlock known,
                   file_.BlockAt(offset, std::exchange(rounds.fresh, false)));
  const hdfs::LocatedBlockProto& block = *known.block;
  if (known.striping != nullptr || block.corrupt()) return std::nullopt;
  const std::vector<const hdfs::DatanodeInfoProto*> nodes = file_.ChooseNodes(block);
  if (nodes.size() < 2) return std::nullopt;
  const uint64_t in_block = offset - block.offset();
  out = out.first(std::min({uint64_t{out.size()}, block.b().numbytes() - in_block, kHedgedBytes}));
  HedgedRead read(*context_, {.block = known.block,
                              .offset = in_block,
                              .bytes = out.size(),
                              .locally = MayBeLocal(known, rounds)});
  return std::optional<size_t>(Race(read, block, nodes, out, rounds));
}

size_t InputStream::Impl::Race(HedgedRead& read, const hdfs::LocatedBlockProto& block,
                               const std::vector<const hdfs::DatanodeInfoProto*>& nodes,
                               std::span<std::byte> out, Rounds& rounds) {
  const bool had_renewed = rounds.token_renewed;
  std::vector<bool> has_failed = {false};  // of those that were asked
  read.Ask(*nodes[0]);
  for (size_t running = 1; running > 0;) {
    // Two at a time, as in HDFS: where both are slow, a third one would only add to the load.
    const bool may_ask = running == 1 && has_failed.size() < nodes.size();
    const std::optional<HedgedRead::Outcome> outcome =
        read.Await(may_ask ? context_->options.hedged_read_threshold : absl::InfiniteDuration());
    if (!outcome.has_value()) {
      context_->hedges.ops.fetch_add(1, std::memory_order_relaxed);
      read.Ask(*nodes[has_failed.size()]);
      has_failed.push_back(false);
      ++running;
      continue;
    }
    const hdfs::DatanodeInfoProto& node = *nodes[outcome->turn];
    if (outcome->status.ok()) {
      std::copy(outcome->bytes.begin(), outcome->bytes.end(), out.begin());
      Count(outcome->was_local, out.size());
      if (outcome->turn > 0) context_->hedges.wins.fetch_add(1, std::memory_order_relaxed);
      for (size_t earlier = 0; earlier < outcome->turn; ++earlier) {
        if (has_failed[earlier]) continue;
        context_->costly_nodes.Outrun(nodes[earlier]->id().datanodeuuid());
      }
      context_->costly_nodes.Won(node.id().datanodeuuid());
      return out.size();
    }
    has_failed[outcome->turn] = true;
    --running;
    rounds.last = outcome->status;
    if (absl::IsUnauthenticated(rounds.last) && !had_renewed) {
      rounds.token_renewed = rounds.fresh = true;  // both may have had the old one
    } else {
      Blame({.block = block, .node = node, .was_local = outcome->was_local, .took = outcome->took},
            rounds);
    }
  }
  return 0;
}

void InputStream::Impl::DropIfCut() {
  if (attach_anew_.exchange(false, std::memory_order_acquire)) current_.reader = nullptr;
}

absl::Status InputStream::Impl::Seek(uint64_t position) {
  DropIfCut();
  if (position > file_.length()) {
    return absl::OutOfRangeError(
        absl::StrCat(path_, ": cannot seek to ", position, ", the file ends at ", file_.length()));
  }
  if (current_.reader != nullptr && position != position_) {
    // A little further on in the same block: read past it, the bytes are on their way.
    const uint64_t ahead = position > position_ ? position - position_ : UINT64_MAX;
    bool skipped = ahead <= kSkipBytes && ahead < current_.reader->remaining();
    std::byte scratch[4096];
    for (uint64_t left = ahead; skipped && left > 0;) {
      const auto bytes = current_.reader->Read(
          std::span(scratch).first(std::min<uint64_t>(left, sizeof(scratch))));
      skipped = bytes.ok();
      if (skipped) left -= *bytes;
    }
    if (!skipped) current_.reader = nullptr;
  }
  position_ = position;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> InputStream::Impl::RefreshLength() {
  const std::optional<ContentsId> before = file_.contents();
  RETURN_IF_ERROR(file_.Refresh());
  // After a cut the datanode still sends what it was asked for before, and an append may have put
  // other bytes in their place.
  if (!OnlyGrew(before, file_.contents())) attach_anew_.store(true, std::memory_order_release);
  return file_.length();
}

bool OnlyGrew(const std::optional<ContentsId>& before, const std::optional<ContentsId>& now) {
  return before.has_value() && now.has_value() && before->last_block == now->last_block &&
         before->stamp == now->stamp && before->length <= now->length;
}

InputStream::InputStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
InputStream::~InputStream() = default;

absl::StatusOr<size_t> InputStream::Read(std::span<std::byte> out) { return impl_->Read(out); }

absl::StatusOr<size_t> InputStream::ReadFully(std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    ASSIGN_OR_RETURN(const size_t bytes, impl_->Read(out.subspan(done)));
    if (bytes == 0) break;
    done += bytes;
  }
  return done;
}

absl::StatusOr<size_t> InputStream::ReadAt(uint64_t offset, std::span<std::byte> out) {
  return impl_->ReadAt(offset, out);
}

absl::Status InputStream::Seek(uint64_t position) { return impl_->Seek(position); }
absl::StatusOr<uint64_t> InputStream::RefreshLength() { return impl_->RefreshLength(); }
uint64_t InputStream::position() const { return impl_->position(); }
uint64_t InputStream::length() const { return impl_->length(); }
std::optional<ContentsId> InputStream::contents() const { return impl_->contents(); }
uint64_t InputStream::local_bytes() const { return impl_->local_bytes(); }
const std::string& InputStream::path() const { return impl_->path(); }

}  // namespace cairn::client
