#include "client/stream_keeper.h"

#include <atomic>
#include <thread>

#include "common/testing/eventually.h"
#include "gtest/gtest.h"

namespace cairn::client {
namespace {

class Stream final : public KeptStream {
 public:
  bool Serve() override {
    ++served;
    return unsent;
  }
  std::atomic<int> served = 0;
  std::atomic<bool> unsent = false;
};

TEST(StreamKeeperTest, StreamsAreServedUntilTheyAreRemoved) {
  StreamKeeper keeper(absl::Milliseconds(1));
  Stream gone;
  Stream stays;
  keeper.Add(gone);
  keeper.Add(stays);
  EVENTUALLY(gone.served > 0 && stays.served > 0);
  keeper.Remove(gone);
  keeper.Remove(gone);
  const int calls = gone.served;
  const int seen = stays.served;
  EVENTUALLY(stays.served >= seen + 3);
  EXPECT_EQ(gone.served, calls);
  keeper.Remove(stays);
}

TEST(StreamKeeperTest, BytesToSendDoNotWaitForThePeriod) {
  StreamKeeper keeper(absl::Hours(1));
  Stream stream;
  keeper.Add(stream);
  stream.unsent = true;
  keeper.Want();
  EVENTUALLY(stream.served >= 5);
  // Once they have gone the thread sleeps until the next ones.
  stream.unsent = false;
  const int before = stream.served;
  keeper.Want();
  EVENTUALLY(stream.served > before);
  const int seen = stream.served;
  keeper.Want();
  EVENTUALLY(stream.served > seen);
  keeper.Remove(stream);
}

}  // namespace
}  // namespace cairn::client
