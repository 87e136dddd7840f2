#include "namenode/core/balancer.h"

#include <algorithm>
#include <iterator>

#include "common/logging.h"
#include "namenode/core/run.h"
#include "namenode/namespace/units.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

constexpr size_t kReadSlice = 256;  // records read at a time
constexpr size_t kMoveSlice = 8;    // blocks judged under one lock
constexpr size_t kEndSlice = 100;   // copies and moves looked at under one lock
constexpr absl::Duration kEndMovesInterval = absl::Milliseconds(500);
// A copy has this long, and then four times what its node's bandwidth takes for all it sends.
constexpr absl::Duration kCopyStart = absl::Seconds(30);
constexpr double kCopySlack = 4;
// A view of the cluster is no older than this (ClusterState::Options::view_age, and a margin): what
// heartbeats told before a job began is to count in its first iteration.
constexpr absl::Duration kViewAge = absl::Milliseconds(150);
// For the deletions of an iteration's old replicas before the next one begins.
constexpr absl::Duration kDeletionWait = absl::Minutes(1);
// For so long it is known which of the replicas is the one too many.
constexpr absl::Duration kMoveLife = absl::Minutes(30);
constexpr size_t kMostEnded = 1000;  // iterations that a job remembers
constexpr uint32_t kOwnMovesPerNode = 2;
constexpr uint64_t kOwnMinBlockBytes = 10 << 20;

// A datanode has one unit of a group, and a rack no more than its share: a move may not change
// that.
bool MayTake(const BlockFacts& facts, uint32_t from, absl::string_view node,
             const ClusterView& view) {
  if (!facts.group) return true;
  const ClusterView::Node* const target = view.FindByUuid(node);
  if (target == nullptr || !facts.group->complete) return false;
  std::vector<uint32_t> others = facts.group->arriving;
  for (const auto& [number, replica] : facts.group->others) others.push_back(replica.storage);
  uint32_t in_rack = 1;
  for (const uint32_t storage : others) {
    const ClusterView::Node* const at = view.NodeOf(storage);
    if (at == target) return false;
    in_rack += at != nullptr && at->rack == target->rack;
  }
  const bool stays_in_rack =
      view.NodeOf(from) != nullptr && view.NodeOf(from)->rack == target->rack;
  const uint32_t most = MostUnitsPerRack(facts.group->policy->schema.units(), view.live_racks());
  return stays_in_rack || in_rack <= most;
}

}  // namespace

NamenodeImpl::Healer::Balancer::Balancer(NamenodeImpl& namenode, Healer& healer,
                                         const BalanceOptions& options)
    : namenode_(namenode), healer_(healer), options_(options), budget_(copies_, healer.copies_) {}

// ---- what is asked

BalanceProgress NamenodeImpl::Healer::Balancer::Ask(const BalanceJob& job, uint64_t after,
                                                    bool stop) {
  const absl::Duration now = namenode_.clock_.Monotonic();
  MutexLock lock(mu_);
  if (job_ && now - renewed_ > kBalanceJobLease) job_.reset();
  BalanceProgress answer;
  if (job_ && job_->id != job.id) {
    answer.busy_with = job_->holder;
    return answer;
  }
  if (stop) {
    answer = now_;
    job_.reset();
    return answer;
  }
  renewed_ = now;
  if (!job_) {
    LOG_INFO("balancer: {} asks for balance within {} percent", job.holder,
             job.rules.threshold_percent);
    job_ = job;
    ++run_;
    ended_.clear();
    now_ = {};
    now_.waiting_for = "the namenode is in safe mode, or the datanodes have not reported yet";
    answer.begun = true;
  }
  const bool begun = answer.begun;
  answer = now_;
  answer.begun = begun;
  for (const BalanceIteration& iteration : ended_) {
    if (iteration.number >= after) answer.iterations.push_back(iteration);
  }
  return answer;
}

