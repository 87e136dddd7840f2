// What the loss of a datanode costs: one of four, with its share of -gib GiB in three replicas, is
// killed, and the cluster makes the third replicas anew.
//
//   node_loss_bench [-dir DIR] [-gib N]      default 13: about 10 GB are lost
//
// Everything lies on one disk. Printed: how fast what was lost is copied, beside direct writes to
// the same disk before and after; and how long getFileInfo and reads of 64 KiB at random places
// take meanwhile, beside the same before. Intervals for stale and dead datanodes are short ones,
// and counted is from the moment at which the namenode knows. The page cache is dropped before the
// loss.
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/disk.h"
#include "bench/local_cluster.h"
#include "bench/measure.h"
#include "client/file_system.h"
#include "common/check.h"

namespace cairn::bench {
namespace {

using client::FileSystem;

constexpr uint64_t kLimitMib = 2048;
constexpr uint64_t kFileMib = 256;
constexpr size_t kReadBytes = size_t{64} << 10;
constexpr int kWriters = 2;
constexpr double kQuietSeconds = 20;

std::string PathOf(uint64_t file) { return absl::StrCat("/data/", file); }

void Fill(FileSystem& fs, uint64_t files) {
  std::atomic<uint64_t> next{0};
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&] {
      const AlignedBytes block = Pattern(kMiB);
      for (uint64_t file; (file = next.fetch_add(1)) < files;) {
        auto out = fs.Create(PathOf(file), {.replication = 3});
        CHECK_OK(out.status());
        for (uint64_t mib = 0; mib < kFileMib; ++mib) {
          CHECK_OK((*out)->Write(std::span<const std::byte>(block.get(), kMiB)));
        }
        CHECK_OK((*out)->Close());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
}

// Calls in the foreground, one of each kind every few milliseconds, from now until Stop.
class Foreground {
 public:
  Foreground(FileSystem& fs, uint64_t files) : fs_(fs), files_(files) {
    threads_.emplace_back([this] {
      Repeat(0.002, stats_, [this](std::mt19937_64& random) {
        CHECK_OK(fs_.Stat(PathOf(random() % files_)).status());
      });
    });
    threads_.emplace_back([this] {
      std::vector<std::byte> buffer(kReadBytes);
      Repeat(0.02, reads_, [this, &buffer](std::mt19937_64& random) {
        auto in = fs_.Open(PathOf(random() % files_));
        CHECK_OK(in.status());
        const uint64_t places = kFileMib * kMiB / kReadBytes;
        CHECK_OK((*in)->ReadAt(random() % places * kReadBytes, buffer).status());
      });
    });
  }
  ~Foreground() { Stop(); }

  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  Latencies stats() const { return Latencies(stats_); }
  Latencies reads() const { return Latencies(reads_); }

 private:
  template <typename Call>
  void Repeat(double pause, std::vector<float>& took, const Call& call) {
    std::mt19937_64 random(44070589);
    while (!stop_) {
      const double begin = Now();
      call(random);
      took.push_back(static_cast<float>(Now() - begin));
      std::this_thread::sleep_for(std::chrono::duration<double>(pause));
    }
  }

  FileSystem& fs_;
  const uint64_t files_;
  std::atomic<bool> stop_{false};
  std::vector<float> stats_, reads_;  // each its thread's until Stop
  std::vector<std::thread> threads_;
};

uint64_t BytesBelow(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

uint64_t MissingReplicas(FileSystem& fs) {
  const auto stats = fs.GetReplicatedBlockStats();
  CHECK_OK(stats.status());
  return stats->low_redundancy;
}

void PrintCalls(const char* what, const Latencies& before, const Latencies& during) {
  absl::PrintF("%s: p50 %.2f ms, p99 %.2f ms; before the loss %.2f, %.2f: p99 %.1f times\n", what,
               during.At(0.5) * 1e3, during.At(0.99) * 1e3, before.At(0.5) * 1e3,
               before.At(0.99) * 1e3, during.At(0.99) / before.At(0.99));
}

void Run(const std::string& directory, uint64_t gib) {
  const uint64_t files = gib * 1024 / kFileMib;
  std::filesystem::create_directories(directory);
  LocalCluster cluster(directory + "/cluster", 4,
                       {"dfs.replication=3", "dfs.heartbeat.interval=1s",
                        "cairn.namenode.stale.interval=3s", "cairn.namenode.dead.interval=6s"});
  auto fs = FileSystem::Connect(cluster.uri());
  CHECK_OK(fs.status());
  const double limit_before = DirectWrite(directory + "/limit", kLimitMib);
  Fill(**fs, files);
  DropCaches();

  Foreground quiet(**fs, files);
  std::this_thread::sleep_for(std::chrono::duration<double>(kQuietSeconds));
  quiet.Stop();

  const uint64_t lost = BytesBelow(directory + "/cluster/datanode-1");
  cluster.Mini("kill datanode-1");
  while (MissingReplicas(**fs) == 0) usleep(20'000);
  Foreground busy(**fs, files);
  const double begin = Now();
  for (uint64_t left; (left = MissingReplicas(**fs)) > 0; usleep(50'000)) {
    CHECK(Now() - begin < 1800) << left << " blocks still lack a replica";
  }
  const double took = Now() - begin;
  busy.Stop();
  ::sync();
  const double limit_after = DirectWrite(directory + "/limit", kLimitMib);

  const double rate = static_cast<double>(lost) / took;
  absl::PrintF(
      "%.1f GB made anew in %.1f s: %.0f MB/s; direct writes %.0f and %.0f MB/s: %.0f %%\n",
      static_cast<double>(lost) * 1e-9, took, rate * 1e-6, limit_before * 1e-6, limit_after * 1e-6,
      rate * 2 / (limit_before + limit_after) * 100);
  PrintCalls("getFileInfo", quiet.stats(), busy.stats());
  PrintCalls("read of 64 KiB", quiet.reads(), busy.reads());
  std::filesystem::remove(directory + "/limit");
}

int Main(int argc, char** argv) {
  std::string directory = absl::StrCat("/tmp/node_loss_bench.", ::getpid());
  uint64_t gib = 13;
  if (!ParseFlagPairs(argc, argv, {{"-dir", &directory}}, {{"-gib", &gib}})) {
    std::fprintf(stderr, "usage: node_loss_bench [-dir DIR] [-gib N]\n");
    return 2;
  }
  Run(directory, gib);
  std::error_code not_empty;
  std::filesystem::remove(directory, not_empty);
  return 0;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) { return cairn::bench::Main(argc, argv); }
