// Random operations on a namenode and on the reference tree: every answer is the same, and at the
// end everything that can be asked is. Caches that hold next to nothing, flushes, restarts and
// maintenance come at random moments. CAIRN_SEED repeats a run.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "namenode/core/testing/reference_tree.h"

namespace cairn::namenode {
namespace {

constexpr int kOps = 4000;

std::string Difference(const std::map<std::string, std::string>& expected,
                       const std::map<std::string, std::string>& actual) {
  std::string out;
  for (const auto& [path, text] : expected) {
    const auto found = actual.find(path);
    if (found == actual.end()) {
      absl::StrAppend(&out, path, " is missing\n");
    } else if (found->second != text) {
      absl::StrAppend(&out, path, ": expected ", text, ", is ", found->second, "\n");
    }
  }
  for (const auto& [path, text] : actual) {
    if (!expected.contains(path)) absl::StrAppend(&out, path, " should not be there\n");
  }
  return out;
}

struct Setup {
  const char* name;
  uint64_t inode_cache, block_cache;
  bool flush, restart;
  Op (*draw)(Rng&) = RandomOp;
};

class ModelTest : public ::testing::TestWithParam<Setup> {};

TEST_P(ModelTest, AnswersAreThoseOfTheSimplestTree) {
  Rng rng(TestSeed());
  TestNamenode::Options options;
  options.namenode.tree.cache_bytes = GetParam().inode_cache;
  options.namenode.blocks.cache_bytes = GetParam().block_cache;
  options.namenode.listing_limit = 2;
  options.namenode.leases.soft_limit = options.namenode.leases.hard_limit = absl::Hours(100);
  options.datanodes = 1;
  TestNamenode nn(options);
  const auto now_ms = [&] { return static_cast<uint64_t>(absl::ToUnixMillis(nn.clock().Now())); };
  ReferenceTree reference(1);
  for (int i = 0; i < kOps; ++i) {
    nn.clock().Advance(absl::Milliseconds(1));
    if (GetParam().flush && rng() % 50 == 0) nn.Flush();
    if (rng() % 20 == 0) nn->RunMaintenance();
    if (GetParam().restart && rng() % 100 == 0) {
      if (rng() % 2 == 0) nn.Flush();
      nn.Restart();
      nn.SendFullReports();  // where replicas are is not journalled
    }
    const Op op = GetParam().draw(rng);
    const std::string expected = reference.Run(op, now_ms());
    ASSERT_EQ(RunOp(nn, op), expected) << "operation " << i << ": " << op.ToString();
    if (HasFailure()) {
      FAIL() << "operation " << i << ": " << op.ToString();
    }
    if (i % 500 == 0) nn.ExpectConsistent();
  }
  EXPECT_EQ(Difference(reference.Everything(), Everything(nn)), "");
  nn.ExpectConsistent();
  nn.Restart();
  nn.SendFullReports();
  EXPECT_EQ(Difference(reference.Everything(), Everything(nn)), "") << "after a restart";
  nn.ExpectConsistent();
}

INSTANTIATE_TEST_SUITE_P(, ModelTest,
                         ::testing::Values(Setup{"LargeCaches", 1 << 20, 1 << 20, false, false},
                                           // A call may need a few blocks at once.
                                           Setup{"NoCaches", 0, 2048, true, false},
                                           Setup{"SmallCachesAndRestarts", 4096, 2048, true, true},
                                           Setup{"RenameStorm", 4096, 2048, true, true,
                                                 RandomRename}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace cairn::namenode
