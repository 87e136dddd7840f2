#include "tools/policy/run_keeper.h"

#include <atomic>
#include <memory>

#include "client/rpc_channel.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "proto/admin.pb.h"

namespace cairn::tools {
namespace {

using ::testing::HasSubstr;

// A namenode that gives the run to whoever asks, unless it is another's.
struct FakeRuns {
  std::atomic<int> renewals = 0, stops = 0, listings = 0, refused = 0;
  std::atomic<bool> is_anothers = false, is_down = false;
  Mutex mu;
  admin::ConversionRun told ABSL_GUARDED_BY(mu);
};

class RunsChannel final : public client::RpcChannel {
 public:
  explicit RunsChannel(FakeRuns& runs) : runs_(runs) {}
  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite& response) override {
    if (runs_.is_down) {
      ++runs_.refused;
      return absl::UnavailableError("restarting");
    }
    if (method == "listConversionRules") {
      ++runs_.listings;
      return absl::OkStatus();
    }
    const auto& renewal = dynamic_cast<const admin::RenewConversionRunRequest&>(request);
    ++(renewal.stop() ? runs_.stops : runs_.renewals);
    MutexLock lock(runs_.mu);
    runs_.told = renewal.run();
    if (runs_.is_anothers) {
      dynamic_cast<admin::RenewConversionRunResponse&>(response).set_busy_with("another");
    }
    return absl::OkStatus();
  }

 private:
  FakeRuns& runs_;
};

// Nothing is in it.
class EmptyWorld final : public PolicyWorld {
 public:
  explicit EmptyWorld(client::ConversionAdmin& admin) : admin_(admin) {}
  absl::StatusOr<client::ConversionRules> ListRules() override { return admin_.List(); }
  std::unique_ptr<DirectoryReader> Open(const std::string&) override { return nullptr; }
  std::unique_ptr<FileConverter> NewConverter(const ConvertOptions&,
                                              FileConverter::OnFailure) override {
    return nullptr;
  }
  absl::Time Now() override { return absl::UnixEpoch(); }
  void Sleep(absl::Duration) override {}

 private:
  client::ConversionAdmin& admin_;
};

class RunKeeperTest : public ::testing::Test {
 protected:
  std::unique_ptr<RunKeeper> NewKeeper() {
    return std::make_unique<RunKeeper>(
        admin_, runner_,
        RunKeeper::Options{.holder = "me",
                           .is_interrupted = [this] { return interrupted_.load(); },
                           .tick = absl::Milliseconds(1),
                           .renew_every = absl::Milliseconds(2),
                           .refresh_every = absl::Milliseconds(2)});
  }
  admin::ConversionRun Told() {
    MutexLock lock(runs_.mu);
    return runs_.told;
  }

  FakeRuns runs_;
  std::atomic<bool> interrupted_ = false;
  client::ConversionAdmin admin_{std::make_unique<RunsChannel>(runs_)};
  EmptyWorld world_{admin_};
  PolicyRunner runner_{world_,
                       {},
                       {.on_failure = [](const std::string&, const absl::Status&) {},
                        .on_outcome = [](const RuleOutcome&) {}}};
};

TEST_F(RunKeeperTest, ARunIsKeptUntilItsEndAndTheRulesAreAskedFor) {
  auto keeper = NewKeeper();
  EXPECT_THAT(keeper->Begin(), IsOkAndHolds(""));
  EVENTUALLY(runs_.renewals >= 3 && runs_.listings >= 2);
  EXPECT_EQ(Told().holder(), "me");
  EXPECT_FALSE(Told().has_next_in_ms());
  keeper->SetNextRound(absl::Now() + absl::Hours(1));
  EVENTUALLY(Told().has_next_in_ms());
  EXPECT_EQ(runs_.stops, 0);
  keeper = nullptr;
  EXPECT_EQ(runs_.stops, 1);
  EXPECT_FALSE(runner_.has_stopped());
}

TEST_F(RunKeeperTest, OneThatDoesNotBeginEndsNothing) {
  runs_.is_anothers = true;
  auto keeper = NewKeeper();
  EXPECT_THAT(keeper->Begin(), IsOkAndHolds("another"));
  keeper = nullptr;
  EXPECT_EQ(runs_.stops, 0);
  EXPECT_EQ(runs_.renewals, 1);
}

TEST_F(RunKeeperTest, WhoHasLostItStops) {
  auto keeper = NewKeeper();
  EXPECT_THAT(keeper->Begin(), IsOkAndHolds(""));
  runs_.is_anothers = true;
  EVENTUALLY(runner_.has_stopped());
  EXPECT_EQ(keeper->lost_to(), "another");
}

TEST_F(RunKeeperTest, ANamenodeThatRestartsEndsNothing) {
  auto keeper = NewKeeper();
  EXPECT_THAT(keeper->Begin(), IsOkAndHolds(""));
  runs_.is_down = true;
  EVENTUALLY(runs_.refused >= 3);
  EXPECT_FALSE(runner_.has_stopped());
  runs_.is_down = false;
  const int before = runs_.renewals;
  EVENTUALLY(runs_.renewals > before + 1);
  EXPECT_FALSE(runner_.has_stopped());
}

TEST_F(RunKeeperTest, ASignalStopsTheRunner) {
  auto keeper = NewKeeper();
  EXPECT_THAT(keeper->Begin(), IsOkAndHolds(""));
  EXPECT_FALSE(runner_.has_stopped());
  interrupted_ = true;
  EVENTUALLY(runner_.has_stopped());
}

}  // namespace
}  // namespace cairn::tools
