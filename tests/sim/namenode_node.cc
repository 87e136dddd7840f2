#include "tests/sim/namenode_node.h"

#include <algorithm>

#include "common/check.h"
#include "namenode/namespace/first_records.h"
#include "tests/sim/limits.h"

namespace cairn::sim {

using namenode::MemoryJournal;

NamenodeNode::NamenodeNode(World& world, Network& network, Planted planted)
    : world_(world), network_(network), planted_(planted), small_caches_(world.OneIn(2)) {
  for (const auto& [key, value] :
       namenode::FirstRecords({"CID-sim", "BP-sim", 1, "hdfs", "supergroup", 1})) {
    store_disk_.records[key] = value;
  }
}

NamenodeNode::~NamenodeNode() {
  if (life_ != nullptr) network_.SetProcess(kNamenodeHost, nullptr);
}

namenode::NamenodeOptions NamenodeNode::Options() {
  namenode::NamenodeOptions options;
  options.identities.superuser = "hdfs";
  options.identities.groups_of = [](const std::string&) { return std::vector<std::string>(); };
  options.leases = {.soft_limit = kLeaseSoftLimit, .hard_limit = kLeaseHardLimit};
  options.invalidations.again_after = absl::Seconds(20);
  options.heartbeat_interval = kHeartbeat;
  options.healing.report_wait = kSafeModeLongest;
  options.healing.check_interval = absl::Minutes(1);
  options.healing.written_grace = absl::Seconds(1);
  options.healing.deletion_delay = absl::Seconds(5);
  options.healing.copy_timeout = absl::Seconds(8);
  options.retry_cache_entries = 10'000;
  options.retry_cache_life = absl::Hours(1);
  options.min_block_bytes = 512;
  options.listing_cache_bytes = 0;
  options.random = [this] { return absl::BitGenRef(world_.random()); };
  if (small_caches_) {
    options.tree.cache_bytes = 2000;
    options.blocks.cache_bytes = 4000;
    options.removed_blocks_in_memory = 1;
  }
  return options;
}

void NamenodeNode::Start() {
  CHECK(life_ == nullptr);
  ++starts_;
  life_ = std::make_unique<Life>(world_);
  Life& life = *life_;
  namenode::ClusterState::Options cluster;
  cluster.stale_interval = kStale;
  cluster.dead_interval = kDead;
  life.cluster = std::make_unique<namenode::ClusterState>(cluster, world_.clock());
  life.journal = std::make_unique<MemoryJournal>(MemoryJournal::Mode::kStepped,
                                                 edits_.empty() ? kNoTx : edits_.back().first);
  life.store = std::make_unique<SimStore>(store_disk_, life.process,
                                          [&life] { return life.journal->durable(); });
  life.namenode = std::make_unique<namenode::NamenodeImpl>(Options(), world_.clock(), *life.store,
                                                           *life.cluster);
  CHECK_OK(life.namenode->OpenStore());
  for (const auto& [txid, edit] : edits_) CHECK_OK(life.namenode->Replay(txid, edit));
  life.namenode->StartServing(*life.journal);
  life.namenode->StartSafeMode(kSafeModeLongest);
  network_.SetProcess(kNamenodeHost, &life.process);
  world_.Trace("namenode: started, %d edits, %d in the store", edits_.size(),
               ToInt(store_disk_.applied));
  Maintain();
}

void NamenodeNode::PowerCut() {
  if (life_ == nullptr) return;
  const TxId durable = life_->journal->durable();
  auto appended = life_->journal->edits();
  size_t kept = 0;
  while (kept < appended.size() && appended[kept].first <= durable) ++kept;
  kept += world_.Random(appended.size() - kept + 1);
  world_.Trace("namenode: power cut, %d edits appended, %d durable, %d found later",
               appended.size(), ToInt(durable), kept);
  appended.resize(kept);
  edits_.insert(edits_.end(), std::make_move_iterator(appended.begin()),
                std::make_move_iterator(appended.end()));
  network_.SetProcess(kNamenodeHost, nullptr);
  life_->process.Kill();
  network_.CloseStreamsOf(&life_->process);
  life_.reset();
}

void NamenodeNode::Pause(absl::Duration time) {
  if (life_ != nullptr) life_->process.Pause(time);
}

void NamenodeNode::AnswerAt(TxId ticket, std::function<void()> answer) {
  if (ticket <= life_->journal->durable()) {
    answer();
  } else {
    life_->waiting.emplace_back(ticket, std::move(answer));
  }
  Commit();
}

void NamenodeNode::Commit() {
  Life& life = *life_;
  const TxId last = life.journal->last_appended();
  if (life.committing || last <= life.journal->durable()) return;
  life.committing = true;
  // Group commit: what is appended meanwhile goes with the next write.
  const absl::Duration write = world_.OneIn(10)
                                   ? world_.Between(absl::Milliseconds(5), absl::Milliseconds(500))
                                   : world_.Between(absl::Microseconds(100), absl::Milliseconds(3));
  life.process.After(write, [this, last] {
    life_->committing = false;
    life_->journal->MakeDurable(last);
    SendDurable();
    Commit();
  });
}

void NamenodeNode::SendDurable() {
  const TxId durable = life_->journal->durable();
  std::deque<std::pair<TxId, std::function<void()>>> still;
  for (auto& [ticket, answer] : std::exchange(life_->waiting, {})) {
    if (ticket <= durable) {
      answer();
    } else {
      still.emplace_back(ticket, std::move(answer));
    }
  }
  life_->waiting = std::move(still);
}

void NamenodeNode::Maintain() {
  life_->namenode->RunMaintenance();
  life_->namenode->RunHealing();
  if (world_.OneIn(8)) {
    life_->namenode->WithLock([this] { life_->store->Freeze(); });
  }
  Commit();
  life_->process.After(world_.Between(absl::Milliseconds(100), absl::Milliseconds(600)),
                       [this] { Maintain(); });
}

}  // namespace cairn::sim
