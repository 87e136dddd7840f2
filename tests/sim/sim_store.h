// tests/sim/sim_store.h - the namenode's store with virtual time: the contract of store/store.h
// over ordered maps, without threads.
//
// What LevelDB would have synced is in Durable, which outlives the namenode's process; both tails
// die with it. A frozen tail reaches Durable some time after it was frozen, whole, and not before
// the journal has its last edit. Until then it may be lost, and its unjournalled records with it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "namenode/store/store.h"
#include "tests/sim/process.h"

namespace cairn::sim {

class SimStore final : public namenode::Store {
 public:
  struct Durable {
    std::map<std::string, std::string, std::less<>> records;
    TxId applied = kNoTx;
  };

  SimStore(Durable& disk, Process& process, std::function<TxId()> durable)
      : disk_(disk), process_(process), journal_durable_(std::move(durable)) {}

  Found Peek(absl::string_view key, absl::string_view* value) const override;
  absl::StatusOr<std::optional<std::string>> Load(absl::string_view key) const override;
  uint64_t flush_count() const override { return flushes_; }
  void BeginEdit() override { inside_edit_ = true; }
  void Put(absl::string_view key, absl::string_view value) override;
  void Delete(absl::string_view key) override;
  bool BeforeFreeze(std::function<void()> put_rest) override;
  void PutRest() override;
  void EndRest() override { inside_edit_ = false; }
  void EndEdit(TxId txid) override;
  void PutUnjournalled(absl::string_view key, absl::string_view value) override;
  void DeleteUnjournalled(absl::string_view key) override;
  absl::Status Ready() const override { return absl::OkStatus(); }
  std::unique_ptr<Range> Scan(absl::string_view prefix, absl::string_view after,
                              size_t limit) const override;
  TxId applied() const override { return disk_.applied; }
  Stats stats() const override { return {}; }
  void Freeze() override;
  absl::Status WaitFlushed() override;
  absl::Status Flush() override;

 private:
  struct Tail {
    std::map<std::string, std::optional<std::string>, std::less<>> records;  // nullopt: deleted
    TxId last_edit = kNoTx;
    bool empty() const { return records.empty() && last_edit == kNoTx; }
  };
  void Write();  // the frozen tail, if it may be

  Durable& disk_;
  Process& process_;
  const std::function<TxId()> journal_durable_;
  std::function<void()> put_rest_;
  Tail active_;
  std::optional<Tail> frozen_;
  bool inside_edit_ = false;
  uint64_t flushes_ = 0;
};

}  // namespace cairn::sim