void NamenodeImpl::Healer::Balancer::SetBandwidth(uint64_t bytes_per_second) {
  MutexLock lock(mu_);
  bandwidth_ = bytes_per_second;
}

uint64_t NamenodeImpl::Healer::Balancer::bandwidth() const {
  MutexLock lock(mu_);
  return bandwidth_;
}

std::optional<NamenodeImpl::Healer::Balancer::Work> NamenodeImpl::Healer::Balancer::CurrentWork(
    absl::Duration now) {
  MutexLock lock(mu_);
  if (job_ && now - renewed_ > kBalanceJobLease) {
    LOG_INFO("balancer: {} has gone", job_->holder);
    job_.reset();
  }
  if (job_) {
    return Work{
        .run = run_,
        .rules = job_->rules,
        .min_block_bytes = job_->min_block_bytes,
        .longest_iteration = job_->longest_iteration,
        .pause = 2 * namenode_.options_.heartbeat_interval,
        .limits = {.node_bandwidth = bandwidth_ != 0 ? bandwidth_ : options_.job_bandwidth,
                   .moves_per_node = std::min(job_->moves_per_node, options_.moves_per_node),
                   .moves = job_->moves}};
  }
  if (!options_.enabled) return std::nullopt;
  Work own;
  own.rules.threshold_percent = options_.threshold_percent;
  own.min_block_bytes = kOwnMinBlockBytes;
  own.longest_iteration = absl::Minutes(20);
  own.pause = std::max(options_.interval, 2 * namenode_.options_.heartbeat_interval);
  own.limits.node_bandwidth = options_.own_bandwidth;
  own.limits.moves_per_node = std::min(kOwnMovesPerNode, options_.moves_per_node);
  return own;
}

// ---- what happened

void NamenodeImpl::Healer::Balancer::ReplicaAdded(BlockId block,
                                                  std::span<const uint32_t> storages) {
  uint32_t target;
  if (!copies_.Settle(block, storages, &target)) return;
  const auto found = moves_.find(block);
  if (found == moves_.end()) return;
  found->second.copied = true;
  if (found->second.run != counted_run_) return;
  counters_.bytes += found->second.bytes;
  ++counters_.blocks;
}

void NamenodeImpl::Healer::Balancer::ReplicaLost(BlockId block, uint32_t storage,
                                                 std::span<const uint32_t> storages) {
  uint32_t target;
  const bool copy_failed = copies_.Settle(block, storages, &target);
  const auto found = moves_.find(block);
  if (found == moves_.end()) return;
  if (copy_failed && found->second.run == counted_run_) ++counters_.failures;
  if (copy_failed || found->second.from == storage) moves_.erase(found);
}

void NamenodeImpl::Healer::Balancer::ReplicaMoved(BlockId block, uint32_t from, uint32_t to) {
  const auto found = moves_.find(block);
  if (found != moves_.end() && found->second.from == from) found->second.from = to;
}

void NamenodeImpl::Healer::Balancer::CopiesFailed(absl::string_view datanode_uuid, uint64_t session,
                                                  std::span<const FailedCopy> failed) {
  for (const FailedCopy& told : failed) {
    const std::vector<PendingCopies::Copy> copies =
        copies_.TakeOf(told.block, [&](const PendingCopies::Copy& copy) {
          return copy.source_node == datanode_uuid && copy.source_session == session &&
                 std::find(told.target_uuids.begin(), told.target_uuids.end(), copy.target_node) !=
                     told.target_uuids.end();
        });
    for (const PendingCopies::Copy& copy : copies) {
      LOG_EVERY_SECONDS(kWarn, 10, "balancer: blk_{}: a copy from {} to {} failed: {}",
                        ToSigned(told.block), copy.source_address, copy.target_address,
                        told.reason);
      namenode_.cluster_.Unschedule(copy.target);
      const auto found = moves_.find(told.block);
      if (found == moves_.end() || found->second.copied) continue;
      if (found->second.run == counted_run_) ++counters_.failures;
      moves_.erase(found);
    }
  }
}

