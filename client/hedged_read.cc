#include "client/hedged_read.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <span>
#include <utility>

#include "client/open_replica.h"
#include "client/read_interrupt.h"
#include "client/remote_replicas.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "common/status_macros.h"

namespace cairn::client {

struct HedgedRead::Attempt {
  const size_t turn;
  const hdfs::DatanodeInfoProto node;
  ReadInterrupt interrupt{};
};

struct HedgedRead::Race {
  Race(ClientContext& client_context, Piece wanted)
      : context(client_context), piece(std::move(wanted)) {}

  void EndAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    is_over = true;
    for (const std::shared_ptr<Attempt>& attempt : running) attempt->interrupt.End();
  }

  ClientContext& context;
  const Piece piece;
  Mutex mu;  // before the interrupts' locks
  CondVar changed;
  bool is_over ABSL_GUARDED_BY(mu) = false;  // won, or given up
  std::vector<std::shared_ptr<Attempt>> running ABSL_GUARDED_BY(mu);
  std::deque<Outcome> outcomes ABSL_GUARDED_BY(mu);  // that nobody has been told of
};

HedgedRead::HedgedRead(ClientContext& context, Piece piece)
    : race_(std::make_shared<Race>(context, std::move(piece))) {}

HedgedRead::~HedgedRead() {
  MutexLock lock(race_->mu);
  race_->EndAll();
}

void HedgedRead::Ask(const hdfs::DatanodeInfoProto& node) {
  const std::shared_ptr<Attempt> attempt(new Attempt{.turn = asked_++, .node = node});
  {
    MutexLock lock(race_->mu);
    if (race_->is_over) return;
    race_->running.push_back(attempt);
  }
  // The threads end before the context does, so a job must not be the one that keeps it alive.
  if (race_->context.hedge_threads.TryRun([race = race_, attempt] { Run(*race, *attempt); }))
    return;
  race_->context.hedges.in_current_thread.fetch_add(1, std::memory_order_relaxed);
  Run(*race_, *attempt);
}

void HedgedRead::Run(Race& race, Attempt& attempt) {
  const absl::Duration began = race.context.clock.Monotonic();
  Outcome outcome;
  outcome.turn = attempt.turn;
  try {
    outcome.status = ReadPiece(race, attempt, outcome);
  } catch (const std::exception& thrown) {
    // No memory, or the like: on a thread of the pool it would end the application. If it goes on,
    // the reader's own thread will see it, when all replicas have failed here.
    outcome.status = absl::ResourceExhaustedError(thrown.what());
  }
  outcome.took = race.context.clock.Monotonic() - began;
  MutexLock lock(race.mu);
  std::erase_if(race.running, [&](const auto& other) { return other.get() == &attempt; });
  // That it was ended says nothing of the replica.
  if (race.is_over) return;
  if (outcome.status.ok()) race.EndAll();
  race.outcomes.push_back(std::move(outcome));
  race.changed.NotifyAll();
}

absl::Status HedgedRead::ReadPiece(const Race& race, Attempt& attempt, Outcome& outcome) {
  const Piece& piece = race.piece;
  const ClientOptions& options = race.context.options;
  if (attempt.interrupt.has_ended()) return absl::CancelledError("another replica was faster");
  ASSIGN_OR_RETURN(const std::unique_ptr<BlockReader> reader,
                   OpenReplica(race.context, attempt.node.id(),
                               {.block = piece.block->b(),
                                .token = piece.block->blocktoken(),
                                .offset = piece.offset,
                                .length = piece.bytes,
                                .client_name = race.context.client_name,
                                .verify = options.verify_checksums,
                                .silence_limit = ReadSilenceLimit(options, /*others=*/true),
                                .interrupt = &attempt.interrupt},
                               piece.locally, options.read_connect_timeout));
  outcome.was_local = reader->is_local();
  outcome.bytes.resize(piece.bytes);
  for (std::span<std::byte> left = outcome.bytes; reader->remaining() > 0;) {
    ASSIGN_OR_RETURN(const size_t bytes, reader->Read(left));
    left = left.subspan(bytes);
  }
  if (attempt.interrupt.Release()) KeepConnection(race.context, *reader);
  return absl::OkStatus();
}

std::optional<HedgedRead::Outcome> HedgedRead::Await(absl::Duration limit) {
  // In the time of the world: what is waited for are sockets.
  const absl::Duration until = SystemClock().Monotonic() + limit;
  MutexLock lock(race_->mu);
  while (race_->outcomes.empty()) {
    const absl::Duration left = until - SystemClock().Monotonic();
    if (left <= absl::ZeroDuration()) return std::nullopt;
    race_->changed.WaitFor(race_->mu, absl::ToChronoNanoseconds(std::min(left, absl::Hours(1))));
  }
  Outcome outcome = std::move(race_->outcomes.front());
  race_->outcomes.pop_front();
  return outcome;
}

}  // namespace cairn::client
