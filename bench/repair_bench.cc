// What repair costs the namenode: a datanode of four dies, and the blocks that it held are found
// and judged.
//
//   repair_bench [--blocks=200000]
//
// Prints blocks per second of the walk, the processor time per block, and the longest getFileInfo
// beside it, with the same while nothing goes on as its limit. The journal is in memory, the store
// on the temporary file system; the caches are small, so that most records come from LevelDB.
#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "bench/measure.h"
#include "common/check.h"
#include "namenode/core/testing/test_namenode.h"

namespace cairn::bench {
namespace {

using namenode::BlockVersion;
using namenode::kSuper;
using namenode::ReplicaState;
using namenode::TestNamenode;

constexpr int kNodes = 4;
constexpr int kBlocksPerFile = 4;

std::string PathOf(int file) { return absl::StrFormat("/d%04d/f%06d", file / 1000, file); }

void Fill(TestNamenode& nn, int files) {
  for (int file = 0; file < files; ++file) {
    const std::string path = PathOf(file);
    if (file % 1000 == 0) nn.Mkdir(absl::StrFormat("/d%04d", file / 1000));
    nn.Create(path);
    std::optional<BlockVersion> last;
    for (int i = 0; i < kBlocksPerFile; ++i) {
      BlockVersion block = nn.AddBlock(path, last).block;
      block.length = 1000;
      // Three of the four hold it.
      for (int node = 0; node < kNodes; ++node) {
        if (node != (file + i) % kNodes) {
          CHECK_OK(nn.Report(node, block, ReplicaState::kFinalized));
        }
      }
      last = block;
    }
    CHECK_OK(nn->Complete(kSuper, path, kNoInode, "client", last, nullptr).value.status());
  }
}

struct Calls {
  double longest = 0, p99 = 0;
};

// getFileInfo every 200 us until `done`.
Calls Probe(TestNamenode& nn, int files, const std::atomic<bool>& done) {
  std::vector<double> times;
  uint64_t random = 1;
  while (!done) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const double start = Now();
    CHECK_OK(
        nn->GetFileInfo(kSuper, PathOf(static_cast<int>((random >> 20) % files))).value.status());
    times.push_back(Now() - start);
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  std::sort(times.begin(), times.end());
  return times.empty() ? Calls{} : Calls{times.back(), times[times.size() * 99 / 100]};
}

template <typename Body>
Calls ProbeWhile(TestNamenode& nn, int files, Body body) {
  std::atomic<bool> done{false};
  Calls calls;
  std::thread prober([&] { calls = Probe(nn, files, done); });
  body();
  done = true;
  prober.join();
  return calls;
}

void Run(int blocks) {
  TestNamenode::Options options;
  options.datanodes = kNodes;
  options.namenode.tree.cache_bytes = 16 << 20;
  options.namenode.blocks.cache_bytes = 8 << 20;
  options.tail_age = absl::Seconds(1);
  TestNamenode nn(std::move(options));
  const int files = blocks / kBlocksPerFile;
  Fill(nn, files);
  nn.SendFullReports();
  nn.Flush();
  // The look at all blocks after a start.
  for (int i = 0; i < 100000 && (nn->RunHealing() || nn->Health().looking); ++i) {
    nn.clock().Advance(absl::Milliseconds(20));
    for (int node = 0; node < kNodes; ++node) nn.Heartbeat(node);
  }
  const Calls idle =
      ProbeWhile(nn, files, [] { std::this_thread::sleep_for(std::chrono::milliseconds(1000)); });

  for (int i = 0; i < 70; ++i) {
    nn.clock().Advance(absl::Seconds(5));
    for (int node = 1; node < kNodes; ++node) nn.Heartbeat(node);
  }
  nn->RunMaintenance();
  double seconds = 0, cpu = 0;
  const Calls busy = ProbeWhile(nn, files, [&] {
    const double start = Now(), cpu_start = ThreadCpuSeconds();
    for (int quiet = 0; quiet < 3;) {
      nn->RunHealing();
      quiet = nn->Health().looking ? 0 : quiet + 1;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    seconds = Now() - start;
    cpu = ThreadCpuSeconds() - cpu_start;
  });
  const uint64_t found = nn->Health().low();
  absl::PrintF("%d blocks, %d of them on the lost node\n", blocks, found);
  absl::PrintF("found in %.2f s: %.0f blocks/s, %.1f us of processor each\n", seconds,
               static_cast<double>(found) / seconds, cpu * 1e6 / static_cast<double>(found));
  absl::PrintF(
      "getFileInfo: p99 %.0f us, longest %.2f ms; while nothing goes on %.0f us, %.2f ms\n",
      busy.p99 * 1e6, busy.longest * 1e3, idle.p99 * 1e6, idle.longest * 1e3);
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  int blocks = 200000;
  for (int i = 1; i < argc; ++i) {
    const absl::string_view word = argv[i];
    if (!absl::StartsWith(word, "--blocks=") || !absl::SimpleAtoi(word.substr(9), &blocks)) {
      absl::PrintF("usage: repair_bench [--blocks=N]\n");
      return 2;
    }
  }
  cairn::bench::Run(blocks);
}