void NamenodeImpl::Healer::Balancer::BlockRemoved(BlockId block) {
  copies_.Forget(block);
  moves_.erase(block);
}

std::optional<BlockFacts::Move> NamenodeImpl::Healer::Balancer::FindMove(BlockId block) const {
  const auto found = moves_.find(block);
  if (found == moves_.end()) return std::nullopt;
  return BlockFacts::Move{found->second.from, found->second.to};
}

// ---- one round

bool NamenodeImpl::Healer::Balancer::Step(const std::shared_ptr<const ClusterView>& view,
                                          absl::Duration now, absl::Duration deletions_from) {
  EndMoves(*view, now);
  std::optional<Work> work = CurrentWork(now);
  if (!work) {
    work_.reset();
    iteration_.reset();
    return false;
  }
  const bool is_new = !work_ || work_->run != work->run;
  work_ = std::move(work);
  {
    WriterLock lock(namenode_.mu_);
    budget_.SetLimits(work_->limits);
    if (is_new) {
      counted_run_ = work_->run;
      counters_ = {};
    }
  }
  if (is_new) {
    iteration_.reset();
    next_number_ = 0;
    take_small_ = false;
    next_iteration_ = now + kViewAge;
  }
  if (now < deletions_from) {
    Publish("nothing is deleted so soon after the namenode's start");
    return false;
  }
  if (!iteration_) {
    if (now < next_iteration_) {
      Publish("the datanodes are to tell how full they are now");
      return false;
    }
    Begin(*view, now);
  }
  const bool more = Advance(*view, now);
  if (IsOver(now)) {
    Finish(now);
  } else {
    Publish(more ? "" : "the copies under way");
  }
  return more;
}

void NamenodeImpl::Healer::Balancer::EndCopies(const ClusterView& view, absl::Duration now) {
  const auto is_late = [&](const PendingCopies::Copy& copy) { return copy.deadline <= now; };
  const auto has_ended = [&](const PendingCopies::Copy& copy) {
    return is_late(copy) || IsLost(copy, view);
  };
  BlockId position{};
  for (bool more = true; more;) {
    std::vector<PendingCopies::Taken> ended;
    {
      WriterLock lock(namenode_.mu_);
      more = copies_.TakeSome(kEndSlice, has_ended, &position, &ended);
      for (const auto& [block, copy] : ended) {
        const auto found = moves_.find(block);
        if (found == moves_.end() || found->second.copied) continue;
        if (found->second.run == counted_run_) ++counters_.failures;
        moves_.erase(found);
      }
    }
    for (const auto& [block, copy] : ended) {
      if (is_late(copy)) {
        LOG_EVERY_SECONDS(kWarn, 10,
                          "balancer: blk_{}: a copy from {} to {} did not arrive in time",
                          ToSigned(block), copy.source_address, copy.target_address);
      }
      namenode_.cluster_.Unschedule(copy.target);
    }
  }
}

void NamenodeImpl::Healer::Balancer::EndMoves(const ClusterView& view, absl::Duration now) {
  if (now < next_end_moves_) return;
  next_end_moves_ = now + kEndMovesInterval;
  EndCopies(view, now);
  BlockId position{};
  for (bool more = true; more;) {
    WriterLock lock(namenode_.mu_);
    auto at = moves_.upper_bound(position);
    for (size_t looked = 0; at != moves_.end() && looked < kEndSlice; ++looked) {
      position = at->first;
      const Move& move = at->second;
      // Of a node that is lost nobody will say that the old replica is gone.
      const bool over =
          move.copied && (now - move.since > kMoveLife || !view.IsReadable(move.from));
      at = over ? moves_.erase(at) : std::next(at);
    }
    more = at != moves_.end();
  }
}

