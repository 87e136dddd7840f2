#include "tests/sim/sim_store.h"

#include "common/testing/status_matchers.h"

namespace cairn::sim {
namespace {

class SimStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<SimStore> Open() {
    return std::make_unique<SimStore>(disk_, process_, [this] { return durable_; });
  }
  void Edit(SimStore& store, uint64_t txid, absl::string_view key) {
    store.BeginEdit();
    store.Put(key, "value");
    store.EndEdit(TxId{txid});
  }

  World world_{1, false};
  Process process_{world_, "namenode"};
  SimStore::Durable disk_;
  TxId durable_ = kNoTx;
};

TEST_F(SimStoreTest, AFrozenTailWaitsForTheJournal) {
  const auto store = Open();
  Edit(*store, 1, "a");
  store->Freeze();
  Edit(*store, 2, "b");
  world_.RunUntil(absl::Seconds(10));
  EXPECT_EQ(store->applied(), kNoTx);
  durable_ = TxId{2};
  world_.RunUntil(absl::Seconds(20));
  EXPECT_EQ(store->applied(), TxId{1});
  EXPECT_THAT(store->Load("a"), IsOkAndHolds(std::optional<std::string>("value")));
  EXPECT_EQ(disk_.records.contains("b"), false) << "the other tail is still in memory";
}

TEST_F(SimStoreTest, AScanSeesTheNewestOfAllLayersInOrder) {
  const auto store = Open();
  disk_.records = {{"ka", "old"}, {"kb", "old"}, {"kc", "old"}, {"x", "old"}};
  store->Delete("ka");
  store->Put("kb", "new");
  store->EndEdit(TxId{1});
  const auto range = store->Scan("k", "", 10);
  std::string found;
  for (; range->Valid(); range->Next()) {
    found += std::string(range->key()) + "=" + std::string(range->value()) + " ";
  }
  EXPECT_EQ(found, "kb=new kc=old ");
}

}  // namespace
}  // namespace cairn::sim
