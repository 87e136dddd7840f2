// tests/sim/namenode_node.h - the namenode's host: the real NamenodeImpl over a journal and a store
// that survive it as far as they were durable.
//
// What the daemon's threads do is done by events: the journal's committer makes a batch durable
// after a while, maintenance runs in intervals, the store freezes its tail now and then. An answer
// leaves when the journal has the edit that it depends on, as in wire/rpc's server.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "namenode/core/namenode_impl.h"
#include "namenode/journal/memory_journal.h"
#include "tests/sim/network.h"
#include "tests/sim/planted.h"
#include "tests/sim/process.h"
#include "tests/sim/sim_store.h"

namespace cairn::sim {

class NamenodeNode {
 public:
  NamenodeNode(World& world, Network& network, Planted planted);
  ~NamenodeNode();

  void Start();  // CHECKs that it can: nothing here is an excuse for not starting
  // Memory is lost. Of the edits that were on their way to the disk, any first part is there.
  void PowerCut();
  void Pause(absl::Duration time);
  bool running() const { return life_ != nullptr; }
  int starts() const { return starts_; }

  // Runs `operation` here and gives its value to `answer` once its ticket is durable. In the
  // namenode's process, when a request arrives.
  template <typename T>
  void Serve(const std::function<namenode::Outcome<T>(namenode::NamenodeImpl&)>& operation,
             std::function<void(absl::StatusOr<T>)> answer) {
    if (life_ == nullptr) return;
    namenode::Outcome<T> outcome = operation(*life_->namenode);
    const uint64_t ticket = planted_ == Planted::kAnswerBeforeJournal ? 0 : outcome.ticket;
    AnswerAt(TxId{ticket},
             [answer = std::move(answer), value = std::move(outcome.value)] { answer(value); });
  }
  // A datanode's call: nothing waits for the journal.
  template <typename T>
  void ServeDatanode(const std::function<T(namenode::DatanodeReports&)>& operation,
                     const std::function<void(T)>& answer) {
    if (life_ == nullptr) return;
    answer(operation(*life_->namenode));
    Commit();
  }

  // For a planted bug: the newest stamp that any datanode had of the block, this one included.
  GenerationStamp NewestStamp(BlockId block, GenerationStamp stamp) {
    GenerationStamp& newest = newest_stamps_[block];
    return newest = std::max(newest, stamp);
  }

  // For the final examination: running only.
  namenode::NamenodeImpl& impl() { return *life_->namenode; }
  SimStore& store() { return *life_->store; }

 private:
  struct Life {
    explicit Life(World& world) : process(world, "namenode") {}
    Process process;
    std::unique_ptr<namenode::ClusterState> cluster;
    std::unique_ptr<namenode::MemoryJournal> journal;
    std::unique_ptr<SimStore> store;
    std::unique_ptr<namenode::NamenodeImpl> namenode;
    std::deque<std::pair<TxId, std::function<void()>>> waiting;  // answers
    bool committing = false;
  };

  namenode::NamenodeOptions Options();
  void AnswerAt(TxId ticket, std::function<void()> answer);
  void Commit();  // starts the journal's next write, if there is something to write
  void SendDurable();
  void Maintain();

  World& world_;
  Network& network_;
  const Planted planted_;
  const bool small_caches_;  // a namespace that does not fit in memory
  // What survives.
  SimStore::Durable store_disk_;
  std::vector<std::pair<TxId, std::string>> edits_;
  int starts_ = 0;
  std::map<BlockId, GenerationStamp> newest_stamps_;
  std::unique_ptr<Life> life_;
};

}  // namespace cairn::sim