void NamenodeImpl::Healer::Balancer::Begin(const ClusterView& view, absl::Duration now) {
  const BalancePlan plan = PlanBalance(view, work_->rules);
  iteration_ = Iteration{.began = now,
                         .bytes_left = plan.bytes_left,
                         .bytes_planned = plan.bytes_planned,
                         .last_copy = now};
  {
    ReaderLock lock(namenode_.mu_);
    iteration_->moved_before = counters_.bytes;
  }
  if (plan.bytes_left == 0) {
    iteration_->bytes_planned = 0;
    return;
  }
  for (const BalancePair& pair : plan.pairs) {
    std::vector<Source>& sources = iteration_->sources;
    auto source = std::find_if(sources.begin(), sources.end(), [&](const Source& other) {
      return other.node == pair.source && other.type == pair.type;
    });
    if (source == sources.end()) {
      source = sources.insert(source, {.node = pair.source, .type = pair.type});
      for (const StorageInfo& storage : view.FindByUuid(pair.source)->info->storages) {
        if (storage.type == pair.type && !storage.failed) {
          source->storages.push_back(storage.number);
        }
      }
    }
    source->targets.push_back({pair.target, pair.bytes});
  }
  LOG_INFO(
      "balancer: iteration {}: {} bytes beyond the threshold of {} percent, {} bytes to move "
      "from {} datanodes",
      next_number_, plan.bytes_left, work_->rules.threshold_percent, plan.bytes_planned,
      iteration_->sources.size());
}

// One slice of one source, in turn. True: there was something to do.
bool NamenodeImpl::Healer::Balancer::Advance(const ClusterView& view, absl::Duration now) {
  std::vector<Source>& sources = iteration_->sources;
  if (now - iteration_->began > work_->longest_iteration) sources.clear();
  for (size_t left = sources.size(); left > 0; --left) {
    if (iteration_->at >= sources.size()) iteration_->at = 0;
    Source& source = sources[iteration_->at];
    if (AdvanceOne(view, now, &source)) {
      ++iteration_->at;
      return true;
    }
    const bool done =
        source.targets.empty() || (source.storages.empty() && source.candidates.empty());
    if (done) {
      sources.erase(sources.begin() + static_cast<std::ptrdiff_t>(iteration_->at));
    } else {
      ++iteration_->at;
    }
  }
  return false;
}

bool NamenodeImpl::Healer::Balancer::AdvanceOne(const ClusterView& view, absl::Duration now,
                                                Source* source) {
  if (source->targets.empty()) return false;
  if (source->candidates.empty()) {
    if (source->storages.empty()) return false;
    FillCandidates(source);
    return true;
  }
  return MoveSome(view, now, source);
}

// A lap through the records of each storage: from where the last one ended, and around.
void NamenodeImpl::Healer::Balancer::FillCandidates(Source* source) {
  const uint32_t storage = source->storages.front();
  std::string& position = positions_[storage];
  if (!source->begun) {
    source->begun = true;
    source->wrapped = false;
    source->began_at = position;
  }
  std::vector<BlockId> blocks;
  const absl::StatusOr<bool> more =
      healer_.ReadIds(keys::StorageBlockPrefix(storage), kReadSlice, &position, &blocks);
  for (const BlockId block : blocks) source->candidates.emplace_back(block, storage);
  const bool at_end = more.ok() && !*more;
  if (at_end) position.clear();
  if (at_end && !source->wrapped && !source->began_at.empty()) {
    source->wrapped = true;
    return;
  }
  if (!more.ok()) {
    LOG_EVERY_SECONDS(kError, 10,
                      "balancer: the blocks of storage {} cannot be read: {}; they stay", storage,
                      more.status().ToString());
  }
  const bool goes_on = more.ok() && *more && !(source->wrapped && position >= source->began_at);
  if (goes_on) return;
  source->storages.erase(source->storages.begin());
  source->begun = false;
}

