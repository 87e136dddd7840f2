// No memory in the middle of an edit: nobody may go on with half of it.
#include "common/out_of_memory.h"

#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <utility>

#include "namenode/core/testing/test_namenode.h"
#include "namenode/core/testing/wrapped_store.h"

namespace cairn::namenode {
namespace {

// What an edit changes is put, and then there is no memory.
class StarvedStore final : public WrappedStore {
 public:
  StarvedStore(std::unique_ptr<Store> store, const bool& starved)
      : WrappedStore(std::move(store)), starved_(starved) {}
  void EndEdit(TxId txid) override {
    if (starved_) throw std::bad_alloc();
    WrappedStore::EndEdit(txid);
  }

 private:
  const bool& starved_;
};

class OutOfMemoryDeathTest : public ::testing::Test {
 protected:
  OutOfMemoryDeathTest() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // the store has threads
    SayWhenOutOfMemory();
  }
  TestNamenode::Options Starvable() {
    TestNamenode::Options options;
    options.wrap_store = [this](std::unique_ptr<Store> store, const Store::WithLock&) {
      return std::make_unique<StarvedStore>(std::move(store), starved_);
    };
    return options;
  }
  bool starved_ = false;
  TestNamenode nn_{Starvable()};
};

TEST_F(OutOfMemoryDeathTest, AnEditHalfAppliedEndsTheProcessWhoeverWouldCatch) {
  nn_.Mkdir("/a");
  starved_ = true;
  EXPECT_DEATH(
      {
        try {
          nn_->Mkdirs(kSuper, "/b", 0755, true).value.IgnoreError();
        } catch (const std::bad_alloc&) {
        }
      },
      "out of memory");
}

TEST_F(OutOfMemoryDeathTest, AnEditHalfReplayedDoesToo) {
  nn_.Mkdir("/a");
  nn_.Crash();
  starved_ = true;
  EXPECT_DEATH(
      {
        try {
          nn_.Start().IgnoreError();
        } catch (const std::bad_alloc&) {
        }
      },
      "out of memory");
  starved_ = false;
  ASSERT_OK(nn_.Start());
  EXPECT_TRUE(nn_.Exists("/a"));
}

}  // namespace
}  // namespace cairn::namenode
