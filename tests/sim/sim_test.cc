// Histories of a simulated cluster. CAIRN_SIM_HISTORIES=N runs more of them, CAIRN_SIM_SEED=N
// begins elsewhere. `sim --seed N --verbose` shows what happens in one.
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/logging.h"
#include "gtest/gtest.h"
#include "tests/sim/history.h"

namespace cairn::sim {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

class SimTest : public ::testing::Test {
 protected:
  // Disks fail by the thousand: nobody wants to read of it.
  static void SetUpTestSuite() {
    InitLogging({.level = LogLevel::kError, .file = "/dev/null"}).IgnoreError();  // stderr then
  }
};

TEST_F(SimTest, EveryPromiseIsKept) {
  const uint64_t first = FromEnvironment("CAIRN_SIM_SEED", 1);
  const uint64_t count = FromEnvironment("CAIRN_SIM_HISTORIES", 200);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const Result result = RunHistory({.seed = seed});
    if (result.failure.empty()) continue;
    ADD_FAILURE() << "seed " << seed << ": " << result.failure << "\n  sim --seed " << seed
                  << " --verbose --without " << absl::StrJoin(Shrink({.seed = seed}), ",");
    return;
  }
}

// What ran before in the process must make no difference.
TEST_F(SimTest, ASeedIsAHistory) {
  constexpr uint64_t kSeeds = 20;
  std::vector<uint64_t> hashes;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    hashes.push_back(RunHistory({.seed = seed}).trace_hash);
  }
  for (uint64_t seed = kSeeds; seed >= 1; --seed) {
    EXPECT_EQ(RunHistory({.seed = seed}).trace_hash, hashes[seed - 1]) << seed;
  }
}

struct Bug {
  const char* name;
  Planted planted;
  uint64_t within;  // histories
};

class PlantedTest : public SimTest, public ::testing::WithParamInterface<Bug> {};

TEST_P(PlantedTest, IsFound) {
  const Bug& bug = GetParam();
  for (uint64_t seed = 1; seed <= bug.within; ++seed) {
    const Result result = RunHistory({.seed = seed, .planted = bug.planted});
    if (result.failure.empty()) continue;
    // It is the bug's doing.
    EXPECT_EQ(RunHistory({.seed = seed}).failure, "") << seed;
    RecordProperty("seed", static_cast<int>(seed));
    return;
  }
  ADD_FAILURE() << "not found in " << bug.within << " histories";
}

INSTANTIATE_TEST_SUITE_P(
    Bugs, PlantedTest,
    ::testing::Values(Bug{"AStampNotChecked", Planted::kStampNotChecked, 400},
                      Bug{"AnAcknowledgementBeforeTheSync", Planted::kAckBeforeSync, 100},
                      Bug{"AnAnswerBeforeTheJournal", Planted::kAnswerBeforeJournal, 500},
                      Bug{"ADecisionOnStaleReports", Planted::kStaleReports, 100}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace cairn::sim