bool NamenodeImpl::Healer::Balancer::MoveSome(const ClusterView& view, absl::Duration now,
                                              Source* source) {
  {
    ReaderLock lock(namenode_.mu_);
    const bool any_takes =
        std::any_of(source->targets.begin(), source->targets.end(),
                    [&](const Source::Target& t) { return budget_.CanTake(t.node, now); });
    if (!budget_.ClusterHasRoom() || !any_takes) return false;
  }
  struct Loaded {
    BlockId block;
    uint32_t storage;
    InodeId owner;
  };
  std::vector<Loaded> loaded;
  const size_t slice = std::min(kMoveSlice, source->candidates.size());
  for (size_t i = 0; i < slice; ++i) {
    const auto& [block, storage] = source->candidates[i];
    const absl::StatusOr<InodeId> owner = healer_.LoadOwner(block);
    if (!owner.ok()) {
      LOG_EVERY_SECONDS(kError, 1, "balancer: blk_{} cannot be looked up: {}", ToSigned(block),
                        owner.status().ToString());
    }
    loaded.push_back({block, storage, owner.value_or(kNoInode)});
  }
  WriterLock lock(namenode_.mu_);
  bool busy = false;
  if (namenode_.safe_mode_.on()) return false;
  for (const Loaded& candidate : loaded) {
    if (source->targets.empty()) break;
    const auto result =
        MoveOne(view, now, source, candidate.block, candidate.storage, candidate.owner);
    busy = result == BlockMovePlan::Result::kBusy;
    if (busy) break;
    source->candidates.pop_front();
  }
  namenode_.tree_->Trim(static_cast<int>(loaded.size()));
  return !busy;
}

// `owner`: as it was a moment ago; kNoInode: no file has the block.
BlockMovePlan::Result NamenodeImpl::Healer::Balancer::MoveOne(const ClusterView& view,
                                                              absl::Duration now, Source* source,
                                                              BlockId block, uint32_t from,
                                                              InodeId owner) {
  using Result = BlockMovePlan::Result;
  const Inode* const file = owner == kNoInode ? nullptr : namenode_.tree_->FindById(owner);
  const BlockMap::Entry* const entry = namenode_.blocks_->Find(block);
  if (file == nullptr || file->file == nullptr || entry == nullptr) return Result::kUnfit;
  const std::optional<BlockVersion> version = FindUnit(*file, block);
  // A block that is being written, or was a moment ago, is left alone, as is what needs anything.
  if (!version || entry->state() != BlockMap::State::kComplete || IsDetached(*file) ||
      moves_.contains(block) || healer_.queue_.Find(block) != nullptr ||
      healer_.leaving_.Has(block)) {
    return Result::kUnfit;
  }
  const uint64_t least = take_small_ ? 1 : std::max<uint64_t>(work_->min_block_bytes, 1);
  if (version->length < least) return Result::kUnfit;
  if (moves_.size() >= 2 * size_t{work_->limits.moves}) return Result::kBusy;
  const BlockFacts facts = healer_.FactsOf(*file, *version, *entry, view);
  std::vector<BalanceTarget> targets;
  for (const Source::Target& target : source->targets) {
    targets.push_back(
        {target.node, MayTake(facts, from, target.node, view) ? target.bytes_left : 0});
  }
  const BlockMovePlan plan = PlanBlockMove(facts, from, targets, view, budget_, now);
  if (plan.result != Result::kMove) return plan.result;
  if (!Order(view, now, facts, plan.move)) return Result::kBusy;
  Source::Target& target = source->targets[plan.target];
  target.bytes_left -= std::min(target.bytes_left, version->length);
  if (target.bytes_left == 0) {
    source->targets.erase(source->targets.begin() + static_cast<std::ptrdiff_t>(plan.target));
  }
  return Result::kMove;
}

bool NamenodeImpl::Healer::Balancer::Order(const ClusterView& view, absl::Duration now,
                                           const BlockFacts& facts, const BlockMove& move) {
  const DatanodeInfo& sender = *view.NodeOf(move.sender)->info;
  const StorageLocation& to = *view.Find(move.to);
  const uint64_t bandwidth = budget_.limits().node_bandwidth;
  ReplicateCommand order{
      .block = facts.block,
      .targets = {{to.node->address, to.node->uuid, to.storage_uuid, to.storage_type}},
      .balance_bytes_per_second = bandwidth};
  if (!namenode_.orders_.Add(sender.uuid, std::move(order))) return false;
  const uint64_t length = facts.block.length;
  const auto sent = static_cast<double>(copies_.LoadOf(sender.uuid).bytes_out + length);
  const absl::Duration longest =
      kCopyStart + absl::Seconds(kCopySlack * sent / static_cast<double>(bandwidth));
  copies_.Add(facts.block.id, {.source = move.sender,
                               .target = move.to,
                               .source_node = sender.uuid,
                               .target_node = to.node->uuid,
                               .source_session = sender.session,
                               .target_session = to.node->session,
                               .source_address = AddressOf(sender),
                               .target_address = AddressOf(*to.node),
                               .bytes = length,
                               .since = now,
                               .deadline = now + longest});
  namenode_.cluster_.Schedule(std::span(&move.to, 1));
  budget_.Spend(sender.uuid, to.node->uuid, length, now);
  moves_[facts.block.id] = {
      .from = move.from, .to = move.to, .bytes = length, .run = work_->run, .since = now};
  return true;
}

bool NamenodeImpl::Healer::Balancer::IsOver(absl::Duration now) {
  if (!iteration_->sources.empty()) return false;
  ReaderLock lock(namenode_.mu_);
  if (copies_.size() > 0) {
    iteration_->last_copy = now;
    return false;
  }
  return moves_.empty() || now - iteration_->last_copy > kDeletionWait;
}

void NamenodeImpl::Healer::Balancer::Finish(absl::Duration now) {
  Counters counters;
  {
    ReaderLock lock(namenode_.mu_);
    counters = counters_;
  }
  const uint64_t moved = counters.bytes - iteration_->moved_before;
  if (moved == 0 && iteration_->bytes_planned > 0 && !take_small_) {
    take_small_ = true;  // another try, in the same iteration
    iteration_.reset();
    return;
  }
  const BalanceIteration ended{.number = next_number_++,
                               .ended = namenode_.clock_.Now(),
                               .bytes_left = iteration_->bytes_left,
                               .bytes_planned = iteration_->bytes_planned,
                               .bytes_moved = moved,
                               .bytes_moved_before = iteration_->moved_before};
  if (moved > 0) {
    LOG_INFO("balancer: iteration {}: moved {} bytes; {} blocks so far, {} failures", ended.number,
             moved, counters.blocks, counters.failures);
  }
  if (iteration_->bytes_left == 0) take_small_ = false;
  iteration_.reset();
  next_iteration_ = now + work_->pause;
  Publish("the datanodes are to tell how full they are now");
  MutexLock lock(mu_);
  if (!job_ || run_ != work_->run) return;
  ended_.push_back(ended);
  if (ended_.size() > kMostEnded) ended_.pop_front();
}

void NamenodeImpl::Healer::Balancer::Publish(std::string waiting_for) {
  BalanceProgress progress;
  {
    ReaderLock lock(namenode_.mu_);
    progress.bytes_moved = counters_.bytes;
    progress.blocks_moved = counters_.blocks;
    progress.blocks_failed = counters_.failures;
    progress.moves = copies_.size();
  }
  progress.iteration = next_number_;
  if (iteration_) {
    progress.bytes_left = iteration_->bytes_left;
    progress.bytes_planned = iteration_->bytes_planned;
  }
  progress.waiting_for = std::move(waiting_for);
  MutexLock lock(mu_);
  if (!job_ || run_ != work_->run) return;
  now_ = std::move(progress);
}

}  // namespace cairn::namenode
